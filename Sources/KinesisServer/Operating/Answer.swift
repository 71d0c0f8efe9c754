#if Server
import KinesisAPI

/// What is answered to a request.
struct Answer: Sendable {
    var response: ServiceResponse
    /// Whether it answers what a browser asks before it sends a request to another host.
    var isPreflight = false

    init(_ response: ServiceResponse) { self.response = response }

    /// A page for operators.
    init(status: Int, contentType: String?, page: [UInt8]) {
        response = ServiceResponse(status: status, contentType: contentType, body: .bytes(page))
    }
}
#endif

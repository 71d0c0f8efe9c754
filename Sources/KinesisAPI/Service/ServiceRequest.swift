/// One request as a transport hands it over. The transport has answered what needs no operation: other methods than POST,
/// health, cross-origin preflights, bodies that are too large (API-E-1, API-E-2, API-E-3).
package struct ServiceRequest: Sendable {
    /// `X-Amz-Target` as it came: `Kinesis_20131202.` and the operation's name (API-P-1).
    package var target: String?
    /// `Content-Type` as it came.
    package var contentType: String?
    /// The whole body.
    package var body: [UInt8]
    /// The UUID of `x-amzn-RequestId` and of the log's lines (API-P-6).
    package var requestID: String

    package init(target: String?, contentType: String?, body: [UInt8], requestID: String) {
        self.target = target
        self.contentType = contentType
        self.body = body
        self.requestID = requestID
    }
}

/// An answer for the transport to send.
package struct ServiceResponse: Sendable {
    /// What is sent after the head.
    package enum Body: Sendable {
        /// Everything at once.
        case bytes([UInt8])
        /// Sends parts until it returns. Each `send` returns when the part is handed to the socket, so a slow client
        /// slows the sender. Cancelled when the client is gone.
        case stream(@Sendable (_ send: @Sendable ([UInt8]) async throws -> Void) async throws -> Void)
    }

    /// The HTTP status.
    package var status: Int
    /// The content type; nil: none is sent.
    package var contentType: String?
    package var body: Body
    /// The operation, for log and metrics; nil: none was recognized.
    package var operation: String?
    /// The stream that the request named, for the log.
    package var stream: String?
    /// The error's code, for log and metrics; nil: the request succeeded.
    package var errorCode: String?

    package init(
        status: Int, contentType: String?, body: Body, operation: String? = nil, stream: String? = nil,
        errorCode: String? = nil
    ) {
        self.status = status
        self.contentType = contentType
        self.body = body
        self.operation = operation
        self.stream = stream
        self.errorCode = errorCode
    }
}

#if Server
/// A request of the Kinesis API.
package struct APIRequest: Sendable {
    /// Such as `PutRecords`.
    package var operation: String
    package var contentType: String
    package var body: [UInt8]

    package init(operation: String, contentType: String, body: [UInt8]) {
        self.operation = operation
        self.contentType = contentType
        self.body = body
    }
}

/// A whole answer.
package struct APIAnswer: Sendable {
    /// The HTTP status.
    package var status: Int
    package var body: [UInt8]

    package init(status: Int, body: [UInt8]) {
        self.status = status
        self.body = body
    }
}

/// What carries requests to a server.
package protocol Transport: Sendable {
    /// Sends a request and returns its answer, whatever its status. Throws where no answer came.
    func answer(to request: APIRequest) async throws -> APIAnswer
    /// Sends a request and calls `receive` with the parts of a successful answer as they arrive. Returns when the answer
    /// has ended, at once with an answer that is an error, otherwise with an empty one.
    func stream(_ request: APIRequest, _ receive: ([UInt8]) throws -> Void) async throws -> APIAnswer
    /// Closes the connections.
    func close() async throws
}
#endif

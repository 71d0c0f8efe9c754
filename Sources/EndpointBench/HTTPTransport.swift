#if Server
import AsyncHTTPClient
import DiskAccess
import NIOCore
import NIOHTTP1
import StreamModel

/// Requests over HTTP/1.1 with connections that are kept, to `http://` and `https://`.
package struct HTTPTransport: Transport {
    private let client: HTTPClient
    private let endpoint: EndpointURL
    private let signer: RequestSigner

    /// How long an answer may take.
    private static let patience = TimeAmount.seconds(60)
    /// The largest answer: records of 10 MiB in base64, and what stands around them.
    private static let answerBytes = 64 << 20

    /// - Parameter connections: how many requests may run at once.
    package init(_ endpoint: EndpointURL, signer: RequestSigner, connections: Int) {
        self.endpoint = endpoint
        self.signer = signer
        var configuration = HTTPClient.Configuration()
        configuration.httpVersion = .http1Only
        configuration.redirectConfiguration = .disallow
        configuration.timeout.connect = .seconds(10)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = connections
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    package func answer(to request: APIRequest) async throws -> APIAnswer {
        try await explained(request) {
            let response = try await client.execute(message(of: request), timeout: Self.patience)
            let body = try await response.body.collect(upTo: Self.answerBytes)
            return APIAnswer(status: Int(response.status.code), body: Array(body.readableBytesView))
        }
    }

    package func stream(
        _ request: APIRequest, _ receive: ([UInt8]) throws -> Void
    ) async throws -> APIAnswer {
        try await explained(request) {
            let response = try await client.execute(message(of: request), deadline: .distantFuture)
            let status = Int(response.status.code)
            guard status == 200 else {
                let body = try await response.body.collect(upTo: Self.answerBytes)
                return APIAnswer(status: status, body: Array(body.readableBytesView))
            }
            for try await part in response.body { try receive(Array(part.readableBytesView)) }
            return APIAnswer(status: status, body: [])
        }
    }

    package func close() async throws { try await client.shutdown() }

    private func message(of request: APIRequest) -> HTTPClientRequest {
        var message = HTTPClientRequest(url: endpoint.text)
        message.method = .POST
        var headers = HTTPHeaders()
        headers.reserveCapacity(6)
        headers.add(name: "host", value: endpoint.authority)
        headers.add(name: "content-type", value: request.contentType)
        headers.add(name: "x-amz-target", value: RequestSigner.target(of: request))
        for (name, value) in signer.headers(for: request, host: endpoint.authority) {
            headers.add(name: name, value: value)
        }
        message.headers = headers
        message.body = .bytes(ByteBuffer(bytes: request.body))
        return message
    }

    /// Errors of the connection as this package's.
    private func explained<Result>(
        _ request: APIRequest, _ body: () async throws -> Result
    ) async throws -> Result {
        do {
            return try await body()
        } catch let error as ShardlineError {
            throw error
        } catch {
            if Task.isCancelled { throw CancellationError() }
            throw ShardlineError(
                .notAccessible, "\(request.operation) got no answer from \(endpoint.text): \(error)", cause: error)
        }
    }
}
#endif

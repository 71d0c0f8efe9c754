#if Server
import AsyncHTTPClient
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Why a request got no answer.
package enum HTTPFailure: Error, Hashable, CustomStringConvertible {
    /// There was no connection, so nothing was sent.
    case notConnected(String)
    /// The connection ended after the request may have been sent.
    case noAnswer(String)
    case cancelled

    package var description: String {
        switch self {
        case .notConnected(let reason): "the endpoint can't be connected to: \(reason)"
        case .noAnswer(let reason): "the endpoint has not answered: \(reason)"
        case .cancelled: "the request was cancelled"
        }
    }
}

/// Posts JSON to one endpoint over HTTP/1.1, with connections that are kept. Any task calls it.
package final class HTTPCaller: Sendable {
    /// The most bytes of an answer, as Lambda has it: 6 MiB.
    package static let longestAnswer = 6 << 20

    private let client: HTTPClient
    let address: HTTPAddress

    /// - Parameters:
    ///   - connections: how many requests may run at once; more wait for a connection.
    ///   - connectTimeout: how long a connection may take.
    package init(_ address: HTTPAddress, connections: Int, connectTimeout: Duration = .seconds(10)) {
        self.address = address
        var configuration = HTTPClient.Configuration()
        configuration.httpVersion = .http1Only
        configuration.redirectConfiguration = .disallow
        configuration.timeout.connect = Self.amount(connectTimeout)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = max(1, connections)
        // The mapping repeats what did not reach the endpoint, and says so.
        configuration.connectionPool.retryConnectionEstablishment = false
        // A server ends idle connections after two seconds or more. One that ends while a request is sent on it leaves
        // open whether the request was handled, so this side ends them first.
        configuration.connectionPool.idleTimeout = .seconds(1)
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    /// Posts `body` and returns the answer, whatever its status. When the task is cancelled, the request ends and its
    /// connection is closed before this returns.
    /// It takes as long as the answer does; the caller cancels it where that is too long.
    package func post(
        _ body: [UInt8], fields: [(name: String, value: String)] = []
    ) async throws(HTTPFailure) -> HTTPAnswer {
        var request = HTTPClientRequest(url: address.text)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/json")
        request.headers.add(name: "User-Agent", value: "shardline")
        for field in fields { request.headers.add(name: field.name, value: field.value) }
        request.body = .bytes(ByteBuffer(bytes: body))
        do {
            let response = try await client.execute(request, deadline: .distantFuture)
            var answer = HTTPAnswer(
                status: Int(response.status.code), reason: response.status.reasonPhrase,
                functionError: response.headers.first(name: "X-Amz-Function-Error"),
                location: response.headers.first(name: "Location"))
            for try await part in response.body {
                answer.body += part.readableBytesView
                // What is not read any further ends with the connection.
                if answer.body.count > Self.longestAnswer {
                    answer.body.removeLast(answer.body.count - Self.longestAnswer)
                    answer.isCut = true
                    break
                }
            }
            return answer
        } catch {
            throw Task.isCancelled ? .cancelled : Self.failure(error)
        }
    }

    private static func amount(_ duration: Duration) -> TimeAmount {
        let (seconds, rest) = duration.components
        return .nanoseconds(max(1_000_000, seconds * 1_000_000_000 + rest / 1_000_000_000))
    }

    /// Closes the connections; no request may be running any more.
    package func close() async { try? await client.shutdown() }

    private static func failure(_ error: any Error) -> HTTPFailure {
        switch error {
        case let error as NIOConnectionError:
            let first = error.connectionErrors.first.map { "\($0.error)" }
            let name = error.dnsAError ?? error.dnsAAAAError
            return .notConnected(first ?? "the name '\(error.host)' can't be resolved\(name.map { ": \($0)" } ?? "")")
        case let error as HTTPClientError
        where [.connectTimeout, .tlsHandshakeTimeout, .getConnectionFromPoolTimeout].contains(error):
            return .notConnected("\(error)")
        case NIOSSLError.handshakeFailed, is NIOSSLExtraError: return .notConnected("\(error)")
        case let error as IOError where [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH].contains(error.errnoCode):
            return .notConnected("\(error)")
        default: return .noAnswer("\(error)")
        }
    }
}
#endif

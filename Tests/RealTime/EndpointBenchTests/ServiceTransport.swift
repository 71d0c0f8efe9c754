#if Server
import EndpointBench
import KinesisAPI
import Logging
import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization

/// The operations of the Kinesis API on a store in memory, without HTTP. What it answers can be changed.
final class ServiceTransport: Transport {
    /// What becomes of a request: its answer in place of the service's; nil: the service's own.
    typealias Answer = @Sendable (_ request: APIRequest, _ number: Int) -> APIAnswer?
    /// A change of the service's answer.
    typealias Change = @Sendable (_ request: APIRequest, _ body: [UInt8]) -> [UInt8]

    let store: InMemoryStore
    private let service: KinesisService
    private let instead: Answer
    private let change: Change
    private let state = Mutex<(requests: [String], isClosed: Bool)>(([], false))

    init(timeSource: any TimeSource, instead: @escaping Answer = { _, _ in nil }, change: @escaping Change = { $1 }) {
        store = InMemoryStore(timeSource: timeSource)
        // Not secure, and good enough to tell whether a text was changed.
        let settings = ServiceSettings { message, key in
            var hash = UInt64(0xCBF2_9CE4_8422_2325)
            return (0..<32).map { round in
                for byte in key + message + [UInt8(round)] { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
                return UInt8(truncatingIfNeeded: hash >> 32)
            }
        }
        service = KinesisService(
            store: store, settings: settings, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        self.instead = instead
        self.change = change
    }

    /// The operations of all requests, in their order.
    var requests: [String] { state.withLock { $0.requests } }
    var isClosed: Bool { state.withLock { $0.isClosed } }

    private func response(to request: APIRequest) async -> ServiceResponse {
        await service.respond(
            to: ServiceRequest(
                target: "Kinesis_20131202.\(request.operation)", contentType: request.contentType, body: request.body,
                requestID: "r")
        ) { _ in Caller(account: "000000000000", region: "us-east-1", keyID: "test") }
    }

    func answer(to request: APIRequest) async throws -> APIAnswer {
        let number = state.withLock { state in
            state.requests.append(request.operation)
            return state.requests.count { $0 == request.operation } - 1
        }
        if let answer = instead(request, number) { return answer }
        let response = await response(to: request)
        guard case .bytes(let body) = response.body else { return APIAnswer(status: 500, body: []) }
        return APIAnswer(status: response.status, body: change(request, body))
    }

    func stream(_ request: APIRequest, _ receive: ([UInt8]) throws -> Void) async throws -> APIAnswer {
        let response = await response(to: request)
        switch response.body {
        case .bytes(let body): return APIAnswer(status: response.status, body: body)
        case .stream(let send):
            let (parts, continuation) = AsyncStream.makeStream(of: [UInt8].self)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    defer { continuation.finish() }
                    try await send { continuation.yield($0) }
                }
                // In odd parts, as a network cuts them.
                for await part in parts {
                    let middle = part.count / 3
                    try receive(Array(part[..<middle]))
                    try receive(Array(part[middle...]))
                }
                group.cancelAll()
            }
            return APIAnswer(status: response.status, body: [])
        }
    }

    func close() async throws { state.withLock { $0.isClosed = true } }
}
#endif

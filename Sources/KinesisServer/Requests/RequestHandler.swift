#if Server
import DiskAccess
import HTTPTypes
import HummingbirdCore
import KinesisAPI
import Logging
import NIOCore
import StreamModel

/// Answers the requests of all connections: what needs no operation itself, and the others through ``KinesisService``.
struct RequestHandler: Sendable {
    let service: KinesisService
    let authenticator: Authenticator
    let operating: OperatingPages
    let metrics: ServerMetrics
    let memory: BodyMemory
    let bodyLimit: Int
    let identities = RequestIdentities()
    let timeSource: any TimeSource
    let logger: Logger

    /// Answers one request.
    @concurrent func respond(
        to request: Request, with writer: consuming ResponseWriter, on channel: any Channel, isHTTP2: Bool
    ) async throws {
        let began = timeSource.monotonicTime
        let id = identities.uuid()
        var fields: HTTPFields = [
            .requestID: id, .secondID: identities.secondID(), .date: DateHeader.text(timeSource.wallTime),
        ]
        if request.headers[.origin] != nil { CrossOrigin.add(to: &fields) }
        let answer: Answer
        if request.method == .post {
            let body = try await Array(buffer: request.body.collect(upTo: bodyLimit))
            memory.takeAnyway(body.count)
            answer = await call(request, body, id: id)
            memory.giveBack(body.count)
        } else {
            // API-E-3.
            answer = await operating.answer(to: request) ?? Answer(.accessDenied)
        }
        if let type = answer.response.contentType { fields[.contentType] = type }
        if answer.isPreflight {
            fields[.secondID] = nil
            CrossOrigin.answer(request.headers, with: &fields)
        }
        do {
            switch answer.response.body {
            case .bytes(let bytes):
                fields[.contentLength] = "\(bytes.count)"
                let head = HTTPResponse(status: .init(code: answer.response.status), headerFields: fields)
                if request.method == .head || bytes.isEmpty {
                    try await writer.writeResponse(head)
                } else {
                    try await writer.write(
                        response: head, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
                }
            case .stream(let produce):
                let head = HTTPResponse(status: .init(code: answer.response.status), headerFields: fields)
                try await stream(head, writer, channel, isHTTP2, produce)
            }
            report(answer, id: id, since: began, failure: nil)
        } catch {
            report(answer, id: id, since: began, failure: error)
            throw error
        }
    }

    private func call(_ request: Request, _ body: [UInt8], id: String) async -> Answer {
        let proof = Proof(request: request.head, body: body)
        let authenticator = authenticator
        let answer = await service.respond(
            to: ServiceRequest(
                target: request.headers[.target], contentType: request.headers[.contentType], body: body, requestID: id)
        ) { operation throws(ServiceError) in
            try authenticator.authenticate(proof, operation: operation)
        }
        return Answer(answer)
    }

    /// Sends an answer part by part, as they come, until it ends or the client is gone.
    @concurrent private func stream(
        _ head: HTTPResponse, _ writer: consuming ResponseWriter, _ channel: any Channel, _ isHTTP2: Bool,
        _ produce: @escaping @Sendable (@Sendable ([UInt8]) async throws -> Void) async throws -> Void
    ) async throws {
        let parts: PartWriter
        do {
            parts = PartWriter(writer: try await writer.writeHead(head))
        } catch {
            // It also ends what was begun for the answer.
            try? await produce { _ in throw CancellationError() }
            throw error
        }
        // A client of a long answer that sends no more has left. A stream of HTTP/2 has no such option, and stops the
        // process that sets it.
        if !isHTTP2 { try? await channel.setOption(.allowRemoteHalfClosure, value: false).get() }
        let isGone = OneTimeSignal<Void>()
        channel.closeFuture.whenComplete { _ in isGone.send(()) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await produce { try await parts.send($0) } }
            group.addTask {
                try await isGone.wait()
                throw CancellationError()
            }
            defer { group.cancelAll() }
            try await group.next()
        }
        try await parts.finish()
    }

    private func report(_ answer: Answer, id: String, since began: MonotonicTime, failure: (any Error)?) {
        let time = timeSource.monotonicTime - began
        metrics.answered(answer.response, in: time)
        let level: Logger.Level =
            answer.response.status >= 500 ? .warning : answer.response.errorCode == nil ? .debug : .info
        guard logger.logLevel <= level else { return }
        var facts: Logger.Metadata = [
            "request": .string(id), "operation": .string(answer.response.operation ?? "-"),
            "status": .stringConvertible(answer.response.status),
            "ms": .string("\((time.inSeconds * 100_000).rounded() / 100)"),
        ]
        if let stream = answer.response.stream { facts["stream"] = .string(stream) }
        if let code = answer.response.errorCode { facts["error"] = .string(code) }
        if let failure { facts["unsent"] = .string("\(failure)") }
        logger.log(level: level, "request", metadata: facts)
    }
}

/// Writes the parts of a streamed answer, which come one after the other.
///
/// Hummingbird's writer of a connection can be sent, but hides its type.
private struct PartWriter: @unchecked Sendable {
    private let writer: any ResponseBodyWriter

    init(writer: any ResponseBodyWriter) { self.writer = writer }

    func send(_ bytes: [UInt8]) async throws {
        var writer = writer
        try await writer.write(ByteBuffer(bytes: bytes))
    }

    func finish() async throws { try await writer.finish(nil) }
}
#endif

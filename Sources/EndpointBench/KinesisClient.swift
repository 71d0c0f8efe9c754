#if Server
import DataFormats
import KinesisAPI
import StreamModel
import Synchronization

/// An answer of the server that is an error.
struct EndpointError: Error, Equatable {
    var operation: String
    var status: Int
    var code: String
    var message: String

    /// Whether the server asks to try again, or could not answer.
    var isRetriable: Bool { status >= 500 || Self.isRetriable(code) }

    static func isRetriable(_ code: String) -> Bool {
        [
            "ProvisionedThroughputExceededException", "InternalFailure", "InternalFailureException",
            "ServiceUnavailable", "ThrottlingException", "LimitExceededException", "KMSThrottlingException",
        ].contains(code)
    }

    /// In words, with the server's own.
    var explained: ShardlineError {
        ShardlineError(
            .notAccessible,
            "\(operation): the server answered \(status) \(code)\(message.isEmpty ? "" : ": \(message)")")
    }
}

/// Calls operations of the Kinesis API, and calls those again that the server asks to.
struct KinesisClient: Sendable {
    let format: DocumentFormat
    let transport: any Transport
    let timeSource: any TimeSource
    /// How often something was tried again.
    let retries = Retries()

    /// Counts; a class, since clients are copied.
    final class Retries: Sendable {
        private let value = Atomic(0)
        var count: Int { value.load(ordering: .relaxed) }
        func add(_ count: Int) { value.add(count, ordering: .relaxed) }
    }

    /// How often a request is sent before the server's error ends the bench, and the pauses between: they double up to the
    /// longest, 14 s together. Rates of Kinesis are by the second.
    static let attempts = 20
    static let firstPause = Duration.milliseconds(20)
    static let longestPause = Duration.seconds(1)

    /// A body whose map has this many members.
    func body(_ members: Int, reserving capacity: Int = 256, _ write: (inout DocumentWriter) -> Void) -> [UInt8] {
        var writer = DocumentWriter(format, reserving: capacity)
        writer.beginMap(members)
        write(&writer)
        writer.endMap()
        return writer.bytes
    }

    /// A request with this body.
    func request(_ operation: String, _ body: [UInt8]) -> APIRequest {
        APIRequest(operation: operation, contentType: format.contentType, body: body)
    }

    /// The answer of an operation; nil where the server answers without a body. Throws what the server answers.
    ///
    /// - Parameter repeats: errors by their codes for which to try again, beside those that ask for that.
    @discardableResult
    func call(_ operation: String, _ body: [UInt8], repeatsAt repeats: [String] = []) async throws -> Document? {
        let request = request(operation, body)
        var pauses = Pauses(timeSource)
        while true {
            let answer = try await transport.answer(to: request)
            if answer.status == 200 {
                return answer.body.isEmpty ? nil : try document(answer.body, of: operation)
            }
            let error = error(in: answer, of: operation)
            guard error.isRetriable || repeats.contains(error.code), try await pauses.wait() else {
                throw error.explained
            }
            retries.add(1)
        }
    }

    /// A body of this client's format.
    func document(_ body: [UInt8], of operation: String) throws -> Document {
        do {
            return format == .json ? try Document(json: body) : try Document(cbor: body)
        } catch {
            throw ShardlineError(
                .notAccessible, "\(operation): the server's answer can't be read: \(error)", cause: error)
        }
    }

    /// What an answer that is an error says.
    func error(in answer: APIAnswer, of operation: String) -> EndpointError {
        // Some servers answer errors in JSON, whatever was asked for.
        let document = (try? self.document(answer.body, of: operation)) ?? (try? Document(json: answer.body))
        let type = document?.root["__type"]?.text ?? ""
        let code = type.split(separator: "#").last.map(String.init) ?? "without a code"
        let message = document?.root["message"]?.text ?? document?.root["Message"]?.text
        return EndpointError(
            operation: operation, status: answer.status, code: code,
            message: message ?? (document == nil ? String(decoding: answer.body.prefix(200), as: UTF8.self) : ""))
    }
}

/// The pauses before something is tried again.
struct Pauses {
    private let timeSource: any TimeSource
    private var next = KinesisClient.firstPause
    private var left = KinesisClient.attempts - 1

    init(_ timeSource: any TimeSource) { self.timeSource = timeSource }

    /// Waits, each time longer; false at once where it was tried often enough.
    mutating func wait() async throws -> Bool {
        guard left > 0 else { return false }
        left -= 1
        try await timeSource.sleep(until: timeSource.monotonicTime + next)
        next = min(next * 2, KinesisClient.longestPause)
        return true
    }
}
#endif

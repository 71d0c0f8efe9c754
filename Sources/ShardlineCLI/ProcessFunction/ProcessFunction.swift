import EventSource
import StreamModel
import Synchronization

/// A function that is a shell command: `consume --exec`.
final class ProcessFunction: OutsideFunction {
    let pool: ProcessPool
    private let acceptsAnyJSON: Bool
    private let warn: @Sendable (String) -> Void
    private let hasWarned = Atomic(false)

    /// - Parameters:
    ///   - acceptsAnyJSON: whether JSON without a known member means that all records are done (ESM-R3), as with
    ///     Lambda; otherwise it is a failure (ESM-R19b).
    ///   - warn: called for the first such answer that is accepted.
    init(pool: ProcessPool, acceptsAnyJSON: Bool = false, warn: @escaping @Sendable (String) -> Void = { _ in }) {
        self.pool = pool
        self.acceptsAnyJSON = acceptsAnyJSON
        self.warn = warn
    }

    private enum Nonsense: Error {
        case noJSON
        case noAnswer(JSONValue.Unknown)
    }

    func invoke(_ records: RecordBatch, event: [UInt8], context: InvocationContext) async -> OutsideAnswer {
        await answer(to: event, returnsRecords: context.returnsRecords)
    }

    /// The child's answer to an event, which is a line without its end.
    func answer(to event: [UInt8], returnsRecords: Bool = false) async -> OutsideAnswer {
        var answer: [UInt8] = []
        do {
            try await pool.exchange(event) { line in
                answer = line
                // An invalid answer may belong to no event at all, so its child is restarted.
                switch AnswerLine(line) {
                case .blank: break
                case .noJSON: throw Nonsense.noJSON
                case .value(let found):
                    guard let unknown = found.value.unknownAnswer(returnsRecords: returnsRecords) else { break }
                    guard acceptsAnyJSON else { throw Nonsense.noAnswer(unknown) }
                    warnOnce(of: unknown)
                }
            }
            return .answered(answer)
        } catch Nonsense.noJSON {
            return .answered(answer)
        } catch Nonsense.noAnswer(let unknown) {
            return .failed(
                "the function wrote \(Self.words(unknown)) to standard output, which is no answer: mostly a log line, which belongs on standard error (\(Self.allowed); --accept-any-json takes any JSON for success)",
                type: "InvalidResponse")
        } catch ProcessFailure.notStarted(let reason) {
            return .notReached("\(ProcessFailure.notStarted(reason))")
        } catch let failure as ProcessFailure {
            return .failed("\(failure)", type: "ProcessFailure")
        } catch {
            return .failed("the invocation was cancelled and its process ended", type: "Cancelled")
        }
    }

    private static let allowed =
        "allowed: {}, null, an empty line, or an object with batchItemFailures, state, errorMessage, errorType or permanent"

    private static func words(_ answer: JSONValue.Unknown) -> String {
        switch answer {
        case .members(let members):
            let names = members.prefix(5).map { "'\(Readable.shortened($0, to: 80))'" }.joined(separator: ", ")
            return "an object with \(names)\(members.count > 5 ? ", …" : "") only"
        case .other(let text): return Readable.shortened(text, to: 80)
        }
    }

    /// Such an answer is usually a typo, or comes from a function that wants to report a failure.
    private func warnOnce(of answer: JSONValue.Unknown) {
        guard !hasWarned.exchange(true, ordering: .relaxed) else { return }
        warn(
            "the function answered \(Self.words(answer)), which means nothing here: its records count as done, by --accept-any-json (\(Self.allowed))"
        )
    }
}

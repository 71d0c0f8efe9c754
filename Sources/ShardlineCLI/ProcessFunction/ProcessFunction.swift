import EventSource
import StreamModel

/// A function that is a shell command: `consume --exec`.
final class ProcessFunction: OutsideFunction {
    let pool: ProcessPool
    let tellsInvocation: Bool
    private let check: AnswerCheck

    /// - Parameters:
    ///   - acceptsAnyJSON: whether JSON without a known member means that all records are done (ESM-R3), as with
    ///     Lambda; otherwise it is a failure (ESM-R19b).
    ///   - tellsInvocation: whether events tell of the invocation (ESM-E13).
    ///   - warn: called for the first such answer that is accepted.
    init(
        pool: ProcessPool, acceptsAnyJSON: Bool = false, tellsInvocation: Bool = false,
        warn: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.pool = pool
        self.tellsInvocation = tellsInvocation
        check = AnswerCheck(acceptsAnyJSON: acceptsAnyJSON, warn: warn)
    }

    private enum Nonsense: Error {
        case noJSON
        case noAnswer(String)
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
                switch check.finding(in: line, returnsRecords: returnsRecords) {
                case .answer: break
                case .noJSON: throw Nonsense.noJSON
                case .noAnswer(let words): throw Nonsense.noAnswer(words)
                }
            }
            return .answered(answer)
        } catch Nonsense.noJSON {
            return .answered(answer)
        } catch Nonsense.noAnswer(let words) {
            return .failed(
                "the function wrote \(words) to standard output, which is no answer: mostly a log line, which belongs on standard error (\(AnswerCheck.allowed); --accept-any-json takes any JSON for success)",
                type: "InvalidResponse")
        } catch ProcessFailure.notStarted(let reason) {
            return .notReached("\(ProcessFailure.notStarted(reason))")
        } catch let failure as ProcessFailure {
            return .failed("\(failure)", type: "ProcessFailure")
        } catch {
            return .failed("the invocation was cancelled and its process ended", type: "Cancelled")
        }
    }
}

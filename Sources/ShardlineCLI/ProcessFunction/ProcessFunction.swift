import EventSource
import StreamModel
import Synchronization

/// A function that is a command of the shell: `consume --exec`.
final class ProcessFunction: OutsideFunction {
    let pool: ProcessPool
    private let warn: @Sendable (String) -> Void
    private let hasWarned = Atomic(false)

    /// - Parameter warn: told of the first answer that says nothing that means anything here.
    init(pool: ProcessPool, warn: @escaping @Sendable (String) -> Void = { _ in }) {
        self.pool = pool
        self.warn = warn
    }

    private struct Nonsense: Error {}

    func invoke(_ records: RecordBatch, event: [UInt8], context: InvocationContext) async -> OutsideAnswer {
        var answer: [UInt8] = []
        do {
            try await pool.exchange(event) { line in
                answer = line
                // An answer that is no JSON may belong to nothing at all, so the child that gave it is not asked again.
                let value = JSONValue(line)
                if value == nil, !line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { throw Nonsense() }
                if let unknown = value?.unknownAnswer { warnOnce(of: unknown) }
            }
            return .answered(answer)
        } catch is Nonsense {
            return .answered(answer)
        } catch ProcessFailure.notStarted(let reason) {
            return .notReached("\(ProcessFailure.notStarted(reason))")
        } catch let failure as ProcessFailure {
            return .failed("\(failure)", type: "ProcessFailure")
        } catch {
            return .failed("the invocation was cancelled and its process ended", type: "Cancelled")
        }
    }

    /// Such an answer is success (ESM-R3), and mostly a typo, or a function that means to say that it failed.
    private func warnOnce(of answer: JSONValue.Unknown) {
        guard !hasWarned.exchange(true, ordering: .relaxed) else { return }
        let what: String
        switch answer {
        case .members(let members):
            let names =
                members.prefix(5).map { "'\(Readable.shortened($0, to: 80))'" }.joined(separator: ", ")
                + (members.count > 5 ? ", …" : "")
            what = "an object with \(names) only"
        case .other(let text): what = Readable.shortened(text, to: 80)
        }
        warn(
            "the function answered \(what), which means nothing here: its records count as done (allowed: {}, null, an empty line, or an object with batchItemFailures or errorMessage)"
        )
    }
}

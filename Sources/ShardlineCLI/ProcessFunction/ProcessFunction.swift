import EventSource
import StreamModel

/// A function that is a command of the shell: `consume --exec`.
struct ProcessFunction: OutsideFunction {
    let pool: ProcessPool

    private struct Nonsense: Error {}

    func invoke(_ records: RecordBatch, event: [UInt8], context: InvocationContext) async -> OutsideAnswer {
        var answer: [UInt8] = []
        do {
            try await pool.exchange(event) { line in
                answer = line
                // An answer that is no JSON may belong to nothing at all, so the child that gave it is not asked again.
                if JSONValue(line) == nil, !line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) {
                    throw Nonsense()
                }
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
}

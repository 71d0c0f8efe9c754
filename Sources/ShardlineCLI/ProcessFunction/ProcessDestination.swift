import DiskAccess
import EventSource
import Synchronization

/// A failure destination that is a shell command: each document is one line for its process, which takes it by an answer
/// that means success (ESM-D11).
///
/// There is one process; what several shards give up goes to it one after the other.
final class ProcessDestination: FailureDestination, CustomStringConvertible {
    /// An answer that does not take the document.
    struct Refusal: Error, CustomStringConvertible {
        var description: String
    }

    private struct Turn {
        var isTaken = false
        /// The answer is whether it is the waiter's turn.
        var waiters = WaitList<Void, Bool>()
    }

    let description: String
    private let pool: ProcessPool
    private let function: ProcessFunction
    private let turn = Mutex(Turn())

    /// - Parameter description: the command as it is told to people.
    init(pool: ProcessPool, description: String) {
        self.description = description
        self.pool = pool
        function = ProcessFunction(pool: pool)
    }

    func deliver(_ document: FailureDocument) async throws {
        guard await takeTurn() else { throw CancellationError() }
        defer { passTurnOn() }
        switch await function.answer(to: document.json()) {
        case .answered(let line):
            switch FunctionResponse.parse(line, reportsFailures: true) {
            case .success, .report([]): return
            case .report: throw Refusal(description: "the command reported batchItemFailures, which no document has")
            case .unreadableReport(let failure), .failed(let failure), .permanent(let failure):
                throw Refusal(description: failure.text)
            }
        case .notReached(let reason), .failed(let reason, _): throw Refusal(description: reason)
        }
    }

    /// Ends the process, after the last delivery.
    func end() async { await pool.stop(grace: .seconds(1)) }

    private func takeTurn() async -> Bool {
        await withListedWaiter(cancelled: false) { waiter in
            turn.withLock { turn in
                guard turn.isTaken else {
                    turn.isTaken = true
                    return .answered(true)
                }
                return turn.waiters.add(waiter)
            }
        } remove: { id in
            turn.withLock { $0.waiters.remove(id) }
        }
    }

    private func passTurnOn() {
        turn.withLock { turn in
            if turn.waiters.isEmpty { turn.isTaken = false }
            return turn.waiters.answerFirst(with: true)
        }.resume()
    }
}

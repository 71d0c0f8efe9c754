import DiskAccess
import StreamModel
import Synchronization
import Testing

@testable import ShardlineCLI

/// What carries a mark is killed, and not waited for without end.
@Suite(.timeLimit(.minutes(1)))
struct ProcessMarkTests {
    /// A second goes by with each look at it.
    private final class Clock: TimeSource {
        private let looks = Mutex(0)
        var wallTime: Timestamp { Timestamp(milliseconds: 0) }
        var monotonicTime: MonotonicTime {
            MonotonicTime(
                sinceOrigin: .seconds(
                    looks.withLock { looks in
                        looks += 1
                        return looks
                    }))
        }
        func sleep(until deadline: MonotonicTime) async throws {}
    }

    @Test func `a process that can't be killed is waited for a while, and named`() {
        let mark = ProcessMark(store: "none", owner: "nobody", child: 1)
        // No process has this number, so the kill does nothing.
        let stuck = MarkedProcess(id: .max, mark: mark.value, command: "cp a b")
        var searches = 0
        let left = mark.endProcesses(timeSource: Clock()) { isWanted in
            searches += 1
            return [stuck].filter { isWanted($0.mark) }
        }
        #expect(left == [stuck])
        #expect(searches == Int(ProcessMark.patience / .seconds(1)))
        let words = "\(ChildProcess.End.outlived(by: left))"
        #expect(words.contains("process \(Int32.max) (cp a b) could not be ended within 10s"), "\(words)")
    }

    @Test func `it returns at once when nothing is left`() {
        let mark = ProcessMark(store: "none", owner: "nobody", child: 1)
        var found = [MarkedProcess(id: .max, mark: mark.value, command: "")]
        #expect(mark.endProcesses(timeSource: Clock()) { _ in found.popLast().map { [$0] } ?? [] }.isEmpty)
    }
}

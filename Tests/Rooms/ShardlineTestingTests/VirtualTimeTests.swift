import ShardlineTesting
import StreamModel
import Synchronization
import Testing

struct VirtualTimeTests {
    private final class Woken: Sendable {
        let seconds = Mutex<[Int]>([])
    }

    @Test func `both clocks move by the same time and stand still otherwise`() {
        let time = VirtualTime(wallTime: Timestamp(milliseconds: 1000))
        let start = time.monotonicTime
        time.advance(by: .microseconds(1500))
        time.advance(by: .microseconds(1500))
        #expect(time.monotonicTime - start == .milliseconds(3))
        #expect(time.wallTime == Timestamp(milliseconds: 1003))
        #expect(time.monotonicTime - start == .milliseconds(3))
    }

    @Test func `a jump of the wall clock leaves the monotonic clock`() {
        let time = VirtualTime()
        let before = time.monotonicTime
        time.setWallTime(Timestamp(milliseconds: 5))
        #expect(time.wallTime == Timestamp(milliseconds: 5))
        #expect(time.monotonicTime == before)
    }

    @Test func `sleepers wake at their deadlines, not before`() async throws {
        let time = VirtualTime()
        let start = time.monotonicTime
        let woken = Woken()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for seconds in [3, 1, 2] {
                group.addTask {
                    try await time.sleep(until: start + .seconds(seconds))
                    woken.seconds.withLock { $0.append(seconds) }
                }
            }
            await time.sleepers(3)
            time.advance(by: .milliseconds(999))
            #expect(time.sleeperCount == 3)
            for expected in 1...3 {
                #expect(time.advanceToNextSleeper())
                try await group.next()
                #expect(woken.seconds.withLock { $0 } == Array(1...expected))
                #expect(time.monotonicTime == start + .seconds(expected))
            }
            #expect(!time.advanceToNextSleeper())
        }
    }

    @Test func `a deadline that is over does not suspend`() async throws {
        let time = VirtualTime()
        time.advance(by: .seconds(1))
        try await time.sleep(until: time.monotonicTime)
        #expect(time.sleeperCount == 0)
    }

    @Test func `a cancelled sleeper throws and is gone`() async throws {
        let time = VirtualTime()
        await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                do {
                    try await time.sleep(until: time.monotonicTime + .seconds(1))
                    return false
                } catch { return error is CancellationError }
            }
            await time.sleepers(1)
            group.cancelAll()
            #expect(await group.next() == true)
        }
        #expect(time.sleeperCount == 0)
        time.advance(by: .seconds(2))
    }
}

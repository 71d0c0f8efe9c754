import StreamModel
import Synchronization
import TestSupport
import TestTraits
import Testing

@testable import EventSource

/// The parts that a mapping's workers are made of.
@Suite(.timeLimit(.minutes(1)), .restingExecutor)
struct WorkerTests {
    @Test func `a post that nobody waits for is read with the next one`() async {
        let mailbox = Mailbox<Int>()
        async let read = mailbox.take()
        await RestingExecutor.current.rest()
        mailbox.post(1) { false }
        await RestingExecutor.current.rest()
        mailbox.post(2) { true }
        #expect(await read == [1, 2])
        mailbox.post(3) { false }
        // Who looks finds it, woken or not.
        #expect(await mailbox.take() == [3])
    }

    @Test func `a nudge wakes the reader for what is there, and for nothing else`() async {
        let mailbox = Mailbox<Int>()
        async let read = mailbox.take()
        await RestingExecutor.current.rest()
        mailbox.nudge()
        mailbox.post(1) { false }
        mailbox.nudge()
        #expect(await read == [1])
    }

    @Test func `alarms come in their order, and one task sleeps for all`() {
        func at(_ seconds: Int) -> MonotonicTime { MonotonicTime(sinceOrigin: .seconds(seconds)) }
        let alarms = LaneAlarms()
        #expect(alarms.nextToSleepFor() == nil)
        alarms.set(ShardID(1), at(10))
        #expect(alarms.nextToSleepFor() == at(10))
        #expect(alarms.nextToSleepFor() == nil)
        alarms.set(ShardID(2), at(20))
        #expect(alarms.nextToSleepFor() == nil)
        alarms.set(ShardID(3), at(5))
        #expect(alarms.nextToSleepFor() == at(5))
        #expect(alarms.woke(for: at(5), at: at(6)) == [ShardID(3)])
        // The task for 10 seconds sleeps still, but another one is not too many.
        #expect(alarms.nextToSleepFor() == at(10))
        #expect(alarms.woke(for: at(10), at: at(25)) == [ShardID(1), ShardID(2)])
        #expect(alarms.nextToSleepFor() == nil)
    }

    @Test func `a call is cancelled alone, before it runs or while it does`() async {
        let before = FunctionCall(limit: .seconds(60))
        before.cancel()
        // In a task of its own, as it is that which is cancelled.
        async let isCancelled = before.run { Task.isCancelled }
        #expect(await isCancelled)
        // Not this task, which goes on.
        let gate = Gate()
        let call = FunctionCall(limit: .seconds(60))
        async let wasCancelled = withTaskGroup(of: Bool.self) { group in
            group.addTask {
                await call.run {
                    await gate.pass()
                    return Task.isCancelled
                }
            }
            group.addTask { await FunctionCall(limit: .seconds(60)).run { Task.isCancelled } }
            return await group.reduce(into: [Bool]()) { $0.append($1) }
        }
        await gate.arrivals(1)
        call.cancel()
        gate.open()
        #expect(await wasCancelled.sorted { !$0 && $1 } == [false, true])
        // Behind its end there is nothing to cancel.
        call.cancel()
    }
}

import DiskAccess
import Glibc
import ShardlineTesting
import StreamModel
import StreamStorage
import TestSupport
import TestTraits
import Testing

@testable import SegmentStorage

/// The writer, step by step: order, company, lazy calls, cancellation.
@Suite(.timeLimit(.minutes(1)), .restingExecutor)
struct WriterTests {
    /// A store without threads that holds stream "s" with a claimed mapping "m".
    private func opened() async throws -> (TestStore, Steps, epoch: UInt64) {
        let test = try await TestStore.open(threads: false)
        let steps = Steps(test)
        async let created = test.store.createStream("s", settings: StreamSettings())
        await steps.stepWhenQueued()
        _ = try await created
        let key = MappingID(stream: "s", name: "m")
        async let mapping = test.store.createMapping(MappingDefinition(key: key, startingPosition: .trimHorizon))
        await steps.stepWhenQueued()
        _ = try await mapping
        async let claimed = test.store.claimMapping(key)
        await steps.stepWhenQueued()
        return (test, steps, try await claimed.epoch)
    }

    private func checkpoint(_ position: UInt64, epoch: UInt64) -> Change {
        .checkpoint(
            CheckpointMove(
                mapping: MappingID(stream: "s", name: "m"), epoch: epoch,
                checkpoint: ShardCheckpoint(shard: ShardID(0), position: SequenceNumber(position))))
    }

    /// STORE-C2
    @Test func `the order of the queue is the order of the numbers, in one commit with one sync`() async throws {
        let (test, steps, _) = try await opened()
        let before = test.disk.operations.count
        let texts = (0..<50).map { "\($0)" }
        let numbers = try await withThrowingTaskGroup(of: (Int, UInt64).self) { group in
            for (index, text) in texts.enumerated() {
                group.addTask { (index, try await test.put(text)[0].sequenceNumber.rawValue) }
                await RestingExecutor.current.rest { test.core.queue.count > index }
            }
            #expect(steps.step() == .worked)
            return try await group.reduce(into: [Int: UInt64]()) { $0[$1.0] = $1.1 }
        }
        #expect((0..<50).map { numbers[$0] } == (1...50).map { UInt64($0) })
        #expect(try await test.texts() == texts)
        let operations = test.disk.operations.dropFirst(before)
        #expect(operations.count { $0.kind == .write } == 1)
        #expect(operations.count { $0.kind == .synchronize } == 1)
    }

    /// STORE-C3: a window that has ended by the clock may still get the records of a group that is being written.
    @Test func `while a group is written, records with its arrival time are still to come (ESM-T5)`() async throws {
        let test = try await TestStore.open()
        try await test.store.createStream("s", shards: 1)
        let (time, visible) = (test.time, test.core.visible)
        let told = Shared<[Timestamp]>([])
        test.onJournal { operation in
            guard operation.kind == .synchronize else { return nil }
            time.advance(by: .seconds(3))
            told.withLock { $0.append(visible.earliestNextArrival(at: time.wallTime)) }
            return nil
        }
        let before = time.wallTime
        let receipts = try await test.put("a")
        test.disk.onOperation(nil)
        #expect(told.withLock { $0 } == [before])
        #expect(receipts[0].approximateArrivalTimestamp == before)
        let result = try await test.store.read(
            ReadRequest(stream: "s", shard: ShardID(0), after: receipts[0].sequenceNumber))
        #expect(result.earliestNextArrival == before + .seconds(3))
        // A group that fails is over as well.
        test.onJournal { $0.kind == .write ? .error(ENOSPC) : nil }
        await expectError(.diskFull) { try await test.put("refused") }
        time.advance(by: .seconds(1))
        #expect(visible.earliestNextArrival(at: time.wallTime) == before + .seconds(4))
        test.disk.onOperation(nil)
        try await test.store.close()
    }

    /// STORE-C5: the answer counts what was planned in the same group, before any of it is on the disk.
    @Test func `an expected last number is checked against earlier calls of the same group`() async throws {
        let (test, steps, _) = try await opened()
        @Sendable func append() async throws -> CommitOutcome {
            try await test.store.commit([
                .append(
                    Append(
                        [NewRecord("x", partitionKey: "k")], to: "s", target: .shard(ShardID(0)), expectedLast: .zero))
            ])
        }
        async let first = append()
        await RestingExecutor.current.rest { test.core.queue.count >= 1 }
        async let second = append()
        await steps.stepWhenQueued(2)
        guard case .committed = try await first, case .conflict(0, let last) = try await second else {
            Issue.record("the first of the two must win")
            return
        }
        #expect(last == SequenceNumber(1))
    }

    /// STORE-C7
    @Test func `a lazy checkpoint goes after five milliseconds`() async throws {
        let (test, steps, epoch) = try await opened()
        async let lazy = test.store.commit([checkpoint(1, epoch: epoch)], urgency: .relaxed)
        await RestingExecutor.current.rest { test.core.queue.count >= 1 }
        #expect(steps.step() == .idle(.milliseconds(5)))
        #expect(steps.step(after: .milliseconds(4)) == .idle(.milliseconds(1)))
        #expect(steps.step(after: .milliseconds(1)) == .worked)
        _ = try await lazy
        #expect(test.core.queue.count == 0)
    }

    /// STORE-C7
    @Test func `a lazy checkpoint rides with the next group`() async throws {
        let (test, steps, epoch) = try await opened()
        async let lazy = test.store.commit([checkpoint(1, epoch: epoch)], urgency: .relaxed)
        await RestingExecutor.current.rest { test.core.queue.count >= 1 }
        #expect(steps.step() == .idle(.milliseconds(5)))
        let syncs = test.disk.operations.count { $0.kind == .synchronize }
        async let put = test.put("a")
        await steps.stepWhenQueued(2)
        _ = try await lazy
        _ = try await put
        #expect(test.disk.operations.count { $0.kind == .synchronize } == syncs + 1)
    }

    /// STORE-C7: after a crash at most what was not synced is done again.
    @Test func `a lazy checkpoint that did not go is not there after a crash, one that did is`() async throws {
        let (test, steps, epoch) = try await opened()
        async let first = test.store.commit([checkpoint(1, epoch: epoch)])
        await steps.stepWhenQueued()
        _ = try await first
        async let lazy = test.store.commit([checkpoint(2, epoch: epoch)], urgency: .relaxed)
        await RestingExecutor.current.rest { test.core.queue.count >= 1 }
        let again = try await TestStore.open(test.disk.afterCrash())
        let key = MappingID(stream: "s", name: "m")
        #expect(try await again.store.describeMapping(key).checkpoints.map(\.position) == [SequenceNumber(1)])
        // The claim of before the crash is gone, its epoch is not given again.
        #expect(try await again.store.describeMapping(key).isClaimed == false)
        #expect(try await again.store.claimMapping(key).epoch > epoch)
        try await again.store.close()
        _ = steps.step(after: .zero)
        _ = steps.step(after: .milliseconds(5))
        _ = try await lazy
    }

    /// STORE-C10
    @Test func `a call that is queued ends with its real outcome, cancelled or not`() async throws {
        let (test, steps, _) = try await opened()
        try await withThrowingTaskGroup(of: PutReceipt.self) { group in
            group.addTask { try await test.put("stored")[0] }
            await RestingExecutor.current.rest { test.core.queue.count >= 1 }
            group.cancelAll()
            _ = steps.step()
            let receipt = try await group.next()
            #expect(receipt?.sequenceNumber == SequenceNumber(1))
        }
        #expect(try await test.texts() == ["stored"])
    }

    /// STORE-C2, STORE-R1: puts that were sorted before a split are sorted again, in their place.
    @Test func `puts queued after a split keep each key's order`() async throws {
        let (test, steps, _) = try await opened()
        let keys = (0..<20).map { "key \($0)" }
        @Sendable func put(_ round: Int) async throws -> [PutReceipt] {
            try await test.store.stream("s").put(
                contentsOf: keys.map { NewRecord("\($0) \(round)", partitionKey: $0) })
        }
        async let first = put(1)
        await RestingExecutor.current.rest { test.core.queue.count >= 1 }
        async let split = test.store.commit([
            .seal(Seal(stream: "s", parents: [ShardID(0)], children: HashKeyRange.even(2)))
        ])
        await RestingExecutor.current.rest { test.core.queue.count >= 2 }
        async let second = put(2)
        await RestingExecutor.current.rest { test.core.queue.count >= 3 }
        #expect(steps.step() == .worked)
        #expect(Set(try await first.map(\.shard.number)) == [0])
        _ = try await split
        let receipts = try await second
        #expect(Set(receipts.map(\.shard.number)) == [1, 2])
        let even = HashKeyRange.even(2)
        for (key, receipt) in zip(keys, receipts) {
            #expect(even[Int(receipt.shard.number) - 1].contains(HashKey(partitionKey: key)))
            #expect(receipt.sequenceNumber > SequenceNumber(20))
        }
        #expect(try await test.texts(1).count + test.texts(2).count == 20)
        // The same after a crash.
        let again = try await TestStore.open(test.disk.afterCrash())
        #expect(try await again.texts(0) == test.texts(0))
        #expect(try await again.texts(1) == test.texts(1))
        #expect(try await again.texts(2) == test.texts(2))
        try await again.store.close()
    }
}

/// STORE-C6 and STORE-C10 at the door.
@Suite(.timeLimit(.minutes(1)), .restingExecutor)
struct BackpressureTests {
    @Test func `calls are let in in their order, so a large one does not starve`() async throws {
        let admission = Admission(limit: 100)
        try await admission.admit(90)
        let order = Shared<[Int]>([])
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, bytes) in [1000, 5, 5, 90].enumerated() {
                group.addTask {
                    try await admission.admit(bytes)
                    order.withLock { $0.append(index) }
                }
                await RestingExecutor.current.rest { admission.waitingCount > index }
            }
            // 5 bytes would fit, but the large one is before them.
            #expect(order.withLock { $0 } == [])
            admission.release(90)
            try await group.next()
            #expect(order.withLock { $0 } == [0])
            admission.release(1000)
            try await group.waitForAll()
            #expect(order.withLock { $0.sorted() } == [0, 1, 2, 3])
        }
    }

    @Test func `a cancelled call waits no longer and lets the next ones in`() async throws {
        let admission = Admission(limit: 100)
        try await admission.admit(60)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                await withTaskGroup(of: Bool.self) { inner in
                    inner.addTask {
                        do {
                            try await admission.admit(100)
                            return false
                        } catch {
                            return error is CancellationError
                        }
                    }
                    await RestingExecutor.current.rest { admission.waitingCount >= 2 }
                    inner.cancelAll()
                    return await inner.next()!
                }
            }
            await RestingExecutor.current.rest { admission.waitingCount >= 1 }
            group.addTask {
                try await admission.admit(40)
                return true
            }
            for try await isRight in group { #expect(isRight) }
        }
    }

    @Test func `checkpoints pass producers that wait for room`() async throws {
        let test = try await TestStore.open(queueSize: 64 << 10)
        try await test.store.createStream("s", shards: 1)
        let key = MappingID(stream: "s", name: "m")
        try await test.store.createMapping(MappingDefinition(key: key, startingPosition: .trimHorizon))
        let epoch = try await test.store.claimMapping(key).epoch
        test.core.admission.block { true }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await test.put("late") }
            await RestingExecutor.current.rest { test.core.admission.waitingCount >= 1 }
            _ = try await test.store.commit([
                .checkpoint(
                    CheckpointMove(
                        mapping: key, epoch: epoch,
                        checkpoint: ShardCheckpoint(shard: ShardID(0), position: SequenceNumber(0))))
            ])
            #expect(try await test.texts() == [])
            test.core.admission.block { false }
            try await group.waitForAll()
        }
        #expect(try await test.texts() == ["late"])
        try await test.store.close()
    }
}

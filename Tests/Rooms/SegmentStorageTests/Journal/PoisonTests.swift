import DiskAccess
import Glibc
import StreamModel
import StreamStorage
import TestSupport
import TestTraits
import Testing

@testable import SegmentStorage

/// STORE-C8: what a failed write or sync means for the group, for the calls after it, and for readers.
@Suite(.timeLimit(.minutes(1)), .restingExecutor)
struct PoisonTests {
    private func opened() async throws -> TestStore {
        let test = try await TestStore.open()
        try await test.store.createStream("s", shards: 1)
        try await test.put("before")
        return test
    }

    @Test(arguments: [EIO, ENOSPC, EDQUOT]) func `a failed sync is final until the store is opened again`(
        code: Int32
    ) async throws {
        let test = try await opened()
        test.onJournal { $0.kind == .synchronize ? .error(code) : nil }
        await expectError(.outcomeUnknown) { try await test.put("lost") }
        test.disk.onOperation(nil)
        let error = await expectError(.storeFailed) { try await test.put("after") }
        #expect(error?.message.contains("opened again") == true)
        await expectError(.storeFailed) { try await test.store.createStream("t", shards: 1) }
        // The group is never visible, and what was there stays readable.
        #expect(try await test.texts() == ["before"])
        let written = test.disk.operations.count
        try await test.store.close()
        #expect(!test.disk.operations.dropFirst(written).contains { $0.kind == .write })
        // What the disk kept decides.
        for keepsUnsynced in [false, true] {
            let again = try await TestStore.open(test.disk.afterCrash(losingUnsynced: !keepsUnsynced))
            #expect(try await again.texts() == (keepsUnsynced ? ["before", "lost"] : ["before"]))
            try await again.put("after")
            #expect(try await again.texts().last == "after")
            try await again.store.close()
        }
    }

    @Test func `who only waits is told that the store has failed`() async throws {
        let test = try await opened()
        async let told = test.store.waitForFailure()
        test.onJournal { $0.kind == .synchronize ? .error(EIO) : nil }
        await expectError(.outcomeUnknown) { try await test.put("lost") }
        #expect(try await told.code == .storeFailed)
        // Later too, and a caller that gives up waiting is let go.
        #expect(try await test.store.waitForFailure().code == .storeFailed)
        try await test.store.close()
        let healthy = try await opened()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await #expect(throws: CancellationError.self) { try await healthy.store.waitForFailure() } }
            group.cancelAll()
        }
        try await healthy.store.close()
    }

    @Test func `calls that wait for company are answered on a failed store (STORE-C7, STORE-C8)`() async throws {
        let test = try await opened()
        test.onJournal { $0.kind == .synchronize ? .error(EIO) : nil }
        await expectError(.outcomeUnknown) { try await test.put("lost") }
        let change = Change.seal(Seal(stream: "s", parents: [ShardID(0)], children: HashKeyRange.even(2)))
        await expectError(.storeFailed) { try await test.store.commit([change], urgency: .relaxed) }
        try await test.store.close()
    }

    @Test func `an error of a write that is not about space is final`() async throws {
        let test = try await opened()
        test.onJournal { $0.kind == .write ? .error(EIO) : nil }
        await expectError(.outcomeUnknown) { try await test.put("lost") }
        test.disk.onOperation(nil)
        await expectError(.storeFailed) { try await test.put("after") }
        #expect(try await test.texts() == ["before"])
        try await test.store.close()
    }

    @Test(arguments: [0, 1, 100, 143]) func `a disk without room fails one group, surely not written`(
        bytes: Int
    ) async throws {
        let test = try await opened()
        let writes = Shared(0)
        test.onJournal { operation in
            guard operation.kind == .write else { return nil }
            return writes.withLock { writes in
                writes += 1
                return writes == 1 && bytes > 0 ? .short(bytes) : .error(ENOSPC)
            }
        }
        await expectError(.diskFull) { try await test.put("refused") }
        test.disk.onOperation(nil)
        #expect(try await test.texts() == ["before"])
        // Its blocks and its numbers are used again.
        let receipts = try await test.put("after")
        #expect(receipts[0].sequenceNumber == SequenceNumber(2))
        #expect(try await test.texts() == ["before", "after"])
        let again = try await TestStore.open(test.disk.afterCrash())
        #expect(try await again.texts() == ["before", "after"])
        try await again.store.close()
        try await test.store.close()
    }

    @Test func `where only padding found no room, the outcome is unknown`() async throws {
        let test = try await opened()
        let writes = Shared(0)
        test.onJournal { operation in
            guard operation.kind == .write else { return nil }
            return writes.withLock { writes in
                writes += 1
                return writes == 1 ? .short(operation.count - 100) : .error(ENOSPC)
            }
        }
        await expectError(.outcomeUnknown) { try await test.put("in doubt") }
        test.disk.onOperation(nil)
        await expectError(.storeFailed) { try await test.put("after") }
        try await test.store.close()
    }

    @Test func `short writes are continued`() async throws {
        let test = try await opened()
        test.onJournal { operation in
            operation.kind == .write ? .short(max(1, operation.count / 3)) : nil
        }
        try await test.put("a", "b")
        test.disk.onOperation(nil)
        let again = try await TestStore.open(test.disk.afterCrash())
        #expect(try await again.texts() == ["before", "a", "b"])
        try await again.store.close()
        try await test.store.close()
    }

    @Test func `a new file that can't be made for want of room fails one group`() async throws {
        let test = try await opened()
        test.disk.onOperation { $0.kind == .open && $0.path.hasSuffix(".journal") ? .error(ENOSPC) : nil }
        // More than the files that are ready can take.
        await expectError(.diskFull) {
            for _ in 0..<20 { _ = try await test.store.stream("s").put(noise(20_000), partitionKey: "k") }
        }
        test.disk.onOperation(nil)
        try await test.put("after")
        #expect(try await test.texts().last == "after")
        try await test.store.close()
    }

    /// STORE-C11: a late error says how much is in doubt.
    @Test func `under an interval a late failure tells that acknowledged calls are in doubt`() async throws {
        let test = try await TestStore.open(durability: .interval(.milliseconds(1)), threads: false)
        let steps = Steps(test)
        async let created = test.store.createStream("s", settings: StreamSettings())
        await steps.stepWhenQueued()
        _ = try await created
        test.onJournal { $0.kind == .synchronize ? .error(EIO) : nil }
        async let put = test.put("a")
        await steps.stepWhenQueued()
        _ = try await put
        _ = steps.step(after: .seconds(1))
        let refused = await expectError(.storeFailed) { try await test.put("b") }
        #expect(refused?.message.contains("in doubt") == true)
    }
}

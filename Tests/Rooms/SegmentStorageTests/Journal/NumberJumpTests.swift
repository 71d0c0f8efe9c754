import ShardlineTesting
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import SegmentStorage

/// STORE-C4: after an unclean end under `.interval` numbers jump. What is jumped over never was, so it has not expired
/// either.
struct NumberJumpTests {
    private static let jump = UInt64(1) << 32

    /// A store whose stream is durable, used under an interval from then on.
    private func opened() async throws -> TestStore {
        let test = try await TestStore.open()
        try await test.store.createStream("s", settings: StreamSettings(shards: 1, retention: .seconds(100)))
        try await test.store.close()
        return try await crashed(test)
    }

    private func crashed(_ test: TestStore) async throws -> TestStore {
        try await TestStore.open(
            test.disk.afterCrash(losingUnsynced: false), time: test.time, durability: .interval(.seconds(1)))
    }

    private func read(_ test: TestStore, after: UInt64) async throws -> ReadResult {
        try await test.store.read(ReadRequest(stream: "s", shard: ShardID(0), after: SequenceNumber(after)))
    }

    @Test func `a shard that was empty before the jump has lost nothing`() async throws {
        let test = try await crashed(try await opened())
        let receipt = try await test.put("a")[0]
        #expect(receipt.sequenceNumber == SequenceNumber(Self.jump + 1))
        let found = try await read(test, after: 0)
        #expect(found.expired == nil)
        #expect(found.batch.map(\.sequenceNumber) == [receipt.sequenceNumber])
        try await test.store.close()
    }

    @Test func `several jumps in a row, without a record between them, have lost nothing either`() async throws {
        let test = try await crashed(try await crashed(try await crashed(try await opened())))
        #expect(try await read(test, after: 0).expired == nil)
        try await test.put("a")
        let found = try await read(test, after: 0)
        #expect(found.expired == nil)
        #expect(found.batch.map(\.sequenceNumber) == [SequenceNumber(3 * Self.jump + 1)])
        try await test.store.close()
    }

    @Test func `what expired before and after the jump is told, the jump is not`() async throws {
        let before = try await opened()
        try await before.put("a", "b")
        let test = try await crashed(before)
        try await test.put("c", "d", "e")
        test.time.advance(by: .seconds(101))
        try await test.put("f")
        let first = try await read(test, after: 0)
        #expect(first.expired == SequenceNumber(1)...SequenceNumber(2))
        #expect(first.batch.isEmpty && first.next == SequenceNumber(Self.jump + 2))
        let second = try await read(test, after: first.next.rawValue)
        #expect(second.expired == SequenceNumber(Self.jump + 3)...SequenceNumber(Self.jump + 5))
        #expect(second.batch.map { String(decoding: $0.bytes, as: UTF8.self) } == ["f"])
        // A reader that has seen what was before stands at the gap.
        let other = try await read(test, after: 2)
        #expect(other.expired == SequenceNumber(Self.jump + 3)...SequenceNumber(Self.jump + 5))
        try await test.store.close()
    }

    @Test func `what expired before the jump alone is told alone`() async throws {
        let before = try await opened()
        try await before.put("a", "b")
        let test = try await crashed(before)
        test.time.advance(by: .seconds(101))
        try await test.put("c")
        let found = try await read(test, after: 0)
        #expect(found.expired == SequenceNumber(1)...SequenceNumber(2))
        #expect(found.batch.map { String(decoding: $0.bytes, as: UTF8.self) } == ["c"])
        #expect(try await read(test, after: 2).expired == nil)
        try await test.store.close()
    }
}

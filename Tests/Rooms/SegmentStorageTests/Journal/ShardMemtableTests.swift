import StreamModel
import StreamStorage
import TestSupport
import TestTraits
import Testing

@testable import SegmentStorage

/// STORE-J8: where the log ends, told from damage.
@Suite(.timeLimit(.minutes(2)), .restingExecutor)
struct ShardMemtableTests {
    /// A disk on which "a" and "b" are durable, before and after the commit of one more record.
    private func images(
        of record: [UInt8], durability: SegmentStore.Durability = .synced
    ) async throws -> (before: [String: [UInt8]], after: [String: [UInt8]]) {
        let test = try await TestStore.open(durability: durability, threads: false)
        let steps = Steps(test)
        async let created = test.store.createStream("s", settings: StreamSettings())
        await steps.stepWhenQueued()
        _ = try await created
        for text in ["a", "b"] {
            async let put = test.put(text)
            await steps.stepWhenQueued()
            _ = try await put
        }
        let before = test.disk.contents
        async let put = test.store.stream("s").put(record, partitionKey: "k")
        await steps.stepWhenQueued()
        _ = try await put
        return (before, test.disk.contents)
    }

    /// The sectors of 512 bytes in which two images of a file differ.
    private func changedSectors(_ before: [UInt8], _ after: [UInt8]) -> [Range<Int>] {
        stride(from: 0, to: after.count, by: 512).map { $0..<$0 + 512 }.filter { before[$0] != after[$0] }
    }

    @Test func `of every subset of a commit's sectors, only all of them are the commit`() async throws {
        // 80 bytes of header, 64 of entry, the record: 10 sectors.
        let record = noise(4700)
        let (before, after) = try await images(of: record)
        let path = TestStore.file(1)
        let sectors = changedSectors(before[path]!, after[path]!)
        #expect((8...10).contains(sectors.count))
        for subset in 0..<(1 << sectors.count) {
            var contents = before
            for (index, sector) in sectors.enumerated() where subset >> index & 1 == 1 {
                contents[path]!.replaceSubrange(sector, with: after[path]![sector])
            }
            let test = try await TestStore.open(MemoryFileSystem(contents: contents), threads: false)
            let result = try await test.store.read(ReadRequest(stream: "s", shard: ShardID(0), after: .zero))
            let isWhole = subset == 1 << sectors.count - 1
            #expect(result.batch.count == (isWhole ? 3 : 2), "subset \(subset)")
            if isWhole { #expect(Array(result.batch[2].bytes) == record) }
        }
    }

    @Test func `a damaged commit before the last one is corruption, wherever the damage is`() async throws {
        let (before, after) = try await images(of: noise(100))
        let path = TestStore.file(1)
        let last = changedSectors(before[path]!, after[path]!)[0].lowerBound
        let blocks = stride(from: 4096, to: last, by: 4096)
        #expect(blocks.underestimatedCount >= 4)
        for block in blocks {
            // Header, entries and bodies are in the first bytes of each block; padding is nobody's.
            for offset in [0, 8, 16, 24, 33, 40, 48, 60, 65, 80, 84, 90] {
                var contents = after
                contents[path]![block + offset] ^= 0x40
                let error = await expectError(.corrupt) {
                    try await TestStore.open(MemoryFileSystem(contents: contents), threads: false)
                }
                #expect(error?.message.contains(path) == true, "block \(block / 4096) offset \(offset)")
                #expect(error?.message.contains("byte \(block)") == true)
            }
        }
    }

    @Test func `a damaged commit that nothing proves is cut, and kept in quarantine`() async throws {
        let (before, after) = try await images(of: Array("c".utf8))
        let path = TestStore.file(1)
        let last = changedSectors(before[path]!, after[path]!)[0].lowerBound
        var contents = after
        // The record's body, after a head that is whole.
        let body = contents[path]![last..<last + 4096].lastIndex { $0 != 0 }!
        contents[path]![body] ^= 1
        let image = MemoryFileSystem(contents: contents)
        let test = try await TestStore.open(image)
        #expect(try await test.texts() == ["a", "b"])
        #expect(image.contents.keys.contains { $0.contains("/quarantine/") })
        try await test.put("d")
        try await test.store.close()
        let again = try await TestStore.open(image)
        #expect(try await again.texts() == ["a", "b", "d"])
        try await again.store.close()
    }

    @Test func `a mark proves the last commit`() async throws {
        let test = try await TestStore.open(threads: false)
        let clock = Steps(test)
        async let created = test.store.createStream("s", settings: StreamSettings())
        await clock.stepWhenQueued()
        _ = try await created
        async let put = test.put("a")
        await clock.stepWhenQueued()
        _ = try await put
        let path = TestStore.file(1)
        let unproved = test.disk.contents
        #expect(clock.step(after: .milliseconds(199)) == .idle(.milliseconds(1)))
        #expect(test.disk.contents == unproved)
        #expect(clock.step(after: .milliseconds(1)) == .worked)
        let proved = test.disk.contents
        #expect(clock.step(after: .seconds(100)) == .idle(nil))
        let mark = changedSectors(unproved[path]!, proved[path]!)[0].lowerBound
        for (contents, isProved) in [(unproved, false), (proved, true)] {
            var contents = contents
            contents[path]![mark - 4096 + 70] ^= 1
            contents[path]![mark - 4096 + 90] ^= 1
            if isProved {
                await expectError(.corrupt) {
                    try await TestStore.open(MemoryFileSystem(contents: contents), threads: false)
                }
            } else {
                _ = try await TestStore.open(MemoryFileSystem(contents: contents), threads: false)
            }
        }
    }

    @Test func `after an orderly end nothing is looked for`() async throws {
        let test = try await TestStore.open()
        try await test.store.createStream("s", shards: 1)
        try await test.put("a")
        try await test.store.close()
        let path = TestStore.file(1)
        var contents = test.disk.contents
        let end = contents[path]!.lastIndex { $0 != 0 }! / 4096 * 4096 + 4096
        contents[path]!.replaceSubrange(end..<end + 4096, with: noise(4096))
        let again = try await TestStore.open(MemoryFileSystem(contents: contents))
        #expect(try await again.texts() == ["a"])
        try await again.store.close()
    }

    /// STORE-P24
    @Test func `under an interval a later commit proves nothing, and is dropped`() async throws {
        let (before, after) = try await images(of: noise(100), durability: .interval(.seconds(60)))
        let path = TestStore.file(1)
        let last = changedSectors(before[path]!, after[path]!)[0].lowerBound
        var contents = after
        // "b" did not reach the disk, what came after it did.
        contents[path]!.replaceSubrange(last - 4096..<last, with: [UInt8](repeating: 0, count: 4096))
        let test = try await TestStore.open(MemoryFileSystem(contents: contents), durability: .interval(.seconds(60)))
        #expect(try await test.texts() == ["a"])
        // STORE-C4: numbers that somebody may have seen are never given to other records.
        let receipts = try await test.put("new")
        #expect(receipts[0].sequenceNumber.rawValue == 1 + (1 << 32) + 1)
        #expect(try await test.texts() == ["a", "new"])
        try await test.store.close()
    }
}

/// Steps the writer of a store without threads.
final class Steps {
    private let test: TestStore
    private var now: MonotonicTime

    init(_ test: TestStore) {
        self.test = test
        now = MonotonicTime(sinceOrigin: .zero)
    }

    /// Steps once when a call is in the queue.
    @discardableResult
    func stepWhenQueued(_ count: Int = 1) async -> JournalWriter.Step {
        await RestingExecutor.current.rest { test.core.queue.count >= count }
        return test.core.writer.step(at: now)
    }

    /// Steps once, this much later.
    func step(after duration: Duration = .zero) -> JournalWriter.Step {
        now = now + duration
        return test.core.writer.step(at: now)
    }
}

import DiskAccess
import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import TestSupport
import Testing

@testable import SegmentStorage

/// What opening makes of what a crash left (STORE-J1, STORE-J7 to STORE-J9, STORE-C3, STORE-C4).
@Suite(.timeLimit(.minutes(1)))
struct RecoveryTests {
    @Test func `what was acknowledged survives a crash, over many files and many crashes`() async throws {
        var disk = MemoryFileSystem()
        var expected: [String] = []
        for round in 0..<6 {
            let test = try await TestStore.open(disk)
            if round == 0 { try await test.store.createStream("s", shards: 1) }
            #expect(try await test.texts() == expected)
            for index in 0..<20 {
                // Some commits are longer than a file of the ring (STORE-J7).
                let text = "\(round) \(index) " + String(repeating: "\(noise(9))", count: index == 7 ? 8000 : 100)
                expected.append(text)
                try await test.put(text)
            }
            disk = test.disk.afterCrash()
            try await test.store.close()
        }
        let test = try await TestStore.open(disk)
        #expect(try await test.texts() == expected)
        #expect(test.core.ring.filesInUse > 6)
        try await test.store.close()
    }

    /// The rows know of openings that the commit at the start position is older than.
    @Test func `a store that was flushed and opened several times opens again`() async throws {
        let directory = TestDirectory()
        var internals = SegmentStore.Internals()
        internals.memtableSize = 1
        var count = 0
        for round in 0..<5 {
            // Every other round nothing is flushed, so that the rows get newer than the start position.
            internals.memtableSize = round % 2 == 0 ? 1 : 1 << 20
            let store = try await SegmentStore.open(
                at: directory.path, configuration: SegmentStore.Configuration(), timeSource: SystemTimeSource(),
                logger: silent, internals: internals)
            if round == 0 { try await store.createStream("s", shards: 2) }
            for index in 0..<5 { try await store.stream("s").put("\(round) \(index)", partitionKey: "\(index)") }
            count += 5
            var found = 0
            for shard in [ShardID(0), ShardID(1)] {
                var request = ReadRequest(stream: "s", shard: shard, after: .zero)
                while true {
                    let result = try await store.read(request)
                    if result.batch.isEmpty { break }
                    found += result.batch.count
                    request.after = result.next
                }
            }
            #expect(found == count)
            try await store.close()
        }
    }

    /// STORE-J8: what can't be read is not the end of the log. The commit is longer than what is read of a file at
    /// first.
    @Test func `a read error keeps the store shut, and nothing is changed`() async throws {
        let before = try await TestStore.open()
        try await before.store.createStream("s", shards: 1)
        try await before.store.stream("s").put(noise(400 << 10), partitionKey: "k")
        let left = before.disk.afterCrash()
        try await before.store.close()
        var errors = 0
        for number in 1... {
            let disk = left.copy()
            let reads = Atomic(0)
            disk.onOperation { operation in
                guard operation.kind == .read, operation.path.contains("/journal/") else { return nil }
                return reads.add(1, ordering: .relaxed).newValue == number ? .error(5) : nil
            }
            do {
                let test = try await TestStore.open(disk)
                #expect(try await test.texts().count == 1, "read \(number) failed")
                try await test.store.close()
            } catch {
                errors += 1
                #expect(disk.contents == left.contents, "read \(number) failed")
            }
            if reads.load(ordering: .relaxed) < number { break }
        }
        // Of the first bytes of two files, and of all of the second.
        #expect(errors >= 3)
    }

    /// STORE-C3: the last arrival is kept with the records.
    @Test func `arrivals do not decrease when the clock goes back over a restart`() async throws {
        let time = VirtualTime()
        let test = try await TestStore.open(time: time)
        try await test.store.createStream("s", shards: 1)
        let before = try await test.put("a")[0].approximateArrivalTimestamp
        let disk = test.disk.afterCrash()
        try await test.store.close()
        time.setWallTime(before - .seconds(3600))
        let again = try await TestStore.open(disk, time: time)
        #expect(try await again.put("b")[0].approximateArrivalTimestamp == before)
        time.setWallTime(before + .seconds(5))
        #expect(try await again.put("c")[0].approximateArrivalTimestamp == before + .seconds(5))
        try await again.store.close()
    }

    /// STORE-J9, STORE-P21: a crash while recovery is at work changes nothing.
    @Test func `a crash during recovery leaves the same store`() async throws {
        let test = try await TestStore.open()
        try await test.store.createStream("s", shards: 1)
        try await test.put("a", "b")
        let disk = test.disk.afterCrash()
        try await test.store.close()
        for kind in [FileError.Operation.write, .synchronize, .read] {
            disk.onOperation { $0.kind == kind ? .error(5) : nil }
            await #expect(throws: ShardlineError.self) { try await TestStore.open(disk, threads: false) }
            disk.onOperation(nil)
            let after = try await TestStore.open(disk.afterCrash())
            #expect(try await after.texts() == ["a", "b"])
            try await after.store.close()
        }
    }

    /// STORE-P6: a file that was being made is no part of the log.
    @Test func `a file of the ring that was half made is removed`() async throws {
        let test = try await TestStore.open()
        try await test.store.createStream("s", shards: 1)
        try await test.put("a")
        var contents = test.disk.afterCrash().contents
        try await test.store.close()
        contents[TestStore.file(77)] = [UInt8](repeating: 0, count: 5000)
        let image = MemoryFileSystem(contents: contents)
        let again = try await TestStore.open(image)
        #expect(try await again.texts() == ["a"])
        #expect(image.contents[TestStore.file(77)] == nil)
        try await again.store.close()
    }

    /// STORE-J5: files of another store, or a file in another's place, are never taken for ours.
    @Test func `a journal of another store is refused, and records that hold a journal are only records`() async throws
    {
        let test = try await TestStore.open()
        try await test.store.createStream("s", shards: 1)
        try await test.put("a")
        let contents = test.disk.afterCrash().contents
        let journal = contents[TestStore.file(1)]!
        // A journal as data, shifted so that blocks may fall on blocks.
        for shift in [0, 4096 - 200, 1000] {
            _ = try await test.store.stream("s").put(noise(shift) + journal, partitionKey: "k")
        }
        let again = try await TestStore.open(test.disk.afterCrash())
        let result = try await again.store.read(ReadRequest(stream: "s", shard: ShardID(0), after: SequenceNumber(1)))
        #expect(result.batch.map(\.bytes.count) == [0, 4096 - 200, 1000].map { $0 + journal.count })
        try await again.store.close()
        try await test.store.close()
        var foreign = contents
        var header = JournalFileHeader(
            store: StoreID(bytes: Array(2...17)), file: 9, size: UInt64(journal.count),
            createdAt: Timestamp(milliseconds: 0)
        ).encoded
        header.append(contentsOf: repeatElement(0, count: journal.count - header.count))
        foreign[TestStore.file(9)] = header
        let error = await expectError(.corrupt) {
            try await TestStore.open(MemoryFileSystem(contents: foreign), threads: false)
        }
        #expect(error?.message.contains("another store") == true)
    }

    /// STORE-J1, STORE-J9: killed, not crashed, a process leaves names that only the cache knows; the next one builds
    /// on them.
    @Test func `what a killed process had not made durable is durable before the next one builds on it`() async throws {
        // While it made the directory, and while it made its first ring file.
        for kind in [FileError.Operation.synchronizeDirectory, .synchronize] {
            for time in 1...3 {
                let dead = MemoryFileSystem()
                let left = Shared((seen: 0, image: MemoryFileSystem?.none))
                dead.onOperation { operation in
                    left.withLock { left in
                        if operation.kind == kind { left.seen += 1 }
                        guard left.seen >= time else { return nil }
                        if left.image == nil { left.image = dead.copy() }
                        return .error(5)
                    }
                }
                _ = try? await TestStore.open(dead)
                guard let image = left.withLock({ $0.image }) else { continue }
                let test = try await TestStore.open(image)
                try await test.store.createStream("s", shards: 1)
                try await test.put("acknowledged")
                let again = try await TestStore.open(image.afterCrash { _ in false })
                #expect(try await again.texts() == ["acknowledged"], "killed at the \(time). \(kind)")
                try await test.store.close()
                try await again.store.close()
            }
        }
    }
}

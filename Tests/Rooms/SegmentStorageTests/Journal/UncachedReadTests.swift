import DiskAccess
import Glibc
import Logging
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import SegmentStorage

/// STORE-J9: the journal is read as the disk has it, also where a file system can't read past its cache.
@Suite(.timeLimit(.minutes(1)))
struct UncachedReadTests {
    @Test(arguments: MemoryFileSystem.DirectReading.allCases)
    func `what the disk never got is not served after a failed sync`(reading: MemoryFileSystem.DirectReading)
        async throws
    {
        let test = try await TestStore.open()
        try await test.store.createStream("s", shards: 1)
        try await test.put("before")
        // The sync fails and none of its sectors reaches the disk; the cache shows them all the same.
        test.disk.onOperation { $0.kind == .synchronize ? .lostSync(EIO, pattern: 0) : nil }
        await expectError(.outcomeUnknown) { try await test.put("lost") }
        test.disk.onOperation(nil)
        try await test.store.close()
        test.disk.directReading = reading
        let again = try await TestStore.open(test.disk)
        #expect(try await again.texts() == ["before"])
        try await again.put("after")
        try await again.store.close()
        let crashed = try await TestStore.open(test.disk.afterCrash(losingUnsynced: true))
        #expect(try await crashed.texts() == ["before", "after"])
        try await crashed.store.close()
    }

    @Test(arguments: [EINVAL, EOPNOTSUPP])
    func `a refusal counts once for the file, and other errors are told`(code: Int32) throws {
        let disk = MemoryFileSystem()
        let file = try disk.open("/f", .create)
        try file.writeAll([UInt8](repeating: 7, count: 5_000), at: 0)
        disk.onOperation { $0.kind == .open ? .error(code) : nil }
        let refused = try UncachedFile(file, in: disk)
        #expect(!refused.isUncached)
        disk.onOperation { $0.kind == .open ? .error(EIO) : nil }
        #expect(throws: FileError.self) { try UncachedFile(file, in: disk) }
        disk.onOperation(nil)
        let uncached = try UncachedFile(file, in: disk)
        // The first two reads are refused, if they are tried at all.
        let refusals = Shared(2)
        disk.onOperation { operation in
            guard operation.kind == .read, refusals.withLock({ $0 > 0 }) else { return nil }
            refusals.withLock { $0 -= 1 }
            return refusals.withLock { $0 == 1 } ? .error(code) : nil
        }
        #expect(try uncached.bytes(at: 0, count: 5_000) == [UInt8](repeating: 7, count: 5_000))
        #expect(!uncached.isUncached)
        disk.onOperation { $0.kind == .read ? .error(EIO) : nil }
        #expect(throws: FileError.self) { try uncached.bytes(at: 0, count: 10) }
    }

    @Test func `the end of a file that is no multiple of a page is no refusal`() throws {
        let disk = MemoryFileSystem()
        let file = try disk.open("/f", .create)
        try file.writeAll([UInt8](repeating: 7, count: 5_000), at: 0)
        let uncached = try UncachedFile(file, in: disk)
        disk.onOperation { $0.kind == .read && $0.offset % Page.size != 0 ? .error(EINVAL) : nil }
        #expect(try uncached.bytes(at: 0, count: 8_192).count == 5_000)
        #expect(uncached.isUncached)
    }
}

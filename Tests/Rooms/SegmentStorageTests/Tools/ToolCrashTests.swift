import DiskAccess
import Foundation
import GRDB
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import OfflineStore
@testable import SegmentStorage

/// The database as SQLite's own bytes, on any disk: every transaction puts a new file in place.
private final class ImageMetadata: MetadataStore {
    private let disk: any FileSystem
    private let directory: String
    private let rows: Shared<MetadataContents>

    init(_ directory: String, _ disk: any FileSystem) throws {
        self.disk = disk
        self.directory = directory
        let reading = try MetadataImage.load(in: directory, disk)
        guard reading?.faults.isEmpty ?? true, reading?.contents.damaged.isEmpty ?? true else {
            throw MetadataError(.damaged, "the database is damaged")
        }
        rows = Shared(reading?.contents ?? MetadataContents())
    }

    func read() throws(MetadataError) -> MetadataContents { rows.withLock { $0 } }

    func apply(_ changes: [MetadataChange]) throws(MetadataError) {
        var contents = rows.withLock { $0 }
        for change in changes {
            switch change {
            case .put(let row):
                contents.rows[row.table] = contents[row.table].filter { $0.key != row.key } + [row]
            case .remove(let table, let key):
                contents.rows[table] = contents[table].filter { !$0.key.starts(with: key) }
            }
        }
        let image = try MetadataImage.encode(contents)
        let path = "\(directory)/\(StoreLayout.metadataFile)"
        do {
            if try disk.status(path + ".next") != nil { try disk.remove(path + ".next") }
            let file = try disk.open(path + ".next", .create)
            try file.writeAll(image, at: 0)
            try file.synchronize()
            try disk.rename(path + ".next", to: path)
            try disk.synchronizeDirectory(directory)
        } catch {
            throw MetadataError(.failed, "\(error)")
        }
        rows.withLock { $0 = contents }
    }

    func close() {}
}

/// A crash at any step of a repair, a backup or a restore leaves what the same command brings to its end.
@Suite(.timeLimit(.minutes(3))) struct ToolCrashTests {
    private static let store = "/store"

    private static func internals(_ disk: MemoryFileSystem, _ clock: HandClock) -> SegmentStore.Internals {
        var internals = SegmentStore.Internals()
        internals.fileSystem = disk
        internals.ringFileSize = 64 << 10
        internals.makeBacking = { directory in
            let backing = SegmentBacking(
                fileSystem: disk, directory: directory, timeSource: clock, logger: silent,
                openMetadata: { try ImageMetadata(directory, disk) })
            return Backing(
                metadata: backing, flusher: backing, past: backing, close: { try backing.close() }, backup: backing)
        }
        return internals
    }

    /// The directory's files on a disk in memory, as "/store".
    private static func disk(_ directory: TestDirectory) throws -> MemoryFileSystem {
        var files: [String: [UInt8]] = [:]
        for (name, bytes) in try directory.contents() where name != "lock" { files["\(store)/\(name)"] = bytes }
        return MemoryFileSystem(contents: files)
    }

    private static let changing: Set<FileError.Operation> = [
        .write, .synchronize, .synchronizeDirectory, .rename, .remove, .truncate, .createDirectory,
    ]

    /// Lets the process die before the change with this number, counted from 0.
    private static func die(_ disk: MemoryFileSystem, before number: Int) {
        let count = Shared(0)
        disk.onOperation { operation in
            guard changing.contains(operation.kind) else { return nil }
            return count.withLock { count in
                defer { count += 1 }
                return count >= number ? .error(5) : nil
            }
        }
    }

    private static func changes(_ disk: MemoryFileSystem) -> Int {
        disk.operations.count { changing.contains($0.kind) }
    }

    private static func served(
        _ disk: MemoryFileSystem, _ clock: HandClock, at path: String = store
    ) async throws -> [String] {
        let open = try await SegmentStore.open(
            at: path, configuration: .init(), timeSource: clock, logger: silent, internals: internals(disk, clock))
        let found = try await open.everything(of: "orders")
        try await open.close()
        return found.texts + found.lost.sorted { $0.lowerBound < $1.lowerBound }.map { "\($0)" }
    }

    @Test(arguments: ["journal", "segment", "rows", "all of the metadata"])
    func `a repair that was interrupted anywhere is finished by the next`(damage: String) async throws {
        let (directory, clock) = try await UsedStore.killed()
        switch damage {
        case "journal":
            let (journal, block) = try directory.commit(beforeLast: 8)
            try directory.flip(journal, at: block * 4_096 + 9)
        case "segment":
            let segment = try #require(try directory.files(in: "segments").first)
            for offset in [3, 4_200, 5_900] { try directory.flip(segment, at: offset) }
        case "rows":
            let (journal, block) = try directory.commit(beforeLast: 3)
            try directory.flip(journal, at: block * 4_096 + 9)
            let queue = try DatabaseQueue(path: directory.path + "/metadata.sqlite")
            try queue.inDatabase {
                try $0.execute(sql: "UPDATE shard SET crc = crc + 1; UPDATE section SET crc = crc + 1")
            }
            try queue.close()
        default:
            for suffix in ["", "-wal", "-shm"] {
                try? FileManager.default.removeItem(atPath: "\(directory.path)/metadata.sqlite\(suffix)")
            }
        }
        func repair(_ disk: MemoryFileSystem) async throws -> RepairReport {
            try await SegmentStore.repair(
                at: Self.store, dryRun: false, timeSource: clock, logger: silent,
                internals: Self.internals(disk, clock))
        }
        let whole = try Self.disk(directory)
        let report = try await repair(whole)
        #expect(report.isApplied)
        let steps = Self.changes(whole)
        #expect(steps > 8)
        let expected = try await Self.served(whole.afterCrash(), clock)
        #expect(expected.count > 50)
        for step in 0..<steps {
            let disk = try Self.disk(directory)
            Self.die(disk, before: step)
            _ = try? await repair(disk)
            let after = disk.afterCrash()
            _ = try await repair(after)
            let check = try SegmentStore.check(Self.store, after, now: clock.wallTime)
            #expect(check.verdict == .whole, "step \(step): \(check.findings)")
            let found = try await Self.served(after, clock)
            #expect(found == expected, "step \(step)")
        }
    }

    @Test func `a backup that was interrupted is none, and the next may have its place`() async throws {
        let used = try await UsedStore(count: 60)
        let backup = { (disk: MemoryFileSystem) in
            try SegmentStore.backup(
                of: Self.store, to: "/backup", disk, now: used.clock.wallTime, stop: FileCopier.Stop())
        }
        func restore(_ disk: MemoryFileSystem) async throws -> BackupSummary {
            try await SegmentStore.restore(
                "/backup", to: "/restored", timeSource: used.clock, logger: silent,
                internals: Self.internals(disk, used.clock))
        }
        func disk() throws -> MemoryFileSystem {
            let disk = try Self.disk(used.directory)
            _ = try disk.lock(Self.store + "/lock")
            return disk.afterCrash(losingUnsynced: false)
        }
        let whole = try disk()
        #expect(try backup(whole).records == 60)
        for step in 0..<Self.changes(whole) {
            let begun = try disk()
            Self.die(begun, before: step)
            #expect(throws: (any Error).self) { try backup(begun) }
            let after = begun.afterCrash()
            // Only the directory's name is missing from the disk where the last step is.
            if !after.contents.keys.contains("/backup/manifest") {
                await #expect(throws: ShardlineError.self, "step \(step)") { try await restore(after) }
                #expect(!after.contents.keys.contains { $0.hasPrefix("/restored/") })
                #expect(try backup(after).records == 60, "step \(step)")
            }
            #expect(try await restore(after).records == 60, "step \(step)")
        }
        let backedUp = whole.afterCrash()
        let restoring = backedUp.afterCrash()
        _ = try await restore(restoring)
        for step in 0..<Self.changes(restoring) {
            let begun = backedUp.afterCrash()
            Self.die(begun, before: step)
            _ = try? await restore(begun)
            let after = begun.afterCrash()
            if !after.contents.keys.contains(where: { $0.hasPrefix("/restored/") }) {
                #expect(try await restore(after).records == 60, "step \(step)")
            }
            let found = try await Self.served(after, used.clock, at: "/restored")
            #expect(found == (0..<60).map(UsedStore.text), "step \(step)")
        }
    }
}

import DiskAccess
import Foundation
import StreamModel
import StreamStorage
import Synchronization
import TestSupport
import Testing

@testable import OfflineStore
@testable import SegmentStorage

/// A copy of a store in use is one moment of it, with everything that was acknowledged before.
@Suite(.timeLimit(.minutes(2))) struct BackupTests {
    private let target = TestDirectory()
    private var backup: String { target.path + "/backup" }
    private var restored: String { target.path + "/restored" }

    @Test func `under load everything acknowledged before the backup began is in it, in order, once`() async throws {
        let used = try await UsedStore(count: 0)
        let open = try await used.open()
        let store = open.store
        let acknowledged = Shared([String]())
        let before = try await withThrowingTaskGroup(of: Void.self) { group in
            for producer in 0..<3 {
                group.addTask {
                    var index = 0
                    while !Task.isCancelled {
                        let text = "\(producer) \(index)"
                        try await store.stream("orders").put(text, partitionKey: "p \(producer)")
                        acknowledged.withLock { $0.append(text) }
                        index += 1
                    }
                }
            }
            try await open.flusher.reached(3)
            let before = acknowledged.withLock { $0 }
            let summary = try await store.backup(to: backup)
            #expect(summary.records >= before.count)
            try await open.flusher.reached(open.flusher.flushes + 2)
            group.cancelAll()
            return before
        }
        let all = acknowledged.withLock { $0 }
        #expect(all.count > before.count)
        try await store.close()

        let summary = try await SegmentStore.restore(backup, to: restored, timeSource: used.clock, logger: silent)
        #expect(summary.files >= 3)
        let report = try await SegmentStore.check(at: restored, timeSource: used.clock)
        #expect(report.verdict == .whole, "\(report.findings)")
        let copy = try await SegmentStore.open(at: restored, timeSource: used.clock, logger: silent)
        var found: [String] = []
        for shard in try await copy.describeStream("orders").shards {
            var position = SequenceNumber.zero
            while true {
                let result = try await copy.read(ReadRequest(stream: "orders", shard: shard.id, after: position))
                found += result.batch.map { String(decoding: $0.bytes, as: UTF8.self) }
                guard result.next > position else { break }
                position = result.next
            }
        }
        #expect(found.count == summary.records)
        #expect(Set(found).count == found.count)
        #expect(Set(before).subtracting(found).isEmpty)
        for producer in 0..<3 {
            let own = found.filter { $0.hasPrefix("\(producer) ") }
            #expect(own == own.indices.map { "\(producer) \($0)" })
        }
        try await copy.close()
    }

    @Test func `numbers that the old store gave out later are not given out again (STORE-C4)`() async throws {
        let used = try await UsedStore(count: 20)
        try await SegmentStore.backup(of: used.directory.path, to: backup, timeSource: used.clock)
        let old = try await used.open()
        let later = try await old.store.stream("audit").put("later", partitionKey: "k")
        #expect(later.sequenceNumber == SequenceNumber(1))
        try await old.store.close()
        try await SegmentStore.restore(backup, to: restored, timeSource: used.clock, logger: silent)
        let new = try await SegmentStore.open(at: restored, timeSource: used.clock, logger: silent)
        let receipt = try await new.stream("audit").put("other", partitionKey: "k")
        #expect(receipt.sequenceNumber.rawValue == 1 << 32 + 1)
        // A reader goes over the jump, and what is flushed after it is found.
        #expect(try await new.everything(of: "audit").texts == ["other"])
        #expect(try await new.everything(of: "orders").texts == (0..<20).map(UsedStore.text))
        let mapping = try await new.describeMapping(UsedStore.mapping)
        #expect(mapping.checkpoints.first { $0.shard == ShardID(1) }?.position == SequenceNumber(8))
        try await new.close()
        let report = try await SegmentStore.check(at: restored, timeSource: used.clock)
        #expect(report.verdict == .whole, "\(report.findings)")
    }

    @Test func `a closed store is copied without a change to it`() async throws {
        let used = try await UsedStore()
        let before = try used.directory.contents()
        let summary = try await SegmentStore.backup(of: used.directory.path, to: backup, timeSource: used.clock)
        #expect(summary.records == 200)
        #expect(try used.directory.contents() == before)
        try await SegmentStore.restore(backup, to: restored, timeSource: used.clock, logger: silent)
        let store = try await SegmentStore.open(at: restored, timeSource: used.clock, logger: silent)
        #expect(try await store.everything(of: "orders").texts == (0..<200).map(UsedStore.text))
        try await store.close()
    }

    @Test func `segments stay and journal files are not used again while a backup has them`() async throws {
        let used = try await UsedStore(count: 0)
        let open = try await used.open()
        let core = open.store.core
        let ring = try used.directory.files(in: "journal")
        core.ring.hold()
        open.backing.holdDeletions()
        for index in 0..<200 {
            try await open.store.stream("orders").put(UsedStore.text(index), partitionKey: "k")
        }
        try await open.flusher.reached(3)
        #expect(Set(try used.directory.files(in: "journal")).isSuperset(of: ring))
        #expect(try used.directory.files(in: "journal").count > ring.count + 2)
        used.clock.set(1_700_000_000_000 + 400 * 86_400_000)
        try open.backing.applyRetention(core.visible.catalogue, now: used.clock.wallTime)
        #expect(!(try used.directory.files(in: "segments").isEmpty))
        open.backing.letDelete()
        try core.ring.letGo()
        try open.backing.applyRetention(core.visible.catalogue, now: used.clock.wallTime)
        #expect(try used.directory.files(in: "segments").isEmpty)
        try await open.store.close()
    }

    @Test func `targets that hold something are refused, and stay as they are`() async throws {
        let used = try await UsedStore(count: 5)
        let full = target.path + "/full"
        try FileManager.default.createDirectory(atPath: full, withIntermediateDirectories: true)
        try Data("mine".utf8).write(to: URL(fileURLWithPath: full + "/note"))
        let before = try target.contents()
        await expectError(.notAccessible) {
            try await SegmentStore.backup(of: used.directory.path, to: full, timeSource: used.clock)
        }
        #expect(try target.contents() == before)
        try await SegmentStore.backup(of: used.directory.path, to: backup, timeSource: used.clock)
        await expectError(.notAccessible) {
            try await SegmentStore.backup(of: used.directory.path, to: backup, timeSource: used.clock)
        }
        await expectError(.notAccessible) {
            try await SegmentStore.restore(backup, to: full, timeSource: used.clock, logger: silent)
        }
        await expectError(.notAccessible) {
            try await SegmentStore.restore(full, to: restored, timeSource: used.clock, logger: silent)
        }
        // A backup is no store that somebody opens by mistake.
        await expectError(.notAccessible) { try await SegmentStore.open(at: backup, logger: silent) }
    }

    @Test func `a restore touches nothing that lies beside its directory, follows no link, and leaves nothing behind`()
        async throws
    {
        let used = try await UsedStore(count: 5)
        try await SegmentStore.backup(of: used.directory.path, to: backup, timeSource: used.clock)
        let (theirs, files) = (target.path + "/theirs", FileManager.default)
        try files.createDirectory(atPath: theirs, withIntermediateDirectories: true)
        try Data("mine".utf8).write(to: URL(fileURLWithPath: theirs + "/note"))
        // Names that a restore could take: a link to somebody's directory, and a directory.
        try files.createSymbolicLink(atPath: restored + ".restoring-a", withDestinationPath: theirs)
        try files.copyItem(atPath: theirs, toPath: restored + ".restoring-b")
        let empty = target.path + "/empty"
        try files.createDirectory(atPath: empty, withIntermediateDirectories: true)
        try files.createSymbolicLink(atPath: target.path + "/link", withDestinationPath: empty)
        let before = try files.subpathsOfDirectory(atPath: target.path).sorted()

        let suffixes = Mutex(["c", "b", "a"])
        func restore(to path: String) async throws {
            var internals = SegmentStore.Internals()
            internals.restoreSuffix = { suffixes.withLock { $0.popLast() ?? "d" } }
            _ = try await SegmentStore.restore(
                backup, to: path, timeSource: used.clock, logger: silent, internals: internals)
        }
        for place in [target.path + "/link", target.path + "/.", theirs] {
            await #expect(throws: ShardlineError.self, "\(place)") { try await restore(to: place) }
        }
        try target.flip("backup/manifest", at: 20)
        await expectError(.corrupt) { try await restore(to: restored) }
        try target.flip("backup/manifest", at: 20)
        #expect(try files.subpathsOfDirectory(atPath: target.path).sorted() == before)

        suffixes.withLock { $0 = ["c", "b", "a"] }
        try await restore(to: restored)
        #expect(try target.contents()["theirs/note"] == Array("mine".utf8))
        #expect(try target.contents()["restored.restoring-b/note"] == Array("mine".utf8))
        #expect(!files.fileExists(atPath: restored + ".restoring-c"))
    }

    @Test func `of two restores to one directory one wins, and the other says that it is taken`() async throws {
        let used = try await UsedStore(count: 5)
        try await SegmentStore.backup(of: used.directory.path, to: backup, timeSource: used.clock)
        let (backup, restored, clock) = (backup, restored, used.clock)
        let codes = await withTaskGroup(of: ShardlineError.Code?.self) { group in
            for _ in 0..<2 {
                group.addTask {
                    do {
                        try await SegmentStore.restore(backup, to: restored, timeSource: clock, logger: silent)
                        return nil
                    } catch { return (error as? ShardlineError)?.code }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(codes.count { $0 == nil } == 1 && codes.contains(.notAccessible), "\(codes)")
        let names = try FileManager.default.contentsOfDirectory(atPath: target.path)
        #expect(names.sorted() == ["backup", "restored"])
    }

    @Test func `a backup of which a byte was changed, or a file is missing, is refused`() async throws {
        let used = try await UsedStore(count: 60)
        try await SegmentStore.backup(of: used.directory.path, to: backup, timeSource: used.clock)
        var numbers = SeededRandom(5)
        for (name, bytes) in try target.contents() where name.hasPrefix("backup/") {
            for _ in 0..<3 {
                let offset = Int.random(in: 0..<bytes.count, using: &numbers)
                try target.flip(name, at: offset)
                await expectError(.corrupt) {
                    try await SegmentStore.restore(backup, to: restored, timeSource: used.clock, logger: silent)
                }
                try target.flip(name, at: offset)
            }
            let path = "\(target.path)/\(name)"
            try FileManager.default.moveItem(atPath: path, toPath: path + ".away")
            await #expect(throws: ShardlineError.self) {
                try await SegmentStore.restore(backup, to: restored, timeSource: used.clock, logger: silent)
            }
            try FileManager.default.moveItem(atPath: path + ".away", toPath: path)
        }
        #expect(!FileManager.default.fileExists(atPath: restored))
        try await SegmentStore.restore(backup, to: restored, timeSource: used.clock, logger: silent)
    }

    @Test func `neither a backup nor a restored store is made within a store or a backup, also not by a link`()
        async throws
    {
        let used = try await UsedStore(count: 5)
        let store = used.directory.path
        try await SegmentStore.backup(of: store, to: backup, timeSource: used.clock)
        let link = target.path + "/link"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: store)
        for inside in ["", "/segments", "/segments/.."] {
            for place in [store, link] {
                await expectError(.notAccessible) {
                    try await SegmentStore.backup(of: store, to: "\(place)\(inside)/copy", timeSource: used.clock)
                }
                await expectError(.notAccessible) {
                    try await SegmentStore.restore(
                        backup, to: "\(place)\(inside)/copy", timeSource: used.clock, logger: silent)
                }
            }
        }
        for inside in ["", "/store", "/store/journal"] {
            await expectError(.notAccessible) {
                try await SegmentStore.restore(
                    backup, to: "\(backup)\(inside)/copy", timeSource: used.clock, logger: silent)
            }
            await expectError(.notAccessible) {
                try await SegmentStore.backup(of: store, to: "\(backup)\(inside)/copy", timeSource: used.clock)
            }
        }
        // Also by the owner of a store in use.
        let open = try await used.open()
        await expectError(.notAccessible) { try await open.store.backup(to: store + "/copy") }
        try await open.store.close()
        #expect(try FileManager.default.subpathsOfDirectory(atPath: store).allSatisfy { !$0.contains("copy") })
        #expect(try await SegmentStore.check(at: backup, timeSource: used.clock).findings == [])
        let check = try await SegmentStore.check(at: store, timeSource: used.clock)
        #expect(check.verdict == .whole && check.findings == [])
    }

    @Test func `a damaged store is not backed up, and what was begun is no backup`() async throws {
        let used = try await UsedStore()
        let segment = try used.directory.files(in: "segments")[0]
        try used.directory.flip(segment, at: 4_096 + 100)
        let error = await expectError(.corrupt) {
            try await SegmentStore.backup(of: used.directory.path, to: backup, timeSource: used.clock)
        }
        #expect(error?.message.contains("segments/") == true)
        await expectError(.corrupt) {
            try await SegmentStore.restore(backup, to: restored, timeSource: used.clock, logger: silent)
        }
        // Once the store is whole again the same target will do.
        try used.directory.flip(segment, at: 4_096 + 100)
        try await SegmentStore.backup(of: used.directory.path, to: backup, timeSource: used.clock)
    }

    @Test func `a copy for which there is no room is removed again, and can be made in the same place`() async throws {
        let used = try await UsedStore()
        let disk = MemoryFileSystem(
            contents: Dictionary(
                uniqueKeysWithValues: try used.directory.contents().map { ("/store/" + $0.key, $0.value) }))
        func backUp() throws -> BackupSummary {
            try SegmentStore.backup(
                of: "/store", to: "/copy", disk, now: used.clock.wallTime, stop: FileCopier.Stop())
        }
        let before = disk.usedBytes
        disk.capacity = before + 100_000
        let error = await expectError(.diskFull) { _ = try backUp() }
        #expect(
            error?.message.contains("what was copied to '/copy/store' was removed again") == true, "\(error as Any)")
        #expect(disk.usedBytes == before)
        disk.capacity = 1 << 40
        #expect(try backUp().records == 200)

        func restore() throws -> BackupSummary {
            let restore = try Restore(
                backup: "/copy", directory: "/restored", fileSystem: disk, now: used.clock.wallTime,
                stop: FileCopier.Stop(), suffix: { "a" })
            return try restore.orDiscard { try restore.prepare() }
        }
        let between = disk.usedBytes
        disk.capacity = between + 100_000
        await expectError(.diskFull) { _ = try restore() }
        #expect(disk.usedBytes == between)
        disk.capacity = 1 << 40
        #expect(try restore().records == 200)
    }

    @Test func `a name in a manifest leads nowhere else`() throws {
        for path in [
            "../x", "segments/../../x", "/etc/x", "journal/1.journal", "segments/x", "lock", "journal/a/b", "",
        ] {
            let manifest = BackupManifest(
                begunAt: Timestamp(milliseconds: 1), records: 1, files: [.init(path: path, size: 1, checksum: 1)])
            #expect(throws: FormatDamage.self, "\(path)") { try BackupManifest(manifest.encoded) }
        }
        let manifest = BackupManifest(
            begunAt: Timestamp(milliseconds: 1), records: 1,
            files: [
                .init(path: "journal/000000000001.journal", size: 1, checksum: 1),
                .init(path: "segments/000000000012.segment", size: 1, checksum: 2),
                .init(path: "metadata.sqlite", size: 3, checksum: 3),
            ])
        #expect(try BackupManifest(manifest.encoded) == manifest)
        for cut in manifest.encoded.indices {
            #expect(throws: FormatDamage.self) { try BackupManifest(Array(manifest.encoded[..<cut])) }
        }
    }
}

import DiskAccess
import Foundation
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import OfflineStore
@testable import SegmentStorage

/// A backup stays what it is, and `check` and `restore` agree on whether it is whole.
@Suite(.timeLimit(.minutes(2))) struct BackupCheckTests {
    private let target = TestDirectory()
    private var backup: String { target.path + "/backup" }
    private var restored: String { target.path + "/restored" }

    private func backedUp(count: Int = 60) async throws -> UsedStore {
        let used = try await UsedStore(count: count)
        try await SegmentStore.backup(of: used.directory.path, to: backup, timeSource: used.clock)
        return used
    }

    private func check(_ used: UsedStore) async throws -> StoreReport {
        try await SegmentStore.check(at: backup, timeSource: used.clock)
    }

    private func restore(_ used: UsedStore) async throws {
        try await SegmentStore.restore(backup, to: restored, timeSource: used.clock, logger: silent)
        try FileManager.default.removeItem(atPath: restored)
    }

    private func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(target.path)/\(name)"))
    }

    // MARK: Opening

    @Test func `the files of a backup are not opened as a store, whatever they are called, and stay as they are`()
        async throws
    {
        let used = try await backedUp()
        try FileManager.default.createSymbolicLink(
            atPath: target.path + "/link", withDestinationPath: backup + "/store")
        let before = try target.contents()
        for name in ["backup/store", "backup/store/", "backup/store/.", "backup/../backup/store", "link"] {
            let error = await expectError(.notAccessible) {
                try await SegmentStore.open(at: "\(target.path)/\(name)", timeSource: used.clock, logger: silent)
            }
            #expect(error?.message.contains("a part of the backup") == true, "\(error as Any)")
            #expect(error?.message.contains("shardline restore") == true, "\(error as Any)")
        }
        #expect(try target.contents() == before)
        #expect(try FileManager.default.contentsOfDirectory(atPath: backup + "/store").contains("lock") == false)
        try await restore(used)
    }

    @Test func `nor those of a backup whose manifest is damaged or not written yet`() async throws {
        let used = try await backedUp()
        func isRefused() async throws {
            let before = try target.contents()
            await expectError(.notAccessible) {
                try await SegmentStore.open(at: backup + "/store", timeSource: used.clock, logger: silent)
            }
            #expect(try target.contents() == before)
        }
        for offset in [0, 5, 30, try #require(try target.contents()["backup/manifest"]?.count) - 3] {
            try target.flip("backup/manifest", at: offset)
            try await isRefused()
            try target.flip("backup/manifest", at: offset)
        }
        try FileManager.default.moveItem(atPath: backup + "/manifest", toPath: backup + "/manifest.unfinished")
        try await isRefused()
    }

    @Test func `a store that is called so and lies beside somebody's manifest is opened`() async throws {
        for manifest in ["", "Manifest-Version: 1.0\n"] {
            let parent = TestDirectory()
            try Data(manifest.utf8).write(to: URL(fileURLWithPath: parent.path + "/manifest"))
            for _ in 0..<2 {
                let store = try await SegmentStore.open(at: parent.path + "/store", logger: silent)
                try await store.close()
            }
            let report = try await SegmentStore.check(at: parent.path)
            #expect(report.verdict == .undecided && !report.isBackup, "\(report.findings)")
        }
    }

    @Test func `a backup is not repaired in its place, a copy of its files can be`() async throws {
        let used = try await backedUp()
        try target.flip("backup/store/metadata.sqlite", at: 100)
        let before = try target.contents()
        for place in [backup, backup + "/store"] {
            let error = await expectError(.notAccessible) {
                try await SegmentStore.repair(at: place, dryRun: false, timeSource: used.clock, logger: silent)
            }
            #expect(error?.message.contains("repair a copy of") == true, "\(error as Any)")
        }
        #expect(try target.contents() == before)
        try FileManager.default.copyItem(atPath: backup + "/store", toPath: restored)
        _ = try await SegmentStore.repair(at: restored, dryRun: false, timeSource: used.clock, logger: silent)
        #expect(try await SegmentStore.check(at: restored, timeSource: used.clock).verdict == .whole)
    }

    // MARK: Checking

    @Test func `a backup that was just made is whole, with the store's records`() async throws {
        let used = try await backedUp(count: 200)
        let before = try target.contents()
        let report = try await check(used)
        #expect(report.verdict == .whole && report.findings == [], "\(report.findings)")
        #expect(report.isBackup && report.directory == backup)
        #expect(report.counts.records == 200)
        #expect(report.counts.segments > 1)
        #expect(try target.contents() == before)
        // The folder alone says nothing of the manifest.
        let inside = try await SegmentStore.check(at: backup + "/store", timeSource: used.clock)
        #expect(inside.verdict == .whole)
        #expect(inside.findings.map(\.severity) == [.note], "\(inside.findings)")
    }

    @Test func `a byte that was changed in any file is named by check, and refused by restore`() async throws {
        let used = try await backedUp()
        var numbers = SeededRandom(7)
        for (name, bytes) in try target.contents() where name.hasPrefix("backup/") {
            for _ in 0..<6 {
                let (offset, bit) = (
                    Int.random(in: 0..<bytes.count, using: &numbers), Int.random(in: 0..<8, using: &numbers)
                )
                try target.flip(name, at: offset, 1 << bit)
                let report = try await check(used)
                #expect(report.verdict == .damaged, "\(name), byte \(offset), bit \(bit)")
                #expect(report.findings.first.map { "backup/\($0.file ?? "")" } == name, "\(report.findings)")
                await expectError(.corrupt) { try await restore(used) }
                try target.flip(name, at: offset, 1 << bit)
            }
        }
        #expect(try await check(used).findings == [])
        try await restore(used)
    }

    @Test func `a file that is missing, cut or another thing is named by check, and refused by restore`() async throws {
        let used = try await backedUp(count: 200)
        let files = FileManager.default
        func isRefused(_ name: String, _ message: String) async throws {
            let report = try await check(used)
            #expect(report.verdict == .damaged)
            let first = report.findings.first
            #expect(
                "backup/\(first?.file ?? "")" == name && first?.message.contains(message) == true, "\(report.findings)")
            await #expect(throws: ShardlineError.self) { try await restore(used) }
        }
        for (name, bytes) in try target.contents() where name.hasPrefix("backup/store/") {
            let path = "\(target.path)/\(name)"
            try files.moveItem(atPath: path, toPath: target.path + "/away")
            try await isRefused(name, "missing")
            try files.createDirectory(atPath: path, withIntermediateDirectories: false)
            try await isRefused(name, "no regular file")
            try files.removeItem(atPath: path)
            try Data(bytes.dropLast()).write(to: URL(fileURLWithPath: path))
            try await isRefused(name, "has \(bytes.count - 1) bytes, not \(bytes.count)")
            try files.removeItem(atPath: path)
            try files.moveItem(atPath: target.path + "/away", toPath: path)
        }
        // A file in a folder's place.
        try files.moveItem(atPath: backup + "/store/segments", toPath: target.path + "/away")
        try write("", to: "backup/store/segments")
        try await isRefused(
            try #require(try target.contents().keys.filter { $0.hasPrefix("away/") }.min())
                .replacingOccurrences(of: "away/", with: "backup/store/segments/"), "missing")
        try files.removeItem(atPath: backup + "/store/segments")
        try files.moveItem(atPath: target.path + "/away", toPath: backup + "/store/segments")
        try await restore(used)
    }

    @Test func `a backup without its manifest, and one that was not finished, are called so`() async throws {
        let used = try await backedUp()
        let files = FileManager.default
        try files.moveItem(atPath: backup + "/manifest", toPath: target.path + "/away")
        var report = try await check(used)
        #expect(report.verdict == .damaged && report.isBackup)
        #expect(report.findings.map(\.file) == ["manifest"], "\(report.findings)")
        // What is in it is told all the same.
        #expect(report.counts.records == 60)
        await expectError(.notAccessible) { try await restore(used) }
        try write("", to: "backup/manifest.unfinished")
        report = try await check(used)
        #expect(report.verdict == .damaged)
        #expect(report.findings.map(\.file) == ["manifest.unfinished"], "\(report.findings)")
        await expectError(.corrupt) { try await restore(used) }
        try files.removeItem(atPath: backup + "/store")
        try files.moveItem(atPath: target.path + "/away", toPath: backup + "/manifest")
        report = try await check(used)
        #expect(report.findings.map(\.message) == ["the folder is missing"], "\(report.findings)")
        await expectError(.corrupt) { try await restore(used) }
    }

    @Test func `files that a restore leaves out are noted, and do no harm`() async throws {
        let used = try await backedUp()
        try FileManager.default.createDirectory(
            atPath: backup + "/store/quarantine", withIntermediateDirectories: false)
        let others = [
            "manifest.old", "store/journal/000000000009.journal", "store/lock", "store/metadata.sqlite-wal",
            "store/quarantine", "store/segments/000000000099.segment",
        ]
        for name in others where name != "store/quarantine" {
            try write("not a file of the backup", to: "backup/" + name)
        }
        let report = try await check(used)
        #expect(report.verdict == .whole, "\(report.findings)")
        #expect(report.findings.allSatisfy { $0.severity == .note })
        #expect(report.findings.compactMap(\.file).sorted() == others, "\(report.findings)")
        #expect(report.counts.records == 60)
        try await restore(used)
    }

    @Test func `a manifest of a newer version keeps check from its end, as it does a restore`() async throws {
        let used = try await backedUp()
        var text = "shardline backup 2\nbegun 1\nrecords 1\n"
        text += "end \(Checksum.of(Array(text.utf8), seed: 0))\n"
        try write(text, to: "backup/manifest")
        let report = try await check(used)
        #expect(report.verdict == .undecided && report.findings.first?.file == "manifest", "\(report.findings)")
        await expectError(.newerFormat) { try await restore(used) }
    }

    @Test func `a bit that was changed in a manifest is damage, and no other bytes are a manifest`() throws {
        let manifest = BackupManifest(
            begunAt: Timestamp(milliseconds: 1_700_000_000_000), records: 12,
            files: [
                .init(path: "journal/000000000001.journal", size: 4_096, checksum: 123_456_789),
                .init(path: "metadata.sqlite", size: 32_768, checksum: 987_654_321),
            ])
        for offset in manifest.encoded.indices {
            for bit in 0..<8 {
                var bytes = manifest.encoded
                bytes[offset] ^= 1 << bit
                let damage = #expect(throws: FormatDamage.self, "byte \(offset), bit \(bit)") {
                    try BackupManifest(bytes)
                }
                #expect(damage?.isNewerVersion == false, "byte \(offset), bit \(bit)")
            }
        }
        // Bytes that are no text are longer when they are made text.
        let hostile = Array("shardline backup 1\n\n\nend ".utf8) + [UInt8](repeating: 0xFF, count: 100) + [0x0A]
        #expect(throws: FormatDamage.self) { try BackupManifest(hostile) }
        var twice = manifest
        twice.files.append(manifest.files[0])
        #expect(throws: FormatDamage.self) { try BackupManifest(twice.encoded) }
    }
}

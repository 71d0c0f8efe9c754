import Foundation
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import OfflineStore
@testable import SegmentStorage

/// The id of a stream outlives whatever happens to the store, and nothing that the store creates later has it.
@Suite(.timeLimit(.minutes(1))) struct StreamIDTests {
    private let target = TestDirectory()
    private var backup: String { target.path + "/backup" }

    private func ids(_ directory: String, _ clock: HandClock) async throws -> [String: StreamID] {
        let store = try await SegmentStore.open(at: directory, timeSource: clock, logger: silent)
        let streams = try await store.listStreams()
        try await store.close()
        return Dictionary(uniqueKeysWithValues: streams.map { ($0.name, $0.id) })
    }

    @Test func `an id stays the same when the store is opened again, killed, backed up and restored`() async throws {
        let used = try await UsedStore(count: 20)
        let ids = try await ids(used.directory.path, used.clock)
        #expect(Set(ids.values).count == 2)
        #expect(try await self.ids(used.directory.path, used.clock) == ids)
        let killed = try await UsedStore.killed(count: 20)
        let copy = try killed.directory.copy()
        let before = try await self.ids(copy.path, killed.clock)
        #expect(try await self.ids(killed.directory.path, killed.clock) == before)
        #expect(Set(before.values).isDisjoint(with: ids.values), "another store")
        try await SegmentStore.backup(of: used.directory.path, to: backup, timeSource: used.clock)
        try await SegmentStore.restore(backup, to: target.path + "/new", timeSource: used.clock, logger: silent)
        #expect(try await self.ids(target.path + "/new", used.clock) == ids)
    }

    @Test func `what a restored store creates has other ids than what the old one created later, at the same moment`()
        async throws
    {
        let used = try await UsedStore(count: 20)
        try await SegmentStore.backup(of: used.directory.path, to: backup, timeSource: used.clock)
        try await SegmentStore.restore(backup, to: target.path + "/new", timeSource: used.clock, logger: silent)
        var made: [StreamID] = []
        for directory in [used.directory.path, target.path + "/new"] {
            let store = try await SegmentStore.open(at: directory, timeSource: used.clock, logger: silent)
            for _ in 0..<2 {
                try await store.deleteStream("audit")
                made.append(try await store.createStream("audit", shards: 1).id)
            }
            try await store.close()
            #expect(try await ids(directory, used.clock)["audit"] == made.last)
        }
        #expect(Set(made).count == 4)
    }

    @Test func `a repair without any metadata finds the ids in the segments`() async throws {
        let used = try await UsedStore()
        let ids = try await ids(used.directory.path, used.clock)
        for name in try used.directory.files(in: ".") where name.contains("metadata.sqlite") {
            try FileManager.default.removeItem(atPath: "\(used.directory.path)/\(name)")
        }
        // Nor does the journal say it any more.
        for file in try used.directory.files(in: "journal") {
            try FileManager.default.removeItem(atPath: "\(used.directory.path)/\(file)")
        }
        _ = try await SegmentStore.repair(
            at: used.directory.path, dryRun: false, timeSource: used.clock, logger: silent)
        #expect(try await self.ids(used.directory.path, used.clock)["orders"] == ids["orders"])
    }
}

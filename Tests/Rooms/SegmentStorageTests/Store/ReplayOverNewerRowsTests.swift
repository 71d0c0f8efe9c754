import Foundation
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import SegmentStorage

/// Rows are saved once a second and at the end, and may be newer than the commit at which replay begins (STORE-F5): it
/// must take nothing back that they know, and notice where the journal knows less than they do.
@Suite(.timeLimit(.minutes(1)))
struct ReplayOverNewerRowsTests {
    private let directory = TestDirectory()
    private let clock = HandClock(1_700_000_000_000)

    private func open(_ directory: TestDirectory) async throws -> FlushedStore {
        try await FlushedStore.open(directory, clock: clock, memtableSize: 1 << 20, ringFileSize: 1 << 20)
    }

    @Test func `a stream and a mapping that were recreated under their old names are there after a restart`()
        async throws
    {
        let first = try await open(directory)
        let mapping = MappingID(stream: "s", name: "m")
        for round in 0..<3 {
            try await first.store.createStream("s", shards: 1)
            for _ in 0..<2 {
                try await first.store.createMapping(MappingDefinition(key: mapping, startingPosition: .trimHorizon))
                try await first.store.deleteMapping(mapping)
            }
            try await first.store.createMapping(MappingDefinition(key: mapping, startingPosition: .trimHorizon))
            try await first.store.stream("s").put("\(round)", partitionKey: "k")
            if round < 2 { try await first.store.deleteStream("s") }
        }
        // The end saves the rows; the journal still holds everything from the first commit on.
        try await first.store.close()
        for _ in 0..<2 {
            let again = try await open(directory)
            #expect(try await again.store.listStreams().map(\.name) == ["s"])
            #expect(try await again.all(of: "s") == ["2"])
            #expect(try await again.store.describeMapping(mapping).checkpoints.map(\.position) == [.zero])
            try await again.store.close()
        }
    }

    /// What a person or a tool may do to the files of a store that is closed.
    enum Loss: CaseIterable {
        case cutInTheMiddle, emptied, removed, folderRemoved
    }

    @Test(arguments: Loss.allCases)
    func `a journal that has lost what was acknowledged is noticed, and nothing is changed`(loss: Loss) async throws {
        let first = try await open(directory)
        try await first.store.createStream("s", shards: 2)
        for index in 0..<20 { try await first.store.stream("s").put("\(index)", partitionKey: "\(index)") }
        try await first.store.close()
        let journal = directory.path + "/journal"
        let file = journal + "/" + StoreLayout.journalFile(1)
        let whole = try Data(contentsOf: URL(filePath: file))
        switch loss {
        case .cutInTheMiddle: try whole.prefix(6 * 4096 + 100).write(to: URL(filePath: file))
        case .emptied: try Data().write(to: URL(filePath: file))
        case .removed: try FileManager.default.removeItem(atPath: file)
        case .folderRemoved: try FileManager.default.removeItem(atPath: journal)
        }
        for _ in 0..<2 {
            let error = await expectError(.corrupt) { try await open(directory) }
            #expect(error?.message.contains("was acknowledged") == true)
        }
        // Put back, all is there.
        try FileManager.default.createDirectory(atPath: journal, withIntermediateDirectories: true)
        try whole.write(to: URL(filePath: file))
        let again = try await open(directory)
        #expect(try await again.all(of: "s", shard: 0).count + again.all(of: "s", shard: 1).count == 20)
        try await again.store.close()
    }
}

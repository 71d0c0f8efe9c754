import DiskAccess
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import SegmentStorage

/// STORE-J5: what lies after the end of the log is believed only where everything about it is right. Each case plants
/// a commit that is right in all but one thing, at every block after the end.
@Suite(.timeLimit(.minutes(2)))
struct StaleBytesTests {
    /// The one thing that is wrong with what is planted.
    private enum Flaw: CaseIterable {
        /// A lap of the ring before this one.
        case earlierLap
        /// Another store's.
        case otherStore
        /// Written for another block of the same file.
        case otherPlace
        /// Left from a torn end that an earlier opening has cut.
        case cutTail
    }

    /// A journal that ends without the mark of an orderly end, and what its last commit says.
    private struct Journal {
        var contents: [String: [UInt8]]
        var last: CommitHeader
        var path: String { TestStore.file(1) }
        var end: Int { Int(last.block) + last.blocks }
        var blocks: Int { contents[path]!.count / JournalFormat.blockCount }

        /// The journal of a store that was opened, filled with "a" and "b", and killed.
        static func killed() async throws -> Journal {
            let first = try await TestStore.open()
            try await first.store.createStream("s", shards: 1)
            try await first.put("a")
            let image = first.disk.afterCrash()
            try await first.store.close()
            // Opened twice, so that there is an incarnation before the last.
            let second = try await TestStore.open(image)
            try await second.put("b")
            let contents = second.disk.afterCrash().contents
            try await second.store.close()
            let bytes = contents[TestStore.file(1)]!
            let headers = (1..<bytes.count / JournalFormat.blockCount).compactMap { block in
                try? ReadCommit.head(of: bytes[(block * 4096)...], block: UInt32(block), seed: seed)
            }
            return Journal(contents: contents, last: try #require(headers.max { $0.number < $1.number }))
        }

        static let seed = StoreID(bytes: Array(1...16)).seed

        /// A commit for `block` that puts "x" into the shard after the last record.
        func commit(number: UInt64, block: Int, flaw: Flaw?) -> [UInt8] {
            let seed = flaw == .otherStore ? StoreID(bytes: Array(2...17)).seed : Self.seed
            var body: [UInt8] = []
            RecordEncoding.append(NewRecord("x", partitionKey: "k"), to: &body)
            let stored = StoredBody(body, seed: seed)
            var builder = CommitBuilder(seed: seed)
            builder.append(
                .records(
                    RecordsEntry(
                        codec: stored.codec, bodyOffset: 0, storedBytes: UInt32(stored.bytes.count),
                        rawBytes: UInt32(body.count), bodyChecksum: stored.checksum,
                        runs: [
                            RecordsEntry.Run(
                                shardKey: shardKey, count: 1, firstSequence: 3, arrival: 1, rawOffset: 0,
                                rawBytes: UInt32(body.count))
                        ])), body: stored.bytes)
            let commit = builder.finish(
                CommitHeader(
                    number: number, durableThrough: number - 1,
                    fileNumber: flaw == .earlierLap ? last.fileNumber - 1 : last.fileNumber,
                    block: UInt32(flaw == .otherPlace ? block - 1 : block),
                    incarnation: flaw == .cutTail ? last.incarnation - 1 : last.incarnation,
                    wallTime: last.wallTime, previousChecksum: last.checksum))
            return commit.pieces().flatMap { Array($0.buffer) }
        }

        /// The key of the only shard, as the stored records name it.
        private var shardKey: UInt32 {
            let bytes = contents[path]!
            let start = Int(last.block) * 4096
            let commits = (1...Int(last.block)).compactMap { block in
                try? ReadCommit(bytes[(block * 4096)...], block: UInt32(block), seed: Self.seed)
            }
            precondition(start < bytes.count)
            for case .records(let entry) in commits.flatMap(\.entries) { return entry.runs[0].shardKey }
            preconditionFailure("the journal holds no records")
        }

        /// A disk with these bytes at this place of the journal file.
        func planting(_ bytes: [UInt8], at offset: Int) -> MemoryFileSystem {
            var contents = contents
            contents[path]!.replaceSubrange(offset..<offset + bytes.count, with: bytes)
            return MemoryFileSystem(contents: contents)
        }
    }

    /// Opens the store and returns what it serves, after one more record was put and all was opened once more.
    private func served(_ disk: MemoryFileSystem) async throws -> [String] {
        let test = try await TestStore.open(disk)
        let found = try await test.texts()
        try await test.put("c")
        let after = test.disk.afterCrash()
        try await test.store.close()
        let again = try await TestStore.open(after)
        #expect(try await again.texts() == found + ["c"])
        try await again.store.close()
        return found
    }

    @Test func `a commit that is right in everything is believed`() async throws {
        let journal = try await Journal.killed()
        let next = journal.last.number + 1
        let disk = journal.planting(
            journal.commit(number: next, block: journal.end, flaw: nil), at: journal.end * 4096)
        #expect(try await served(disk) == ["a", "b", "x"])
        // And one that lies further on proves that the one before it was lost.
        let proof = journal.planting(
            journal.commit(number: next + 1, block: journal.end + 2, flaw: nil), at: (journal.end + 2) * 4096)
        await expectError(.corrupt) { try await TestStore.open(proof, threads: false) }
    }

    @Test(arguments: [0, 1, 5] as [UInt64])
    func `a commit with one thing wrong is never taken, wherever it lies`(ahead: UInt64) async throws {
        let journal = try await Journal.killed()
        var cases = 0
        for block in journal.end..<journal.blocks {
            for flaw in Flaw.allCases {
                let bytes = journal.commit(number: journal.last.number + 1 + ahead, block: block, flaw: flaw)
                let disk = journal.planting(bytes, at: block * 4096)
                #expect(try await served(disk) == ["a", "b"], "\(flaw) at block \(block)")
                cases += 1
            }
        }
        #expect(cases >= 30)
    }

    @Test func `no block of the log itself is taken at another place of the file`() async throws {
        let journal = try await Journal.killed()
        let bytes = journal.contents[journal.path]!
        for source in 0..<journal.end {
            for place in journal.end..<journal.blocks {
                let disk = journal.planting(Array(bytes[source * 4096..<(source + 1) * 4096]), at: place * 4096)
                #expect(try await served(disk) == ["a", "b"], "block \(source) at block \(place)")
            }
        }
    }

    @Test func `a commit between two blocks is nobody's`() async throws {
        let journal = try await Journal.killed()
        let commit = journal.commit(number: journal.last.number + 1, block: journal.end, flaw: nil)
        for shift in stride(from: 512, to: 4096, by: 512) {
            let disk = journal.planting(Array(commit.prefix(4096)), at: journal.end * 4096 + shift)
            #expect(try await served(disk) == ["a", "b"], "shifted by \(shift)")
        }
    }
}

import DiskAccess
import StreamModel
import StreamStorage
import Testing

@testable import SegmentStorage

/// STORE-J2 to STORE-J5: what is written is read, and nothing else is.
@Suite struct CommitFormatTests {
    private static let seed = StoreID(bytes: Array(1...16)).seed

    private static let everyKind =
        EntrySamples.ofEveryKind
        + [noise(Entry.longestStateInHead), noise(Entry.longestStateInHead + 1), noise(70_000)].map(
            EntrySamples.checkpoint)

    private static func header(block: UInt32 = 1) -> CommitHeader {
        CommitHeader(
            flags: .interval, number: 12, durableThrough: 11, fileNumber: 3, block: block, incarnation: 2,
            wallTime: Timestamp(milliseconds: 99), previousChecksum: 0xDEAD_BEEF)
    }

    private static func bytes(_ commit: FinishedCommit) -> [UInt8] { commit.pieces().flatMap { Array($0.buffer) } }

    /// A commit with two frames of records, one of them compressed, and all other entries.
    private static func commit(_ entries: [Entry] = everyKind, bodies: Int = 2) -> FinishedCommit {
        var builder = CommitBuilder(seed: seed)
        for index in 0..<bodies {
            let raw = index == 0 ? noise(600) : [UInt8](repeating: 7, count: 9000)
            let stored = StoredBody(raw, seed: seed)
            #expect(stored.codec == (index == 0 ? .raw : .lz4))
            builder.append(
                .records(
                    RecordsEntry(
                        codec: stored.codec, bodyOffset: 0, storedBytes: UInt32(stored.bytes.count),
                        rawBytes: UInt32(raw.count), bodyChecksum: stored.checksum,
                        runs: [
                            RecordsEntry.Run(
                                shardKey: 7, count: 3, firstSequence: 42, arrival: 5, rawOffset: 0,
                                rawBytes: UInt32(raw.count))
                        ])), body: stored.bytes)
        }
        for entry in entries { builder.append(entry) }
        return builder.finish(header())
    }

    @Test func `every kind of entry comes back as it was written`() throws {
        let commit = Self.commit()
        let bytes = Self.bytes(commit)
        #expect(bytes.count % 4096 == 0)
        let read = try ReadCommit(bytes[...], block: 1, seed: Self.seed)
        #expect(read.header == commit.header)
        #expect(read.header.previousChecksum == 0xDEAD_BEEF && read.header.flags == .interval)
        #expect(Array(read.entries.dropFirst(2)) == Self.everyKind)
        guard case .records(let first) = read.entries[0], case .records(let second) = read.entries[1] else {
            Issue.record("the records are missing")
            return
        }
        #expect(first.codec.decode(read.body(of: first), rawCount: 600) == noise(600))
        #expect(second.codec.decode(read.body(of: second), rawCount: 9000) == [UInt8](repeating: 7, count: 9000))
    }

    @Test func `a commit without entries is one block`() throws {
        let bytes = Self.bytes(CommitBuilder(seed: Self.seed).finish(Self.header()))
        #expect(bytes.count == 4096)
        #expect(try ReadCommit(bytes[...], block: 1, seed: Self.seed).entries.isEmpty)
    }

    /// STORE-J6: what is short is copied, what is long goes to the disk from where it lies.
    @Test func `a commit is written in few pieces`() {
        var builder = CommitBuilder(seed: Self.seed)
        let bodies = [100, 5000, 4095, 4096, 7].map { noise($0) }
        for body in bodies {
            let stored = StoredBody(body, seed: Self.seed, isCompressed: false)
            builder.append(
                .records(
                    RecordsEntry(
                        codec: .raw, bodyOffset: 0, storedBytes: UInt32(body.count), rawBytes: UInt32(body.count),
                        bodyChecksum: stored.checksum, runs: [])), body: stored.bytes)
        }
        let commit = builder.finish(Self.header())
        let pieces = commit.pieces().map { Array($0.buffer) }
        let head = commit.header.headCount
        #expect(pieces.dropLast().map(\.count) == [head + 100, 5000, 4095, 4096])
        #expect(Array(pieces.joined().prefix(commit.header.totalCount)) == commit.head + bodies.joined())
        #expect(pieces.reduce(0) { $0 + $1.count } % 4096 == 0)
    }

    @Test func `any flipped bit of a commit is noticed`() throws {
        let commit = Self.commit(EntrySamples.ofEveryKind)
        let bytes = Self.bytes(commit)
        for position in 0..<commit.header.totalCount {
            var damaged = bytes
            damaged[position] ^= 1 << (position % 8)
            #expect(throws: FormatDamage.self) { try ReadCommit(damaged[...], block: 1, seed: Self.seed) }
        }
    }

    @Test func `a commit that is cut short anywhere is none`() {
        let bytes = Self.bytes(Self.commit(EntrySamples.ofEveryKind))
        for count in stride(from: 0, to: Self.commit(EntrySamples.ofEveryKind).header.totalCount, by: 7) {
            #expect(throws: FormatDamage.self) { try ReadCommit(bytes[..<count], block: 1, seed: Self.seed) }
        }
    }

    /// STORE-J5: the same bytes at another place, or in another store, are no commit.
    @Test func `a commit holds only where it was written`() {
        let bytes = Self.bytes(Self.commit())
        #expect(throws: FormatDamage.self) { try ReadCommit(bytes[...], block: 2, seed: Self.seed) }
        #expect(throws: FormatDamage.self) { try ReadCommit(bytes[...], block: 1, seed: Self.seed ^ 1) }
        var moved = bytes
        moved.replaceSubrange(32..<36, with: [2, 0, 0, 0])
        #expect(throws: FormatDamage.self) { try ReadCommit(moved[...], block: 2, seed: Self.seed) }
    }

    /// STORE-J4: an unknown kind in a valid commit was written by a newer version.
    @Test func `an unknown kind of entry is told from damage`() throws {
        var builder = CommitBuilder(seed: Self.seed)
        builder.append(.streamDeleted(StreamNumber(1)))
        var bytes = Self.bytes(builder.finish(Self.header()))
        bytes[80] = 200
        let length = Int(LittleEndianNumber.number(bytes, at: 48))
        bytes.replaceSubrange(64..<68, with: [0, 0, 0, 0])
        let place = CommitHeader.seed(Self.seed, incarnation: 2, fileNumber: 3, block: 1)
        var writer = ByteWriter()
        writer.put(Checksum.of(Array(bytes[..<length]), seed: place))
        bytes.replaceSubrange(64..<68, with: writer.bytes)
        do {
            _ = try ReadCommit(bytes[...], block: 1, seed: Self.seed)
            Issue.record("it was read")
        } catch {
            #expect(error.isNewerVersion)
        }
    }

    @Test func `a file's header comes back, and any flipped byte of it is noticed`() throws {
        let header = JournalFileHeader(
            store: StoreID(bytes: Array(1...16)), file: 9, size: 4 << 20, createdAt: Timestamp(milliseconds: 5))
        #expect(header.encoded.count == 52)
        #expect(try JournalFileHeader(header.encoded) == header)
        for position in 0..<52 {
            var damaged = header.encoded
            damaged[position] ^= 0x10
            #expect(throws: FormatDamage.self) { try JournalFileHeader(damaged) }
        }
    }
}

private enum LittleEndianNumber {
    /// A little-endian number of four bytes.
    static func number(_ bytes: [UInt8], at position: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[position + $1]) << (8 * $1) }
    }
}

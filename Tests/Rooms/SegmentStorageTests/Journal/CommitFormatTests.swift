import DiskAccess
import StreamModel
import StreamStorage
import Testing

@testable import SegmentStorage

/// STORE-J2 to STORE-J5: what is written is read, and nothing else is.
@Suite struct CommitFormatTests {
    private static let seed = StoreID(bytes: Array(1...16)).seed

    private static let everyKind: [Entry] = {
        let range = HashKeyRange(first: HashKey(5), last: HashKey(.max))
        let shard = NewShard(
            key: ShardNumber(7), id: ShardID(3), range: range, creationSecond: 1_700_000_000, origin: SequenceNumber(41)
        )
        let note = AttemptNote(first: SequenceNumber(3), last: SequenceNumber(9), count: 4, cause: "signal 11 – ü")
        let positions: [StartingPosition] = [
            .trimHorizon, .latest, .atTimestamp(Timestamp(milliseconds: -5)), .atSequenceNumber(SequenceNumber(8)),
            .afterSequenceNumber(.max),
        ]
        var entries: [Entry] = positions.enumerated().map { index, position in
            .mappingCreated(
                MappingCreatedEntry(
                    number: MappingNumber(UInt32(index)), stream: StreamNumber(2), name: "m-\(index)",
                    startingPosition: position, createdAt: Timestamp(milliseconds: 12), configuration: [1, 2, 3],
                    starts: [.init(shard: ShardNumber(7), position: SequenceNumber(40))]))
        }
        for state in [
            [], [1, 2, 3], noise(Entry.longestStateInHead), noise(Entry.longestStateInHead + 1), noise(70_000),
        ] {
            entries.append(
                .checkpoint(
                    CheckpointEntry(
                        mapping: MappingNumber(1), shard: ShardNumber(7), epoch: 1 << 40, revision: 99,
                        position: SequenceNumber(50), isShardEnd: state.isEmpty,
                        ranges: [
                            SequenceNumber(52)...SequenceNumber(52), SequenceNumber(54)...SequenceNumber(1 << 50),
                        ],
                        state: state)))
        }
        entries += [
            .parked(
                ParkedEntry(mapping: MappingNumber(1), shard: ShardNumber(7), partitionKey: "schlüssel", value: [9])),
            .parked(ParkedEntry(mapping: MappingNumber(1), shard: ShardNumber(7), partitionKey: "k", value: nil)),
            .seal(
                SealEntry(
                    stream: StreamNumber(2), closedAt: Timestamp(milliseconds: 77),
                    parents: [.init(shard: ShardNumber(1), lastSequence: SequenceNumber(40))], children: [shard, shard])
            ),
            .streamCreated(
                StreamCreatedEntry(
                    key: StreamNumber(2), name: "flüge", retention: .seconds(86_400), maximumRecordSize: 1 << 20,
                    isFailureStream: true, createdAt: Timestamp(milliseconds: 5), shards: [shard])),
            .streamChanged(
                StreamChangedEntry(
                    key: StreamNumber(2), retention: .milliseconds(1500), maximumRecordSize: 7, isFailureStream: false)),
            .streamChanged(
                StreamChangedEntry(
                    key: StreamNumber(2), retention: .milliseconds(1500), maximumRecordSize: 7, isFailureStream: true,
                    expiredThrough: Timestamp(milliseconds: -3))),
            .streamDeleted(StreamNumber(2)),
            .mappingChanged(MappingChangedEntry(number: MappingNumber(1), epoch: 1 << 33, configuration: [7])),
            .mappingControlled(
                MappingControlledEntry(
                    number: MappingNumber(1),
                    action: MappingAction(
                        revision: 3, time: Timestamp(milliseconds: 5), actor: "betrieb", reason: "größer",
                        changedSettings: true, isEnabled: nil), configuration: [7, 8], isBrought: true)),
            .mappingControlled(
                MappingControlledEntry(
                    number: MappingNumber(1),
                    action: MappingAction(
                        revision: 4, time: Timestamp(milliseconds: 6), actor: "ops", reason: "",
                        changedSettings: false, isEnabled: false), configuration: nil, isBrought: false)),
            .mappingDeleted(MappingNumber(1)),
            .takeOver(shard: ShardNumber(7), epoch: 5),
            .opened(OpenedEntry(incarnation: 3, cutCommit: 17, finding: "torn", numberJump: 1 << 32)),
            .shardsRemoved(StreamNumber(2), [ShardNumber(1), ShardNumber(2)]),
            .attempts(AttemptsEntry(mapping: MappingNumber(1), shard: ShardNumber(7), note: note)),
        ]
        return entries
    }()

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
        let commit = Self.commit(Array(Self.everyKind.suffix(14)))
        let bytes = Self.bytes(commit)
        for position in 0..<commit.header.totalCount {
            var damaged = bytes
            damaged[position] ^= 1 << (position % 8)
            #expect(throws: FormatDamage.self) { try ReadCommit(damaged[...], block: 1, seed: Self.seed) }
        }
    }

    @Test func `a commit that is cut short anywhere is none`() {
        let bytes = Self.bytes(Self.commit(Array(Self.everyKind.suffix(14))))
        for count in stride(from: 0, to: Self.commit(Array(Self.everyKind.suffix(14))).header.totalCount, by: 7) {
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

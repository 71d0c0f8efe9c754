import StreamModel
import TestSupport
import Testing

@testable import SegmentStorage

/// STORE-F3: any byte flipped in any part of a segment is detected.
@Suite struct SegmentFormatTests {
    private static let storeID = Array<UInt8>(1...16)
    private static let seed = Checksum.storeSeed(storeID)

    /// A segment of two streams and three shards: header, blocks of all sorts, index.
    private static func segment(_ id: UInt64 = 5) -> [UInt8] {
        var numbers = SeededRandom(1)
        func run(_ stream: UInt64, _ key: UInt32, _ first: UInt64, _ sizes: [Int], arrival: Int64) -> FlushRun {
            var bytes: [UInt8] = []
            for (index, size) in sizes.enumerated() {
                let data = index % 2 == 0 ? Array(repeating: 65, count: size) : noise(size, &numbers)
                RecordEncoding.append(NewRecord(data, partitionKey: "k\(index)"), to: &bytes)
            }
            return FlushRun(
                stream: stream, shardKey: key,
                run: RecordRun(
                    bytes: bytes, offsets: RecordEncoding.offsets(of: sizes.count, in: bytes.span)!,
                    range: 0..<sizes.count, shard: ShardID(key), shardCreationSecond: 1,
                    firstSequence: SequenceNumber(first), arrival: Timestamp(milliseconds: arrival)))
        }
        var builder = SectionBuilder(
            SectionRuns([
                run(1, 1, 1, [10, 20], arrival: 100), run(1, 1, 3, [5], arrival: 130),
                run(1, 2, 9, [300, 400], arrival: 90),
                run(2, 3, 1, [70_000, 3], arrival: 100),
            ]))
        var file = SegmentHeader(storeID: storeID, segment: id, retentionClass: 0, created: 77).encoded()
        while let block = builder.nextBlock(at: place(id, file.count)) { file += block }
        let range = HashKeyRange(first: HashKey(0), last: HashKey(.max))
        let streams = [1, 2].map { id in
            StreamDescriptor(
                id: id, name: "stream-\(id)", retention: 1_000,
                shards: [
                    .init(
                        key: UInt32(id), number: 0, range: range, parent: nil, adjacent: nil, creationSecond: 1,
                        firstSequence: 1)
                ])
        }
        file += SegmentIndex.encode(
            .section, slices: builder.slices, streams: streams, firstBlock: 4096, commits: 1...9, written: 200,
            at: place(id, file.count))
        return file
    }

    private static func place(_ id: UInt64, _ offset: Int) -> SegmentPlace {
        SegmentPlace(storeSeed: seed, segment: id, offset: UInt64(offset))
    }

    /// Reads all there is, as readers, seal and rebuild together do. Throws where anything is wrong.
    private static func readAll(_ file: [UInt8], _ id: UInt64 = 5) throws(FormatDamage) -> [Slice: [[UInt8]]] {
        _ = try SegmentHeader.decode(file, storeID: storeID, segment: id)
        let trailerAt = file.count - SegmentIndex.trailerSize
        let trailer = try SegmentIndex.decodeTrailer(Array(file[trailerAt...]), at: place(id, trailerAt))
        let directoryEnd = Int(trailer.directory) + Int(trailer.directoryBytes)
        let directory = try SegmentIndex.decodeDirectory(
            Array(file[Int(trailer.directory)..<directoryEnd]), at: place(id, Int(trailer.directory)))
        guard directoryEnd == trailerAt, directory.count == trailer.parts else { throw FormatDamage("directory") }
        var at = Int(trailer.firstPart)
        var slices: [Slice] = []
        while at < Int(trailer.directory) {
            let (kind, length) = try SegmentIndex.partKind(Array(file[at...]))
            guard at + length <= trailerAt else { throw FormatDamage("too long") }
            let part = Array(file[at..<at + length])
            if kind == .slices {
                slices += try SegmentIndex.decodeSlices(part, at: place(id, at))
            } else {
                _ = try SegmentIndex.decodeStreams(part, at: place(id, at))
            }
            at += length
        }
        var found: [Slice: [[UInt8]]] = [:]
        var blocksEnd = Int(trailer.firstBlock)
        for slice in slices.sorted(by: { $0.blockOffset < $1.blockOffset }) {
            let start = Int(slice.blockOffset)
            guard start + Int(slice.blockBytes) <= file.count else { throw FormatDamage("block") }
            let block = try Block.decode(Array(file[start..<start + Int(slice.blockBytes)]), at: place(id, start))
            let run = block.run(Int(slice.run), shard: ShardID(0), shardCreationSecond: 0)
            found[slice] = (0..<run.count).map { Array(run[$0].bytes) }
            blocksEnd = max(blocksEnd, start + Int(slice.blockBytes))
        }
        guard blocksEnd == Int(trailer.firstPart) else { throw FormatDamage("bytes that nobody vouches for") }
        return found
    }

    @Test func `a segment holds what was put into it`() throws {
        let found = try Self.readAll(Self.segment())
        #expect(found.values.map(\.count).reduce(0, +) == 7)
        #expect(found.keys.filter { $0.shardKey == 1 }.map(\.count) == [3])
        let merged = try #require(found.keys.first { $0.shardKey == 1 })
        #expect((merged.firstArrival, merged.lastArrival) == (100, 130))
        #expect(found.first { $0.key.shardKey == 3 && $0.key.firstSequence == 1 }?.value[0].count == 70_000)
    }

    @Test func `any flipped byte in any part of a segment is detected`() throws {
        var file = Self.segment()
        // The large block's inside is one body under one checksum: a sample of it does, every byte of all the rest.
        let places = file.indices.filter { $0 < 8_000 || $0 > file.count - 1_200 || $0 % 97 == 0 }
        for index in places {
            file[index] ^= 0x10
            #expect(throws: FormatDamage.self, "byte \(index)") { try Self.readAll(file) }
            file[index] ^= 0x10
        }
        #expect(throws: Never.self) { try Self.readAll(file) }
    }

    @Test func `a segment cut at any length is detected`() throws {
        let file = Self.segment()
        for length in stride(from: 0, to: file.count, by: 61) {
            #expect(throws: (any Error).self) {
                guard length > SegmentHeader.size + SegmentIndex.trailerSize else { throw FormatDamage("short") }
                _ = try Self.readAll(Array(file[..<length]))
            }
        }
    }

    @Test func `a block of another place or segment or store is refused`() throws {
        let run = RecordsEntry.Run(
            shardKey: 1, count: 1, firstSequence: 1, arrival: 1, rawOffset: 0, rawBytes: 5)
        var raw: [UInt8] = []
        RecordEncoding.append(NewRecord([1, 2], partitionKey: "k"), to: &raw)
        let here = Self.place(5, 4096)
        let block = Block.encode(raw: raw, runs: [run], at: here)
        #expect(try Block.decode(block, at: here).raw == raw)
        #expect(throws: FormatDamage.self) { try Block.decode(block, at: Self.place(5, 8192)) }
        #expect(throws: FormatDamage.self) { try Block.decode(block, at: Self.place(6, 4096)) }
        let other = SegmentPlace(storeSeed: Self.seed ^ 1, segment: 5, offset: 4096)
        #expect(throws: FormatDamage.self) { try Block.decode(block, at: other) }
        let header = SegmentHeader(storeID: Self.storeID, segment: 5, retentionClass: 0, created: 0).encoded()
        #expect(throws: FormatDamage.self) { try SegmentHeader.decode(header, storeID: Self.storeID, segment: 6) }
    }

    @Test func `a newer version is told from damage`() throws {
        var header = SegmentHeader(storeID: Self.storeID, segment: 5, retentionClass: 0, created: 0).encoded()
        header[4] = 2
        let seed = Checksum.placeSeed(store: Self.seed, segment: 5, offset: 0)
        LittleEndian.store(Checksum.crc32c(header, 0..<4092, seed: seed), in: &header, at: 4092)
        #expect { try SegmentHeader.decode(header, storeID: Self.storeID, segment: 5) } throws: {
            ($0 as? FormatDamage)?.isNewerVersion == true
        }
    }

    @Test func `descriptors of ten thousand shards go over many parts and come together again`() throws {
        let ranges = HashKeyRange.even(10_000)
        let stream = StreamDescriptor(
            id: 3, name: "large", retention: 5,
            shards: (0..<10_000).map {
                .init(
                    key: UInt32($0), number: UInt32($0), range: ranges[$0], parent: $0 % 2 == 0 ? nil : 4,
                    adjacent: nil,
                    creationSecond: 9, firstSequence: 1)
            })
        let small = StreamDescriptor(id: 2, created: .max, name: "small", retention: 6, shards: [stream.shards[1]])
        let parts = StreamDescriptor.parts(of: [small, stream], limit: 65_000)
        #expect(parts.allSatisfy { $0.count <= 65_000 })
        #expect(parts.count > 9)
        let decoded = try parts.flatMap { try StreamDescriptor.decode($0, 0..<$0.count) }
        #expect(StreamDescriptor.merged(decoded) == [small, stream])
    }
}

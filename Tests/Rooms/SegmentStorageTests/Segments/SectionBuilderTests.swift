import StreamModel
import TestSupport
import Testing

@testable import SegmentStorage

/// STORE-F2, STORE-F4: what blocks a section has.
@Suite struct SectionBuilderTests {
    private func run(
        _ key: UInt32, first: UInt64, arrival: Int64, _ data: [[UInt8]], deltas: [UInt64?] = [], stored: Bool = false
    ) -> FlushRun {
        var bytes: [UInt8] = []
        for (index, item) in data.enumerated() {
            RecordEncoding.append(
                NewRecord(item, partitionKey: "p\(index)", explicitHashKey: index % 2 == 1 ? HashKey(9) : nil),
                arrivalDelta: index < deltas.count ? deltas[index] : nil, to: &bytes)
        }
        return FlushRun(
            stream: 1, shardKey: key,
            run: RecordRun(
                bytes: bytes, offsets: RecordEncoding.offsets(of: data.count, in: bytes.span)!, range: 0..<data.count,
                shard: ShardID(key), shardCreationSecond: 1, firstSequence: SequenceNumber(first),
                arrival: Timestamp(milliseconds: arrival)), stored: stored ? StoredBody(bytes, seed: 7) : nil)
    }

    private func build(_ runs: [FlushRun]) throws -> (blocks: [Block], slices: [Slice]) {
        var builder = SectionBuilder(SectionRuns(runs))
        var blocks: [Block] = []
        var offset: UInt64 = 4096
        while true {
            let place = SegmentPlace(storeSeed: 7, segment: 1, offset: offset)
            guard let bytes = builder.nextBlock(at: place) else { break }
            blocks.append(try Block.decode(bytes, at: place))
            offset += UInt64(bytes.count)
        }
        return (blocks, builder.slices)
    }

    private func records(_ runs: [RecordRun]) -> [JournalStandIn.Expected] {
        runs.flatMap { run in (0..<run.count).map { JournalStandIn.Expected(run[$0]) } }
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `blocks hold exactly the records of the runs`(seed: UInt64) throws {
        var numbers = SeededRandom(seed)
        var runs: [FlushRun] = []
        for key in 1...5 as ClosedRange<UInt32> {
            var first = UInt64.random(in: 1...9, using: &numbers)
            var arrival = Int64.random(in: 0...50, using: &numbers)
            for _ in 0..<Int.random(in: 1...9, using: &numbers) {
                let large = Int.random(in: 0...6, using: &numbers) == 0
                let data = (0..<Int.random(in: 1...30, using: &numbers)).map { _ in
                    noise(Int.random(in: 0...(large ? 9_000 : 120), using: &numbers), &numbers)
                }
                runs.append(run(key, first: first, arrival: arrival, data, deltas: [nil, 3, 3, 4]))
                first += UInt64(data.count)
                arrival += Int64.random(in: 10...40, using: &numbers)
            }
        }
        // The shards in any order, the runs of each as they were committed.
        var left = Dictionary(grouping: runs, by: \.shardKey).mapValues { $0[...] }
        let mixed = runs.map(\.shardKey).shuffled(using: &numbers).map { left[$0]!.removeFirst() }
        let (blocks, slices) = try build(mixed)
        for block in blocks {
            #expect(block.raw.count <= Block.rawLimit + 30 * 10 || block.entry.runs.reduce(0) { $0 + $1.count } == 1)
        }
        for key in 1...5 as ClosedRange<UInt32> {
            let found = blocks.flatMap { block in
                block.entry.runs.indices.filter { block.entry.runs[$0].shardKey == key }
                    .map { block.run($0, shard: ShardID(key), shardCreationSecond: 1) }
            }
            let expected = runs.filter { $0.shardKey == key }.map(\.run)
            #expect(records(found) == records(expected))
            let mine = slices.filter { $0.shardKey == key }
            #expect(mine.map { $0.firstArrival } == found.map { $0[0].approximateArrivalTimestamp.milliseconds })
            #expect(
                mine.map { $0.lastArrival } == found.map { $0[$0.count - 1].approximateArrivalTimestamp.milliseconds })
        }
        #expect(slices == slices.sorted(by: Slice.precedes))
    }

    @Test func `small shards share a block`() throws {
        let runs = (1...100).map { run(UInt32($0), first: 1, arrival: 5, [Array(repeating: 65, count: 200)]) }
        let (blocks, slices) = try build(runs)
        #expect(blocks.count == 1)
        #expect(slices.count == 100)
    }

    @Test func `a record larger than a block is alone in one`() throws {
        let large = Array(repeating: 7 as UInt8, count: 3 << 20)
        let (blocks, _) = try build([run(1, first: 1, arrival: 5, [[1], large, [2]])])
        #expect(blocks.map { $0.entry.runs.map(\.count) } == [[1], [1], [1]])
        #expect(blocks[1].raw.count > 3 << 20)
    }

    @Test func `runs that come one after the other are one run with the arrivals in its records`() throws {
        let (blocks, slices) = try build([
            run(1, first: 1, arrival: 10, [[1], [2]]), run(1, first: 3, arrival: 17, [[3]]),
            run(1, first: 4, arrival: 17, [[4]], deltas: [2]),
        ])
        #expect(blocks[0].entry.runs.count == 1)
        let found = blocks[0].run(0, shard: ShardID(0), shardCreationSecond: 0)
        #expect((0..<4).map { found[$0].approximateArrivalTimestamp.milliseconds } == [10, 10, 17, 19])
        #expect(slices.map(\.lastArrival) == [19])
    }

    @Test func `numbers that are missing are never papered over`() throws {
        let (blocks, _) = try build([run(1, first: 1, arrival: 10, [[1]]), run(1, first: 3, arrival: 10, [[3]])])
        #expect(blocks[0].entry.runs.map(\.firstSequence) == [1, 3])
    }

    @Test func `a large run that the journal stored alone moves as it is stored`() throws {
        let data = (0..<300).map { _ in Array(repeating: 66 as UInt8, count: 100) }
        let large = run(2, first: 1, arrival: 10, data, stored: true)
        let small = run(1, first: 1, arrival: 10, [[1]], stored: true)
        let (blocks, _) = try build([small, large, run(3, first: 1, arrival: 10, [[3]])])
        #expect(blocks.map { $0.entry.runs.map(\.shardKey) } == [[1], [2], [3]])
        #expect(blocks[1].entry.bodyChecksum == large.stored?.checksum)
        #expect(blocks[1].raw == large.run.bytes)
    }
}

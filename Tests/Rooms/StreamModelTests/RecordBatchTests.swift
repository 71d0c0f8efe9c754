import StreamModel
import Testing

@Suite struct RecordBatchTests {
    static func run(_ texts: [String], first: UInt64, arrival: Int64 = 1000) -> RecordRun {
        var bytes: [UInt8] = [0xFF, 0xFF, 0xFF]  // something of another run in front
        let start = bytes.count
        for (index, text) in texts.enumerated() {
            RecordEncoding.append(
                NewRecord(
                    text, partitionKey: "key-\(text)", explicitHashKey: index % 3 == 1 ? HashKey(UInt128(index)) : nil),
                arrivalDelta: index % 2 == 0 ? nil : UInt64(index * 300), to: &bytes)
        }
        let offsets = RecordEncoding.offsets(of: texts.count, in: bytes.span, from: start)!
        return RecordRun(
            bytes: bytes, offsets: offsets, range: 0..<texts.count, shard: ShardID(7), shardCreationSecond: 5,
            firstSequence: SequenceNumber(first), arrival: Timestamp(milliseconds: arrival))
    }

    @Test func `a record keeps its parts through the encoding`() {
        let run = Self.run(["a", "", "ccc", "ü"], first: 10)
        let records = (0..<4).map { run[$0] }
        #expect(records.map { String(decoding: $0.bytes, as: UTF8.self) } == ["a", "", "ccc", "ü"])
        #expect(records.map(\.partitionKey) == ["key-a", "key-", "key-ccc", "key-ü"])
        #expect(records.map(\.explicitHashKey) == [nil, HashKey(1), nil, nil])
        #expect(records.map(\.sequenceNumber.rawValue) == [10, 11, 12, 13])
        #expect(records.map(\.approximateArrivalTimestamp.milliseconds) == [1000, 1300, 1000, 1900])
        let last = records[3]
        let length = last.data.count
        #expect(length == 2)
        #expect(records[1].hashKey == HashKey(1))
        #expect(records[0].hashKey == HashKey(partitionKey: "key-a"))
        let copy = records[1].copy()
        #expect(copy.partitionKey == "key-" && copy.explicitHashKey == HashKey(1) && copy.bytes.isEmpty)
        #expect(copy.kinesisSequenceNumber == records[1].kinesisSequenceNumber)
    }

    @Test func `every slice of a batch of several runs holds the right records`() {
        var batch = RecordBatch()
        var expected: [UInt64] = []
        for (first, count) in [(1, 3), (4, 1), (100, 4), (104, 2)] as [(UInt64, Int)] {
            batch.append(Self.run((0..<count).map { "r\($0)" }, first: first))
            expected += (0..<count).map { first + UInt64($0) }
        }
        #expect(batch.map(\.sequenceNumber.rawValue) == expected)
        #expect(batch.indices.map { batch[$0].sequenceNumber.rawValue } == expected)
        for lower in 0...batch.count {
            for upper in lower...batch.count {
                let part = batch.extracting(lower..<upper)
                #expect(part.map(\.sequenceNumber.rawValue) == Array(expected[lower..<upper]))
            }
        }
        for number in 0...110 as ClosedRange<UInt64> {
            #expect(batch.index(of: SequenceNumber(number)) == expected.firstIndex(of: number))
        }
    }

    @Test func `an iterator ends where the batch ends, and stays there`() {
        var nothing = RecordBatch().makeIterator()
        #expect(nothing.next() == nil)
        #expect(nothing.next() == nil)
        var iterator = RecordBatch([Self.run(["a", "b"], first: 1), Self.run(["c"], first: 9)]).makeIterator()
        #expect((0..<3).map { _ in iterator.next()?.sequenceNumber.rawValue } == [1, 2, 9])
        #expect(iterator.next() == nil)
        #expect(iterator.next() == nil)
        // A copy goes on by itself.
        var one = RecordBatch([Self.run(["a", "b", "c"], first: 1)]).makeIterator()
        _ = one.next()
        var other = one
        #expect(one.next()?.sequenceNumber == other.next()?.sequenceNumber)
    }

    @Test func `a record's parts are found without making it`() {
        let run = Self.run(["a", "", "ccc", "ü"], first: 10).extracting(1..<4)
        for index in 0..<run.count {
            let layout = run.layout(of: index)
            let record = run[index]
            #expect(Array(run.bytes[layout.dataStart..<layout.end]) == Array(record.bytes))
            #expect(layout.dataStart - layout.keyStart == record.keyByteCount)
            #expect(
                run.arrival.milliseconds + Int64(layout.arrivalDelta)
                    == record.approximateArrivalTimestamp.milliseconds)
        }
    }

    @Test func `a run after a position begins with the next number`() {
        let run = Self.run(["a", "b", "c"], first: 10)
        #expect(run.after(SequenceNumber(0))?.firstSequence.rawValue == 10)
        #expect(run.after(SequenceNumber(9))?.count == 3)
        #expect(run.after(SequenceNumber(10))?.firstSequence.rawValue == 11)
        #expect(run.after(SequenceNumber(11))?.count == 1)
        #expect(run.after(SequenceNumber(12)) == nil)
    }

    @Test func `no bytes are taken for records that they do not hold`() {
        var random = SystemRandomNumberGenerator()
        let run = Self.run(["alpha", "beta", "gamma"], first: 1)
        for length in 0..<run.bytes.count {
            let cut = Array(run.bytes[..<length])
            let offsets = RecordEncoding.offsets(of: 3, in: cut.span, from: 3)
            #expect(offsets == nil)
        }
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            let count = Int.random(in: 0...50, using: &random)
            if let offsets = RecordEncoding.offsets(of: count, in: bytes.span) {
                #expect(offsets.count == count + 1 && Int(offsets[count]) <= bytes.count)
            }
        }
        let whole = run.bytes
        let impossible = RecordEncoding.offsets(of: .max, in: whole.span)
        #expect(impossible == nil)
    }

    @Test(arguments: [0, 1, 127, 128, 16_383, 16_384, 1 << 35, UInt64.max])
    func `a number is read back from its bytes`(value: UInt64) {
        var bytes: [UInt8] = []
        Varint.append(value, to: &bytes)
        #expect(bytes.count == Varint.size(value))
        var at = 0
        let read = Varint.read(bytes.span, &at)
        #expect(read == value && at == bytes.count)
        let short = Array(bytes.dropLast())
        at = 0
        let cut = Varint.read(short.span, &at)
        #expect(cut == nil)
    }
}

struct NewRecordTests {
    @Test func `a record takes bytes in any form`() {
        let bytes: [UInt8] = [1, 2, 3]
        #expect(NewRecord(bytes[1...], partitionKey: "k").data == [2, 3])
        #expect(NewRecord(bytes.reversed(), partitionKey: "k").data == [3, 2, 1])
        #expect(NewRecord([7], partitionKey: "k").data == [7])
        #expect(NewRecord("é", partitionKey: "k").data == [0xC3, 0xA9])
    }
}

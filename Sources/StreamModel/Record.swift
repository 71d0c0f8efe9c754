/// One record as a consumer receives it: a view into the chunk that it was read in.
///
/// A record is a few words and a reference, so it may be kept, captured and sent to tasks. Its chunk (up to some
/// hundred KiB) stays in memory as long as the record does. To keep a record for a long time, keep its ``copy()``.
public struct Record: Sendable {
    /// The shard that the record is in.
    public let shard: ShardID
    /// When the shard was created, in seconds since 1970: part of the sequence number's text.
    public let shardCreationSecond: UInt64
    /// The record's place in its shard.
    public let sequenceNumber: SequenceNumber
    /// When the store accepted the record. Never decreases within a shard.
    public let approximateArrivalTimestamp: Timestamp
    private let chunk: [UInt8]
    private let hashKeyStart: UInt32
    private let keyStart: UInt32
    private let dataStart: UInt32
    private let end: UInt32

    package init(
        bytes: [UInt8], at start: Int, shard: ShardID, shardCreationSecond: UInt64, sequenceNumber: SequenceNumber,
        runArrival: Timestamp
    ) {
        // Stores return only chunks that were validated when they were made or read.
        let layout = RecordEncoding.layout(in: bytes.span, at: start)!
        chunk = bytes
        hashKeyStart = layout.hashKeyStart.map(UInt32.init) ?? .max
        keyStart = UInt32(layout.keyStart)
        dataStart = UInt32(layout.dataStart)
        end = UInt32(layout.end)
        self.shard = shard
        self.shardCreationSecond = shardCreationSecond
        self.sequenceNumber = sequenceNumber
        approximateArrivalTimestamp = Timestamp(
            milliseconds: runArrival.milliseconds + Int64(layout.arrivalDelta))
    }

    /// The key that the producer gave. It decides the shard unless there is an explicit hash key.
    public var partitionKey: String { String(decoding: chunk[Int(keyStart)..<Int(dataStart)], as: UTF8.self) }

    /// The producer's data, without a copy. The span is valid as long as the record's variable.
    public var data: Span<UInt8> {
        @_lifetime(borrow self)
        get { chunk.span.extracting(Int(dataStart)..<Int(end)) }
    }

    /// The producer's data as a slice that may be kept; it shares the record's chunk.
    public var bytes: ArraySlice<UInt8> { chunk[Int(dataStart)..<Int(end)] }

    /// The hash key that the producer gave in place of the partition key's, if any.
    public var explicitHashKey: HashKey? {
        guard hashKeyStart != .max else { return nil }
        var value: UInt128 = 0
        for byte in chunk[Int(hashKeyStart)..<Int(hashKeyStart) + 16] { value = value << 8 | UInt128(byte) }
        return HashKey(value)
    }

    /// The hash key that decided the shard.
    public var hashKey: HashKey { explicitHashKey ?? HashKey(partitionKey: partitionKey) }

    /// The sequence number as Kinesis writes it.
    public var kinesisSequenceNumber: KinesisSequenceNumber {
        KinesisSequenceNumber(
            shard: shard, shardCreationSecond: shardCreationSecond, sequenceNumber: sequenceNumber,
            arrivalSecond: approximateArrivalTimestamp.second)
    }

    /// The same record with memory of its own, to be kept for a long time.
    public func copy() -> Record {
        var bytes: [UInt8] = []
        RecordEncoding.append(
            NewRecord(Array(self.bytes), partitionKey: partitionKey, explicitHashKey: explicitHashKey), to: &bytes)
        return Record(
            bytes: bytes, at: 0, shard: shard, shardCreationSecond: shardCreationSecond,
            sequenceNumber: sequenceNumber, runArrival: approximateArrivalTimestamp)
    }

    /// The partition key's UTF-8, without a copy.
    package var keyBytes: Span<UInt8> {
        @_lifetime(borrow self)
        get { chunk.span.extracting(Int(keyStart)..<Int(dataStart)) }
    }

    package var keyByteCount: Int { Int(dataStart - keyStart) }
    package var dataByteCount: Int { Int(end - dataStart) }
}

#if Server
import DataFormats
import StreamModel

/// The records of an answer, as a batch.
struct RecordList {
    private let shard: ShardID
    private let operation: String
    private var batch = RecordBatch()
    // The run that is being made: records whose numbers follow one another.
    private var bytes: [UInt8] = []
    private var offsets: [UInt32] = [0]
    private var first: AnsweredNumber?

    private init(shard: ShardID, operation: String, reserving bytes: Int) {
        self.shard = shard
        self.operation = operation
        self.bytes.reserveCapacity(bytes)
    }

    /// The batch that a list of records is. Throws where it is none.
    ///
    /// - Parameter size: the bytes of the answer, of which the records take less.
    static func batch(
        of records: Document.Value?, in shard: ShardID, _ operation: String, size: Int
    ) throws -> RecordBatch {
        guard let records, records.count > 0 else { return RecordBatch() }
        var list = RecordList(shard: shard, operation: operation, reserving: size)
        list.offsets.reserveCapacity(records.count + 1)
        for record in records.elements { try list.append(record) }
        list.endRun()
        return list.batch
    }

    private mutating func append(_ record: Document.Value) throws {
        var number: AnsweredNumber?
        var key: Document.Value?
        var data: [UInt8]?
        for (name, value) in record.members {
            if name.equals("Data") {
                data = try? value.blob()
            } else if name.equals("PartitionKey") {
                key = value
            } else if name.equals("SequenceNumber") {
                number = AnsweredNumber(value)
            }
        }
        guard let number, let data else {
            throw ShardlineError(
                .notAccessible, "\(operation): a record without data or without a sequence number that can be read")
        }
        if let first, number.sequenceNumber != first.sequenceNumber.advanced(by: offsets.count - 1) { endRun() }
        if first == nil { first = number }
        key?.withText { key in append(key, data) } ?? append(UnsafeBufferPointer(start: nil, count: 0), data)
        offsets.append(UInt32(bytes.count))
    }

    private mutating func append(_ key: UnsafeBufferPointer<UInt8>, _ data: [UInt8]) {
        Varint.append(UInt64(key.count) << 2, to: &bytes)
        Varint.append(UInt64(data.count), to: &bytes)
        bytes.append(contentsOf: key)
        bytes.append(contentsOf: data)
    }

    private mutating func endRun() {
        guard let first else { return }
        batch.append(
            RecordRun(
                bytes: bytes, offsets: offsets, range: 0..<offsets.count - 1, shard: shard,
                shardCreationSecond: first.shardCreationSecond, firstSequence: first.sequenceNumber,
                arrival: Timestamp(milliseconds: 0)))
        bytes = []
        offsets = [0]
        self.first = nil
    }
}
#endif

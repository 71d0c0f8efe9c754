// Engines outside this package, and tests of functions, make records and batches with these.

extension Record {
    /// The record that a put has made of `record`, with memory of its own.
    ///
    /// - Parameters:
    ///   - record: key, hash key and data.
    ///   - shard: the shard that the record is in.
    ///   - shardCreationSecond: when the shard was created, in seconds since 1970.
    ///   - sequenceNumber: the record's place in the shard.
    ///   - approximateArrivalTimestamp: when the store accepted the record.
    public init(
        _ record: NewRecord, shard: ShardID, shardCreationSecond: UInt64, sequenceNumber: SequenceNumber,
        approximateArrivalTimestamp: Timestamp
    ) {
        var bytes: [UInt8] = []
        RecordEncoding.append(record, to: &bytes)
        self.init(
            bytes: bytes, at: 0, shard: shard, shardCreationSecond: shardCreationSecond,
            sequenceNumber: sequenceNumber, runArrival: approximateArrivalTimestamp)
    }

    /// What was put.
    fileprivate var newRecord: NewRecord {
        NewRecord(Array(bytes), partitionKey: partitionKey, explicitHashKey: explicitHashKey)
    }
}

extension RecordBatch {
    /// A batch of copies of these records, which must be of one shard, and their numbers must rise.
    public init(_ records: some Sequence<Record>) {
        self.init()
        var part: [Record] = []
        for record in records {
            if let last = part.last {
                precondition(
                    record.shard == last.shard && record.sequenceNumber > last.sequenceNumber,
                    "the records of a batch are of one shard, and their numbers rise")
                // A run's numbers are dense and its records have arrived at once.
                if record.sequenceNumber != last.sequenceNumber.advanced(by: 1)
                    || record.approximateArrivalTimestamp != last.approximateArrivalTimestamp
                {
                    append(run: part)
                    part = []
                }
            }
            part.append(record)
        }
        if !part.isEmpty { append(run: part) }
    }

    private mutating func append(run records: [Record]) {
        var bytes: [UInt8] = []
        var offsets: [UInt32] = [0]
        for record in records {
            RecordEncoding.append(record.newRecord, to: &bytes)
            offsets.append(UInt32(bytes.count))
        }
        let first = records[0]
        append(
            RecordRun(
                bytes: bytes, offsets: offsets, range: 0..<records.count, shard: first.shard,
                shardCreationSecond: first.shardCreationSecond, firstSequence: first.sequenceNumber,
                arrival: first.approximateArrivalTimestamp))
    }
}

import StreamModel

/// The encoding that records have in memory, in files and on the socket.
enum RecordFuzz {
    static func check(_ input: [UInt8]) throws {
        var at = 0
        var count = 0
        while let layout = RecordEncoding.layout(in: input.span, at: at) {
            try hold(layout.end > at && layout.end <= input.count, "a record ends outside of its bytes")
            count += 1
            at = layout.end
        }
        guard count > 0 else { return }
        guard let offsets = RecordEncoding.offsets(of: count, in: input.span) else {
            throw FuzzFinding(description: "records that can be read one by one can't be read together")
        }
        try hold(offsets.count == count + 1 && offsets.last == UInt32(at), "the records end elsewhere")
        try hold(RecordEncoding.offsets(of: count + 1, in: input.span) == nil, "a record came from nowhere")
        try checkRun(
            RecordRun(
                bytes: input, offsets: offsets, range: 0..<count, shard: ShardID(0), shardCreationSecond: 0,
                firstSequence: SequenceNumber(1), arrival: Timestamp(milliseconds: 0)))
    }

    /// What must hold of records that were accepted: each encodes again to its bytes.
    static func checkRun(_ run: RecordRun) throws {
        try hold(run.lastSequence <= .max, "a number is too large")
        for index in 0..<run.count {
            let record = run[index]
            let layout = run.layout(of: index)
            let start = Int(run.offsets[run.range.lowerBound + index])
            let bytes = Array(run.bytes[start..<layout.end])
            _ = record.approximateArrivalTimestamp
            _ = record.kinesisSequenceNumber.description
            _ = record.hashKey
            // A key that is no UTF-8 is shown with replacements; it can't be put, so none was.
            guard String(validating: run.bytes[layout.keyStart..<layout.dataStart], as: UTF8.self) != nil else {
                continue
            }
            var again: [UInt8] = []
            let whole = NewRecord(
                Array(record.bytes), partitionKey: record.partitionKey, explicitHashKey: record.explicitHashKey)
            // A delta of nothing is written too where the flag says that there is one.
            let hasDelta = bytes[0] & 1 != 0
            RecordEncoding.append(whole, arrivalDelta: hasDelta ? layout.arrivalDelta : nil, to: &again)
            try hold(again == bytes, "a record encodes again to other bytes")
        }
    }
}

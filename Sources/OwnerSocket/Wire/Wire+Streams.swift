import StreamModel
import StreamStorage

// Streams, records and the results of reads.

extension WireWriter {
    mutating func write(_ settings: StreamSettings) {
        write(Int64(settings.shards))
        write(settings.retention)
        write(Int64(settings.maximumRecordSize))
        write(settings.isFailureStream)
    }

    mutating func write(_ stream: StreamDescription) {
        write(stream.name)
        write(stream.id.value)
        write(stream.createdAt)
        write(stream.retention)
        write(Int64(stream.maximumRecordSize))
        write(stream.isFailureStream)
        write(stream.initialSettings)
        write(each: stream.shards) { $0.write($1) }
    }

    mutating func write(_ shard: ShardDescription) {
        write(shard.id)
        write(shard.hashKeyRange)
        write(each: shard.parents) { $0.write($1) }
        write(shard.creationSecond)
        write(shard.openedAt)
        write(optional: shard.closedAt) { $0.write($1) }
        write(shard.trimHorizon)
        write(shard.tip)
        write(Int64(shard.recordCount))
        write(shard.origin)
    }

    mutating func write(_ position: StartingPosition) {
        switch position {
        case .trimHorizon: write(0 as UInt8)
        case .latest: write(1 as UInt8)
        case .atTimestamp(let time):
            write(2 as UInt8)
            write(time)
        case .atSequenceNumber(let number):
            write(3 as UInt8)
            write(number)
        case .afterSequenceNumber(let number):
            write(4 as UInt8)
            write(number)
        case .at(let number):
            write(5 as UInt8)
            write(number.description)
        case .after(let number):
            write(6 as UInt8)
            write(number.description)
        }
    }

    mutating func write(_ span: RecordSpan) {
        write(span.shard)
        write(span.after)
        write(span.through)
    }

    mutating func write(_ request: ReadRequest) {
        write(request.stream)
        write(request.shard)
        write(request.after)
        write(Int64(request.maximumRecords))
        write(Int64(request.maximumBytes))
        switch request.wait {
        case .no: write(0 as UInt8)
        case .atMost(let duration):
            write(1 as UInt8)
            write(duration)
        case .untilAvailable: write(2 as UInt8)
        }
    }

    mutating func write(_ result: ReadResult) {
        write(each: result.batch.runs) { $0.write($1) }
        write(optional: result.expired) { $0.write($1) }
        write(optional: result.lost) { $0.write($1) }
        write(result.next)
        write(result.tip)
        write(optional: result.endOfShard) { writer, children in writer.write(each: children) { $0.write($1) } }
        write(optional: result.earliestNextArrival) { $0.write($1) }
    }

    private mutating func write(_ run: RecordRun) {
        write(run.shard)
        write(run.shardCreationSecond)
        write(run.firstSequence)
        write(run.arrival)
        write(UInt32(run.count))
        write(run.bytes[Int(run.offsets[run.range.lowerBound])..<Int(run.offsets[run.range.upperBound])])
    }

    mutating func write(_ records: [NewRecord]) {
        write(UInt32(records.count))
        write { bytes in for record in records { RecordEncoding.append(record, to: &bytes) } }
    }

    mutating func write(_ receipt: PutReceipt) {
        write(receipt.shard)
        write(receipt.sequenceNumber)
        write(receipt.approximateArrivalTimestamp)
        write(receipt.shardCreationSecond)
    }
}

extension WireReader {
    private mutating func count() throws -> Int { Int(try number(Int64.self)) }

    mutating func streamSettings() throws -> StreamSettings {
        StreamSettings(
            shards: try count(), retention: try duration(), maximumRecordSize: try count(),
            isFailureStream: try bool())
    }

    mutating func streamDescription() throws -> StreamDescription {
        StreamDescription(
            name: try string(), id: StreamID(try number()), createdAt: try timestamp(), retention: try duration(),
            maximumRecordSize: try count(), isFailureStream: try bool(), initialSettings: try streamSettings(),
            shards: try each { try $0.shardDescription() })
    }

    mutating func shardDescription() throws -> ShardDescription {
        ShardDescription(
            id: try shard(), hashKeyRange: try hashKeyRange(), parents: try each { try $0.shard() },
            creationSecond: try number(), openedAt: try timestamp(), closedAt: try optional { try $0.timestamp() },
            trimHorizon: try sequenceNumber(), tip: try sequenceNumber(), recordCount: try recordCount(),
            origin: try sequenceNumber())
    }

    mutating func startingPosition() throws -> StartingPosition {
        switch try number(UInt8.self) {
        case 0: .trimHorizon
        case 1: .latest
        case 2: .atTimestamp(try timestamp())
        case 3: .atSequenceNumber(try sequenceNumber())
        case 4: .afterSequenceNumber(try sequenceNumber())
        case 5: .at(try kinesisSequenceNumber())
        case 6: .after(try kinesisSequenceNumber())
        default: throw WireError("a starting position of an unknown kind")
        }
    }

    private mutating func kinesisSequenceNumber() throws -> KinesisSequenceNumber {
        guard let number = KinesisSequenceNumber(try string()) else {
            throw WireError("no sequence number of 56 digits")
        }
        return number
    }

    mutating func recordSpan() throws -> RecordSpan {
        RecordSpan(shard: try shard(), after: try sequenceNumber(), through: try sequenceNumber())
    }

    mutating func recordCount() throws -> Int {
        let count = try count()
        guard count >= 0 else { throw WireError("\(count) records") }
        return count
    }

    mutating func readRequest() throws -> ReadRequest {
        var request = ReadRequest(
            stream: try string(), shard: try shard(), after: try sequenceNumber(), maximumRecords: try count(),
            maximumBytes: try count())
        switch try number(UInt8.self) {
        case 0: request.wait = .no
        case 1: request.wait = .atMost(try duration())
        case 2: request.wait = .untilAvailable
        default: throw WireError("a wait of an unknown kind")
        }
        return request
    }

    mutating func readResult() throws -> ReadResult {
        ReadResult(
            batch: RecordBatch(try each { try $0.recordRun() }), expired: try optional { try $0.range() },
            lost: try optional { try $0.range() }, next: try sequenceNumber(), tip: try sequenceNumber(),
            endOfShard: try optional { try $0.each { try $0.shard() } },
            earliestNextArrival: try optional { try $0.timestamp() })
    }

    private mutating func recordRun() throws -> RecordRun {
        let shard = try shard()
        let creationSecond = try number(UInt64.self)
        let first = try sequenceNumber()
        let arrival = try timestamp()
        let count = Int(try number(UInt32.self))
        let bytes = try array()
        guard count > 0, UInt64(count) <= SequenceNumber.max.rawValue - first.rawValue,
            let offsets = RecordEncoding.offsets(of: count, in: bytes.span), offsets.last == UInt32(bytes.count)
        else { throw WireError("the bytes of a run are not its records") }
        return RecordRun(
            bytes: bytes, offsets: offsets, range: 0..<count, shard: shard, shardCreationSecond: creationSecond,
            firstSequence: first, arrival: arrival)
    }

    mutating func newRecords() throws -> [NewRecord] {
        let count = Int(try number(UInt32.self))
        let bytes = try array()
        guard let offsets = RecordEncoding.offsets(of: count, in: bytes.span), offsets.last == UInt32(bytes.count)
        else { throw WireError("the bytes of an append are not its records") }
        return try offsets.dropLast().map { start in
            let record = Record(
                bytes: bytes, at: Int(start), shard: ShardID(0), shardCreationSecond: 0, sequenceNumber: .zero,
                runArrival: Timestamp(milliseconds: 0))
            // A record that is being put has no arrival yet.
            guard let layout = RecordEncoding.layout(in: bytes.span, at: Int(start)), bytes[Int(start)] & 1 == 0,
                let key = String(validating: bytes[layout.keyStart..<layout.dataStart], as: UTF8.self)
            else { throw WireError("a partition key is not UTF-8") }
            return NewRecord(Array(record.bytes), partitionKey: key, explicitHashKey: record.explicitHashKey)
        }
    }

    mutating func putReceipt() throws -> PutReceipt {
        PutReceipt(
            shard: try shard(), sequenceNumber: try sequenceNumber(), approximateArrivalTimestamp: try timestamp(),
            shardCreationSecond: try number())
    }
}

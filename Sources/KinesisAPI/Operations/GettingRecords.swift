import DataFormats
import StreamModel
import StreamStorage

// GetRecords.
extension KinesisOperations {
    /// The most bytes of data and keys in one answer (API-T-6).
    private static let answerBytes = 10 << 20

    @Sendable func getRecords(_ call: OperationCall) async throws -> Output {
        let seal = try await seal()
        guard let iterator = ShardIterator(call.text("ShardIterator") ?? "", seal) else {
            throw ServiceError.invalidArgument("Invalid ShardIterator.")
        }
        let address = scope.address(ofStoreName: iterator.stream)
        if call.text("StreamARN") != nil, try self.address(call) != address {
            throw ServiceError.invalidArgument("The StreamARN is not that of the ShardIterator's stream.")
        }
        let now = now
        // One from the future is accepted: clocks step back (API-GetRecords-3).
        guard now.milliseconds - iterator.issuedAt.milliseconds <= ShardIterator.lifetime else {
            throw ServiceError(
                code: "ExpiredIteratorException",
                message:
                    "Iterator expired. The iterator was created at time \(iterator.issuedAt.clientText) while right now it is \(now.clientText) which is further in the future than the tolerated delay of 300000 milliseconds."
            )
        }
        let found = try await look(at: iterator.shard, address)
        guard found.look.streamID == iterator.streamID else { throw Self.shardGone(iterator.shard, address) }
        try await rates.takeRead(iterator.shard, found.storeName, address)
        if call.bool("DryRun") { throw ServiceError.dryRun }
        let page = try await page(of: found, after: iterator.position, limit: call.int("Limit") ?? 10_000)
        rates.noteRead(bytes: page.bytes, iterator.shard, found.storeName)
        let encrypted = try await properties(of: found.storeName).encryptedTimes
        var writer = DocumentWriter(call.format, reserving: page.bytes * 3 / 2 + page.records.count * 200 + 512)
        let next: ShardIterator? =
            page.isAtEnd
            ? nil
            : ShardIterator(
                stream: iterator.stream, streamID: iterator.streamID, shard: iterator.shard, position: page.next,
                issuedAt: now)
        writer.beginMap(3)
        writer.key("Records")
        page.write(encrypted: encrypted, to: &writer)
        writer.key("MillisBehindLatest")
        writer.int(page.millisecondsBehind)
        if let next {
            writer.key("NextShardIterator")
            writer.string(next.text(seal))
        } else {
            writer.key("ChildShards")
            found.look.childShards.write(to: &writer)
        }
        writer.endMap()
        return .bytes(writer.bytes)
    }

    /// Records of one shard for an answer.
    struct RecordPage: Sendable {
        var records: RecordBatch.SubSequence
        /// The bytes of data and keys.
        var bytes: Int
        /// The position after them.
        var next: SequenceNumber
        /// Whether the shard is closed and nothing is left (API-T-7).
        var isAtEnd: Bool
        /// API-T-9.
        var millisecondsBehind: Int64
    }

    /// The records after a position: at most `limit`, at most 10 MiB, but at least one where there is one (API-T-6). A
    /// position whose records have expired goes on at the oldest one (API-T-11).
    func page(
        of found: FoundShard, after start: SequenceNumber, limit: Int, bytes: Int = answerBytes
    ) async throws -> RecordPage {
        let shard = found.shard
        var position = max(start, shard.trimHorizon)
        // A position that fills later, or the end of a closed shard.
        guard position < shard.tip else { return emptyPage(found, after: position) }
        while true {
            let result = try await read(found, after: position, limit: limit, bytes: bytes)
            let (records, size) = result.batch[...].prefix(ofBytes: bytes)
            position = records.last?.sequenceNumber ?? result.next
            if records.count == result.batch.count { position = max(position, result.next) }
            // What retention or a declared loss removed is passed over, so that no answer is empty without need (API-T-10).
            if records.isEmpty, position < result.tip { continue }
            let isAtTip = position >= result.tip
            let isAtEnd = isAtTip && result.endOfShard != nil
            return RecordPage(
                records: records, bytes: size, next: position, isAtEnd: isAtEnd,
                millisecondsBehind: behind(found, last: records.last, isAtTip: isAtTip))
        }
    }

    private func read(
        _ found: FoundShard, after position: SequenceNumber, limit: Int, bytes: Int
    ) async throws -> ReadResult {
        do {
            return try await engine.read(
                ReadRequest(
                    stream: found.storeName, shard: found.shard.id, after: position, maximumRecords: limit,
                    maximumBytes: bytes))
        } catch let error as ShardlineError where [.streamNotFound, .shardNotFound].contains(error.code) {
            throw Self.shardGone(found.shard.id, found.address)
        }
    }

    private func emptyPage(_ found: FoundShard, after position: SequenceNumber) -> RecordPage {
        RecordPage(
            records: RecordBatch()[...], bytes: 0, next: position, isAtEnd: found.shard.closedAt != nil,
            millisecondsBehind: behind(found, last: nil, isAtTip: true))
    }

    /// How long ago the last record that was returned arrived; 0 at the tip of an open shard, and at the end of a closed one
    /// the time since its closing (API-T-9).
    private func behind(_ found: FoundShard, last: Record?, isAtTip: Bool) -> Int64 {
        let moment = isAtTip ? found.shard.closedAt : last?.approximateArrivalTimestamp
        return moment.map { max(0, now.milliseconds - $0.milliseconds) } ?? 0
    }
}

extension RecordBatch.SubSequence {
    /// The first records that have at most this many bytes of data and keys together, at least one where there is one; and
    /// their bytes.
    func prefix(ofBytes limit: Int) -> (records: Self, bytes: Int) {
        var taken = 0
        var size = 0
        for record in self {
            let more = record.dataByteCount + record.keyByteCount
            if taken > 0, size + more > limit { break }
            size += more
            taken += 1
        }
        return (prefix(taken), size)
    }
}

extension KinesisOperations.RecordPage {
    /// The list of records.
    ///
    /// - Parameter encrypted: when the stream was shown as encrypted (API-C-6).
    func write(encrypted: EncryptedTimes, to writer: inout DocumentWriter) {
        writer.beginList(records.count)
        for record in records {
            let hasKey = record.keyByteCount > 0
            let arrival = record.approximateArrivalTimestamp
            let isEncrypted = encrypted.contains(arrival)
            writer.beginMap((isEncrypted ? 4 : 3) + (hasKey ? 1 : 0))
            writer.key("SequenceNumber")
            record.kinesisSequenceNumber.withDigits { writer.ascii($0) }
            writer.key("ApproximateArrivalTimestamp")
            writer.time(milliseconds: arrival.milliseconds)
            writer.key("Data")
            writer.blob(record.bytes)
            if hasKey {
                writer.key("PartitionKey")
                writer.string(utf8: record.keyBytes)
            }
            if isEncrypted {
                writer.key("EncryptionType")
                writer.string("KMS")
            }
            writer.endMap()
        }
        writer.endList()
    }
}

extension ShardLook {
    /// `ChildShards` (API-T-8).
    var childShards: OutputValue {
        .list(
            children.map { child in
                .map([
                    "ShardId": .text(child.id.description),
                    "ParentShards": .list(child.parents.map { .text($0.description) }),
                    "HashKeyRange": KinesisOperations.output(child.hashKeyRange),
                ])
            })
    }
}

extension Timestamp {
    /// As the text of an expired iterator writes times: `Fri Nov 27 10:00:00 UTC 2026`.
    var clientText: String {
        let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        // 2026-11-27T10:00:00.000Z, and 1970 began on a Thursday.
        let text = description
        let day = days[Int((milliseconds / 86_400_000 % 7 + 7) % 7)]
        let month = Int(text.dropFirst(5).prefix(2)).map { months[$0 - 1] } ?? ""
        return "\(day) \(month) \(text.dropFirst(8).prefix(2)) \(text.dropFirst(11).prefix(8)) UTC \(text.prefix(4))"
    }
}

import StreamModel
import StreamStorage

// GetShardIterator, and the positions of subscriptions, which keep the same rules.
extension KinesisOperations {
    @Sendable func getShardIterator(_ call: OperationCall) async throws -> Output {
        let address = try address(call)
        let given = call.text("ShardId") ?? ""
        let shard = try shard(given, in: address)
        let look = try await look(at: shard, address)
        try await rates.takeIterator(shard, look.storeName)
        let start = PositionRequest(
            type: call.text("ShardIteratorType") ?? "", number: call.text("StartingSequenceNumber"),
            time: call.milliseconds("Timestamp"), operation: "GetShardIterator")
        let position = try await position(of: start, in: look)
        if call.bool("DryRun") { throw ServiceError.dryRun }
        let iterator = ShardIterator(
            stream: look.storeName, streamID: look.look.streamID, shard: shard, position: position, issuedAt: now)
        return .map(["ShardIterator": .text(iterator.text(try await seal()))])
    }

    /// A shard that was found, with the stream's name.
    struct FoundShard: Sendable {
        var address: StreamAddress
        var storeName: String
        var look: ShardLook
        var shard: ShardDescription { look.shard }
    }

    /// Finds a shard; throws the same for an unknown stream as for an unknown shard (API-GetShardIterator-2).
    func look(at shard: ShardID, _ address: StreamAddress) async throws -> FoundShard {
        let name = scope.storeName(of: address)
        let state = transitions.state(of: name)
        guard state != .creating, state != .deleting else { throw Self.shardGone(shard, address) }
        do {
            return FoundShard(
                address: address, storeName: name, look: try await engine.describeShard(shard, of: name))
        } catch let error as ShardlineError
            where [.streamNotFound, .shardNotFound, .invalidArgument].contains(error.code)
        {
            throw Self.shardGone(shard, address)
        }
    }

    /// Where a reader wants to begin, as it was asked for.
    struct PositionRequest: Sendable {
        var type: String
        var number: String?
        /// In milliseconds.
        var time: Int64?
        /// The operation, as texts name it.
        var operation: String
    }

    /// The position before the first record that is asked for (API-T-1 to API-T-5), by the checks of
    /// API-GetShardIterator-3 to API-GetShardIterator-10.
    func position(of start: PositionRequest, in found: FoundShard) async throws -> SequenceNumber {
        let hasNumber = start.type == "AT_SEQUENCE_NUMBER" || start.type == "AFTER_SEQUENCE_NUMBER"
        if hasNumber != (start.number != nil), start.type != "AT_TIMESTAMP" || start.number != nil {
            throw ServiceError.invalidArgument(
                "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified \(start.type) and \(hasNumber ? "no" : "also a") StartingSequenceNumber."
            )
        }
        switch start.type {
        case "TRIM_HORIZON": return .zero
        case "LATEST": return found.shard.closedAt == nil ? found.shard.tip : .max
        case "AT_TIMESTAMP": return try await position(atTime: start.time, in: found)
        default: return try await position(ofNumber: start, in: found)
        }
    }

    private func position(atTime time: Int64?, in found: FoundShard) async throws -> SequenceNumber {
        guard let time else {
            throw ServiceError.invalidArgument(
                "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter."
            )
        }
        let now = now
        guard time <= now.milliseconds else {
            throw ServiceError.invalidArgument(
                "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: \(time), currentTimestampInMillis: \(now.milliseconds)"
            )
        }
        return try await mapping(found.address) {
            try await engine.position(
                of: .atTimestamp(Timestamp(milliseconds: max(0, time))), in: found.storeName, shard: found.shard.id)
        }
    }

    private func position(ofNumber start: PositionRequest, in found: FoundShard) async throws -> SequenceNumber {
        let text = start.number ?? ""
        let (shard, address) = (found.shard, found.address)
        let place = "used in \(start.operation) on shard \(shard.id) in \(address.inTexts)"
        guard let number = KinesisSequenceNumber(text) else {
            // A number of the oldest layout names the shard alone; it can't be of this stream (API-GetShardIterator-6).
            if let old = UInt128(text), old < 1 << 124 {
                throw ServiceError.invalidArgument(
                    "StartingSequenceNumber \(text) \(place) is invalid because it did not come from this stream.")
            }
            throw ServiceError.invalidArgument("StartingSequenceNumber \(text) \(place) is invalid.")
        }
        guard number.shard == shard.id else {
            throw ServiceError.invalidArgument(
                "Invalid StartingSequenceNumber. It encodes \(number.shard), while it was used in a call to a shard with \(shard.id)"
            )
        }
        guard number.shardCreationSecond == shard.creationSecond else {
            throw ServiceError.invalidArgument(
                "StartingSequenceNumber \(text) \(place) is invalid because it did not come from this stream.")
        }
        let isAfter = start.type == "AFTER_SEQUENCE_NUMBER"
        if number.sequenceNumber == .max {
            guard !isAfter else {
                throw ServiceError.invalidArgument(
                    "Invalid SequenceNumber for ShardIteratorType AFTER_SEQUENCE_NUMBER, SequenceNumber has reached max possible value for the shard."
                )
            }
            return .max
        }
        if number.sequenceNumber == .zero { return .zero }
        // A position that fills later.
        if number.sequenceNumber > shard.tip {
            return isAfter ? number.sequenceNumber : number.sequenceNumber.previous
        }
        // Numbers are compared as a whole, the index first and then the arrival (API-Q-3).
        guard let record = try await record(number.sequenceNumber, in: found) else { return number.sequenceNumber }
        let isBefore = isAfter ? record > number : record >= number
        return isBefore ? number.sequenceNumber.previous : number.sequenceNumber
    }

    /// The number of the record with this index; nil: there is none any more, or not yet.
    private func record(_ index: SequenceNumber, in found: FoundShard) async throws -> KinesisSequenceNumber? {
        guard index > found.shard.trimHorizon, index <= found.shard.tip else { return nil }
        let result = try await engine.read(
            ReadRequest(stream: found.storeName, shard: found.shard.id, after: index.previous, maximumRecords: 1))
        guard let record = result.batch.first, record.sequenceNumber == index else { return nil }
        return record.kinesisSequenceNumber
    }
}

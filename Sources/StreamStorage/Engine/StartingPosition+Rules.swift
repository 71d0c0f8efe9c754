public import StreamModel

extension StartingPosition {
    /// Whether it is a position in one shard only.
    public var isOfOneShard: Bool {
        switch self {
        case .trimHorizon, .latest, .atTimestamp: false
        case .atSequenceNumber, .afterSequenceNumber, .at, .after: true
        }
    }

    /// The same position by its counter alone, as it is stored.
    package var withoutShard: StartingPosition {
        switch self {
        case .trimHorizon, .latest, .atTimestamp, .atSequenceNumber, .afterSequenceNumber: self
        case .at(let number): .atSequenceNumber(number.sequenceNumber)
        case .after(let number): .afterSequenceNumber(number.sequenceNumber)
        }
    }

    /// The position before the record that it names in a shard; nil where it names no number.
    ///
    /// Throws `invalidArgument` for a number of another shard (API-Q-8), and for one beyond the tip, which would skip
    /// records that are still to be put.
    ///
    /// - Parameters:
    ///   - shard: the shard whose position is wanted.
    ///   - owner: returns the stream with the shard that a number belongs to, if it exists.
    package func position(
        in stream: String, shard: NumberedShard, owner: (KinesisSequenceNumber) -> String?
    ) throws -> SequenceNumber? {
        switch self {
        case .trimHorizon, .latest, .atTimestamp: return nil
        case .atSequenceNumber(let number):
            try shard.check(number.previous, meaning: number, in: stream)
            return number.previous
        case .afterSequenceNumber(let number):
            try shard.check(number, meaning: number, in: stream)
            return number
        case .at(let number), .after(let number):
            guard number.shard == shard.id, number.shardCreationSecond == shard.creationSecond else {
                let place = owner(number).map { "of \(number.shard) of the stream '\($0)'" }
                throw ShardlineError(
                    .invalidArgument,
                    "the sequence number \(number) is \(place ?? "of a stream or shard that is no longer there"), not of \(shard.id) of the stream '\(stream)' (allowed: a number of a record of that shard)"
                )
            }
            return try withoutShard.position(in: stream, shard: shard, owner: owner)
        }
    }

    /// Throws `invalidArgument` for a time in the future or before 1970 (ESM-S23). A time before the oldest record is
    /// allowed and means that record.
    public func validate(now: Timestamp) throws {
        guard case .atTimestamp(let moment) = self else { return }
        guard moment <= now else {
            throw ShardlineError(
                .invalidArgument,
                "the starting position \(moment) is in the future, now it is \(now) (allowed: a time that has passed, or latest)"
            )
        }
        guard moment.milliseconds >= 0 else {
            throw ShardlineError(
                .invalidArgument,
                "the starting position \(moment) is before 1970 (allowed: a later time, or trim-horizon)")
        }
    }
}

/// The facts about a shard that sequence numbers are checked against.
package struct NumberedShard: Sendable {
    package var id: ShardID
    package var creationSecond: UInt64
    /// The newest record's number.
    package var tip: SequenceNumber
    /// The last number that a reader can have reached: ``tip``, or a number after it that a jump has skipped since.
    package var lastPosition: SequenceNumber
    package var isClosed: Bool

    package init(
        id: ShardID, creationSecond: UInt64, tip: SequenceNumber, lastPosition: SequenceNumber, isClosed: Bool
    ) {
        self.id = id
        self.creationSecond = creationSecond
        self.tip = tip
        self.lastPosition = lastPosition
        self.isClosed = isClosed
    }

    /// Throws `invalidArgument` where the position of a read is not one of the shard.
    package func checkRead(_ request: ReadRequest) throws {
        // The position of a reader that has finished a closed shard: nothing is skipped, as no records follow.
        if isClosed, request.after >= tip { return }
        try check(request.after, in: request.stream)
    }

    /// Throws `invalidArgument` for a position after the last one, which would skip records that are still to be put.
    package func check(
        _ position: SequenceNumber, meaning number: SequenceNumber? = nil, in stream: String
    ) throws {
        guard position <= lastPosition else {
            throw ShardlineError(
                .invalidArgument,
                "shard \(id.number) of '\(stream)' has no record \(number ?? position); its newest is \(tip)")
        }
    }
}

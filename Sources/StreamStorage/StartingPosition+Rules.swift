package import StreamModel

extension StartingPosition {
    /// Whether it is a place in one shard only.
    package var isOfOneShard: Bool {
        switch self {
        case .trimHorizon, .latest, .atTimestamp: false
        case .atSequenceNumber, .afterSequenceNumber, .at, .after: true
        }
    }

    /// The same by its counter alone, as it is stored.
    package var withoutShard: StartingPosition {
        switch self {
        case .trimHorizon, .latest, .atTimestamp, .atSequenceNumber, .afterSequenceNumber: self
        case .at(let number): .atSequenceNumber(number.sequenceNumber)
        case .after(let number): .afterSequenceNumber(number.sequenceNumber)
        }
    }

    /// The position before what it names in a shard; nil where it names no number.
    ///
    /// Throws `invalidArgument` for a number of another shard (API-Q-8), and for one beyond the tip, which would skip
    /// records that are still to come.
    ///
    /// - Parameters:
    ///   - shard: the shard, when it was made, and the last number that a reader can have come to.
    ///   - owner: the stream with the shard that a number is of, if it is there.
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

    /// Throws `invalidArgument` for a time that no record can have arrived at yet, or before 1970 (ESM-S23). One before
    /// the oldest record is allowed, and means that.
    package func validate(now: Timestamp) throws {
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

/// A shard as far as numbers are held against it.
package struct NumberedShard: Sendable {
    package var id: ShardID
    package var creationSecond: UInt64
    /// The newest record's number.
    package var tip: SequenceNumber
    /// The last number that a reader can have come to: ``tip``, or one that numbers have jumped over since.
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

    /// Throws `invalidArgument` where a read begins at no position of the shard.
    package func checkRead(_ request: ReadRequest) throws {
        // Where a reader stands that is done with a closed shard: nothing is skipped, as nothing comes after it.
        if isClosed, request.after >= tip { return }
        try check(request.after, in: request.stream)
    }

    /// Throws `invalidArgument` for a position behind which records are still to come that it would skip.
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

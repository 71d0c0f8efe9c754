import Logging
public import StreamModel

extension RecordStream {
    /// The records of one shard, in order, as an asynchronous sequence.
    ///
    /// ```swift
    /// for try await record in departures.records(in: ShardID(0), from: .latest) { print(record.partitionKey) }
    /// ```
    ///
    /// The sequence ends after the last record of a closed shard; its children continue the keys. A reader keeps no
    /// checkpoint and knows nothing of failures: an event source mapping does. To continue later, keep the last
    /// record's ``Record/kinesisSequenceNumber`` and start at ``StartingPosition/after(_:)``.
    ///
    /// Each iteration reads from the start. Iterating throws `invalidArgument` for a position that is none in the shard,
    /// `streamNotFound`, `shardNotFound`, `corrupt`, `readFailed`, `ownerGone`, `closed`, and `CancellationError`.
    ///
    /// - Parameters:
    ///   - shard: the shard.
    ///   - start: where to start. Default: the oldest record.
    ///   - follow: whether to wait for records that are put later. If not, the sequence ends at the record that is the
    ///     newest when iterating begins. Default: true.
    ///   - onGap: called where records are missing, before the next record is returned. An error that it throws ends the
    ///     sequence. Default: the store's ``StreamStore/logger`` gets a warning.
    public func records(
        in shard: ShardID, from start: StartingPosition = .trimHorizon, follow: Bool = true,
        onGap: (@Sendable (RecordGap) throws -> Void)? = nil
    ) -> ShardRecords {
        ShardRecords(settings: ReaderSettings(stream: self, start: start, follow: follow, onGap: onGap), shard: shard)
    }

    /// The records of all shards as an asynchronous sequence: those of a shard in order, and a shard's only after all
    /// of its parents', so those of a partition key in order across splits and merges.
    ///
    /// ```swift
    /// for try await record in departures.records(from: .trimHorizon, follow: false) { print(record.partitionKey) }
    /// ```
    ///
    /// Between shards there is no order. Iterating throws as ``records(in:from:follow:onGap:)`` does, and
    /// `invalidArgument` for a sequence number as the start, since it belongs to one shard.
    ///
    /// - Parameters:
    ///   - start: where to start in each shard. Default: the oldest record.
    ///   - follow: whether to wait for records that are put later, also in shards that open later. If not, the sequence
    ///     ends when the records are read that were there when iterating began. Default: true.
    ///   - onGap: as for one shard.
    public func records(
        from start: StartingPosition = .trimHorizon, follow: Bool = true,
        onGap: (@Sendable (RecordGap) throws -> Void)? = nil
    ) -> StreamRecords {
        StreamRecords(settings: ReaderSettings(stream: self, start: start, follow: follow, onGap: onGap))
    }
}

/// What the readers of one iteration share.
struct ReaderSettings: Sendable {
    let stream: RecordStream
    let start: StartingPosition
    let follow: Bool
    let onGap: (@Sendable (RecordGap) throws -> Void)?

    func report(_ gap: RecordGap) throws {
        if let onGap { return try onGap(gap) }
        stream.store.logger.warning("\(gap)", metadata: ["stream": "\(stream.name)"])
    }
}

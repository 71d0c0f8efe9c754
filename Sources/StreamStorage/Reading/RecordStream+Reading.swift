public import StreamModel

extension RecordStream {
    /// The records of one shard, in order, as an asynchronous sequence.
    ///
    /// ```swift
    /// for try await record in departures.records(in: ShardID(0), from: .latest) { print(record.partitionKey) }
    /// ```
    ///
    /// The sequence ends after the last record of a closed shard; its children have the later records of its keys. A
    /// reader keeps no checkpoint and does not retry: an event source mapping does. To continue later, keep the last
    /// record's ``Record/kinesisSequenceNumber`` and start at ``StartingPosition/after(_:)``.
    ///
    /// Each iteration reads from the start. Iterating throws `invalidArgument` for a position that is none in the shard,
    /// `streamNotFound`, also where the stream was recreated meanwhile, `shardNotFound`, `corrupt`, `readFailed`,
    /// `storeFailed`, `ownerGone`, `closed`, and `CancellationError`. After an error the iteration is over.
    ///
    /// - Parameters:
    ///   - shard: the shard.
    ///   - start: where to start. Default: the oldest record.
    ///   - follow: whether to wait for records that are put later. If not, the sequence ends at the record that is the
    ///     newest when iterating begins. Default: true.
    ///   - onGap: called where records are missing, before the next record is returned. An error that it throws ends the
    ///     iteration. Default: the store's ``StreamStore/logger`` gets a warning.
    public func records(
        in shard: ShardID, from start: StartingPosition = .trimHorizon, follow: Bool = true,
        onGap: (@Sendable (RecordGap) throws -> Void)? = nil
    ) -> ShardRecords {
        ShardRecords(
            settings: ReaderSettings(stream: self, follow: follow, onGap: onGap), shard: shard, start: start)
    }

    /// The records of all shards as an asynchronous sequence: those of a shard in order, and a shard's only after all
    /// of its parents', so those of a partition key in order across splits and merges.
    ///
    /// ```swift
    /// for try await record in departures.records(from: .trimHorizon, follow: false) { print(record.partitionKey) }
    /// ```
    ///
    /// Between shards there is no order. Iterating throws as ``records(in:from:follow:onGap:)`` does, and
    /// `invalidArgument` for a sequence number as the start, since it belongs to one shard. A shard that can't be read,
    /// because it is damaged, ends the reading of all: read the others one by one, or with a mapping.
    ///
    /// A reader that follows waits in every open shard at once: each record that wakes it costs a call for each of them.
    /// For a thousand shards a mapping is the better tool.
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
        StreamRecords(settings: ReaderSettings(stream: self, follow: follow, onGap: onGap), start: .at(start))
    }

    /// The records of all shards after those that were read before, as an asynchronous sequence.
    ///
    /// ```swift
    /// var last: [ShardID: KinesisSequenceNumber] = [:]
    /// for try await record in departures.records(after: last) { last[record.shard] = record.kinesisSequenceNumber }
    /// ```
    ///
    /// As ``records(from:follow:onGap:)``. A shard without an entry is read from its first record, unless a shard that
    /// descends from it has one: then it was read to its end. Entries of shards that are no longer listed do nothing.
    ///
    /// - Parameter places: the number of the last record that was read of each shard.
    public func records(
        after places: [ShardID: KinesisSequenceNumber], follow: Bool = true,
        onGap: (@Sendable (RecordGap) throws -> Void)? = nil
    ) -> StreamRecords {
        StreamRecords(settings: ReaderSettings(stream: self, follow: follow, onGap: onGap), start: .after(places))
    }

    /// ``records(from:follow:onGap:)`` with reads of at most so many records, for tests and simulations.
    package func records(
        from start: StartingPosition = .trimHorizon, follow: Bool = true, recordsOfOneRead: Int,
        onGap: (@Sendable (RecordGap) throws -> Void)? = nil
    ) -> StreamRecords {
        var settings = ReaderSettings(stream: self, follow: follow, onGap: onGap)
        settings.recordsOfOneRead = recordsOfOneRead
        return StreamRecords(settings: settings, start: .at(start))
    }
}

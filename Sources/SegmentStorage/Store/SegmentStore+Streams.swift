public import StreamModel
public import StreamStorage

/// Looks at streams and shards. A stream's state is never taken out of the lock: a second reference to its tables would
/// make the next commit that changes them copy them.
extension SegmentStore {
    /// What the description of a shard needs beside its horizon.
    private struct FoundShard: Sendable {
        var state: ShardState
        var lost: [ClosedRange<UInt64>]
    }

    /// As ``StoreEngine/summarizeStream(_:)``.
    public func summarizeStream(_ name: String) async throws -> StreamSummary {
        let now = timeSource.wallTime
        return try core.visible.withOpen { try $0.catalogue.stream(name).summary(in: core.store, at: now) }
    }

    /// As ``StoreEngine/streamSummaries(_:)``.
    public func streamSummaries(_ query: StreamQuery) async throws -> StreamSummaryPage {
        try query.validate()
        let now = timeSource.wallTime
        return try core.visible.withOpen { state in
            let (names, hasMore) = state.names.page(query, of: state.catalogue)
            return StreamSummaryPage(
                streams: try names.map { try state.catalogue.stream($0.string).summary(in: core.store, at: now) },
                hasMore: hasMore)
        }
    }

    /// As ``StoreEngine/describeShard(_:of:)``.
    public func describeShard(_ shard: ShardID, of stream: String) async throws -> ShardLook {
        let now = timeSource.wallTime
        let (found, look, expiry) = try core.visible.withOpen { state in
            let stream = try state.catalogue.stream(stream)
            let expiry = stream.expiry(at: now)
            let shard = try state.catalogue.shard(shard, of: stream)
            guard !shard.isRemoved(by: expiry) else {
                throw ShardlineError(.shardNotFound, stream.words(ofUnknown: shard.id))
            }
            let children = shard.children.compactMap { stream.shards[$0] }.compactMap { state.catalogue.shards[$0] }
            return (
                ([shard] + children).map { FoundShard(state: $0, lost: state.lost[$0.key] ?? []) },
                (stream.id(in: core.store), stream.createdAt, stream.retention), expiry
            )
        }
        let shards = try await descriptions(of: found, expiry: expiry)
        return ShardLook(
            streamID: look.0, streamCreatedAt: look.1, retention: look.2, shard: shards[0],
            children: Array(shards[1...]))
    }

    /// As ``StoreEngine/shardDescriptions(_:)``.
    public func shardDescriptions(_ query: ShardQuery) async throws -> ShardPage {
        try query.validate()
        let now = timeSource.wallTime
        let (found, hasMore, id, expiry) = try core.visible.withOpen { state in
            let stream = try state.catalogue.stream(query.stream)
            let (shards, hasMore) = state.catalogue.listedShards(of: stream, query, at: now)
            return (
                shards.map { FoundShard(state: $0, lost: state.lost[$0.key] ?? []) }, hasMore,
                stream.id(in: core.store), stream.expiry(at: now)
            )
        }
        return ShardPage(streamID: id, shards: try await descriptions(of: found, expiry: expiry), hasMore: hasMore)
    }

    /// As ``StoreEngine/describeStream(_:)``.
    public func describeStream(_ name: String) async throws -> StreamDescription {
        let now = timeSource.wallTime
        let (found, summary, initial, expiry) = try core.visible.withOpen { state in
            let stream = try state.catalogue.stream(name)
            return (
                state.catalogue.listedShards(of: stream, at: now).map {
                    FoundShard(state: $0, lost: state.lost[$0.key] ?? [])
                },
                stream.summary(in: core.store, at: now), state.catalogue.initialSettings(of: stream),
                stream.expiry(at: now)
            )
        }
        return StreamDescription(
            name: summary.name, id: summary.id, createdAt: summary.createdAt, retention: summary.retention,
            maximumRecordSize: summary.maximumRecordSize, isFailureStream: summary.isFailureStream,
            initialSettings: initial, shards: try await descriptions(of: found, expiry: expiry))
    }

    private func descriptions(of found: [FoundShard], expiry: Timestamp) async throws -> [ShardDescription] {
        var descriptions: [ShardDescription] = []
        descriptions.reserveCapacity(found.count)
        for shard in found {
            let horizon = try await knownHorizon(of: shard.state, expiry: expiry)
            let count = shard.state.recordCount(after: horizon, through: shard.state.lastSequence, lost: shard.lost)
            descriptions.append(shard.state.description(trimHorizon: horizon, recordCount: Int(clamping: count)))
        }
        return descriptions
    }

    /// The shard's trim horizon, or the last known one where damage hides it: one damaged segment must not make the
    /// whole stream unreadable. A reader of this shard gets the error.
    private func knownHorizon(of shard: ShardState, expiry: Timestamp) async throws -> SequenceNumber {
        do {
            return try await trimHorizon(of: shard, expiry: expiry)
        } catch let error as ShardlineError where error.code == .corrupt || error.code == .readFailed {
            return core.visible.shardMemtable(of: shard.key)?.horizon ?? shard.origin
        }
    }
}

extension ShardState {
    /// The shard as users see it.
    package func description(trimHorizon: SequenceNumber, recordCount: Int) -> ShardDescription {
        ShardDescription(
            id: id, hashKeyRange: range, parents: parents, creationSecond: creationSecond, openedAt: openedAt,
            closedAt: closedAt, trimHorizon: trimHorizon, tip: lastSequence, recordCount: recordCount, origin: origin)
    }
}

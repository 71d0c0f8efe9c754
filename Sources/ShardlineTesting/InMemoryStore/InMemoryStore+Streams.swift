public import StreamModel
public import StreamStorage

extension InMemoryStore {
    /// As `StoreEngine/summarizeStream(_:)`.
    public func summarizeStream(_ name: String) async throws -> StreamSummary {
        let now = timeSource.wallTime
        return try state.withLock { state in
            try state.checkOpen()
            return state.summarize(try state.catalogue.stream(name), now: now)
        }
    }

    /// As `StoreEngine/describeShard(_:of:)`.
    public func describeShard(_ shard: ShardID, of stream: String) async throws -> ShardLook {
        let now = timeSource.wallTime
        return try state.withLock { state in
            try state.checkOpen()
            state.removeShards(of: try state.catalogue.stream(stream), now: now)
            let stream = try state.catalogue.stream(stream)
            let found = try stream.listedShard(shard)
            return ShardLook(
                streamID: state.id(of: stream), streamCreatedAt: stream.createdAt,
                retention: stream.settings.retention, shard: state.describe(found, of: stream, now: now),
                children: found.children.map { stream.shards[Int($0.number)] }.filter { !$0.isForgotten }
                    .map { state.describe($0, of: stream, now: now) })
        }
    }

    /// As `StoreEngine/streamSummaries(_:)`.
    public func streamSummaries(_ query: StreamQuery) async throws -> StreamSummaryPage {
        try query.validate()
        let now = timeSource.wallTime
        return try state.withLock { state in
            try state.checkOpen()
            return StreamSummaryPage(state.catalogue.streams.values.map { state.summarize($0, now: now) }, query)
        }
    }

    /// As `StoreEngine/shardDescriptions(_:)`.
    public func shardDescriptions(_ query: ShardQuery) async throws -> ShardPage {
        try query.validate()
        let now = timeSource.wallTime
        return try state.withLock { state in
            try state.checkOpen()
            state.removeShards(of: try state.catalogue.stream(query.stream), now: now)
            let stream = try state.catalogue.stream(query.stream)
            let first = query.after.map { Int($0.number) + 1 } ?? 0
            // One more than asked for tells whether more follow.
            let found = stream.shards.dropFirst(first).lazy
                .filter { !$0.isRemoved && !(query.openOnly && $0.closedAt != nil) }.prefix(query.limit + 1)
            let page = Array(found)
            return ShardPage(
                streamID: state.id(of: stream),
                shards: page.prefix(query.limit).map { state.describe($0, of: stream, now: now) },
                hasMore: page.count > query.limit)
        }
    }
}

extension InMemoryStore.State {
    func id(of stream: MemoryStream) -> StreamID {
        StreamID(store: id, number: stream.id, createdAt: stream.createdAt)
    }

    mutating func summarize(_ stream: MemoryStream, now: Timestamp) -> StreamSummary {
        removeShards(of: stream, now: now)
        let stream = catalogue.streams[UTF8Key(stream.name)] ?? stream
        return StreamSummary(
            name: stream.name, id: id(of: stream), createdAt: stream.createdAt, retention: stream.settings.retention,
            maximumRecordSize: stream.settings.maximumRecordSize, isFailureStream: stream.settings.isFailureStream,
            openShardCount: stream.shards.count { $0.closedAt == nil },
            shardCount: stream.shards.count { !$0.isRemoved })
    }

    mutating func describe(_ shard: MemoryShard, of stream: MemoryStream, now: Timestamp) -> ShardDescription {
        trim(shard.id, of: stream, now: now)
        let log = logs[stream.place(of: shard.id)] ?? MemoryLog()
        let horizon = log.trimHorizon(of: shard)
        return shard.description(
            trimHorizon: horizon, recordCount: log.recordCount(after: horizon, through: shard.last, in: shard))
    }

    mutating func describe(_ stream: MemoryStream, now: Timestamp) -> StreamDescription {
        removeShards(of: stream, now: now)
        let shards = (catalogue.streams[UTF8Key(stream.name)] ?? stream).listedShards.map { shard in
            describe(shard, of: stream, now: now)
        }
        return StreamDescription(
            name: stream.name, id: id(of: stream), createdAt: stream.createdAt, retention: stream.settings.retention,
            maximumRecordSize: stream.settings.maximumRecordSize, isFailureStream: stream.settings.isFailureStream,
            initialSettings: stream.initialSettings, shards: shards)
    }
}

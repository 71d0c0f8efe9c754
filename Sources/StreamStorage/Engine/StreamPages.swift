public import StreamModel

/// A stream as it is now, without its shards.
public struct StreamSummary: Hashable, Sendable {
    /// The stream's name, unique in its store.
    public var name: String
    /// The stream's id; a stream that is created again under the same name has another one.
    public var id: StreamID
    /// When it was created.
    public var createdAt: Timestamp
    /// How long records are kept.
    public var retention: Duration
    /// The most bytes of data in one record.
    public var maximumRecordSize: Int
    /// Whether it takes failure documents.
    public var isFailureStream: Bool
    /// How many of its shards are open.
    public var openShardCount: Int
    /// How many of its shards are listed, closed ones included (``StreamDescription/shards``).
    public var shardCount: Int

    /// A summary with these facts.
    public init(
        name: String, id: StreamID, createdAt: Timestamp, retention: Duration, maximumRecordSize: Int,
        isFailureStream: Bool, openShardCount: Int, shardCount: Int
    ) {
        self.name = name
        self.id = id
        self.createdAt = createdAt
        self.retention = retention
        self.maximumRecordSize = maximumRecordSize
        self.isFailureStream = isFailureStream
        self.openShardCount = openShardCount
        self.shardCount = shardCount
    }

    /// The summary of a whole description.
    public init(_ stream: StreamDescription) {
        self.init(
            name: stream.name, id: stream.id, createdAt: stream.createdAt, retention: stream.retention,
            maximumRecordSize: stream.maximumRecordSize, isFailureStream: stream.isFailureStream,
            openShardCount: stream.shards.count { $0.closedAt == nil }, shardCount: stream.shards.count)
    }
}

/// A shard as it is now, with what of its stream a reader of the shard needs.
public struct ShardLook: Hashable, Sendable {
    /// The stream's id.
    public var streamID: StreamID
    /// When the stream was created.
    public var streamCreatedAt: Timestamp
    /// How long the stream's records are kept.
    public var retention: Duration
    /// The shard.
    public var shard: ShardDescription
    /// The shards that took over its hash keys, by number; empty while it is open.
    public var children: [ShardDescription]

    /// A look with these facts.
    public init(
        streamID: StreamID, streamCreatedAt: Timestamp, retention: Duration, shard: ShardDescription,
        children: [ShardDescription]
    ) {
        self.streamID = streamID
        self.streamCreatedAt = streamCreatedAt
        self.retention = retention
        self.shard = shard
        self.children = children
    }
}

/// Which streams are asked for.
public struct StreamQuery: Hashable, Sendable {
    /// Only those after this name, which no stream needs to have. Default: from the first one.
    public var after: String?
    /// Only those whose name begins with these bytes. Default: all.
    public var prefix: String
    /// At most this many: 1 to 10,000. Default: 1,000.
    public var limit: Int
    /// Whether names with account and region (``StreamName``) are left out. Default: they are listed too.
    public var plainOnly: Bool

    /// A query with these facts.
    public init(after: String? = nil, prefix: String = "", limit: Int = 1_000, plainOnly: Bool = false) {
        self.after = after
        self.prefix = prefix
        self.limit = limit
        self.plainOnly = plainOnly
    }

    /// Whether a name that begins with the prefix is asked for.
    package func takes(_ name: String) -> Bool { !plainOnly || !name.utf8.contains(UInt8(ascii: ":")) }

    /// Throws `invalidArgument` for a limit out of range.
    public func validate() throws { try PageLimit.validate(limit, of: "streams") }
}

/// Streams as they were at one moment, in the order of their names' bytes.
public struct StreamSummaryPage: Hashable, Sendable {
    /// The streams; at least one where there is any.
    public var streams: [StreamSummary]
    /// Whether more follow: ask again after the last one's name.
    public var hasMore: Bool

    /// A page with these facts.
    public init(streams: [StreamSummary], hasMore: Bool) {
        self.streams = streams
        self.hasMore = hasMore
    }

    /// The page of `query` from all streams of a store.
    public init(_ all: some Sequence<StreamSummary>, _ query: StreamQuery) {
        let after = query.after.map { UTF8Key($0) }
        let found = all.filter { stream in
            query.takes(stream.name) && stream.name.utf8.starts(with: query.prefix.utf8)
                && after.map { $0 < UTF8Key(stream.name) } ?? true
        }.sorted { UTF8Key($0.name) < UTF8Key($1.name) }
        self.init(streams: Array(found.prefix(query.limit)), hasMore: found.count > query.limit)
    }
}

/// Which shards of a stream are asked for.
public struct ShardQuery: Hashable, Sendable {
    /// The stream's name.
    public var stream: String
    /// Only those after this number, which no shard needs to have. Default: from the first one.
    public var after: ShardID?
    /// At most this many: 1 to 10,000. Default: 1,000.
    public var limit: Int
    /// Whether closed shards are left out. Default: they are listed too.
    public var openOnly: Bool

    /// A query with these facts.
    public init(_ stream: String, after: ShardID? = nil, limit: Int = 1_000, openOnly: Bool = false) {
        self.stream = stream
        self.after = after
        self.limit = limit
        self.openOnly = openOnly
    }

    /// Throws `invalidArgument` for a limit out of range.
    public func validate() throws { try PageLimit.validate(limit, of: "shards") }
}

/// Listed shards of a stream, by number.
public struct ShardPage: Hashable, Sendable {
    /// The stream's id.
    public var streamID: StreamID
    /// The shards; at least one where there is any.
    public var shards: [ShardDescription]
    /// Whether more follow: ask again after the last one's number.
    public var hasMore: Bool

    /// A page with these facts.
    public init(streamID: StreamID, shards: [ShardDescription], hasMore: Bool) {
        self.streamID = streamID
        self.shards = shards
        self.hasMore = hasMore
    }

    /// The page of `query` from a whole stream.
    public init(_ stream: StreamDescription, _ query: ShardQuery) {
        let found = stream.shards.filter { shard in
            query.after.map { $0 < shard.id } ?? true && !(query.openOnly && shard.closedAt != nil)
        }
        self.init(
            streamID: stream.id, shards: Array(found.prefix(query.limit)), hasMore: found.count > query.limit)
    }
}

/// The size of a page of streams or shards.
enum PageLimit {
    static func validate(_ limit: Int, of what: String) throws {
        guard (1...10_000).contains(limit) else {
            throw ShardlineError(.invalidArgument, "a page of \(what) has 1 to 10000, not \(limit)")
        }
    }
}

extension StoreEngine {
    /// From ``describeStream(_:)``.
    public func summarizeStream(_ name: String) async throws -> StreamSummary {
        StreamSummary(try await describeStream(name))
    }

    /// From ``describeStream(_:)``.
    public func describeShard(_ shard: ShardID, of stream: String) async throws -> ShardLook {
        let stream = try await describeStream(stream)
        guard let found = stream.shards.first(where: { $0.id == shard }) else {
            throw ShardlineError(.shardNotFound, "the stream '\(stream.name)' has no shard \(shard.number)")
        }
        return ShardLook(
            streamID: stream.id, streamCreatedAt: stream.createdAt, retention: stream.retention, shard: found,
            children: stream.shards.filter { $0.parents.contains(shard) })
    }

    /// From ``listStreams()``.
    public func streamSummaries(_ query: StreamQuery) async throws -> StreamSummaryPage {
        try query.validate()
        return StreamSummaryPage(try await listStreams().map { StreamSummary($0) }, query)
    }

    /// From ``describeStream(_:)``.
    public func shardDescriptions(_ query: ShardQuery) async throws -> ShardPage {
        try query.validate()
        return ShardPage(try await describeStream(query.stream), query)
    }
}

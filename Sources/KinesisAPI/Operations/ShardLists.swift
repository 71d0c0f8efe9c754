import DataFormats
import StreamModel
import StreamStorage

// ListShards.
extension KinesisOperations {
    @Sendable func listShards(_ call: OperationCall) async throws -> Output {
        let (name, arn, token) = (call.text("StreamName"), call.text("StreamARN"), call.text("NextToken"))
        let hasOthers =
            call.text("ExclusiveStartShardId") != nil || call.input["ShardFilter"] != nil
            || call.milliseconds("StreamCreationTimestamp") != nil
        // API-ListShards-1.
        if name == nil, arn == nil, token == nil {
            throw ServiceError.invalidArgument("Either NextToken or StreamName should be provided.")
        }
        if token != nil, name != nil || arn != nil || hasOthers {
            throw ServiceError.invalidArgument("NextToken and StreamName cannot be provided together.")
        }
        let seal = try await seal()
        var page: PageToken?
        let stream: StreamFacts
        if let token {
            guard let found = PageToken(token, of: .shards, seal) else { throw Self.invalidToken }
            try checkAge(of: found)
            page = found
            stream = try await self.stream(scope.address(ofStoreName: found.owner))
            guard stream.summary.id.value == found.streamID else { throw StreamFacts.notFound(stream.address) }
        } else {
            stream = try await self.stream(call)
            try checkCreation(call, stream)
        }
        if stream.transition == .creating { try stream.requireActive() }
        let filter = try page.flatMap { ShardFilter(token: $0.filter) } ?? ShardFilter(call, stream, now: now)
        var after = page.flatMap { ShardID($0.after) }
        if let start = call.text("ExclusiveStartShardId") { after = try shard(start, in: stream.address) }
        let limit = min(call.int("MaxResults") ?? 1000, 1000)
        let (shards, hasMore) = try await shards(of: stream, filter, after: after, limit: limit)
        let next = PageToken(
            list: .shards, owner: stream.storeName, streamID: stream.summary.id.value,
            after: shards.last?.id.description ?? "", filter: filter.token, issuedAt: now)
        return .map([
            "Shards": .list(shards.map(Self.output)), "NextToken": hasMore ? .text(next.text(seal)) : nil,
        ])
    }

    /// A page of the shards that the filter keeps, by number.
    private func shards(
        of stream: StreamFacts, _ filter: ShardFilter, after: ShardID?, limit: Int
    ) async throws -> (shards: [ShardDescription], hasMore: Bool) {
        let first = ShardQuery(
            stream.storeName, after: after, limit: filter.keepsAll ? limit : 1000, openOnly: filter.isOpenOnly)
        let listed = try await filter.needsParents ? listedShards(of: stream) : []
        var hasMore = false
        let found: [ShardDescription] = try await allPages(from: first) { query, found in
            let page = try await mapping(stream.address) { [query] in try await engine.shardDescriptions(query) }
            let kept = page.shards.filter { filter.keeps($0, listed: listed) }
            let room = limit - found.count
            found += kept.prefix(room)
            hasMore = kept.count > room || (filter.keepsAll && page.hasMore && found.count == limit)
            guard !hasMore, page.hasMore, let last = page.shards.last else { return false }
            query.after = last.id
            return true
        }
        return (found, hasMore)
    }

    /// The numbers of all listed shards.
    private func listedShards(of stream: StreamFacts) async throws -> Set<ShardID> {
        let first = ShardQuery(stream.storeName, limit: 1000)
        let all: [ShardID] = try await allPages(from: first) { query, all in
            let page = try await mapping(stream.address) { [query] in try await engine.shardDescriptions(query) }
            all += page.shards.map(\.id)
            guard page.hasMore, let last = page.shards.last else { return false }
            query.after = last.id
            return true
        }
        return Set(all)
    }

    // MARK: Tokens of lists

    static let invalidToken = ServiceError.invalidArgument("Invalid NextToken.")

    /// Throws for a token that is too old (API-ListShards-4).
    func checkAge(of page: PageToken) throws(ServiceError) {
        guard now.milliseconds - page.issuedAt.milliseconds > ShardIterator.lifetime else { return }
        throw ServiceError(
            code: "ExpiredNextTokenException",
            message: "The pagination token passed to the operation has expired: it is valid for 300 seconds.")
    }

    /// Throws where the stream was created at another time than the one that the caller knows (API-ListShards-4).
    func checkCreation(_ call: OperationCall, _ stream: StreamFacts) throws(ServiceError) {
        guard let given = call.milliseconds("StreamCreationTimestamp") else { return }
        guard given / 1000 == Int64(stream.summary.createdAt.second) else { throw StreamFacts.notFound(stream.address) }
    }
}

/// Which shards ListShards lists (API-ListShards-2).
struct ShardFilter: Sendable {
    enum Kind: String, Sendable {
        case afterShard = "AFTER_SHARD_ID"
        case atTrimHorizon = "AT_TRIM_HORIZON"
        case fromTrimHorizon = "FROM_TRIM_HORIZON"
        case atLatest = "AT_LATEST"
        case atTimestamp = "AT_TIMESTAMP"
        case fromTimestamp = "FROM_TIMESTAMP"
    }

    var kind: Kind
    var shard: ShardID?
    /// In milliseconds.
    var time: Int64 = 0

    var keepsAll: Bool { kind == .fromTrimHorizon }
    var isOpenOnly: Bool { kind == .atLatest }
    var needsParents: Bool { kind == .atTrimHorizon || kind == .atTimestamp }

    init(_ call: OperationCall, _ stream: StreamFacts, now: Timestamp) throws(ServiceError) {
        guard let filter = call.input["ShardFilter"], let kind = filter["Type"]?.text.flatMap(Kind.init(rawValue:))
        else {
            self.kind = .fromTrimHorizon
            return
        }
        self.kind = kind
        switch kind {
        case .afterShard:
            guard let given = filter["ShardId"]?.text else {
                throw .invalidArgument("ShardId must be provided for the shard filter type AFTER_SHARD_ID.")
            }
            guard let shard = ShardID(lenient: given) else { throw KinesisOperations.noShard(given, stream.address) }
            self.shard = shard
        case .atTimestamp, .fromTimestamp:
            guard let given = filter["Timestamp"]?.milliseconds else {
                throw .invalidArgument("Timestamp must be provided for the shard filter type \(kind.rawValue).")
            }
            guard given <= now.milliseconds else {
                throw .invalidArgument(
                    "The Timestamp of the shard filter cannot be greater than the current time. Timestamp: \(given), current time: \(now.milliseconds)"
                )
            }
            time = max(given, (now - stream.summary.retention).milliseconds)
        case .atTrimHorizon, .fromTrimHorizon, .atLatest: break
        }
    }

    /// The filter as it stands in a token.
    var token: String { "\(kind.rawValue) \(shard?.description ?? "-") \(time)" }

    /// nil: none.
    init?(token: String) {
        let parts = token.split(separator: " ")
        guard parts.count == 3, let kind = Kind(rawValue: String(parts[0])), let time = Int64(parts[2]) else {
            return nil
        }
        self.kind = kind
        shard = ShardID(String(parts[1]))
        self.time = time
    }

    /// Whether a shard is listed. The shards at one time cover all hash keys without overlap (API-ListShards-3): a child
    /// opens in the millisecond in which its parents close, and counts from then on; before the oldest listed shards were
    /// opened, those without a listed parent count.
    ///
    /// - Parameter listed: the shards that are listed without a filter.
    func keeps(_ shard: ShardDescription, listed: Set<ShardID>) -> Bool {
        let hasListedParent = shard.parents.contains(where: listed.contains)
        return switch kind {
        case .fromTrimHorizon: true
        case .atLatest: shard.closedAt == nil
        case .afterShard: self.shard.map { $0 < shard.id } ?? true
        case .atTrimHorizon: !hasListedParent
        case .atTimestamp:
            (shard.openedAt.milliseconds <= time || !hasListedParent)
                && shard.closedAt.map { $0.milliseconds > time } ?? true
        case .fromTimestamp: shard.closedAt.map { $0.milliseconds >= time } ?? true
        }
    }
}

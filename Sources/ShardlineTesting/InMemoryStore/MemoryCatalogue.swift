import StreamModel
import StreamStorage

/// Everything of an in-memory store except its records. A value: a commit changes a copy, which replaces the original
/// only if no change is refused.
struct MemoryCatalogue {
    var streams: [UTF8Key: MemoryStream] = [:]
    var mappings: [MappingID: MemoryMapping] = [:]
    /// The attributes of accounts, by account.
    var attributes: [UTF8Key: MemoryAttributes] = [:]
    var lastAttributeRevision: UInt64 = 0
    var lastStreamID: UInt64 = 0
    var lastMappingID: UInt64 = 0
    /// An epoch is never used twice, so a mapping that is recreated under an old name refuses the old one's checkpoint
    /// moves.
    var lastEpoch: UInt64 = 0
    /// The creation seconds of deleted shards.
    var retired = RetiredSeconds()

    func stream(_ name: String) throws -> MemoryStream {
        guard let stream = streams[UTF8Key(name)] else {
            throw ShardlineError(.streamNotFound, "there is no stream '\(name)' in this store")
        }
        return stream
    }

    /// The stream with the shard of a sequence number.
    func owner(of number: KinesisSequenceNumber) -> MemoryStream? {
        streams.values.first { stream in
            stream.shards.contains { $0.id == number.shard && $0.creationSecond == number.shardCreationSecond }
        }
    }

    /// The creation seconds of the shards with these numbers, in all streams.
    func creationSeconds(of numbers: Range<UInt32>, except stream: UInt64? = nil) -> Set<UInt64> {
        Set(
            streams.values.filter { $0.id != stream }.flatMap { stream in
                stream.shards.filter { numbers.contains($0.id.number) }.map(\.creationSecond)
            })
    }

    /// Throws `mappingBusy` if a claimed mapping reads the stream or uses it as its failure stream.
    func checkUnused(_ stream: MemoryStream, now: MonotonicTime) throws {
        let claimed = mappings.values.filter { $0.isClaimed(at: now) }
        let running = claimed.map(\.definition.key).filter { $0.stream == stream.name }
        if let first = running.min(by: { $0.name < $1.name }) { throw ShardlineError.isRunning(first) }
        let giving = claimed.filter { $0.failureStream == stream.name }.min { $0.id < $1.id }
        if let giving { throw ShardlineError.isInUse(stream.name, by: giving.definition.key) }
    }

    func mapping(_ key: MappingID) throws -> MemoryMapping {
        _ = try stream(key.stream)
        guard let mapping = mappings[key] else {
            throw ShardlineError(
                .mappingNotFound, "there is no mapping '\(key.name)' on the stream '\(key.stream)'")
        }
        return mapping
    }
}

/// Identifies a shard's records; a stream that is recreated under an old name has different ones.
struct ShardPlace: Hashable {
    var stream: UInt64
    var shard: ShardID
}

struct MemoryStream {
    let id: UInt64
    let name: String
    let createdAt: Timestamp
    var settings: StreamSettings
    let initialSettings: StreamSettings
    /// Ordered by number.
    var shards: [MemoryShard]
    /// Its own attributes under an empty key, and those of each consumer.
    var attributes: [UTF8Key: MemoryAttributes] = [:]
    /// The indices in ``shards`` of the closed shards that are not forgotten.
    var closed: Set<Int> = []
    /// Whether retention has removed some of them, which wait for mappings.
    var hasRemoved = false
    /// When the first of the others was closed. Each read asks for it, so it is kept.
    var firstClosing: Timestamp?

    /// Whether shards may have to be removed or forgotten, where records up to `expiry` have expired.
    func hasShardsToRemove(by expiry: Timestamp) -> Bool {
        hasRemoved || firstClosing.map { $0 <= expiry } ?? false
    }

    /// Closes a shard for its children.
    mutating func close(_ shard: ShardID, at time: Timestamp, children: [ShardID]) {
        let index = Int(shard.number)
        shards[index].closedAt = time
        shards[index].children = children
        closed.insert(index)
        firstClosing = firstClosing.map { min($0, time) } ?? time
    }

    /// Removes closed shards from the list where records up to `expiry` have expired, and forgets those of them that
    /// `isThrough` says every mapping is done with. Returns the newly forgotten ones.
    mutating func removeShards(by expiry: Timestamp, isThrough: (MemoryShard) -> Bool) -> [ShardID] {
        var forgotten: [ShardID] = []
        (hasRemoved, firstClosing) = (false, nil)
        for index in closed.sorted() {
            guard let time = shards[index].closedAt else { continue }
            guard shards[index].isRemoved || time <= expiry else {
                firstClosing = firstClosing.map { min($0, time) } ?? time
                continue
            }
            shards[index].isRemoved = true
            guard isThrough(shards[index]) else {
                hasRemoved = true
                continue
            }
            shards[index].isForgotten = true
            closed.remove(index)
            forgotten.append(shards[index].id)
        }
        return forgotten
    }

    func shard(_ id: ShardID) throws -> MemoryShard {
        guard id.number < shards.count else {
            throw ShardlineError(
                .shardNotFound,
                "the stream '\(name)' has no shard \(id.number); its shards are 0 to \(shards.count - 1)"
            )
        }
        let shard = shards[Int(id.number)]
        if shard.isForgotten { throw removed(id) }
        return shard
    }

    /// The listed shard with this id.
    func listedShard(_ id: ShardID) throws -> MemoryShard {
        let shard = try shard(id)
        if shard.isRemoved { throw removed(id) }
        return shard
    }

    /// All shards except those that were closed longer ago than the retention (API-R-4).
    var listedShards: [MemoryShard] { shards.filter { !$0.isRemoved } }

    private func removed(_ id: ShardID) -> ShardlineError {
        ShardlineError(
            .shardNotFound,
            "the stream '\(name)' has no shard \(id.number) any more: it was closed longer ago than records are kept")
    }

    func place(of shard: ShardID) -> ShardPlace { ShardPlace(stream: id, shard: shard) }
}

struct MemoryShard {
    let id: ShardID
    let range: HashKeyRange
    let parents: [ShardID]
    let creationSecond: UInt64
    let openedAt: Timestamp
    /// The number before the shard's first possible one.
    let base: SequenceNumber
    var closedAt: Timestamp?
    var children: [ShardID] = []
    /// Whether retention has removed it from the list.
    var isRemoved = false
    /// Whether it is removed and every mapping is done with it.
    var isForgotten = false
    var last: SequenceNumber
    var lastArrival: Timestamp
    var epoch: UInt64 = 0

    init(
        id: ShardID, range: HashKeyRange, parents: [MemoryShard] = [], creationSecond: UInt64, openedAt: Timestamp
    ) {
        self.id = id
        self.range = range
        self.parents = parents.map(\.id)
        self.creationSecond = creationSecond
        self.openedAt = openedAt
        base = parents.map(\.last).max() ?? .zero
        last = base
        // A child's records arrive after its creation second and after its parents' records (API-Q-5).
        lastArrival = parents.map(\.lastArrival).max() ?? Timestamp(milliseconds: 0)
        if !parents.isEmpty {
            lastArrival = max(lastArrival, Timestamp(milliseconds: Int64(creationSecond) * 1000))
        }
    }
}

extension MemoryShard {
    /// The shard as users see it.
    func description(trimHorizon: SequenceNumber, recordCount: Int) -> ShardDescription {
        ShardDescription(
            id: id, hashKeyRange: range, parents: parents, creationSecond: creationSecond, openedAt: openedAt,
            closedAt: closedAt, trimHorizon: trimHorizon, tip: last,
            recordCount: recordCount, origin: base)
    }
}

extension MemoryCatalogue {
    /// Removes the shards that were closed longer ago than the retention from a stream's list, and forgets those of
    /// them that every mapping is done with. Returns the newly forgotten ones.
    mutating func removeShards(of name: String, now: Timestamp) -> [ShardID] {
        guard var stream = streams[UTF8Key(name)] else { return [] }
        let expiry = now - stream.settings.retention
        guard stream.hasShardsToRemove(by: expiry) else { return [] }
        let ofStream = mappings.filter { $0.key.stream == name }
        let forgotten = stream.removeShards(by: expiry) { shard in ofStream.values.allSatisfy { $0.isThrough(shard) } }
        for key in ofStream.keys {
            for shard in forgotten {
                mappings[key]?.checkpoints[shard] = nil
                mappings[key]?.parked[shard] = nil
            }
        }
        streams[UTF8Key(name)] = stream
        return forgotten
    }
}

struct MemoryMapping {
    var definition: MappingDefinition
    let id: UInt64
    let createdAt: Timestamp
    var epoch: UInt64
    /// The claim of the run; nil without one.
    var claim: MappingHolder?
    /// The lease of the claim, and when it is over by the other clock.
    var lease: Duration?
    var deadline: MonotonicTime?
    /// The failure stream of the run that holds the claim.
    var failureStream: String?
    /// Returns the shard states of the run that holds the claim.
    var states: (@Sendable () -> [MappingShardState])?
    /// Throws for settings that the run can't work with.
    var checkSettings: (@Sendable ([UInt8]) throws -> Void)?
    var isEnabled = true
    var revision: UInt64 = 0
    /// The settings that the newest claim with other ones than before brought, or the mapping was created with.
    var brought: [UInt8]
    var actions: [MappingAction] = []
    var checkpoints: [ShardID: ShardCheckpoint]
    var parked: [ShardID: [UTF8Key: [UInt8]]] = [:]

    func isClaimed(at now: MonotonicTime) -> Bool { claim != nil && deadline.map { now < $0 } ?? true }

    /// Does a control action.
    mutating func act(
        at time: Timestamp, by actor: String, _ reason: String, configuration: [UInt8]?, isEnabled: Bool?
    ) {
        revision += 1
        if let configuration { definition.configuration = configuration }
        if let isEnabled { self.isEnabled = isEnabled }
        actions.append(
            MappingAction(
                revision: revision, time: time, actor: actor, reason: reason, changedSettings: configuration != nil,
                isEnabled: isEnabled))
        if actions.count > MappingControl.keptActions { actions.removeFirst() }
    }

    /// Parks a key, or ends that.
    mutating func park(_ change: ParkedKeyChange) {
        parked[change.shard, default: [:]][UTF8Key(change.partitionKey)] = change.value
        if parked[change.shard]?.isEmpty == true { parked[change.shard] = nil }
    }

    /// The mapping as users see it, on this stream.
    func description(on stream: MemoryStream, at now: MonotonicTime) -> MappingDescription {
        let isClaimed = isClaimed(at: now)
        let expired = stream.shards.filter {
            $0.isRemoved && !$0.isForgotten && !(checkpoints[$0.id]?.isShardEnd ?? false)
        }
        return MappingDescription(
            key: definition.key, id: id, startingPosition: definition.startingPosition, createdAt: createdAt,
            configuration: definition.configuration, epoch: epoch, isClaimed: isClaimed,
            checkpoints: checkpoints.values.sorted { $0.shard < $1.shard },
            expiredShards: expired.map { $0.description(trimHorizon: $0.last, recordCount: 0) },
            retention: stream.settings.retention, holder: isClaimed ? claim : nil, isEnabled: isEnabled,
            revision: revision, lastAction: actions.last)
    }

    /// Whether no record of the shard is left to be done or given up, and no parked key to be moved on.
    func isThrough(_ shard: MemoryShard) -> Bool {
        if checkpoints[shard.id]?.isShardEnd ?? false { return true }
        return claim == nil && parked[shard.id] == nil && (checkpoints[shard.id]?.position ?? shard.base) >= shard.last
    }

    func check(epoch: UInt64) throws {
        guard epoch == self.epoch else {
            throw ShardlineError(
                .fenced,
                "the claim \(epoch) on the mapping '\(definition.key)' was overtaken: the newest is \(self.epoch)")
        }
    }
}

import StreamModel
import StreamStorage

/// Everything that a store knows except the records: streams, shards with their lineage, mappings with their progress.
///
/// It changes only through ``apply(_:commit:)``, with the entries that the journal holds. The writer and the replay
/// after a crash apply the same entries, so they reach the same value.
package struct Catalogue: Sendable, Hashable {
    /// All streams by number.
    package var streams: [StreamNumber: StreamState] = [:]
    /// The streams' numbers by name.
    package var names: [UTF8Key: StreamNumber] = [:]
    /// All shards of all streams by shard number.
    package var shards: ShardTable<ShardState> = [:]
    /// All mappings by number.
    package var mappings: [MappingNumber: MappingState] = [:]
    /// The attributes of accounts.
    package var accountAttributes = AttributeTable()
    /// Removed shards and the commit that removed each: replay may still meet their records.
    package var deletedShards: [ShardNumber: UInt64] = [:]
    /// The creation seconds of removed shards. A shard that is created later gets another one (API-Q-8).
    package var retired = RetiredSeconds()
    /// The numbers that the next stream, shard and mapping get.
    package var nextStream: UInt32 = 1
    package var nextShard: UInt32 = 1
    package var nextMapping: UInt32 = 1
    /// +1 at each opening of the store.
    package var incarnation: UInt32 = 0

    package init() {}
}

/// A stream.
package struct StreamState: Sendable, Hashable {
    package let key: StreamNumber
    package let name: String
    package var retention: Duration
    package var maximumRecordSize: Int
    package var isFailureStream: Bool
    package let createdAt: Timestamp
    /// The shard numbers by shard id. Closed shards stay until they are removed (API-R-4).
    package var shards: [ShardID: ShardNumber] = [:]
    /// The open shards by the first hash key that they own.
    package var openShards: [Route] = []
    /// The closed shards that are not removed, in the order of their closing.
    var closedShards: [ClosedShard] = []
    /// The number in the id of the next child shard.
    package var nextShardNumber: UInt32
    /// Its mappings by name.
    package var mappings: [UTF8Key: MappingNumber] = [:]
    /// Its attributes and those of its consumers.
    package var attributes = AttributeTable()
    /// The last commit that changed this, attributes aside.
    package var atCommit: UInt64
    /// The settings at creation; nil where only its shards tell them (``Catalogue/initialSettings(of:)``).
    var createdWith: StreamSettings?
    /// Records that arrived at or before this moment have expired permanently, even if retention is raised or the clock
    /// set back later.
    var expiredThrough: Timestamp?

    package init(
        key: StreamNumber, name: String, retention: Duration, maximumRecordSize: Int, isFailureStream: Bool,
        createdAt: Timestamp, shards: [ShardID: ShardNumber] = [:], openShards: [Route] = [], nextShardNumber: UInt32,
        mappings: [UTF8Key: MappingNumber] = [:], atCommit: UInt64, createdWith: StreamSettings? = nil,
        expiredThrough: Timestamp? = nil
    ) {
        self.key = key
        self.name = name
        self.retention = retention
        self.maximumRecordSize = maximumRecordSize
        self.isFailureStream = isFailureStream
        self.createdAt = createdAt
        self.shards = shards
        self.openShards = openShards
        self.nextShardNumber = nextShardNumber
        self.mappings = mappings
        self.atCommit = atCommit
        self.createdWith = createdWith
        self.expiredThrough = expiredThrough
    }

    /// Records that arrived at or before this moment have expired, by the clock or permanently (STORE-F6).
    package func expiry(at now: Timestamp) -> Timestamp {
        let byClock = now - retention
        return expiredThrough.map { max($0, byClock) } ?? byClock
    }

    /// Whether a shard with this id existed and retention has removed it.
    func hasRemoved(_ id: ShardID) -> Bool { shards[id] == nil && id.number < nextShardNumber }

    /// Says why there is no shard with this id.
    func words(ofUnknown id: ShardID) -> String {
        id.number < nextShardNumber
            ? "the stream '\(name)' has no shard \(id) any more: it was closed longer ago than records are kept"
            : "the stream '\(name)' has no shard \(id)"
    }

    /// The shard of the hash keys from `first` up to the next route's `first`.
    package struct Route: Sendable, Hashable {
        package let first: HashKey
        let shard: ShardNumber
        let id: ShardID
        let creationSecond: UInt64

        package init(first: HashKey, shard: ShardNumber, id: ShardID, creationSecond: UInt64) {
            self.first = first
            self.shard = shard
            self.id = id
            self.creationSecond = creationSecond
        }
    }

    /// The stream's id, the same in every incarnation of the store.
    package func id(in store: StoreID) -> StreamID {
        StreamID(store: store.bytes, number: UInt64(key.rawValue), createdAt: createdAt)
    }

    /// The open shard that owns `key`.
    package func shard(owning key: HashKey) -> ShardNumber { openShards[routeIndex(of: key)].shard }

    /// The index in ``openShards`` of the shard that owns `key`.
    func routeIndex(of key: HashKey) -> Int {
        // Where the hash keys are divided evenly, as CreateStream does, the index can be computed. The division rounds
        // down, so the guess is checked; binary search finds the index otherwise.
        let count = openShards.count
        let guess = Int(UInt64(truncatingIfNeeded: key.value >> 64).multipliedFullWidth(by: UInt64(count)).high)
        if openShards[guess].first <= key, guess + 1 == count || key < openShards[guess + 1].first { return guess }
        var low = 0
        var high = count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if openShards[middle].first <= key { low = middle } else { high = middle - 1 }
        }
        return low
    }
}

/// A shard.
package struct ShardState: Sendable, Hashable {
    package let key: ShardNumber
    package let stream: StreamNumber
    package let id: ShardID
    package let range: HashKeyRange
    /// Empty, or one shard after a split, or two after a merge.
    package var parents: [ShardID]
    package let creationSecond: UInt64
    package let openedAt: Timestamp
    /// The number before the first one that the shard can give out: its parents' last.
    package let origin: SequenceNumber
    package var closedAt: Timestamp?
    /// The shards that took over its hash keys when it was closed.
    package var children: [ShardID] = []
    /// The newest record's number, or ``origin``.
    package var lastSequence: SequenceNumber
    /// Numbers up to this one are never given out again, even where no record has them (STORE-C4's jump).
    package var floor: SequenceNumber
    /// Numbers that no record has, since they were jumped over (STORE-C4): in order, never adjacent.
    var skipped: [ClosedRange<SequenceNumber>] = []
    /// The newest record's arrival; later records never get an earlier one (STORE-C3).
    package var lastArrival: Timestamp
    /// The newest writer's fencing token (take-over).
    var epoch: UInt64 = 0
    /// The last commit that changed this, numbers and arrivals aside.
    package var atCommit: UInt64
    /// No new record gets an earlier arrival, or it would have expired when it is put. Follows from the stream's
    /// ``StreamState/expiredThrough``.
    var arrivalFloor = Timestamp(milliseconds: 0)

    package init(
        key: ShardNumber, stream: StreamNumber, id: ShardID, range: HashKeyRange, parents: [ShardID],
        creationSecond: UInt64,
        openedAt: Timestamp, origin: SequenceNumber, closedAt: Timestamp? = nil, children: [ShardID] = [],
        lastSequence: SequenceNumber, floor: SequenceNumber, skipped: [ClosedRange<SequenceNumber>] = [],
        lastArrival: Timestamp, epoch: UInt64 = 0, atCommit: UInt64,
        arrivalFloor: Timestamp = Timestamp(milliseconds: 0)
    ) {
        self.key = key
        self.stream = stream
        self.id = id
        self.range = range
        self.parents = parents
        self.creationSecond = creationSecond
        self.openedAt = openedAt
        self.origin = origin
        self.closedAt = closedAt
        self.children = children
        self.lastSequence = lastSequence
        self.floor = floor
        self.skipped = skipped
        self.lastArrival = lastArrival
        self.epoch = epoch
        self.atCommit = atCommit
        self.arrivalFloor = arrivalFloor
    }

    /// Notes that the shard has records up to `last`.
    package mutating func advance(to last: SequenceNumber, at arrival: Timestamp) {
        if last > lastSequence { lastSequence = last }
        if arrival > lastArrival { lastArrival = arrival }
    }

    /// The number that the next record gets.
    var nextSequence: SequenceNumber { max(lastSequence, floor).advanced(by: 1) }
    /// The arrival that a record gets when the clock shows `now` (STORE-C3, API-Q-5).
    package func arrival(at now: Timestamp) -> Timestamp {
        max(now, lastArrival, Timestamp(milliseconds: Int64(creationSecond) * 1000), arrivalFloor)
    }
}

/// A mapping.
package struct MappingState: Sendable, Hashable {
    package let number: MappingNumber
    let stream: StreamNumber
    package let name: String
    let startingPosition: StartingPosition
    let createdAt: Timestamp
    /// The settings in force.
    package var configuration: [UInt8]
    /// The newest claim's fencing token. Checkpoint moves with a lower one are refused.
    var epoch: UInt64
    /// What control actions have made of it.
    package var control: MappingControlState
    /// Its progress in each shard that it has reached.
    package var checkpoints: [ShardNumber: CheckpointState] = [:]
    /// The parked partition keys of each shard.
    package var parked: [ShardNumber: [UTF8Key: ParkedState]] = [:]
    /// The last commit that changed this, control, checkpoints and parked keys aside.
    var atCommit: UInt64

    init(
        number: MappingNumber, stream: StreamNumber, name: String, startingPosition: StartingPosition,
        createdAt: Timestamp, configuration: [UInt8], epoch: UInt64, atCommit: UInt64
    ) {
        self.number = number
        self.stream = stream
        self.name = name
        self.startingPosition = startingPosition
        self.createdAt = createdAt
        self.configuration = configuration
        self.epoch = epoch
        self.atCommit = atCommit
        control = MappingControlState(brought: configuration)
    }
}

/// What control actions have made of a mapping.
package struct MappingControlState: Sendable, Hashable {
    /// The number of control actions.
    package var revision: UInt64 = 0
    package var isEnabled = true
    /// The settings that the newest claim with other ones than before brought, or the mapping was created with.
    var brought: [UInt8]
    /// The last actions, the oldest first.
    package var actions: [MappingAction] = []

    init(brought: [UInt8]) { self.brought = brought }
}

/// How far a mapping is in one shard.
package struct CheckpointState: Sendable, Hashable {
    /// The fencing token of the claim that moved it last.
    var epoch: UInt64
    /// +1 each move.
    var revision: UInt64
    package var position: SequenceNumber
    var isShardEnd: Bool
    /// What the mapping keeps beside the position.
    var state: [UInt8]
    /// The attempts of the first unit after the position (ESM-A9), in stores of versions before lanes.
    var earlierAttempts: AttemptNote?
    /// The last commit that changed it.
    var atCommit: UInt64

    /// Whether this is newer than `other`: (epoch, revision) decides.
    func isNewer(than other: CheckpointState) -> Bool { (epoch, revision) > (other.epoch, other.revision) }
}

/// A parked partition key.
package struct ParkedState: Sendable, Hashable {
    var value: [UInt8]
    var atCommit: UInt64
}

extension Catalogue {
    /// The newest commit that changed anything here, as far as the states record it.
    var newestCommit: UInt64 {
        var newest = max(deletedShards.values.max() ?? 0, accountAttributes.newestCommit)
        for stream in streams.values { newest = max(newest, stream.atCommit, stream.attributes.newestCommit) }
        for shard in shards.values { newest = max(newest, shard.atCommit) }
        for mapping in mappings.values {
            newest = max(newest, mapping.atCommit, mapping.checkpoints.values.map(\.atCommit).max() ?? 0)
            for parked in mapping.parked.values { newest = max(newest, parked.values.map(\.atCommit).max() ?? 0) }
        }
        return newest
    }

    /// Notes that the records of a stream up to this moment have expired permanently. The moment never goes back.
    mutating func expire(_ key: StreamNumber, through time: Timestamp?) {
        guard let time, let known = streams[key], known.expiredThrough.map({ $0 < time }) ?? true else { return }
        streams[key]?.expiredThrough = time
        for route in known.openShards {
            _ = shards.update(route.shard) { $0.arrivalFloor = time + .milliseconds(1) }
        }
    }

    /// The stream with this name. Throws `streamNotFound`.
    package func stream(_ name: String) throws -> StreamState {
        guard let key = names[UTF8Key(name)], let stream = streams[key] else {
            throw ShardlineError(.streamNotFound, "there is no stream '\(name)'")
        }
        return stream
    }

    /// The settings that a stream was created with.
    func initialSettings(of stream: StreamState) -> StreamSettings {
        if let settings = stream.createdWith { return settings }
        // Versions that did not store the settings removed no shard and changed no setting.
        let roots = stream.shards.values.count { shards[$0]?.parents.isEmpty ?? false }
        return StreamSettings(
            shards: max(1, roots), retention: stream.retention, maximumRecordSize: stream.maximumRecordSize,
            isFailureStream: stream.isFailureStream)
    }

    /// A shard of a stream by its id. Throws `shardNotFound`.
    package func shard(_ id: ShardID, of stream: StreamState) throws -> ShardState {
        guard let key = stream.shards[id], let shard = shards[key] else {
            throw ShardlineError(.shardNotFound, stream.words(ofUnknown: id))
        }
        return shard
    }

    /// A mapping by stream and name. Throws `streamNotFound`, `mappingNotFound`.
    package func mapping(_ key: MappingID) throws -> MappingState {
        guard let number = try stream(key.stream).mappings[UTF8Key(key.name)], let mapping = mappings[number] else {
            throw ShardlineError(
                .mappingNotFound, "there is no mapping '\(key.name)' on the stream '\(key.stream)'")
        }
        return mapping
    }
}

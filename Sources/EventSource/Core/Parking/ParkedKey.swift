public import StreamModel

/// A partition key of a mapping whose records wait aside: a record of it could not be processed, or an operator asked
/// for it (ESM-N1).
///
/// The key's records are in the mapping's parking stream, in order, until they are released or discarded. Records of
/// other keys flow meanwhile.
public struct ParkedKey: Hashable, Sendable {
    /// What happens with the waiting records.
    public enum State: String, Hashable, Sendable, CaseIterable {
        /// They wait.
        case parked
        /// They are handed to the function, and later ones of the key wait behind them.
        case releasing
    }

    /// The key.
    public internal(set) var partitionKey: String
    /// The shard that parks the key. Its children take the key over when it ends.
    public internal(set) var shard: ShardID
    /// When it was parked.
    public internal(set) var since: Timestamp
    /// Why the function failed; nil if an operator parked the key.
    public internal(set) var cause: FailureCause?
    /// Who parked the key by hand; empty if nobody did.
    public internal(set) var actor = ""
    /// Why it was parked by hand; empty if that was not said.
    public internal(set) var reason = ""
    /// How often its records failed again after a release.
    public internal(set) var failedReleases = 0
    /// The number of records that wait.
    public var recordCount: Int { Int(clamping: appended - done) }
    /// What happens with them.
    public var state: State { isReleasing || released > done ? .releasing : .parked }

    /// Tells the records of this time that the key is parked from those of other times.
    package internal(set) var episode: UInt64
    /// How many records of the key the parking stream got. Each has its place in this count, from 1.
    package internal(set) var appended: UInt64 = 0
    /// The records up to this place were handed back, or discarded.
    package internal(set) var done: UInt64 = 0
    /// The records up to this place are handed back now; at least ``done``.
    package internal(set) var released: UInt64 = 0
    /// Whether further records that come are released too, until none waits.
    package internal(set) var isReleasing = false
    /// Whether the waiting records are dropped as soon as those that are being handed back are done.
    package internal(set) var isDiscarded = false
    /// The shard's records of the key up to this number are in the parking stream.
    package internal(set) var through = SequenceNumber.zero
    /// Whether records of the key were put with explicit hash keys, so that several shards may have some. Such a key stays
    /// with its shard, which does not end before the key is released or discarded.
    package internal(set) var hasExplicitHashKeys = false
    /// Where the first record that waits is in the parking stream, or a place before it; nil: not known.
    package internal(set) var place: Place?

    /// A place in the parking stream: the shard, and the number of a record in it.
    package struct Place: Hashable, Sendable {
        package var shard: ShardID
        package var number: SequenceNumber

        package init(shard: ShardID, number: SequenceNumber) {
            self.shard = shard
            self.number = number
        }
    }

    // Of the core that parks the key, and not stored.
    /// The shard's records of the key up to this number were taken aside, durably or not.
    var taken = SequenceNumber.zero
    /// The number of records that were taken aside and are not yet on their way to the store.
    var takenCount = 0
    /// Up to where the key is released, as the owner was told; 0: nothing of it.
    var told: UInt64 = 0
    /// Whether the stored value is another one.
    var isChanged = false

    package init(_ partitionKey: String, shard: ShardID, since: Timestamp, episode: UInt64 = 0) {
        self.episode = episode
        self.partitionKey = partitionKey
        self.shard = shard
        self.since = since
    }

    /// The key as a child of its shard takes it over. The child's numbers are its own.
    package func inherited(by child: ShardID) -> ParkedKey {
        var key = self
        key.shard = child
        key.through = .zero
        key.taken = .zero
        key.told = 0
        key.isChanged = false
        return key
    }
}

public import StreamModel

/// What whoever runs a mapping says of itself when it takes it, with ``StreamStore/claimMapping(_:with:)``.
public struct MappingClaim: Sendable {
    /// The settings in force from now on, which take the place of the stored ones, durably; opaque to the store. nil:
    /// the stored ones stay.
    public var configuration: [UInt8]?
    /// The stream of the same store that takes what the run gives up, which must not be deleted meanwhile; nil: none does.
    public var failureStream: String?
    /// Tells what the run does in each shard, for ``StreamStore/mappingStates(_:)``; called at any time from any thread
    /// as long as the claim is held. It does not travel to another process. nil: nothing is told.
    public var states: (@Sendable () -> [MappingShardState])?

    /// A claim that says this.
    public init(
        configuration: [UInt8]? = nil, failureStream: String? = nil,
        states: (@Sendable () -> [MappingShardState])? = nil
    ) {
        self.configuration = configuration
        self.failureStream = failureStream
        self.states = states
    }
}

extension ShardlineError {
    /// Why a stream is not deleted: a mapping of it runs.
    package static func isRunning(_ mapping: MappingID) -> ShardlineError {
        ShardlineError(
            .mappingBusy,
            "the mapping '\(mapping.name)' of the stream '\(mapping.stream)' is running: stop it before deleting the stream, or delete it by force"
        )
    }

    /// Why a stream is not deleted: a mapping that runs hands over to it what it gives up.
    package static func isInUse(_ stream: String, by mapping: MappingID) -> ShardlineError {
        ShardlineError(
            .mappingBusy,
            "the mapping '\(mapping.name)' of the stream '\(mapping.stream)' is running and puts what it gives up into '\(stream)': stop it before deleting the stream, or delete it by force"
        )
    }
}

/// Where a mapping is in one shard.
public struct MappingShardState: Hashable, Sendable {
    /// What a shard's lane is doing.
    public enum Phase: String, Hashable, Sendable, CaseIterable {
        /// Nothing is there to be done.
        case idle
        /// A batch fills, or waits for its turn.
        case batching
        /// The function runs.
        case invoking
        /// A failed unit waits for its next try.
        case retrying
        /// The failure destination has not taken what was given up.
        case delivering
        /// The shard is closed and done.
        case ended
        /// The lane does not run.
        case stopped
        /// The shard can't be read any further.
        case damaged
    }

    /// The records that a lane is on: a batch, what is left of one, or what is given up.
    public struct Unit: Hashable, Sendable {
        /// The first record's partition key: the failing record's, once it is isolated.
        public var partitionKey: String
        /// The first record's number.
        public var sequenceNumber: KinesisSequenceNumber
        /// How many records they are.
        public var recordCount: Int

        /// A unit with these facts.
        public init(partitionKey: String, sequenceNumber: KinesisSequenceNumber, recordCount: Int) {
            self.partitionKey = partitionKey
            self.sequenceNumber = sequenceNumber
            self.recordCount = recordCount
        }
    }

    /// The shard.
    public var shard: ShardID
    /// What its lane is doing.
    public var phase: Phase
    /// Everything up to here is done, durably.
    public var checkpoint: SequenceNumber
    /// The newest number that was seen in the shard.
    public var tip: SequenceNumber
    /// Failed invocations of the unit that is being tried; 0 where none has failed.
    public var attempts = 0
    /// Why the last one failed; nil where the lane has gone on since.
    public var lastError: String?
    /// Since when the lane has been on one unit, by the wall clock; nil where it is on none.
    public var busySince: Timestamp?
    /// The records that the lane is on, or was on when it stopped; nil where it is on none, or on records that it never
    /// had as they expired or were lost.
    public var unit: Unit?
    /// When the oldest record arrived that the lane has read and that is not done; nil where there is none.
    public var oldestArrival: Timestamp?
    /// Records that damage took before this run came to them: it went on behind the gap (ESM-G4).
    public var lost = 0
    /// Records that retention ended before they were done, as far as their number is known (ESM-G4).
    public var expired = 0

    /// A state with these facts.
    public init(
        shard: ShardID, phase: Phase, checkpoint: SequenceNumber, tip: SequenceNumber, attempts: Int = 0,
        lastError: String? = nil, busySince: Timestamp? = nil, unit: Unit? = nil, oldestArrival: Timestamp? = nil,
        lost: Int = 0, expired: Int = 0
    ) {
        self.shard = shard
        self.phase = phase
        self.checkpoint = checkpoint
        self.tip = tip
        self.attempts = attempts
        self.lastError = lastError
        self.busySince = busySince
        self.unit = unit
        self.oldestArrival = oldestArrival
        self.lost = lost
        self.expired = expired
    }

    /// Whether the function has failed with what the lane is on or can't be reached, the failure destination has failed,
    /// or the shard is damaged.
    public var isFailing: Bool {
        switch phase {
        case .damaged: true
        case .delivering: lastError != nil
        case .retrying: true
        case .invoking, .batching: attempts > 0
        case .idle, .ended, .stopped: false
        }
    }
}

import DiskAccess
public import StreamModel

/// What the process that runs a mapping says about itself when it claims it with ``StoreEngine/claimMapping(_:with:)``.
public struct MappingClaim: Sendable {
    /// Who claims, for people: a process and its machine, for example; 1 to 256 bytes. Default: this process.
    public var owner: String
    /// How long the claim holds unless it is renewed (``StoreEngine/renewMapping(_:epoch:with:)``): 1 millisecond to 24
    /// hours. nil: until it is released, or the store is closed.
    public var lease: Duration?
    /// The settings that the process brings, opaque to the store. They durably replace the stored ones, unless the claim
    /// before brought the same: then those stay that control actions have made of them since. nil: the stored ones stay.
    public var configuration: [UInt8]?
    /// The stream of the same store that receives the records that the execution gives up. It must not be deleted
    /// meanwhile. nil: none.
    public var failureStream: String?
    /// Returns what the execution is doing in each shard, for ``StoreEngine/mappingStates(_:)``. It is called at any
    /// time on any thread while the claim is held, and is not passed to another process. nil: no states are available.
    public var states: (@Sendable () -> [MappingShardState])?
    /// Throws `invalidArgument` for settings that the execution can't work with. A store that can ask it refuses a control
    /// action with such settings, with this error, and changes nothing. It is called at any time on any thread while the
    /// claim is held, and is not passed to another process: an execution looks at new settings itself, too. nil: the
    /// store takes any.
    public var checkSettings: (@Sendable ([UInt8]) throws -> Void)?

    /// A claim with these facts.
    public init(
        configuration: [UInt8]? = nil, failureStream: String? = nil, owner: String? = nil, lease: Duration? = nil,
        states: (@Sendable () -> [MappingShardState])? = nil,
        checkSettings: (@Sendable ([UInt8]) throws -> Void)? = nil
    ) {
        self.owner = owner ?? ProcessName.own
        self.lease = lease
        self.configuration = configuration
        self.failureStream = failureStream
        self.states = states
        self.checkSettings = checkSettings
    }

    /// Throws `invalidArgument` for values outside their limits.
    public func validate() throws {
        guard (1...256).contains(owner.utf8.count) else {
            throw ShardlineError(
                .invalidArgument, "the owner of a claim is named with 1 to 256 bytes, not \(owner.utf8.count)")
        }
        if let lease, !(.milliseconds(1) ... .seconds(86_400)).contains(lease) {
            throw ShardlineError(.invalidArgument, "a claim's lease is 1 ms to 24 hours, not \(lease)")
        }
    }
}

extension ShardlineError {
    /// The error of a claim on a mapping that `holder` has.
    package static func isHeld(_ mapping: MappingID, by holder: MappingHolder) -> ShardlineError {
        let until = holder.expiresAt.map { ", whose claim holds until \($0) unless it is renewed" } ?? ""
        return ShardlineError(.mappingBusy, "the mapping '\(mapping)' is running already, by \(holder.owner)\(until)")
    }

    /// The error of a call with a claim that is not the newest any more.
    package static func isOvertaken(_ mapping: MappingID, epoch: UInt64) -> ShardlineError {
        ShardlineError(.fenced, "the claim \(epoch) on the mapping '\(mapping)' has ended or was overtaken")
    }

    /// The error of a deletion of a stream while a mapping of the stream runs.
    package static func isRunning(_ mapping: MappingID) -> ShardlineError {
        ShardlineError(
            .mappingBusy,
            "the mapping '\(mapping.name)' of the stream '\(mapping.stream)' is running: stop it before deleting the stream, or delete it by force"
        )
    }

    /// The error of a deletion of a stream while a running mapping uses it as its failure stream.
    package static func isInUse(_ stream: String, by mapping: MappingID) -> ShardlineError {
        ShardlineError(
            .mappingBusy,
            "the mapping '\(mapping.name)' of the stream '\(mapping.stream)' is running and puts what it gives up into '\(stream)': stop it before deleting the stream, or delete it by force"
        )
    }
}

/// What a mapping is doing in one shard.
public struct MappingShardState: Hashable, Sendable {
    /// What a shard's lane is doing.
    public enum Phase: String, Hashable, Sendable, CaseIterable {
        /// There is nothing to do.
        case idle
        /// A batch is filling, or waits for its turn.
        case batching
        /// The function is running.
        case invoking
        /// A failed unit waits for its next attempt.
        case retrying
        /// The failure destination has not accepted the records that were given up yet.
        case delivering
        /// The shard delivers nothing until an operator resumes it, because of the records that are named.
        case paused
        /// The shard is closed and all of its records are done.
        case ended
        /// The lane is not running.
        case stopped
        /// The shard can't be read any further.
        case damaged
    }

    /// The records that a lane is working on: a batch, what is left of one, or records that are given up.
    public struct Unit: Hashable, Sendable {
        /// The first record's partition key; once the failing record is isolated, that record's.
        public var partitionKey: String
        /// The first record's number.
        public var sequenceNumber: KinesisSequenceNumber
        /// The number of records.
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
    /// All records up to this number are done, durably.
    public var checkpoint: SequenceNumber
    /// The newest number that the lane has seen in the shard.
    public var tip: SequenceNumber
    /// Failed invocations of the current unit; 0 where none has failed.
    public var attempts = 0
    /// Why the last invocation failed; nil once the lane has gone on.
    public var lastError: String?
    /// Since when the lane has been working on one unit, by the wall clock; nil where it has none.
    public var busySince: Timestamp?
    /// The records that the lane is working on, or was working on when it stopped. nil where it has none, or only
    /// records that it never read because they expired or were lost.
    public var unit: Unit?
    /// The arrival of the oldest record that the lane has read and that is not done; nil where there is none.
    public var oldestArrival: Timestamp?
    /// Records in lost ranges that this execution reached and went on after (ESM-G4).
    public var lost = 0
    /// Records that expired before they were done, as far as their number is known (ESM-G4).
    public var expired = 0
    /// What this execution, and the earlier ones of the same `EventSourceMapping` object, have counted in the shard, by
    /// the names of the mapping's metrics without `shardline.`, such as `PolledEventCount`. What is missing is 0.
    public var counts: [UTF8Key: Int] = [:]

    /// A state with these facts.
    public init(
        shard: ShardID, phase: Phase, checkpoint: SequenceNumber, tip: SequenceNumber, attempts: Int = 0,
        lastError: String? = nil, busySince: Timestamp? = nil, unit: Unit? = nil, oldestArrival: Timestamp? = nil,
        lost: Int = 0, expired: Int = 0, counts: [UTF8Key: Int] = [:]
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
        self.counts = counts
    }

    /// Whether the function has failed on the current unit or can't be reached, the failure destination has failed, or
    /// the shard is paused or damaged.
    public var isFailing: Bool {
        switch phase {
        case .damaged, .paused: true
        case .delivering: lastError != nil
        case .retrying: true
        case .invoking, .batching: attempts > 0
        case .idle, .ended, .stopped: false
        }
    }
}

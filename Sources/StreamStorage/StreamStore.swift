public import Logging
public import StreamModel

/// A store of streams: what producers, event source mappings and tools stand on.
///
/// The embedded store is the first that implements it; the in-memory store of ShardlineTesting and the client of an
/// owner's socket are others. The protocol promises no more than an engine across a network could keep.
///
/// All calls throw ``ShardlineError`` or `CancellationError`.
public protocol StreamStore: Sendable {
    /// What this store can promise beyond the protocol.
    var capabilities: StoreCapabilities { get }
    /// The clocks that arrivals, ages and waits are measured by.
    var timeSource: any TimeSource { get }
    /// Where the store says what happens to it. Default: the label `shardline.store`.
    var logger: Logger { get }

    /// Makes a stream, durably. Throws `streamExists`, `invalidArgument`.
    @discardableResult
    func createStream(_ name: String, settings: StreamSettings) async throws -> StreamDescription
    /// All streams, by name.
    func listStreams() async throws -> [StreamDescription]
    /// One stream with its shards as they are now. Throws `streamNotFound`.
    func describeStream(_ name: String) async throws -> StreamDescription
    /// Changes how long a stream's records are kept, durably, for all of its records from this moment on; a mapping that
    /// runs goes by it at once. Returns the stream as it is then.
    ///
    /// A shorter retention removes what is older at once. A longer one keeps what is there for longer; what has expired
    /// before stays removed, also after a restart and where the clock is set back.
    ///
    /// - Parameter retention: 1 second to 365 days. The one that is in force changes nothing.
    ///
    /// Throws `streamNotFound`, `invalidArgument`, `diskFull`, `storeFailed`, `closed`.
    @discardableResult
    func updateStream(_ name: String, retention: Duration) async throws -> StreamDescription
    /// Deletes a stream with its records, its mappings and their checkpoints, durably.
    ///
    /// While a mapping of the stream is claimed by somebody alive, or one that is claimed hands what it gives up over to
    /// the stream, this throws `mappingBusy` and names it; with `force` the stream goes all the same, and the run of that
    /// mapping ends with an error, or waits with what it gives up until the stream is there again. Throws `streamNotFound`.
    func deleteStream(_ name: String, force: Bool) async throws

    /// Writes `changes` and returns when they are as durable as the store promises.
    ///
    /// With the capability ``StoreCapabilities/atomicCommit`` the changes are there whole or not at all, and become
    /// visible at once. A call that throws was surely not written; where that can't be known the outcome is
    /// ``CommitOutcome/unknown(cause:)``.
    ///
    /// Throws `streamNotFound`, `shardNotFound`, `mappingNotFound`, `fenced`, `recordTooLarge`, `commitTooLarge`,
    /// `invalidArgument`, `diskFull`, `storeFailed`, `closed`.
    func commit(_ changes: [Change], urgency: CommitUrgency) async throws -> CommitOutcome

    /// Records of one shard behind a position, in order; never one that isn't durable.
    ///
    /// A closed shard that is listed no longer answers what expired and its end, as long as a mapping has not been
    /// through it; then it is an unknown one.
    ///
    /// Throws `invalidArgument` for a position beyond the tip and for limits below 1, `streamNotFound`, `shardNotFound`,
    /// `corrupt`, `readFailed`, `closed`.
    func read(_ request: ReadRequest) async throws -> ReadResult
    /// The position in the shard from which reading delivers what `start` asks for.
    ///
    /// Throws `invalidArgument` for a time in the future, a number beyond the tip and one of another shard,
    /// `streamNotFound`, `shardNotFound`.
    func position(of start: StartingPosition, in stream: String, shard: ShardID) async throws -> SequenceNumber
    /// How many records were put into the shards of a stream in each of these spans, in their order: records that
    /// retention has removed count, those that damage took don't. A shard that is not there has none.
    ///
    /// Sequence numbers jump where records that somebody has seen may be lost, and in a store that was restored: their
    /// difference is no count. Throws `streamNotFound`, `closed`.
    func countRecords(in spans: [RecordSpan], of stream: String) async throws -> [Int]
    /// The number of the last record that was put into each of these spans, in their order; nil where there is none.
    /// Records count as in ``countRecords(in:of:)``.
    ///
    /// A mapping may be done up to a number that no record has: this is the last one that it has done. Throws
    /// `streamNotFound`, `closed`.
    func lastRecords(in spans: [RecordSpan], of stream: String) async throws -> [SequenceNumber?]

    /// Makes a mapping with its starting position resolved for every shard, durably (ESM-P4).
    /// Throws `mappingExists`, `streamNotFound`, `invalidArgument`.
    @discardableResult
    func createMapping(_ definition: MappingDefinition) async throws -> MappingDescription
    /// All mappings of a stream, or of all streams, by stream and name.
    func listMappings(of stream: String?) async throws -> [MappingDescription]
    /// One mapping with its checkpoints. Throws `streamNotFound`, `mappingNotFound`.
    func describeMapping(_ mapping: MappingID) async throws -> MappingDescription
    /// Takes the mapping for running it: raises its epoch, so that whoever ran it before can't move a checkpoint any
    /// more, and stores the settings that it runs with from now on. Throws `mappingBusy` while it is claimed by somebody
    /// alive who uses the same store.
    func claimMapping(_ mapping: MappingID, with claim: MappingClaim) async throws -> MappingDescription
    /// What the run that holds the mapping's claim does in each shard that it has come to, at this moment; nil where
    /// nobody runs it, or where whoever runs it can't be asked. Throws `streamNotFound`, `mappingNotFound`.
    func mappingStates(_ mapping: MappingID) async throws -> [MappingShardState]?
    /// Ends a claim with this epoch. Does nothing where the claim is a newer one.
    func releaseMapping(_ mapping: MappingID, epoch: UInt64) async throws
    /// Moves the checkpoints of one shard or of all to `position` and raises the mapping's epoch: a mapping that runs
    /// is fenced, reads its checkpoints anew and goes on there. A place before the oldest record that is kept means that
    /// record: what expired undone is passed over. Returns the mapping as it is then.
    @discardableResult
    func seekMapping(
        _ mapping: MappingID, to position: StartingPosition, shard: ShardID?
    ) async throws -> MappingDescription
    /// Deletes a mapping and its checkpoints, durably (ESM-L6). Throws `mappingNotFound`, `mappingBusy`.
    func deleteMapping(_ mapping: MappingID) async throws

    /// Returns when the store has failed and takes nothing more until it is opened anew, with the reason: who only waits
    /// for records would not hear of it. Throws `CancellationError`. A store that doesn't say so never returns.
    func waitForFailure() async throws -> ShardlineError

    /// Ends all calls, makes what was acknowledged durable and gives the store up. More calls do nothing.
    func close() async throws
}

extension StreamStore {
    /// Takes the mapping without a word about who takes it: its settings stay, and its states are not told.
    public func claimMapping(_ mapping: MappingID) async throws -> MappingDescription {
        try await claimMapping(mapping, with: MappingClaim())
    }

    /// Deletes a stream with its records, its mappings and their checkpoints, durably; not while one of the mappings runs.
    ///
    /// Throws `streamNotFound`, and `mappingBusy` that names the mapping that runs: stop it first.
    public func deleteStream(_ name: String) async throws { try await deleteStream(name, force: false) }

    /// The default label.
    public var logger: Logger { Logger(label: "shardline.store") }

    /// Writes `changes` at once.
    public func commit(_ changes: [Change]) async throws -> CommitOutcome {
        try await commit(changes, urgency: .now)
    }

    /// Waits until the task is cancelled: for stores whose calls say everything.
    public func waitForFailure() async throws -> ShardlineError { try await OneTimeSignal().wait() }
}

/// In what a store differs from others.
public struct StoreCapabilities: OptionSet, Sendable {
    /// One bit a capability.
    public let rawValue: UInt32
    /// The capabilities with these bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// A commit is whole or absent, and visible at once over all shards.
    public static let atomicCommit = StoreCapabilities(rawValue: 1)
    /// The numbers of a shard have no gaps.
    public static let denseSequenceNumbers = StoreCapabilities(rawValue: 2)
    /// What was acknowledged survives the loss of power on this machine.
    public static let synced = StoreCapabilities(rawValue: 4)
    /// What was acknowledged survives the loss of this machine.
    public static let replicated = StoreCapabilities(rawValue: 8)
}

/// How long a commit may wait for company.
public enum CommitUrgency: Sendable {
    /// It starts the next group commit.
    case now
    /// It rides with the next group, or goes after 5 ms: for checkpoints that nobody waits for.
    case relaxed
}

extension StreamStore {
    /// Up to where a mapping counts as done in a shard when it is moved to `start`: the one rule of every store, and of
    /// those that say beforehand what a seek would do.
    ///
    /// What has expired does not come again, and what was done of it is not to be told as undone: a sequence number that
    /// has expired means the oldest record.
    package func seekPosition(
        of start: StartingPosition, in stream: String, shard: ShardID
    ) async throws -> SequenceNumber {
        let position = try await position(of: start, in: stream, shard: shard)
        guard start.isOfOneShard else { return position }
        return max(position, try await self.position(of: .trimHorizon, in: stream, shard: shard))
    }
}

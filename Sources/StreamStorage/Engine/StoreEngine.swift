public import StreamModel

/// What an engine implements: the calls on which streams, producers, mappings and tools stand.
///
/// The embedded store, the in-memory store of ShardlineTesting and the client of an owner's socket implement it; so can
/// a type outside this package. The protocol promises no more than an engine across a network could keep. Programs use
/// the calls of ``StreamStore``, ``RecordStream`` and ``StreamMapping`` instead.
///
/// - Important: This protocol and the types that only it uses are not stable: they may change in any version until a
///   second durable engine stands on them.
///
/// All calls throw ``ShardlineError`` or `CancellationError`.
public protocol StoreEngine: StreamStore {
    /// Creates a stream, durably. Throws `streamExists`, `invalidArgument`.
    @discardableResult
    func createStream(_ name: String, settings: StreamSettings) async throws -> StreamDescription
    /// Creates a stream together with its first attributes: both are there, or neither. Default: throws
    /// `invalidArgument` where attributes are given, for engines without attributes. Throws `streamExists`,
    /// `invalidArgument`, `commitTooLarge`.
    @discardableResult
    func createStream(
        _ name: String, settings: StreamSettings, attributes: [NewAttribute]
    ) async throws -> StreamDescription
    /// All streams, by name.
    func listStreams() async throws -> [StreamDescription]
    /// One stream with its shards as they are now. Throws `streamNotFound`.
    func describeStream(_ name: String) async throws -> StreamDescription
    /// One stream without its shards. It costs the same whatever their number. Default: from ``describeStream(_:)``.
    /// Throws `streamNotFound`, `closed`.
    func summarizeStream(_ name: String) async throws -> StreamSummary
    /// One listed shard and its children. It costs the same whatever the number of the stream's shards. Default: from
    /// ``describeStream(_:)``. Throws `streamNotFound`, `shardNotFound`, `closed`.
    func describeShard(_ shard: ShardID, of stream: String) async throws -> ShardLook
    /// A page of the streams, in the order of their names' bytes. Default: from ``listStreams()``. Throws
    /// `invalidArgument`, `closed`.
    func streamSummaries(_ query: StreamQuery) async throws -> StreamSummaryPage
    /// A page of a stream's listed shards, by number. Default: from ``describeStream(_:)``. Throws `streamNotFound`,
    /// `invalidArgument`, `closed`.
    func shardDescriptions(_ query: ShardQuery) async throws -> ShardPage
    /// Changes how long a stream's records are kept, durably, for all of its records from this moment on. A running
    /// mapping applies it at once. Returns the stream after the change.
    ///
    /// A shorter retention removes older records at once. A longer one keeps the records that are there for longer.
    /// Records that have expired stay removed, also after a restart and after the clock was set back.
    ///
    /// - Parameter retention: 1 second to 365 days. The current one changes nothing.
    ///
    /// Throws `streamNotFound`, `invalidArgument`, `diskFull`, `storeFailed`, `closed`.
    @discardableResult
    func updateStream(_ name: String, retention: Duration) async throws -> StreamDescription
    /// Changes how long a stream's records are kept, as ``updateStream(_:retention:)``, and how large they may be, in one
    /// commit. Returns the stream after the change.
    ///
    /// The size holds for calls that begin after this one; larger records that are there stay readable.
    ///
    /// - Parameters:
    ///   - retention: 1 second to 365 days; nil: as it is.
    ///   - maximumRecordSize: the most bytes of data in one record: 1 byte to 10 MiB, 16 MiB for a failure stream; nil:
    ///     as it is.
    ///
    /// Default: throws `invalidArgument` where a size is given. Throws as ``updateStream(_:retention:)``.
    @discardableResult
    func updateStream(
        _ name: String, retention: Duration?, maximumRecordSize: Int?
    ) async throws -> StreamDescription
    /// Deletes a stream with its records, its mappings and their checkpoints, durably.
    ///
    /// Throws `mappingBusy` with the name of a mapping while a mapping of the stream is claimed by a live process, or a
    /// claimed mapping uses the stream as its failure stream. With `force` the stream is deleted all the same: the
    /// execution of that mapping ends with an error, or waits with the records that it gives up until the stream exists
    /// again. Throws `streamNotFound`.
    func deleteStream(_ name: String, force: Bool) async throws

    /// Writes `changes` and returns when they are as durable as the store promises.
    ///
    /// With the capability ``StoreCapabilities/atomicCommit`` either all of the changes are written or none, and they
    /// become visible at once. A call that throws was certainly not written; where that can't be known, the outcome is
    /// ``CommitOutcome/unknown(cause:)``.
    ///
    /// Throws `streamNotFound`, `shardNotFound`, `mappingNotFound`, `fenced`, `mappingChanged`, `attributeChanged`,
    /// `recordTooLarge`, `commitTooLarge`, `invalidArgument`, `diskFull`, `storeFailed`, `closed`.
    func commit(_ changes: [Change], urgency: CommitUrgency) async throws -> CommitOutcome

    /// A page of the attributes of an account, a stream or a consumer, in the order of their names. Default: throws
    /// `invalidArgument`, for engines without attributes. Throws `streamNotFound`, `invalidArgument`, `closed`.
    func attributes(_ query: AttributeQuery) async throws -> AttributePage
    /// A page of the partition keys that a mapping has parked, by shard and key, as they were at one moment; never one
    /// that isn't durable. Keys of a closed shard that is no longer listed are there until the mapping has reached its
    /// end. Default: an empty page, for engines that park no keys. Throws `streamNotFound`, `mappingNotFound`,
    /// `invalidArgument`, `closed`.
    func parkedKeys(_ query: ParkedKeyQuery) async throws -> ParkedKeyPage

    /// Records of one shard after a position, in order; never a record that isn't durable.
    ///
    /// A closed shard that is no longer listed still returns its expired range and its end until every mapping has read
    /// it to its end; then it throws `shardNotFound`.
    ///
    /// Throws `invalidArgument` for a position beyond the tip and for limits below 1, `streamNotFound`,
    /// `shardNotFound`, `corrupt`, `readFailed`, `closed`.
    func read(_ request: ReadRequest) async throws -> ReadResult
    /// The position in the shard from which reading delivers what `start` asks for.
    ///
    /// Throws `invalidArgument` for a time in the future, a number beyond the tip and a number of another shard,
    /// `streamNotFound`, `shardNotFound`.
    func position(of start: StartingPosition, in stream: String, shard: ShardID) async throws -> SequenceNumber
    /// How many records were put into each of these spans of a stream's shards, in the order of `spans`. Records that
    /// retention has removed count, those of lost ranges don't. A shard that does not exist has none.
    ///
    /// Sequence numbers jump where visible records may be lost, and in a store that was restored, so their difference
    /// is not a count. Throws `streamNotFound`, `closed`.
    func countRecords(in spans: [RecordSpan], of stream: String) async throws -> [Int]
    /// The number of the last record that was put into each of these spans, in their order; nil for a span without
    /// records. Records count as in ``countRecords(in:of:)``.
    ///
    /// A mapping's checkpoint may be a number that no record has; this call finds the last record up to it. Throws
    /// `streamNotFound`, `closed`.
    func lastRecords(in spans: [RecordSpan], of stream: String) async throws -> [SequenceNumber?]

    /// Creates a mapping with its starting position resolved for every shard, durably (ESM-P4).
    /// Throws `mappingExists`, `streamNotFound`, `invalidArgument`.
    @discardableResult
    func createMapping(_ definition: MappingDefinition) async throws -> MappingDescription
    /// All mappings of a stream, or of all streams, by stream and name.
    func listMappings(of stream: String?) async throws -> [MappingDescription]
    /// One mapping with its checkpoints. Throws `streamNotFound`, `mappingNotFound`.
    func describeMapping(_ mapping: MappingID) async throws -> MappingDescription
    /// What of a mapping a process that runs it has to know at each moment. Default: from ``describeMapping(_:)``, whose
    /// answer holds all states. Throws `streamNotFound`, `mappingNotFound`.
    func summarizeMapping(_ mapping: MappingID) async throws -> MappingSummary
    /// A mapping's last control actions, the oldest first; at most ``MappingControl/keptActions``. Default: the last one.
    /// Throws `streamNotFound`, `mappingNotFound`.
    func mappingHistory(_ mapping: MappingID) async throws -> [MappingAction]
    /// Takes the mapping in order to run it: raises its epoch, so that its former holder can't move a checkpoint any
    /// more, and stores the settings that it brings. Returns the mapping with the settings in force. Throws
    /// `mappingBusy` while another claim holds, and names its owner and until when it holds. A claim whose lease is over
    /// is taken over.
    func claimMapping(_ mapping: MappingID, with claim: MappingClaim) async throws -> MappingDescription
    /// What the holder of the mapping's claim is doing in each shard that it has reached; nil where the mapping does
    /// not run, or its process can't be asked. Throws `streamNotFound`, `mappingNotFound`.
    func mappingStates(_ mapping: MappingID) async throws -> [MappingShardState]?
    /// Prolongs the claim with this epoch by its lease, and stores what its holder has applied. Throws `fenced` where the
    /// claim was released or overtaken. Default: it only returns the summary.
    @discardableResult
    func renewMapping(_ mapping: MappingID, epoch: UInt64, with renewal: MappingRenewal) async throws -> MappingSummary
    /// Ends the claim with this epoch. Does nothing where there is a newer claim.
    func releaseMapping(_ mapping: MappingID, epoch: UInt64) async throws
    /// Moves the checkpoints of one shard or of all to `position` and raises the mapping's epoch. A running mapping is
    /// fenced, reads its checkpoints again and goes on there. A position before the oldest retained record means that
    /// record, so unprocessed records that have expired are skipped. Returns the mapping after the move.
    @discardableResult
    func seekMapping(
        _ mapping: MappingID, to position: StartingPosition, shard: ShardID?
    ) async throws -> MappingDescription
    /// Deletes a mapping and its checkpoints, durably (ESM-L6). Throws `mappingNotFound`, `mappingBusy`.
    func deleteMapping(_ mapping: MappingID) async throws
}

extension StoreEngine {
    /// Claims the mapping without settings and without a status callback: the stored settings stay.
    public func claimMapping(_ mapping: MappingID) async throws -> MappingDescription {
        try await claimMapping(mapping, with: MappingClaim())
    }

    /// For engines that can't change the size: throws `invalidArgument` where one is given.
    @discardableResult
    public func updateStream(
        _ name: String, retention: Duration?, maximumRecordSize: Int?
    ) async throws -> StreamDescription {
        guard maximumRecordSize == nil else {
            throw ShardlineError(.invalidArgument, "this store does not change the record size of a stream")
        }
        guard let retention else { return try await describeStream(name) }
        return try await updateStream(name, retention: retention)
    }

    /// The engine itself.
    public var engine: any StoreEngine { self }

    /// As ``deleteStream(_:force:)``, without force.
    public func deleteStream(_ name: String) async throws { try await deleteStream(name, force: false) }

    /// Writes `changes` at once.
    public func commit(_ changes: [Change]) async throws -> CommitOutcome {
        try await commit(changes, urgency: .now)
    }
}

/// How long a commit may wait for other commits to share its sync.
public enum CommitUrgency: Sendable {
    /// It starts the next group commit.
    case now
    /// It joins the next group commit, at the latest after 5 ms: for checkpoints that no caller waits for.
    case relaxed
}

extension StoreEngine {
    /// The checkpoint of a shard when its mapping is moved to `start`. Every store uses this rule, and so do commands
    /// that preview a seek.
    ///
    /// Expired records are not delivered again, and the checkpoint never goes back before them. A sequence number that
    /// has expired therefore means the oldest record.
    package func seekPosition(
        of start: StartingPosition, in stream: String, shard: ShardID
    ) async throws -> SequenceNumber {
        let position = try await position(of: start, in: stream, shard: shard)
        guard start.isOfOneShard else { return position }
        return max(position, try await self.position(of: .trimHorizon, in: stream, shard: shard))
    }
}

import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization

/// A store in memory that counts its calls, and fails those that the test wants to fail. It is used as a store across a
/// network would be.
final class CountingStore: StoreEngine {
    enum Call: Hashable, Sendable {
        case describeStream, describeMapping, position, read, commit, other
    }

    private let inner: InMemoryStore
    private let counts = Mutex<[Call: Int]>([:])
    private let failure = Mutex<(call: Call, error: ShardlineError)?>(nil)

    init(_ inner: InMemoryStore) { self.inner = inner }

    /// How often each call was made since this was asked last.
    func takeCounts() -> [Call: Int] {
        counts.withLock { counts in
            defer { counts = [:] }
            return counts
        }
    }

    /// Makes each such call fail from now on; nil: none.
    func fail(_ call: Call, with error: ShardlineError?) { failure.withLock { $0 = error.map { (call, $0) } } }

    private func note(_ call: Call) throws {
        counts.withLock { $0[call, default: 0] += 1 }
        if let error = failure.withLock({ $0?.call == call ? $0?.error : nil }) { throw error }
    }

    func describeStream(_ name: String) async throws -> StreamDescription {
        try note(.describeStream)
        return try await inner.describeStream(name)
    }
    func describeMapping(_ mapping: MappingID) async throws -> MappingDescription {
        try note(.describeMapping)
        return try await inner.describeMapping(mapping)
    }
    func position(of start: StartingPosition, in stream: String, shard: ShardID) async throws -> SequenceNumber {
        try note(.position)
        return try await inner.position(of: start, in: stream, shard: shard)
    }
    func read(_ request: ReadRequest) async throws -> ReadResult {
        try note(.read)
        return try await inner.read(request)
    }
    func commit(_ changes: [Change], urgency: CommitUrgency) async throws -> CommitOutcome {
        try note(.commit)
        return try await inner.commit(changes, urgency: urgency)
    }

    // MARK: The rest is counted together

    var timeSource: any TimeSource { inner.timeSource }
    var capabilities: StoreCapabilities { inner.capabilities }
    func createStream(_ name: String, settings: StreamSettings) async throws -> StreamDescription {
        try note(.other)
        return try await inner.createStream(name, settings: settings)
    }
    func listStreams() async throws -> [StreamDescription] {
        try note(.other)
        return try await inner.listStreams()
    }
    func updateStream(_ name: String, retention: Duration) async throws -> StreamDescription {
        try note(.other)
        return try await inner.updateStream(name, retention: retention)
    }
    func deleteStream(_ name: String, force: Bool) async throws {
        try note(.other)
        try await inner.deleteStream(name, force: force)
    }
    func countRecords(in spans: [RecordSpan], of stream: String) async throws -> [Int] {
        try note(.other)
        return try await inner.countRecords(in: spans, of: stream)
    }
    func lastRecords(in spans: [RecordSpan], of stream: String) async throws -> [SequenceNumber?] {
        try note(.other)
        return try await inner.lastRecords(in: spans, of: stream)
    }
    func createMapping(_ definition: MappingDefinition) async throws -> MappingDescription {
        try note(.other)
        return try await inner.createMapping(definition)
    }
    func listMappings(of stream: String?) async throws -> [MappingDescription] {
        try note(.other)
        return try await inner.listMappings(of: stream)
    }
    func claimMapping(_ mapping: MappingID, with claim: MappingClaim) async throws -> MappingDescription {
        try note(.other)
        // Who runs the mapping can't be asked across a network.
        var claim = claim
        claim.checkSettings = nil
        return try await inner.claimMapping(mapping, with: claim)
    }
    func mappingStates(_ mapping: MappingID) async throws -> [MappingShardState]? {
        try note(.other)
        return try await inner.mappingStates(mapping)
    }
    func releaseMapping(_ mapping: MappingID, epoch: UInt64) async throws {
        try note(.other)
        try await inner.releaseMapping(mapping, epoch: epoch)
    }
    func seekMapping(
        _ mapping: MappingID, to position: StartingPosition, shard: ShardID?
    ) async throws -> MappingDescription {
        try note(.other)
        return try await inner.seekMapping(mapping, to: position, shard: shard)
    }
    func parkedKeys(_ query: ParkedKeyQuery) async throws -> ParkedKeyPage {
        try note(.other)
        return try await inner.parkedKeys(query)
    }
    func deleteMapping(_ mapping: MappingID) async throws {
        try note(.other)
        try await inner.deleteMapping(mapping)
    }
    func close() async throws { try await inner.close() }
}

import ShardlineTesting
import StreamModel
import StreamStorage

/// An engine that implements what it must and leaves the rest to the protocol's default implementations.
private struct DefaultsStore: StoreEngine {
    let inner: InMemoryStore

    var timeSource: any TimeSource { inner.timeSource }
    var capabilities: StoreCapabilities { inner.capabilities }
    func createStream(_ name: String, settings: StreamSettings) async throws -> StreamDescription {
        try await inner.createStream(name, settings: settings)
    }
    func listStreams() async throws -> [StreamDescription] { try await inner.listStreams() }
    func describeStream(_ name: String) async throws -> StreamDescription { try await inner.describeStream(name) }
    func updateStream(_ name: String, retention: Duration) async throws -> StreamDescription {
        try await inner.updateStream(name, retention: retention)
    }
    func deleteStream(_ name: String, force: Bool) async throws { try await inner.deleteStream(name, force: force) }
    func commit(_ changes: [Change], urgency: CommitUrgency) async throws -> CommitOutcome {
        try await inner.commit(changes, urgency: urgency)
    }
    func read(_ request: ReadRequest) async throws -> ReadResult { try await inner.read(request) }
    func position(of start: StartingPosition, in stream: String, shard: ShardID) async throws -> SequenceNumber {
        try await inner.position(of: start, in: stream, shard: shard)
    }
    func countRecords(in spans: [RecordSpan], of stream: String) async throws -> [Int] {
        try await inner.countRecords(in: spans, of: stream)
    }
    func lastRecords(in spans: [RecordSpan], of stream: String) async throws -> [SequenceNumber?] {
        try await inner.lastRecords(in: spans, of: stream)
    }
    func createMapping(_ definition: MappingDefinition) async throws -> MappingDescription {
        try await inner.createMapping(definition)
    }
    func listMappings(of stream: String?) async throws -> [MappingDescription] {
        try await inner.listMappings(of: stream)
    }
    func describeMapping(_ mapping: MappingID) async throws -> MappingDescription {
        try await inner.describeMapping(mapping)
    }
    func claimMapping(_ mapping: MappingID, with claim: MappingClaim) async throws -> MappingDescription {
        try await inner.claimMapping(mapping, with: claim)
    }
    func mappingStates(_ mapping: MappingID) async throws -> [MappingShardState]? {
        try await inner.mappingStates(mapping)
    }
    func releaseMapping(_ mapping: MappingID, epoch: UInt64) async throws {
        try await inner.releaseMapping(mapping, epoch: epoch)
    }
    func seekMapping(
        _ mapping: MappingID, to position: StartingPosition, shard: ShardID?
    ) async throws -> MappingDescription {
        try await inner.seekMapping(mapping, to: position, shard: shard)
    }
    func deleteMapping(_ mapping: MappingID) async throws { try await inner.deleteMapping(mapping) }
    func close() async throws { try await inner.close() }
}

extension StoreKind {
    /// The default implementations of the protocol.
    static let defaults = StoreKind(testDescription: "default implementations") { time, body in
        let store = DefaultsStore(inner: InMemoryStore(timeSource: time))
        try await body(store)
        try await store.close()
    }
}

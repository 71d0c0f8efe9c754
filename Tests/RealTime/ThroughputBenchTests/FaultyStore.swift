import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization

@testable import ThroughputBench

/// A store in memory whose reads do one wrong thing, once.
final class FaultyStore: StoreEngine {
    enum Fault: CaseIterable, Sendable {
        /// Two neighbours of one key come in each other's place, in one batch.
        case swapWithinBatch
        /// The last of one batch and the first of the next of one key come in each other's place.
        case swapAcrossBatches
        /// A record's place is taken by the one after it, so that it never comes.
        case drop
        /// A record comes in the place of the one after it, too.
        case duplicate
        /// A record of another shard comes in this one's place.
        case wrongShard
        /// A record holds other bytes than were put.
        case garble
    }

    private struct State {
        var isDone = false
        /// What is to come in place of the next batch's first record.
        var owed: Record?
    }

    private let inner: InMemoryStore
    private let fault: Fault?
    private let state = Mutex(State())

    init(_ fault: Fault?, timeSource: any TimeSource) {
        inner = InMemoryStore(timeSource: timeSource)
        self.fault = fault
    }

    func read(_ request: ReadRequest) async throws -> ReadResult {
        var result = try await inner.read(request)
        guard request.stream == BenchRun.stream, let fault, result.batch.count >= 4 else { return result }
        // What is held back needs a batch to come in.
        if fault == .swapAcrossBatches, result.next >= result.tip, state.withLock({ !$0.isDone }) { return result }
        let other = try await inner.read(
            ReadRequest(stream: request.stream, shard: ShardID(1 - request.shard.number % 2), after: .zero)
        ).batch.first
        result.batch = state.withLock { Self.changed(result.batch, fault, other, &$0) }
        return result
    }

    private static func changed(
        _ batch: RecordBatch, _ fault: Fault, _ other: Record?, _ state: inout State
    ) -> RecordBatch {
        var records = Array(batch)
        if let owed = state.owed, records[0].shard == owed.shard {
            state.owed = nil
            // The one that was held back comes now, the one whose place it took went before.
            records[0] = renumbered(owed, as: records[0])
            return rebuilt(records)
        }
        guard !state.isDone else { return batch }
        // Two records of one key and one producer: between two producers there is no order.
        func origin(_ record: Record) -> String {
            "\(record.partitionKey) \(Stamp(record.data)?.producer ?? 0)"
        }
        var seen: [String: Int] = [:]
        var pair: (Int, Int)?
        for (index, record) in records.enumerated() where pair == nil {
            pair = seen[origin(record)].map { ($0, index) }
            seen[origin(record)] = index
        }
        guard let (first, second) = pair else { return batch }
        switch fault {
        case .swapWithinBatch: swapContents(&records, first, second)
        case .drop: records[first] = renumbered(records[second], as: records[first])
        case .duplicate: records[second] = renumbered(records[first], as: records[second])
        case .wrongShard:
            guard let other else { return batch }
            records[first] = renumbered(other, as: records[first])
        case .garble:
            var data = Array(records[first].bytes)
            data[data.count - 1] ^= 1
            records[first] = record(data, key: records[first].partitionKey, as: records[first])
        case .swapAcrossBatches:
            // The second of the pair goes at the end of this batch, in the place of the first of the next one; what
            // stood there is owed.
            let last = records.count - 1
            state.owed = records[last]
            records[last] = renumbered(records[first], as: records[last])
        }
        state.isDone = true
        return rebuilt(records)
    }

    private static func swapContents(_ records: inout [Record], _ one: Int, _ other: Int) {
        let (first, second) = (records[one], records[other])
        records[one] = renumbered(second, as: first)
        records[other] = renumbered(first, as: second)
    }

    /// The content of one record under the number of another.
    private static func renumbered(_ content: Record, as place: Record) -> Record {
        record(Array(content.bytes), key: content.partitionKey, as: place)
    }

    private static func record(_ data: [UInt8], key: String, as place: Record) -> Record {
        var bytes: [UInt8] = []
        RecordEncoding.append(NewRecord(data, partitionKey: key), to: &bytes)
        return Record(
            bytes: bytes, at: 0, shard: place.shard, shardCreationSecond: place.shardCreationSecond,
            sequenceNumber: place.sequenceNumber, runArrival: place.approximateArrivalTimestamp)
    }

    private static func rebuilt(_ records: [Record]) -> RecordBatch {
        RecordBatch(
            records.map { record in
                var bytes: [UInt8] = []
                RecordEncoding.append(NewRecord(Array(record.bytes), partitionKey: record.partitionKey), to: &bytes)
                return RecordRun(
                    bytes: bytes, offsets: [0, UInt32(bytes.count)], range: 0..<1, shard: record.shard,
                    shardCreationSecond: record.shardCreationSecond, firstSequence: record.sequenceNumber,
                    arrival: record.approximateArrivalTimestamp)
            })
    }

    // MARK: The rest is as it should be

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
    func parkedKeys(_ query: ParkedKeyQuery) async throws -> ParkedKeyPage { try await inner.parkedKeys(query) }
    func deleteMapping(_ mapping: MappingID) async throws { try await inner.deleteMapping(mapping) }
    func close() async throws { try await inner.close() }
}

import StreamModel
import StreamStorage
import Synchronization

/// The records that one invocation adds to the commit of its unit (ESM-O1). Any thread calls it; its only lock is held for
/// moments.
final class AddedRecords: Sendable {
    /// The most records, and bytes of keys and data, that one invocation may add.
    static let mostRecords = 10_000
    static let mostBytes = 16 << 20

    private struct State {
        var records: [AddedRecord] = []
        var bytes = 0
        var count = 0
        var isOver = false
    }

    private let state = Mutex(State())
    let targets: AddedTargets?
    /// The records of the invocation.
    private let batch: RecordBatch

    init(_ targets: AddedTargets?, of batch: RecordBatch) {
        self.targets = targets
        self.batch = batch
    }

    func add(_ added: AddedRecord) throws {
        if let source = added.source, batch.index(of: source) == nil {
            throw ShardlineError(
                .invalidArgument, "a record that was made of record \(source) (allowed: a record of this batch)")
        }
        guard Limits.isStreamName(added.stream) else {
            throw ShardlineError(
                .invalidArgument,
                "a record for the stream '\(added.stream)' (allowed: a name of \(StreamName.allowed))")
        }
        try added.record.validate(maximumRecordSize: Limits.largestRecordSize)
        let bytes = added.record.data.count + added.record.partitionKey.utf8.count
        try state.withLock { state in
            guard !state.isOver else {
                throw ShardlineError(
                    .invalidArgument,
                    "the invocation has ended (allowed: records are added before the function returns)")
            }
            guard state.count < Self.mostRecords, state.bytes + bytes <= Self.mostBytes else {
                throw ShardlineError(
                    .invalidArgument,
                    "the invocation adds more than \(Self.mostRecords) records, or \(Self.mostBytes) bytes of keys and data (allowed: so many at most; a smaller batchSize makes for less)"
                )
            }
            state.records.append(added)
            state.count += 1
            state.bytes += bytes
        }
    }

    /// What was added since the last call, if the function has done something. Where a stream can't take it, the call has
    /// failed.
    func take(
        after result: LaneCore.InvocationResult
    ) async -> (result: LaneCore.InvocationResult, records: [AddedRecord]) {
        let records = state.withLock { state in
            defer { state.records = [] }
            return state.records
        }
        guard !records.isEmpty else { return (result, []) }
        guard result.keepsSome else { return (result, []) }
        if let problem = await targets?.problem(with: records) {
            return (.failed(LaneCore.FunctionFailure(problem, type: "AddedRecord")), [])
        }
        return (result, records)
    }

    /// Refuses what comes from now on.
    func end() { state.withLock { $0.isOver = true } }
}

/// The streams that functions add records to, as far as they are known. Any thread calls it; its only lock is held for
/// moments.
final class AddedTargets: Sendable {
    private let store: any StoreEngine
    /// The largest record that each stream takes.
    private let sizes = Mutex<[UTF8Key: Int]>([:])

    init(_ store: any StoreEngine) { self.store = store }

    /// Why the streams can't take these records; nil: they can. What can't be found out is left to the commit.
    func problem(with records: [AddedRecord]) async -> String? {
        for added in records {
            let name = UTF8Key(added.stream)
            var size = sizes.withLock { $0[name] }
            if size == nil || added.record.data.count > size! {
                do {
                    size = try await store.summarizeStream(added.stream).maximumRecordSize
                    sizes.withLock { [size] in $0[name] = size }
                } catch let error as ShardlineError where error.code == .streamNotFound {
                    return
                        "the function added a record for the stream '\(added.stream)', which is not there: create it"
                } catch {
                    continue
                }
            }
            guard let size, added.record.data.count > size else { continue }
            return
                "the function added a record with \(added.record.data.count) bytes of data for the stream '\(added.stream)', which takes at most \(size) a record"
        }
        return nil
    }

    /// Asks the store again the next time.
    func forget() { sizes.withLock { $0 = [:] } }
}

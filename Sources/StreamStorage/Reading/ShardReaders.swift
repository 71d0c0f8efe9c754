import DequeModule
import StreamModel

/// The readers of all shards of a stream that may be read now, in turn.
///
/// A shard's reader starts when the readers of all its parents have come to their ends, so that the records of a
/// partition key stay in order.
struct ShardReaders: Sendable {
    private struct Child: Sendable {
        var parents: [ShardID]
        var reader: ShardReader
    }

    private let settings: ReaderSettings
    /// The readers that have not ended, the one that comes next first.
    private var active: Deque<ShardReader> = []
    private var reading: Set<ShardID> = []
    /// Shards whose parents are not all read.
    private var waiting: [ShardID: Child] = [:]
    private var finished: Set<ShardID> = []
    /// What waiting reads have found.
    private var found: Deque<RecordBatch> = []

    /// Finds the position in each shard that the stream lists.
    init(_ settings: ReaderSettings) async throws {
        guard !settings.start.isOfOneShard else {
            throw ShardlineError(
                .invalidArgument, "a sequence number belongs to one shard: name the shard, or start at another position"
            )
        }
        self.settings = settings
        let shards = try await settings.stream.describe().shards
        for shard in shards {
            let position = try await settings.stream.engine.position(
                of: settings.start, in: settings.stream.name, shard: shard.id)
            waiting[shard.id] = Child(
                parents: shard.parents, reader: ShardReader(shard, at: position, settings: settings))
        }
        startReady(listed: Set(shards.map(\.id)))
    }

    /// The records of the next read that finds any; nil when all readers have ended.
    mutating func next() async throws -> RecordBatch? {
        while true {
            if let batch = found.popFirst() { return batch }
            if active.isEmpty { return nil }
            for _ in 0..<active.count {
                guard var reader = active.popFirst() else { break }
                let step = try await reader.read()
                if let batch = try await move(reader, step) { return batch }
            }
            if settings.follow, !active.isEmpty { try await waitForAny() }
        }
    }

    /// Puts the reader where its step belongs, and returns the records.
    private mutating func move(_ reader: ShardReader, _ step: ShardReader.Step) async throws -> RecordBatch? {
        switch step {
        case .records(let batch):
            active.append(reader)
            return batch
        case .nothing: active.append(reader)
        case .end: try await finish(reader.shard)
        case .removed:
            try await reader.reportRemoval()
            try await finish(reader.shard)
        }
        return nil
    }

    /// Starts the shards that waited for this one, and those that have opened since.
    private mutating func finish(_ shard: ShardID) async throws {
        reading.remove(shard)
        finished.insert(shard)
        let shards = try await settings.stream.describe().shards
        // Shards that opened after the beginning are not read where the reader does not follow.
        for shard in shards where settings.follow {
            guard waiting[shard.id] == nil, !reading.contains(shard.id), !finished.contains(shard.id) else { continue }
            waiting[shard.id] = Child(
                parents: shard.parents, reader: ShardReader(shard, at: shard.origin, settings: settings))
        }
        startReady(listed: Set(shards.map(\.id)))
    }

    /// Parents that the stream no longer lists, and that are not being read, have expired: nothing of them is left.
    private mutating func startReady(listed: Set<ShardID>) {
        for (shard, child) in waiting.sorted(by: { $0.key < $1.key }) {
            let isReady = child.parents.allSatisfy { parent in
                finished.contains(parent)
                    || !reading.contains(parent) && waiting[parent] == nil && !listed.contains(parent)
            }
            guard isReady else { continue }
            waiting[shard] = nil
            reading.insert(shard)
            active.append(child.reader)
        }
    }

    /// Waits at the tips of all readers, and keeps what the first of them finds, with what others have found by then: a
    /// read that is cancelled has moved nothing.
    private mutating func waitForAny() async throws {
        let engine = settings.stream.engine
        let readers = active
        let results = await withTaskGroup(of: (Int, Result<ReadResult, any Error>).self) { group in
            for (index, reader) in readers.enumerated() {
                let request = reader.request(.untilAvailable)
                group.addTask {
                    do { return (index, .success(try await engine.read(request))) } catch {
                        return (index, .failure(error))
                    }
                }
            }
            var results: [Int: Result<ReadResult, any Error>] = [:]
            for await (index, result) in group {
                group.cancelAll()
                results[index] = result
            }
            return results
        }
        try Task.checkCancellation()
        active = []
        for (index, var reader) in readers.enumerated() {
            var step = ShardReader.Step.nothing
            switch results[index] {
            case nil, .failure(is CancellationError): break
            case let result?: step = try reader.take(result)
            }
            if let batch = try await move(reader, step) { found.append(batch) }
        }
    }
}

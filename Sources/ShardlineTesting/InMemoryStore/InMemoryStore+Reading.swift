import DiskAccess
public import StreamModel
public import StreamStorage
import Synchronization

extension InMemoryStore: WaitingStore {
    /// As `StoreEngine/read(_:)`.
    public func read(_ request: ReadRequest) async throws -> ReadResult { try await readOrWait(request) }

    /// As `StoreEngine/position(of:in:shard:)`.
    public func position(
        of start: StartingPosition, in stream: String, shard: ShardID
    ) async throws -> SequenceNumber {
        let now = timeSource.wallTime
        return try state.withLock { state in
            try state.checkOpen()
            if let error = state.positionFault?(shard) { throw error }
            state.removeShards(of: try state.catalogue.stream(stream), now: now)
            let stream = try state.catalogue.stream(stream)
            return try state.position(of: start, in: stream, shard: stream.listedShard(shard), now: now)
        }
    }

    /// As `StoreEngine/countRecords(in:of:)`.
    public func countRecords(in spans: [RecordSpan], of stream: String) async throws -> [Int] {
        try state.withLock { state in
            try state.checkOpen()
            let stream = try state.catalogue.stream(stream)
            return spans.map { span in
                guard let shard = try? stream.shard(span.shard) else { return 0 }
                let log = state.logs[stream.place(of: shard.id)] ?? MemoryLog()
                return log.recordCount(after: span.after, through: span.through, in: shard)
            }
        }
    }

    /// As `StoreEngine/lastRecords(in:of:)`.
    public func lastRecords(in spans: [RecordSpan], of stream: String) async throws -> [SequenceNumber?] {
        try state.withLock { state in
            try state.checkOpen()
            let stream = try state.catalogue.stream(stream)
            return spans.map { span in
                guard let shard = try? stream.shard(span.shard) else { return nil }
                let log = state.logs[stream.place(of: shard.id)] ?? MemoryLog()
                return log.lastRecord(after: span.after, through: span.through, in: shard)
            }
        }
    }

    package func readNow(_ request: ReadRequest) throws -> ReadResult {
        try request.validate()
        return try state.withLock { state in
            let now = timeSource.wallTime
            if !state.readFaults.isEmpty { throw state.readFaults.removeFirst() }
            return try state.read(request, now: now)
        }
    }

    package func readWhenAvailable(_ request: ReadRequest) async throws -> ReadResult {
        while true {
            try Task.checkCancellation()
            let stream = try state.withLock { try $0.catalogue.stream(request.stream) }
            let place = stream.place(of: request.shard)
            await withListedWaiter(cancelled: ()) { waiter in
                register(waiter, at: place, for: request)
            } remove: { id in
                state.withLock { $0.logs[place]?.waiters.remove(id) }
            }
            try Task.checkCancellation()
            let found = try readNow(request)
            guard found.isNothing else { return found }
        }
    }

    /// Reads and registers the waiter under one lock, so that no commit between the two is missed.
    private func register(
        _ waiter: Waiter<Void>, at place: ShardPlace, for request: ReadRequest
    ) -> Registration<Void> {
        let now = timeSource.wallTime
        return state.withLock { state in
            guard let found = try? state.read(request, now: now), found.isNothing else { return .answered(()) }
            return state.logs[place, default: MemoryLog()].waiters.add(waiter)
        }
    }
}

extension InMemoryStore.State {
    mutating func read(_ request: ReadRequest, now: Timestamp) throws -> ReadResult {
        try checkOpen()
        removeShards(of: try catalogue.stream(request.stream), now: now)
        let stream = try catalogue.stream(request.stream)
        let shard = try stream.shard(request.shard)
        try shard.numbered.checkRead(request)
        trim(shard.id, of: stream, now: now)
        var result = (logs[stream.place(of: shard.id)] ?? MemoryLog()).read(request, in: shard)
        result.earliestNextArrival = now
        return result
    }

    mutating func position(
        of start: StartingPosition, in stream: MemoryStream, shard: MemoryShard, now: Timestamp
    ) throws -> SequenceNumber {
        try start.validate(now: now)
        trim(shard.id, of: stream, now: now)
        let log = logs[stream.place(of: shard.id)] ?? MemoryLog()
        switch start {
        case .trimHorizon: return log.trimHorizon(of: shard)
        case .latest: return shard.last
        case .atTimestamp(let time): return log.position(before: time, in: shard)
        case .atSequenceNumber, .afterSequenceNumber, .at, .after:
            let position = try start.position(in: stream.name, shard: shard.numbered) { catalogue.owner(of: $0)?.name }
            return position ?? shard.last
        }
    }
}

extension MemoryShard {
    fileprivate var numbered: NumberedShard {
        NumberedShard(id: id, creationSecond: creationSecond, tip: last, lastPosition: last, isClosed: closedAt != nil)
    }
}

import StreamModel
public import StreamStorage
import Synchronization

extension SegmentStore: WaitingStore {
    /// As ``StoreEngine/read(_:)``.
    public func read(_ request: ReadRequest) async throws -> ReadResult { try await readOrWait(request) }

    package func readWhenAvailable(_ request: ReadRequest) async throws -> ReadResult {
        while true {
            try Task.checkCancellation()
            let (shard, shardMemtable, _) = try resolve(request.stream, request.shard)
            await shardMemtable.wait { [visible = core.visible] in
                visible.hasNews(in: shard.key, after: request.after)
            }
            try Task.checkCancellation()
            let found = try await readNow(request)
            guard found.isNothing else { return found }
        }
    }

    /// The shard, its shard memtable, and the time up to which arrived records have expired now.
    func resolve(_ name: String, _ id: ShardID) throws -> (
        shard: ShardState, shardMemtable: ShardMemtable, expiry: Timestamp
    ) {
        let now = timeSource.wallTime
        return try core.visible.withOpen { state in
            let stream = try state.catalogue.stream(name)
            let shard = try state.catalogue.shard(id, of: stream)
            return (shard, state.shardMemtables[shard.key]!, stream.expiry(at: now))
        }
    }

    package func readNow(_ request: ReadRequest) async throws -> ReadResult {
        try request.validate()
        let earliestNext = core.visible.earliestNextArrival(at: timeSource.wallTime)
        let (shard, shardMemtable, expiry) = try resolve(request.stream, request.shard)
        try shard.numbered.checkRead(request)
        var result: ReadResult
        do {
            result = try await records(behind: request.after, request, shard, shardMemtable)
        } catch let error as ShardlineError where error.code == .corrupt {
            // Damage to expired records is no loss, nor are expired records that are gone from between others.
            guard request.after < (try await trimHorizon(of: shard, expiry: expiry)) else { throw error }
            result = ReadResult(batch: RecordBatch(), next: request.after, tip: shard.lastSequence)
        }
        // The horizon costs a search, so it is looked up only where the position may be before it (STORE-F6). After a
        // jump of numbers a lost range may begin later, and the records before it may have expired.
        let isNextLost = result.lost.map { $0.lowerBound <= request.after.advanced(by: 1) } ?? false
        let mayHaveExpired =
            request.after < shardMemtable.horizon
            || result.batch.first.map {
                $0.approximateArrivalTimestamp <= expiry || $0.sequenceNumber > request.after.advanced(by: 1)
            } ?? (!isNextLost && request.after < shard.lastSequence)
        if let lost = result.lost, isNextLost, result.batch.first.map({ $0.sequenceNumber > lost.upperBound }) ?? true {
            // The lost range is reported as lost, and before any expired records after it.
            if result.batch.first.map({ $0.approximateArrivalTimestamp <= expiry }) ?? false {
                result.batch = RecordBatch()
                result.next = lost.upperBound
            }
        } else if mayHaveExpired, request.after < .max {
            let horizon = try await trimHorizon(of: shard, expiry: expiry)
            if request.after < horizon {
                result = try await records(behind: horizon, request, shard, shardMemtable)
                // A child's numbers begin after its parents'; the ones before were never given out.
                let before = max(request.after, shard.origin)
                if before < horizon { result.tellExpired(before.advanced(by: 1)...horizon, in: shard) }
            }
        }
        result.earliestNextArrival = earliestNext
        if shard.closedAt != nil, result.next >= shard.lastSequence { result.endOfShard = shard.children }
        return result
    }

    private func records(
        behind position: SequenceNumber, _ request: ReadRequest, _ shard: ShardState, _ shardMemtable: ShardMemtable
    ) async throws -> ReadResult {
        var result = ReadResult(batch: RecordBatch(), next: position, tip: shard.lastSequence)
        var left = (records: request.maximumRecords, bytes: request.maximumBytes)
        while left.records > 0, left.bytes > 0 {
            let found: RecordBatch
            switch shardMemtable.read(
                after: result.next, watermark: core.visible.watermark, maximumRecords: left.records,
                maximumBytes: left.bytes)
            {
            case .nothing: return result
            case .records(let batch, let last):
                result.batch.append(batch)
                result.next = last
                result.tip = max(result.tip, last)
                return result
            case .past(let through):
                let past: FlushedBatch
                do {
                    past = try await core.backing.past.read(
                        shard, result.next.advanced(by: 1)...through, maximumRecords: left.records,
                        maximumBytes: left.bytes)
                } catch {
                    // Records before the damage are returned; the next read begins at the damage and throws.
                    guard result.batch.isEmpty else { return result }
                    throw error
                }
                if past.lost != nil, !result.batch.isEmpty { return result }
                found = past.batch
                if let lost = past.lost {
                    result.lost = lost
                    result.batch = found
                    result.next = found.last?.sequenceNumber ?? lost.upperBound
                    return result
                }
                // Where segments have nothing left, the next record is in memory.
                result.next = found.last?.sequenceNumber ?? through
            }
            left.records -= found.count
            left.bytes -= found.runs.reduce(0) { $0 + $1.byteCount }
            result.batch.append(found)
        }
        return result
    }

    /// The position before the shard's oldest record that has not expired. It is exact and never moves back.
    ///
    /// - Parameter expiry: records that arrived at or before this time have expired.
    func trimHorizon(of shard: ShardState, expiry: Timestamp) async throws -> SequenceNumber {
        guard let shardMemtable = core.visible.shardMemtable(of: shard.key) else { return shard.origin }
        if shardMemtable.holdsEverything(arrivedAfter: expiry) { return shardMemtable.horizon }
        return shardMemtable.raiseHorizon(
            to: try await position(in: shard, shardMemtable, arrivedAtOrAfter: expiry + .milliseconds(1)))
    }

    /// The position before the first record that arrived at or after `time`, and before lost ranges in front of it
    /// whose records may have arrived since then. The tip where there is neither.
    private func position(
        in shard: ShardState, _ shardMemtable: ShardMemtable, arrivedAtOrAfter time: Timestamp
    ) async throws -> SequenceNumber {
        let first = try await firstSequence(in: shard, shardMemtable, arrivedAtOrAfter: time)
        return core.backing.past.position(
            of: shard, before: first ?? shard.lastSequence.advanced(by: 1), arrivedAtOrAfter: time)
    }

    private func firstSequence(
        in shard: ShardState, _ shardMemtable: ShardMemtable, arrivedAtOrAfter time: Timestamp
    ) async throws -> SequenceNumber? {
        // Memory is searched first: between the two searches a record may move from memory to segments, never back.
        let inMemory = shardMemtable.firstSequence(arrivedAtOrAfter: time, watermark: core.visible.watermark)
        guard shardMemtable.flushedThrough > shardMemtable.horizon else { return inMemory }
        return try await core.backing.past.firstSequence(of: shard, arrivedAtOrAfter: time) ?? inMemory
    }

    /// As ``StoreEngine/position(of:in:shard:)``.
    public func position(
        of start: StartingPosition, in stream: String, shard id: ShardID
    ) async throws -> SequenceNumber {
        let (shard, shardMemtable, expiry) = try resolve(stream, id)
        guard !shard.isRemoved(by: expiry) else {
            throw ShardlineError(
                .shardNotFound,
                "the stream '\(stream)' has no shard \(id) any more: it was closed longer ago than records are kept")
        }
        try start.validate(now: timeSource.wallTime)
        switch start {
        // ESM-P3
        case .trimHorizon: return try await trimHorizon(of: shard, expiry: expiry)
        case .latest: return shard.lastSequence
        case .atTimestamp(let time):
            let horizon = try await trimHorizon(of: shard, expiry: expiry)
            return max(try await position(in: shard, shardMemtable, arrivedAtOrAfter: time), horizon)
        case .atSequenceNumber, .afterSequenceNumber, .at, .after:
            let position = try start.position(in: stream, shard: shard.numbered) { number in
                core.visible.withState { $0.catalogue.stream(of: number)?.name }
            }
            return position ?? shard.lastSequence
        }
    }

    /// As ``StoreEngine/countRecords(in:of:)``.
    public func countRecords(in spans: [RecordSpan], of stream: String) async throws -> [Int] {
        try numbers(in: spans, of: stream).map { Int(clamping: $0.reduce(0) { $0 + $1.numberCount }) }
    }

    /// As ``StoreEngine/lastRecords(in:of:)``.
    public func lastRecords(in spans: [RecordSpan], of stream: String) async throws -> [SequenceNumber?] {
        try numbers(in: spans, of: stream).map { $0.last.map { SequenceNumber($0.upperBound) } }
    }

    /// The sequence numbers of the records in each of these spans, in order.
    private func numbers(in spans: [RecordSpan], of stream: String) throws -> [[ClosedRange<UInt64>]] {
        try core.visible.withOpen { state in
            let shards = try state.catalogue.stream(stream).shards
            return spans.map { span in
                guard let key = shards[span.shard] else { return [] }
                let lost = state.lost[key] ?? []
                return state.catalogue.shards.read(key) {
                    $0.recordNumbers(after: span.after, through: span.through, lost: lost)
                } ?? []
            }
        }
    }
}

extension ShardState {
    fileprivate var numbered: NumberedShard {
        NumberedShard(
            id: id, creationSecond: creationSecond, tip: lastSequence, lastPosition: lastPosition,
            isClosed: closedAt != nil)
    }
}

extension Catalogue {
    /// The stream whose shard gave out this sequence number.
    fileprivate func stream(of number: KinesisSequenceNumber) -> StreamState? {
        streams.values.first { stream in
            guard let key = stream.shards[number.shard] else { return false }
            return shards.read(key) { $0.creationSecond == number.shardCreationSecond } ?? false
        }
    }
}

extension ReadResult {
    /// Reports these numbers as expired, without the numbers that no record had: a reader would count those as lost.
    fileprivate mutating func tellExpired(_ numbers: ClosedRange<SequenceNumber>, in shard: ShardState) {
        let given = shard.given(in: numbers)
        expired = given.first
        guard given.count > 1 else { return }
        // The next read reports what expired after the gap.
        batch = RecordBatch()
        next = given[1].lowerBound.previous
    }
}

extension VisibleState {
    /// Whether a reader that waits after `position` is to be woken: records, the end of the shard, or a closed store.
    func hasNews(in shard: ShardNumber, after position: SequenceNumber) -> Bool {
        withState { state in
            guard !state.isClosed else { return true }
            return state.catalogue.shards.read(shard) { $0.closedAt != nil || $0.lastSequence > position } ?? true
        }
    }
}

import StreamModel
import StreamStorage

extension SegmentStore: DirectStore {
    /// As ``DirectStore/directShard(_:of:)``.
    package func directShard(_ shard: ShardID, of stream: String) throws -> any DirectShard {
        let (state, shardMemtable, _) = try resolve(stream, shard)
        return MemoryShard(
            key: state.key, stream: state.stream, name: stream, shardMemtable: shardMemtable, visible: core.visible,
            timeSource: timeSource)
    }

    /// As ``DirectStore/summary(of:)``.
    package func summary(of mapping: MappingID) throws -> MappingSummary {
        try core.visible.withOpen { try $0.summary(of: mapping) }
    }

    /// As ``DirectStore/submit(_:urgency:_:)``.
    package func submit(
        _ changes: [Change], urgency: CommitUrgency,
        _ body: @escaping @Sendable (Result<CommitOutcome, any Error>) -> Void
    ) {
        let request = CallRequest.commit(changes.map { .other($0) })
        let call = PendingCall(request: request, storedCount: 0, reserved: 0) { answer in
            body(answer.map(\.outcome))
        }
        do {
            try core.queue.push(call, urgency: urgency)
        } catch {
            body(.failure(error))
        }
    }
}

/// A shard by its internal number, so that reading looks up no names.
private struct MemoryShard: DirectShard {
    let key: ShardNumber
    let stream: StreamNumber
    let name: String
    let shardMemtable: ShardMemtable
    let visible: VisibleState
    let timeSource: any TimeSource

    /// The part of the shard's state that reading needs.
    private struct ReadState {
        var lastSequence: SequenceNumber
        var lastPosition: SequenceNumber
        /// The shards that took over the shard's hash keys, once it is closed.
        var children: [ShardID]?
        /// Records that arrived at or before this time have expired.
        var expiry: Timestamp
    }

    private func readState(at now: Timestamp) throws -> ReadState {
        return try visible.withOpen { state in
            guard let expiry = state.catalogue.streams[stream]?.expiry(at: now),
                let look = state.catalogue.shards.read(
                    key,
                    {
                        ReadState(
                            lastSequence: $0.lastSequence, lastPosition: $0.lastPosition,
                            children: $0.closedAt == nil ? nil : $0.children,
                            expiry: expiry)
                    })
            else { throw ShardlineError(.streamNotFound, "there is no stream '\(name)'") }
            return look
        }
    }

    func read(after position: SequenceNumber, maximumRecords: Int, maximumBytes: Int) throws -> ReadResult? {
        let now = timeSource.wallTime
        let earliestNext = visible.earliestNextArrival(at: now)
        let shard = try readState(at: now)
        // Before the horizon records may have expired, which takes a search.
        guard position >= shardMemtable.horizon else { return nil }
        var result = ReadResult(batch: RecordBatch(), next: position, tip: shard.lastSequence)
        switch shardMemtable.read(
            after: position, watermark: visible.watermark, maximumRecords: maximumRecords, maximumBytes: maximumBytes)
        {
        case .past: return nil
        case .nothing:
            // A position after the newest record is refused by the general read.
            guard position >= shard.lastSequence, position <= shard.lastPosition else { return nil }
        case .records(let batch, let last):
            guard let first = batch.runs.first, first.firstSequence == position.advanced(by: 1),
                first.arrival > shard.expiry
            else { return nil }
            result.batch = batch
            result.next = last
            result.tip = max(result.tip, last)
        }
        result.earliestNextArrival = earliestNext
        if let children = shard.children, result.next >= shard.lastSequence { result.endOfShard = children }
        return result
    }

    func whenAvailable(after position: SequenceNumber, _ body: @escaping @Sendable () -> Void) throws {
        shardMemtable.notify(body) { [visible] in visible.hasNews(in: key, after: position) }
    }
}

import StreamModel
import StreamStorage

extension SegmentStore: DirectStore {
    /// As ``StreamStorage/DirectStore/readAtOnce(_:)``.
    package func readAtOnce(_ request: ReadRequest) throws -> ReadResult? {
        let (shard, tail, retention) = try resolve(request.stream, request.shard)
        // What may have expired takes a search.
        guard request.after >= tail.horizon else { return nil }
        var result = ReadResult(batch: RecordBatch(), next: request.after, tip: shard.lastSequence)
        switch tail.read(
            after: request.after, watermark: parts.visible.watermark, maximumRecords: request.maximumRecords,
            maximumBytes: request.maximumBytes)
        {
        case .past: return nil
        case .nothing:
            guard request.after >= shard.lastSequence else { return nil }
        case .records(let batch, let last):
            guard let first = batch.runs.first, first.firstSequence == request.after.advanced(by: 1),
                first.arrival > timeSource.wallTime - retention
            else { return nil }
            result.batch = batch
            result.next = last
            result.tip = max(result.tip, last)
        }
        if shard.closedAt != nil, result.next >= shard.lastSequence { result.endOfShard = shard.children }
        return result
    }

    /// As ``StreamStorage/DirectStore/whenAvailable(in:_:after:_:)``.
    package func whenAvailable(
        in stream: String, _ shard: ShardID, after position: SequenceNumber, _ body: @escaping @Sendable () -> Void
    ) throws {
        let (shard, tail, _) = try resolve(stream, shard)
        tail.notify(body) { [visible = parts.visible] in visible.hasNews(in: shard.key, after: position) }
    }

    /// As ``StreamStorage/DirectStore/epoch(of:)``.
    package func epoch(of mapping: MappingKey) throws -> UInt64 {
        try parts.visible.withOpen { try $0.catalogue.mapping(mapping).epoch }
    }

    /// As ``StreamStorage/DirectStore/submit(_:urgency:_:)``.
    package func submit(
        _ changes: [Change], urgency: CommitUrgency,
        _ body: @escaping @Sendable (Result<CommitOutcome, any Error>) -> Void
    ) {
        let request = CallRequest.commit(changes.map { .other($0) })
        let call = PendingCall(request: request, storedCount: 0, reserved: 0) { answer in
            body(answer.map(\.outcome))
        }
        do {
            try parts.queue.push(call, urgency: urgency)
        } catch {
            body(.failure(error))
        }
    }
}

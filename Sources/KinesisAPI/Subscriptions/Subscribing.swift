import DataFormats
import DiskAccess
import Logging
import StreamModel
import StreamStorage

// SubscribeToShard.
extension KinesisOperations {
    @Sendable func subscribeToShard(_ call: OperationCall) async throws -> Output {
        let text = call.text("ConsumerARN") ?? ""
        guard let arn = ConsumerARN(text) else { throw ServiceError.invalidArgument("Invalid consumer ARN: \(text).") }
        let consumer = try await consumer(arn, call)
        guard consumer.transition == nil else {
            // API-SubscribeToShard-1.
            throw ServiceError.resourceInUse(
                "Consumer \(consumer.name) with creation timestamp \(consumer.creationSecond) under stream \(consumer.stream.address.name) and account \(consumer.stream.address.account) is not in ACTIVE status."
            )
        }
        let address = consumer.stream.address
        let found = try await look(at: try shard(call.text("ShardId") ?? "", in: address), address)
        let start = call.input["StartingPosition"]
        let position = try await position(
            of: PositionRequest(
                type: start?["Type"]?.text ?? "", number: start?["SequenceNumber"]?.text,
                time: start?["Timestamp"]?.milliseconds, operation: "SubscribeToShard"), in: found)
        if call.bool("DryRun") { throw ServiceError.dryRun }
        let subscription = try subscriptions.begin(
            SubscriptionRegistry.Key(consumer: arn, shard: found.shard.id), stream: found.storeName)
        let run = SubscriptionRun(
            operations: self, subscription: subscription, found: found, format: call.format)
        return .stream { send in
            defer { self.subscriptions.ended(subscription) }
            try await run.send(from: position, send)
        }
    }
}

/// One subscription: reads its shard and sends events until its time is over, the shard has ended, or it is ended.
struct SubscriptionRun: Sendable {
    let operations: KinesisOperations
    let subscription: SubscriptionRegistry.Subscription
    let found: KinesisOperations.FoundShard
    let format: DocumentWriter.Format

    /// The most records and bytes of an event (API-F-8).
    private static let eventRecords = 10_000
    private static let eventBytes = 1 << 20

    /// What has happened first.
    private enum Occurrence: Sendable {
        case read(ReadResult)
        case failed(any Error)
        case ended(SubscriptionRegistry.End)
    }

    /// - Parameter send: returns when the part is handed to the socket; so at most one event is prepared ahead (API-F-10).
    func send(
        from start: SequenceNumber, _ send: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        try await send(EventStreamMessage.initialResponse(format).encoded)
        let deadline = subscription.begunAt + operations.settings.subscriptionLength
        // A position that fills later: what comes up to it is passed over.
        var position = min(max(start, found.shard.trimHorizon), max(found.shard.tip, found.shard.trimHorizon))
        while true {
            let left = deadline - operations.store.timeSource.monotonicTime
            guard left > .zero else { return }
            switch await next(after: position, within: min(left, operations.settings.emptyEventInterval)) {
            case .ended(.shutdown): return
            case .ended(.exception(let error)):
                try await send(exception(error))
                return
            case .failed(let error):
                guard let exception = self.exception(of: error) else { throw error }
                try await send(exception)
                return
            case .read(let result):
                position = result.next
                if result.isAtEnd {
                    try await send(try await lastEvent())
                    return
                }
                // A read may give more than was asked for; an event holds a mebibyte (API-F-8).
                let unsent = result.batch.drop { $0.sequenceNumber <= start }
                let records = unsent.prefix(ofBytes: Self.eventBytes).records
                if records.count < unsent.count, let last = records.last { position = last.sequenceNumber }
                try await send(try await event(records, next: position, tip: result.tip))
            }
        }
    }

    private func next(after position: SequenceNumber, within time: Duration) async -> Occurrence {
        let request = ReadRequest(
            stream: found.storeName, shard: found.shard.id, after: position, maximumRecords: Self.eventRecords,
            maximumBytes: Self.eventBytes, wait: .atMost(time))
        if let end = subscription.end.value { return .ended(end) }
        return await withTaskGroup(of: Occurrence.self) { group in
            group.addTask {
                do { return .read(try await operations.engine.read(request)) } catch { return .failed(error) }
            }
            group.addTask {
                do { return .ended(try await subscription.end.wait()) } catch { return .failed(error) }
            }
            let first = await group.next()
            group.cancelAll()
            return first ?? .failed(CancellationError())
        }
    }

    // MARK: Messages

    private func event(
        _ records: RecordBatch.SubSequence, next: SequenceNumber, tip: SequenceNumber
    ) async throws -> [UInt8] {
        let encrypted =
            records.isEmpty ? EncryptedTimes() : try await operations.properties(of: found.storeName).encryptedTimes
        var writer = DocumentWriter(format, reserving: records.reduce(512) { $0 + $1.bytes.count * 4 / 3 + 256 })
        let page = KinesisOperations.RecordPage(
            records: records, bytes: 0, next: next, isAtEnd: false, millisecondsBehind: 0)
        writer.beginMap(3)
        writer.key("Records")
        page.write(encrypted: encrypted, to: &writer)
        writer.key("ContinuationSequenceNumber")
        writer.string((records.last?.kinesisSequenceNumber ?? emptyContinuation(next)).description)
        writer.key("MillisBehindLatest")
        writer.int(next < tip ? behind(records.last) : 0)
        writer.endMap()
        return EventStreamMessage.subscribeToShardEvent(payload: writer.bytes, format).encoded
    }

    /// A number that no record has, after the position's record and before the next one: the position's index with a later
    /// arrival (API-F-6).
    private func emptyContinuation(_ position: SequenceNumber) -> KinesisSequenceNumber {
        KinesisSequenceNumber(
            shard: found.shard.id, shardCreationSecond: found.shard.creationSecond, sequenceNumber: position,
            arrivalSecond: max(operations.now.second, found.shard.creationSecond) + 1)
    }

    private func behind(_ last: Record?) -> Int64 {
        guard let last else { return 0 }
        return max(0, operations.now.milliseconds - last.approximateArrivalTimestamp.milliseconds)
    }

    /// The end of a closed shard: no continuation, and the children (API-F-7).
    private func lastEvent() async throws -> [UInt8] {
        let look = try await operations.engine.describeShard(found.shard.id, of: found.storeName)
        var writer = DocumentWriter(format)
        writer.beginMap(3)
        writer.key("Records")
        writer.beginList(0)
        writer.endList()
        writer.key("MillisBehindLatest")
        writer.int(look.shard.closedAt.map { max(0, operations.now.milliseconds - $0.milliseconds) } ?? 0)
        writer.key("ChildShards")
        look.childShards.write(to: &writer)
        writer.endMap()
        return EventStreamMessage.subscribeToShardEvent(payload: writer.bytes, format).encoded
    }

    /// The message of a failed read; nil: the task was cancelled, since the client is gone.
    private func exception(of error: any Error) -> [UInt8]? {
        if error is CancellationError { return nil }
        if let error = error as? ShardlineError, [.streamNotFound, .shardNotFound].contains(error.code) {
            return exception(KinesisOperations.shardGone(found.shard.id, found.address))
        }
        operations.logger.error(
            "a subscription to \(found.shard.id) of \(found.storeName) failed: \(error)")
        return exception(ServiceError(code: "InternalFailureException", message: "Internal service failure."))
    }

    private func exception(_ error: ServiceError) -> [UInt8] {
        EventStreamMessage.exception(error.code, message: error.message, format).encoded
    }
}

extension ReadResult {
    /// Whether nothing follows in a closed shard and nothing came with the news.
    fileprivate var isAtEnd: Bool { batch.isEmpty && endOfShard != nil }
}

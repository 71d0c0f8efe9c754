import DiskAccess
import StreamModel
import Synchronization

/// Puts records in batches: accepts one record at a time, sends many in one commit, and keeps their order.
///
/// ```swift
/// try await departures.withProducer { producer in
///     for line in lines { try await producer.enqueue(line, partitionKey: key(line)) }
/// }
/// ```
///
/// `enqueue(_:partitionKey:explicitHashKey:tag:)` returns when the record is accepted, and suspends while the buffer is
/// full. When ``RecordStream/withProducer(configuration:onAcknowledged:_:)`` returns, everything that was accepted is
/// durable. Records are written in the order in which they were accepted, so those of one partition key stay in order.
///
/// A producer may also be kept as long as the program runs. Then ``runUntilFinished()`` sends what is enqueued; with `Shardline` it is
/// a service of swift-service-lifecycle, which writes everything that it has accepted before it ends. A producer that is
/// never run writes nothing: its buffer fills, and then `enqueue` suspends, and ``flush()`` in any case.
///
/// A batch that fails ends the producer: nothing after it is sent, so that no record overtakes another. The error then
/// has ``UnacknowledgedRecords`` as its cause, which names the records that were not written and those in doubt.
/// Nothing is ever sent a second time.
///
/// All calls may be made on any thread. One task sends the batches. Waiting tasks are resumed after the lock of
/// the queue is released.
public final class Producer: Sendable {
    private let stream: RecordStream
    private let configuration: Configuration
    /// The most bytes of a record's data, as the stream had it when it was looked at last.
    private let maximumRecordSize: Atomic<Int>
    private let onAcknowledged: (@Sendable (Acknowledgement) async throws -> Void)?
    private let queue: Mutex<ProducerQueue>

    /// A producer for `stream` that sends nothing before ``runUntilFinished()`` is called; its buffer takes records until it is full.
    ///
    /// - Parameters:
    ///   - stream: where the records go, each to the shard that owns its key.
    ///   - configuration: the sizes of batches and buffer, and how long a record may wait for its batch to fill.
    ///   - onAcknowledged: called for every durable batch, one after the other, before the next one is sent. An error
    ///     that it throws ends the producer.
    /// - Throws: `streamNotFound`, `invalidArgument` (the configuration).
    public init(
        to stream: RecordStream, configuration: Configuration = Configuration(),
        onAcknowledged: (@Sendable (Acknowledgement) async throws -> Void)? = nil
    ) async throws {
        try configuration.validate()
        maximumRecordSize = Atomic(try await stream.engine.summarizeStream(stream.name).maximumRecordSize)
        self.stream = stream
        self.configuration = configuration
        self.onAcknowledged = onAcknowledged
        queue = Mutex(ProducerQueue(configuration))
    }

    /// Sends what is enqueued, until ``finish()`` is called and everything that was accepted is durable.
    ///
    /// Where the task is cancelled, the commit in flight is awaited and nothing more is sent.
    ///
    /// - Throws: the failure that ended the producer, as ``ShardlineError`` with ``UnacknowledgedRecords`` as its cause;
    ///   the error of `onAcknowledged`; `CancellationError` where the task was cancelled, and then `enqueue` and `flush`
    ///   throw `closed` with ``UnacknowledgedRecords`` as its cause; `closed` where it runs already, or has run.
    public func runUntilFinished() async throws {
        guard queue.withLock({ $0.begin() }) else {
            throw ShardlineError(.closed, "the producer is running already, or has ended")
        }
        await send()
        guard let failure = queue.withLock({ $0.failure }) else { return }
        let unacknowledged = (failure as? ShardlineError)?.cause as? UnacknowledgedRecords
        throw unacknowledged?.reason is CancellationError ? CancellationError() : failure
    }

    /// Accepts no more records: later calls of `enqueue` throw `closed`. ``runUntilFinished()`` returns when those
    /// accepted before are durable.
    public func finish() { queue.withLock { $0.finish() }.resume() }

    /// Accepts a record; suspends while the buffer is full.
    ///
    /// - Parameters:
    ///   - record: the record to put.
    ///   - tag: is returned with the record's acknowledgement, or in ``UnacknowledgedRecords``; a line number, for
    ///     example.
    /// - Throws: `invalidArgument`, `recordTooLarge` where this record can't be put; the producer goes on. The failure
    ///   that ended the producer. `CancellationError`: the record was not accepted.
    public func enqueue(_ record: NewRecord, tag: UInt64 = 0) async throws {
        if record.data.count > maximumRecordSize.load(ordering: .relaxed) {
            // The stream may allow more by now.
            maximumRecordSize.store(
                try await stream.engine.summarizeStream(stream.name).maximumRecordSize, ordering: .relaxed)
        }
        try record.validate(maximumRecordSize: maximumRecordSize.load(ordering: .relaxed))
        let item = ProducerQueue.Item(record: record, tag: tag, acceptedAt: stream.engine.timeSource.monotonicTime)
        if let resumptions = try queue.withLock({ try $0.accept(item) }) { return resumptions.resume() }
        try await withListedWaiter(cancelled: .failure(CancellationError())) { waiter in
            let (registration, resumptions) = queue.withLock { $0.wait(item, waiter) }
            resumptions.resume()
            return registration
        } remove: { id in
            let (cancelled, resumptions) = queue.withLock { $0.removeWaiter(id) }
            resumptions.resume()
            return cancelled
        }.get()
    }

    /// Accepts a record of bytes. As ``enqueue(_:tag:)``.
    public func enqueue(
        _ data: [UInt8], partitionKey: String, explicitHashKey: HashKey? = nil, tag: UInt64 = 0
    ) async throws {
        try await enqueue(NewRecord(data, partitionKey: partitionKey, explicitHashKey: explicitHashKey), tag: tag)
    }

    /// Accepts a record of bytes in another form, such as Foundation's `Data`. As ``enqueue(_:tag:)``.
    public func enqueue(
        _ data: some Sequence<UInt8>, partitionKey: String, explicitHashKey: HashKey? = nil, tag: UInt64 = 0
    ) async throws {
        try await enqueue(NewRecord(data, partitionKey: partitionKey, explicitHashKey: explicitHashKey), tag: tag)
    }

    /// Accepts a record of text, in UTF-8. As ``enqueue(_:tag:)``.
    public func enqueue(
        _ text: some StringProtocol, partitionKey: String, explicitHashKey: HashKey? = nil, tag: UInt64 = 0
    ) async throws {
        try await enqueue(NewRecord(text, partitionKey: partitionKey, explicitHashKey: explicitHashKey), tag: tag)
    }

    /// Sends the accepted records without lingering, and returns when all of them are durable.
    ///
    /// Throws the failure that ended the producer, or `CancellationError`.
    public func flush() async throws {
        try Task.checkCancellation()
        try await withListedWaiter(cancelled: .failure(CancellationError())) { waiter in
            let (registration, resumptions) = queue.withLock { $0.flush(waiter) }
            resumptions.resume()
            return registration
        } remove: { id in
            queue.withLock { $0.removeFlush(id) }
        }.get()
    }

    // MARK: Sending

    /// Sends one commit at a time, since the store could order two concurrent ones either way. While one is in flight
    /// the next batch grows, so the number of commits falls as the load rises.
    private func send() async {
        while let batch = await nextBatch() {
            let acknowledgement: Acknowledgement
            do {
                acknowledgement = try await send(batch)
            } catch let failure as SendFailure {
                queue.withLock { $0.fail(failure.error, lastBatch: failure.isInDoubt ? .inDoubt : .notWritten) }
                    .resume()
                return
            } catch {
                queue.withLock { $0.fail(error, lastBatch: .notWritten) }.resume()
                return
            }
            do {
                try await onAcknowledged?(acknowledgement)
                queue.withLock { $0.acknowledge() }.resume()
            } catch {
                queue.withLock { $0.fail(error, lastBatch: .acknowledged) }.resume()
                return
            }
        }
    }

    private struct SendFailure: Error {
        let error: any Error
        let isInDoubt: Bool
    }

    private func send(_ batch: [ProducerQueue.Item]) async throws -> Acknowledgement {
        let receipts = try await stream.traced(batch.count) { try await append(batch) }
        return Acknowledgement(tags: batch.map(\.tag), receipts: receipts)
    }

    private func append(_ batch: [ProducerQueue.Item]) async throws -> [PutReceipt] {
        let append = Append(batch.map(\.record), to: stream.name)
        switch try await stream.engine.commit([.append(append)], urgency: .now) {
        case .committed(let receipts):
            guard case .appended(let puts) = receipts.first, puts.count == batch.count else {
                throw SendFailure(
                    error: ShardlineError(.storeFailed, "the store answered an append with something else"),
                    isInDoubt: true)
            }
            return puts
        case .unknown(let cause): throw SendFailure(error: cause, isInDoubt: true)
        case .conflict, .sealed:
            throw ShardlineError(.storeFailed, "the store refused an append by key as if it had named a shard")
        }
    }

    /// Waits until a batch is due; nil when everything is sent, or the task was cancelled.
    private func nextBatch() async -> [ProducerQueue.Item]? {
        while true {
            guard !Task.isCancelled else {
                queue.withLock { $0.fail(CancellationError(), lastBatch: .acknowledged) }.resume()
                return nil
            }
            let now = stream.engine.timeSource.monotonicTime
            switch queue.withLock({ $0.nextStep(now: now) }) {
            case .send(let batch): return batch
            case .end: return nil
            case .waitForRecords: await wait(untilUrgent: false)
            case .linger(let deadline):
                await withTaskGroup(of: Void.self) { group in
                    group.addTask { try? await self.stream.engine.timeSource.sleep(until: deadline) }
                    group.addTask { await self.wait(untilUrgent: true) }
                    await group.next()
                    group.cancelAll()
                }
            }
        }
    }

    private func wait(untilUrgent: Bool) async {
        // A cancelled sender looks at its task again, as one that was woken does.
        _ = await withListedWaiter(cancelled: .success(())) { waiter in
            queue.withLock { $0.sleep(untilUrgent: untilUrgent, waiter) }
        } remove: { id in
            queue.withLock { $0.removeSender(id) }
        }
    }
}

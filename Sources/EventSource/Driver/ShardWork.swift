import Logging
import StreamModel
import StreamStorage

/// What takes time in driving a shard, each in a child task of its driver; every call posts how it ended, unless it
/// was cancelled.
/// An object, as every invocation's task refers to it.
final class ShardWork: Sendable {
    private let session: MappingSession
    private let shard: ShardDescription
    private let address: LaneAddress
    private let logger: Logger

    init(session: MappingSession, shard: ShardDescription, address: LaneAddress, logger: Logger) {
        self.session = session
        self.shard = shard
        self.address = address
        self.logger = logger
    }

    private var timeSource: any TimeSource { session.timeSource }

    // MARK: Reading

    /// What an order asks of the store.
    func request(_ order: LaneCore.ReadOrder, wait: ReadRequest.Wait = .no) -> ReadRequest {
        ReadRequest(
            stream: session.key.stream, shard: shard.id, after: order.after, maximumRecords: order.maximumRecords,
            maximumBytes: order.maximumBytes, wait: wait)
    }

    /// Throws `streamNotFound` where another stream has the name meanwhile: a store that is asked by names finds that one,
    /// and its records must not pass for those of the stream whose id the function is told.
    private func requireOwnShard(_ result: ReadResult) throws {
        guard let found = result.batch.first?.shardCreationSecond, found != shard.creationSecond else { return }
        throw ShardlineError(
            .streamNotFound, "the stream '\(session.key.stream)' was deleted, and created again, while the mapping runs"
        )
    }

    /// Reads on, and waits at the tip.
    func read(_ order: LaneCore.ReadOrder) async {
        let request = request(order, wait: .untilAvailable)
        var failures = 0
        while !Task.isCancelled {
            do {
                let result = try await session.store.read(request)
                try requireOwnShard(result)
                // A store may wake its readers for nothing; the lane has no use for that.
                if result.isNothing, result.next == order.after { continue }
                address.post(.event(.read(order.number, result)))
                return
            } catch is CancellationError {
                return
            } catch let error as ShardlineError where error.code == .corrupt {
                logger.error("the shard can't be read behind \(order.after), its lane stops: \(error)")
                address.post(.ended(.damaged(error)))
                return
            } catch let error as ShardlineError where error.code == .readFailed || error.isRetriable {
                failures += 1
                complain("reading failed, try \(failures): \(error)")
                guard await pause(after: failures) else { return }
            } catch {
                address.post(.ended(.failed(error)))
                return
            }
        }
    }

    // MARK: Invoking

    /// Calls the function as soon as there is a permit. Its time limit is the driver's to keep.
    func invoke(_ invocation: LaneCore.Invocation, runner: FunctionRunner, call: FunctionCall) async {
        await call.run { await invokeCancellably(invocation, runner, call) }
    }

    private func invokeCancellably(
        _ invocation: LaneCore.Invocation, _ runner: FunctionRunner, _ call: FunctionCall
    ) async {
        guard case .granted(let waited) = await session.permits.acquire() else {
            address.post(.event(.invocationEnded(invocation.number, .notCalled)))
            return
        }
        // While it waited the records may have become too old; the lane decides anew (ESM-A11).
        if waited, let limit = invocation.settings.maximumRecordAge,
            timeSource.wallTime - invocation.unit.records[0].approximateArrivalTimestamp >= limit
        {
            session.permits.release()
            let failure = LaneCore.FunctionFailure("the records became too old while they waited for a permit")
            address.post(.event(.invocationEnded(invocation.number, .notReached(failure))))
            address.post(.event(.reachable))
            return
        }
        if let horizon = await horizonPast(invocation.unit) {
            session.permits.release()
            // Retention comes before everything but a stop (ESM-A11); the lane gives up what has expired of the unit.
            address.post(.event(.trimmed(through: horizon)))
            address.post(.event(.invocationEnded(invocation.number, .expired)))
            return
        }
        let context = InvocationContext(
            mapping: session.key.name, stream: session.key.stream, streamID: session.streamID, shard: shard.id,
            attempt: invocation.attempt, requestIDs: session.requestIDs, invocation: invocation.number,
            timeout: session.configuration.functionTimeout, timeSource: timeSource, logger: logger)
        let last = invocation.unit.records[invocation.unit.records.count - 1]
        let age = max(.zero, timeSource.wallTime - last.approximateArrivalTimestamp)
        call.begin(at: timeSource.monotonicTime, age: age)
        let result = await runner.call(invocation.unit, context: context)
        session.permits.release()
        let isCancelled = Task.isCancelled && result.isReached
        address.post(.event(.invocationEnded(invocation.number, isCancelled ? .cancelled : result)))
    }

    /// The trim horizon, where it is past the unit's first record. The store is asked only about a unit that is older
    /// than records are kept.
    private func horizonPast(_ unit: LaneCore.Unit) async -> SequenceNumber? {
        let first = unit.records[0]
        guard timeSource.wallTime - first.approximateArrivalTimestamp >= session.retention.value,
            let horizon = try? await session.trimHorizon(of: shard.id), horizon >= first.sequenceNumber
        else { return nil }
        session.board[shard.id]?.toldExpired(through: horizon)
        return horizon
    }

    // MARK: Committing

    /// Writes a change until it is durable.
    func commit(_ change: Change, urgency: CommitUrgency, then event: LaneCore.Event) async {
        var failures = 0
        while !Task.isCancelled {
            do {
                switch try await session.store.commit([change], urgency: urgency) {
                case .committed:
                    address.post(.event(event))
                    return
                case .unknown(let cause):
                    // A checkpoint or a note may be written twice: the second time changes nothing.
                    failures += 1
                    complain("whether a checkpoint is durable is not known, it is written again: \(cause)")
                case .conflict, .sealed:
                    address.post(.ended(.failed(Self.senseless)))
                    return
                }
            } catch is CancellationError {
                return
            } catch let error as ShardlineError where error.isRetriable {
                failures += 1
                complain("a checkpoint can't be written yet, try \(failures): \(error)")
            } catch {
                address.post(.ended(Self.end(after: error)))
                return
            }
            guard await pause(after: failures) else { return }
        }
    }

    /// Goes on after a write that the store was handed directly and that did not come out well.
    func commitAgain(
        _ change: Change, after result: Result<CommitOutcome, any Error>, then event: LaneCore.Event
    ) async {
        switch result {
        case .success(.conflict), .success(.sealed): address.post(.ended(.failed(Self.senseless)))
        case .failure(let error) where (error as? ShardlineError)?.isRetriable != true && !(error is CancellationError):
            address.post(.ended(Self.end(after: error)))
        default:
            guard await pause(after: 1) else { return }
            await commit(change, urgency: .now, then: event)
        }
    }

    /// Gives records to the failure destination; the lane repeats what fails (ESM-D9).
    func deliver(_ giveUp: LaneCore.GiveUp) async {
        let document = FailureDocument(
            giveUp, key: (session.key.stream, session.key.name), shard: shard.id,
            shardCreationSecond: shard.creationSecond,
            requestID: session.requestIDs.id(shard: shard.id, invocation: giveUp.lastInvocation ?? 0),
            names: session.names, awsCompatibleCounts: session.configuration.awsCompatibleCounts,
            timestamp: timeSource.wallTime)
        switch session.destination {
        case .none:
            address.post(.event(.destinationTook(checkpointed: false)))
        case .stream(let name):
            await deliver(document, to: name, behind: giveUp.takenThrough, through: giveUp.last)
        case .own(let destination):
            do {
                try await destination.deliver(document)
                address.post(.event(.destinationTook(checkpointed: false)))
            } catch {
                guard !Task.isCancelled else { return }
                address.post(.event(.destinationFailed(String(describing: error), takenThrough: nil)))
            }
        }
    }

    /// Documents and checkpoint in one commit, or in several ordered ones where they are large (ESM-D10).
    private func deliver(
        _ document: FailureDocument, to name: String, behind taken: SequenceNumber?, through last: SequenceNumber
    ) async {
        var taken = taken
        for part in document.parts(behind: taken) {
            do {
                let changes = [
                    Change.append(Append(part.records, to: name)), session.checkpoint(shard.id, part.through),
                ]
                switch try await session.store.commit(changes) {
                case .committed: taken = part.through
                case .unknown(let cause):
                    // Never again blindly: the checkpoint says whether the commit is there.
                    guard try await position() >= part.through else {
                        return failed("whether the documents are durable is not known: \(cause)", taken)
                    }
                    taken = part.through
                case .conflict, .sealed: return failed(Self.senseless.message, taken)
                }
            } catch let error as ShardlineError where error.code == .fenced || error.code == .mappingNotFound {
                address.post(.ended(Self.end(after: error)))
                return
            } catch {
                guard !Task.isCancelled else { return }
                return failed(String(describing: error), taken)
            }
        }
        address.post(.event(.destinationTook(checkpointed: true)))
    }

    private func failed(_ reason: String, _ taken: SequenceNumber?) {
        address.post(.event(.destinationFailed(reason, takenThrough: taken)))
    }

    private func position() async throws -> SequenceNumber {
        let mapping = try await session.store.describeMapping(session.key)
        return mapping.checkpoints.first { $0.shard == shard.id }?.position ?? .zero
    }

    /// Says what the store did not do; of many shards at once a few do.
    private func complain(_ text: String) {
        if session.throttle.admits(.store, at: timeSource.monotonicTime, logger) { logger.error("\(text)") }
    }

    /// Waits before something is tried again; false where the task was cancelled.
    private func pause(after failures: Int) async -> Bool {
        let pause = min(Duration.milliseconds(100) * (1 << min(failures, 20)), .seconds(10))
        do {
            try await timeSource.sleep(until: timeSource.monotonicTime + pause)
            return true
        } catch {
            return false
        }
    }

    private static func end(after error: any Error) -> LaneEnd {
        if let error = error as? ShardlineError, error.code == .fenced { return .fenced }
        return .failed(error)
    }

    private static let senseless = ShardlineError(
        .storeFailed, "the store refused a checkpoint as if it had been an append to a shard")
}

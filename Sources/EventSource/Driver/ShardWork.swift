import Logging
import StreamModel
import StreamStorage

/// The work of a shard's driver that takes time. Each call runs in a child task and posts its result, unless it was
/// cancelled. A class, so that a task holds one reference.
final class ShardWork: Sendable {
    let session: MappingSession
    let shard: ShardDescription
    let address: LaneAddress
    let logger: Logger

    init(session: MappingSession, shard: ShardDescription, address: LaneAddress, logger: Logger) {
        self.session = session
        self.shard = shard
        self.address = address
        self.logger = logger
    }

    var timeSource: any TimeSource { session.timeSource }

    // MARK: Reading

    /// The request for a read order.
    func request(_ order: ShardCore.ReadOrder, wait: ReadRequest.Wait = .no) -> ReadRequest {
        ReadRequest(
            stream: session.key.stream, shard: shard.id, after: order.after, maximumRecords: order.maximumRecords,
            maximumBytes: order.maximumBytes, wait: wait)
    }

    /// Throws `streamNotFound` if another stream has the name now. The store looks streams up by name, and the new
    /// stream's records must not be delivered with the old stream's ID.
    private func requireOwnShard(_ result: ReadResult) throws {
        guard let found = result.batch.first?.shardCreationSecond, found != shard.creationSecond else { return }
        throw ShardlineError(
            .streamNotFound, "the stream '\(session.key.stream)' was deleted, and created again, while the mapping runs"
        )
    }

    /// Reads on, and waits at the tip.
    func read(_ order: ShardCore.ReadOrder) async {
        let request = request(order, wait: order.waits ? .untilAvailable : .no)
        var failures = 0
        while !Task.isCancelled {
            do {
                let result = try await session.store.read(request)
                try requireOwnShard(result)
                // A store may wake its readers without new records.
                if result.isNothing, result.next == order.after, order.waits { continue }
                address.post(.event(.read(order.number, result)))
                return
            } catch is CancellationError {
                return
            } catch let error as ShardlineError where error.code == .corrupt {
                logger.error("the shard can't be read after \(order.after), its lane stops: \(error)")
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

    // MARK: Committing

    /// Commits a change, and repeats it until it is durable.
    func commit(_ change: Change, urgency: CommitUrgency, then event: ShardCore.Event) async {
        var failures = 0
        while !Task.isCancelled {
            do {
                switch try await session.store.commit([change], urgency: urgency) {
                case .committed:
                    address.post(.event(event))
                    return
                case .unknown(let cause):
                    // Checkpoints and notes are idempotent, so the commit is repeated.
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

    /// Handles a change that was submitted directly and not committed.
    func commitAgain(
        _ change: Change, after result: Result<CommitOutcome, any Error>, then event: ShardCore.Event
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

    /// Delivers records to the failure destination. The lane repeats a failed delivery (ESM-D9).
    func deliver(_ giveUp: LaneCore.GiveUp, _ progress: ShardProgress, by settings: SettingsInForce) async {
        let document = FailureDocument(
            giveUp, key: (session.key.stream, session.key.name), shard: shard.id,
            shardCreationSecond: shard.creationSecond,
            requestID: session.requestIDs.id(shard: shard.id, invocation: giveUp.lastInvocation ?? 0),
            names: settings.names, awsCompatibleCounts: settings.configuration.awsCompatibleCounts,
            timestamp: timeSource.wallTime)
        switch settings.destination {
        case .none:
            address.post(.event(.destinationTook(checkpointed: false, lane: giveUp.lane)))
        case .stream(let name):
            await deliver(document, to: name, giveUp, progress)
        case .own(let destination):
            do {
                try await destination.deliver(document)
                address.post(.event(.destinationTook(checkpointed: false, lane: giveUp.lane)))
            } catch {
                guard !Task.isCancelled else { return }
                address.post(
                    .event(.destinationFailed(String(describing: error), takenThrough: nil, lane: giveUp.lane)))
            }
        }
    }

    /// Commits the documents together with the checkpoint: in one commit, or if they are large in several, in order
    /// (ESM-D10).
    private func deliver(
        _ document: FailureDocument, to name: String, _ giveUp: LaneCore.GiveUp, _ progress: ShardProgress
    ) async {
        var taken = giveUp.takenThrough
        for part in document.parts(behind: taken) {
            do {
                let changes = [
                    Change.append(Append(part.records, to: name)),
                    session.checkpoint(shard.id, progress.moved(past: giveUp, to: part.through)),
                ]
                switch try await session.store.commit(changes) {
                case .committed: taken = part.through
                case .unknown(let cause):
                    // The commit must not be repeated blindly, or the documents could be written twice. The checkpoint
                    // says whether it is durable.
                    guard try await isStored(giveUp, through: part.through, of: max(1, progress.lanes.count)) else {
                        return failed(giveUp, "whether the documents are durable is not known: \(cause)", taken)
                    }
                    taken = part.through
                case .conflict, .sealed: return failed(giveUp, Self.senseless.message, taken)
                }
            } catch let error as ShardlineError where error.code == .fenced || error.code == .mappingNotFound {
                address.post(.ended(Self.end(after: error)))
                return
            } catch {
                guard !Task.isCancelled else { return }
                if (error as? ShardlineError)?.code == .recordTooLarge {
                    // The source takes larger records than when the mapping was set up; the lane tries again.
                    _ = await session.store.raiseRecordSize(
                        ofFailureStream: name, to: Limits.largestFailureRecordSize, session.logger)
                }
                return failed(giveUp, String(describing: error), taken)
            }
        }
        address.post(.event(.destinationTook(checkpointed: true, lane: giveUp.lane)))
    }

    private func failed(_ giveUp: LaneCore.GiveUp, _ reason: String, _ taken: SequenceNumber?) {
        // What an earlier delivery stored is known. The commit of this one says more of the other lanes, and counts only
        // if there was one.
        let stored = taken == giveUp.takenThrough ? nil : taken
        address.post(.event(.destinationFailed(reason, takenThrough: stored, lane: giveUp.lane)))
    }

    /// Whether the checkpoint says that the destination has what was given up, up to `position`.
    private func isStored(
        _ giveUp: LaneCore.GiveUp, through position: SequenceNumber, of factor: Int
    ) async throws -> Bool {
        let mapping = try await session.store.describeMapping(session.key)
        guard let checkpoint = mapping.checkpoints.first(where: { $0.shard == shard.id }) else { return false }
        let progress = try ShardProgress(checkpoint)
        if giveUp.isOfWindow { return progress.window?.isOpen != true }
        return progress.position(ofLane: giveUp.lane, of: factor) >= position
    }

    /// What the store answers, asked until it does: what may be durable must not be written again before. nil where the task
    /// was cancelled.
    func answer<Answer>(to question: String, _ ask: () async throws -> Answer) async -> Answer? {
        var failures = 0
        while true {
            do {
                return try await ask()
            } catch {
                failures += 1
                complain("\(question) can't be found out, try \(failures): \(error)")
                guard await pause(after: failures) else { return nil }
            }
        }
    }

    /// Logs what failed in the store; the throttle limits the lines of many shards.
    func complain(_ text: String) {
        if session.throttle.admits(.store, at: timeSource.monotonicTime, logger) { logger.error("\(text)") }
    }

    /// Waits before a retry: 200 ms, doubled each time, at most 10 s. False if the task was cancelled.
    func pause(after failures: Int) async -> Bool {
        let pause = min(Duration.milliseconds(100) * (1 << min(failures, 20)), .seconds(10))
        do {
            try await timeSource.sleep(until: timeSource.monotonicTime + pause)
            return true
        } catch {
            return false
        }
    }

    static func end(after error: any Error) -> LaneEnd {
        if let error = error as? ShardlineError, error.code == .fenced { return .fenced }
        return .failed(error)
    }

    static let senseless = ShardlineError(
        .storeFailed, "the store refused a checkpoint as if it had been an append to a shard")
}

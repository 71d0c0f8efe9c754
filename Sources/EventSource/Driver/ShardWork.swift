import Logging
import StreamModel
import StreamStorage

/// What takes time in driving a shard, each in a child task of its driver; every call posts how it ended, unless it
/// was cancelled.
struct ShardWork: Sendable {
    let session: MappingSession
    let shard: ShardDescription
    let mailbox: Mailbox<ShardDriver.Post>
    let logger: Logger

    private var timeSource: any TimeSource { session.timeSource }

    // MARK: Reading

    /// Reads on, and waits at the tip.
    func read(_ order: LaneCore.ReadOrder) async {
        let request = ReadRequest(
            stream: session.key.stream, shard: shard.id, after: order.after, maximumRecords: order.maximumRecords,
            maximumBytes: order.maximumBytes, wait: .untilAvailable)
        var failures = 0
        while !Task.isCancelled {
            do {
                let result = try await session.store.read(request)
                let isNothing =
                    result.batch.isEmpty && result.expired == nil && result.lost == nil && result.endOfShard == nil
                // A store may wake its readers for nothing; the lane has no use for that.
                if isNothing, result.next == order.after { continue }
                mailbox.post(.event(.read(order.number, result)))
                return
            } catch is CancellationError {
                return
            } catch let error as ShardlineError where error.code == .corrupt {
                logger.error("the shard can't be read behind \(order.after), its lane stops: \(error)")
                mailbox.post(.ended(.damaged(error)))
                return
            } catch let error as ShardlineError where error.code == .readFailed || error.isRetriable {
                failures += 1
                logger.error("reading failed, for the \(failures). time: \(error)")
                guard await pause(after: failures) else { return }
            } catch {
                mailbox.post(.ended(.failed(error)))
                return
            }
        }
    }

    // MARK: Invoking

    /// Calls the function as soon as there is a permit. Its time limit is the driver's to keep.
    func invoke(_ invocation: LaneCore.Invocation, runner: FunctionRunner, begun: FunctionBegin) async {
        guard case .granted(let waited) = await session.permits.acquire() else {
            mailbox.post(.event(.invocationEnded(invocation.number, .cancelled)))
            return
        }
        // While it waited the records may have become too old; the lane decides anew (ESM-A11).
        if waited, let limit = invocation.settings.maximumRecordAge,
            timeSource.wallTime - invocation.unit.records[0].approximateArrivalTimestamp >= limit
        {
            session.permits.release()
            let failure = LaneCore.FunctionFailure("the records became too old while they waited for a permit")
            mailbox.post(.event(.invocationEnded(invocation.number, .notReached(failure))))
            mailbox.post(.event(.reachable))
            return
        }
        let context = InvocationContext(
            mapping: session.key.name, stream: session.key.stream, shard: shard.id, attempt: invocation.attempt,
            requestID: session.requestIDs.id(shard: shard.id, invocation: invocation.number),
            timeout: session.configuration.functionTimeout, timeSource: timeSource, logger: logger)
        let begin = timeSource.monotonicTime
        let last = invocation.unit.records[invocation.unit.records.count - 1]
        let age = max(.zero, timeSource.wallTime - last.approximateArrivalTimestamp)
        session.metrics.iteratorAge(age)
        session.board.sent(shard.id, invocation.unit, age: age)
        begun.note(begin)
        let result = await runner.call(invocation.unit, context: context)
        session.permits.release()
        session.metrics.duration(timeSource.monotonicTime - begin)
        mailbox.post(.event(.invocationEnded(invocation.number, Task.isCancelled ? .cancelled : result)))
    }

    // MARK: Committing

    /// Writes a change until it is durable.
    func commit(_ change: Change, urgency: CommitUrgency, then event: LaneCore.Event) async {
        var failures = 0
        while !Task.isCancelled {
            do {
                switch try await session.store.commit([change], urgency: urgency) {
                case .committed:
                    mailbox.post(.event(event))
                    return
                case .unknown(let cause):
                    // A checkpoint or a note may be written twice: the second time changes nothing.
                    failures += 1
                    logger.warning("whether a checkpoint is durable is not known, it is written again: \(cause)")
                case .conflict, .sealed:
                    mailbox.post(.ended(.failed(Self.senseless)))
                    return
                }
            } catch is CancellationError {
                return
            } catch let error as ShardlineError where error.isRetriable {
                failures += 1
                logger.error("a checkpoint can't be written yet: \(error)")
            } catch {
                mailbox.post(.ended(Self.end(after: error)))
                return
            }
            guard await pause(after: failures) else { return }
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
            mailbox.post(.event(.destinationTook(checkpointed: false)))
        case .stream(let name):
            await deliver(document, to: name, behind: giveUp.takenThrough, through: giveUp.last)
        case .own(let destination):
            do {
                try await destination.deliver(document)
                mailbox.post(.event(.destinationTook(checkpointed: false)))
            } catch {
                guard !Task.isCancelled else { return }
                mailbox.post(.event(.destinationFailed(String(describing: error), takenThrough: nil)))
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
            } catch let error as ShardlineError where error.code == .fenced || error.code == .unknownMapping {
                mailbox.post(.ended(Self.end(after: error)))
                return
            } catch {
                guard !Task.isCancelled else { return }
                return failed(String(describing: error), taken)
            }
        }
        mailbox.post(.event(.destinationTook(checkpointed: true)))
    }

    private func failed(_ reason: String, _ taken: SequenceNumber?) {
        mailbox.post(.event(.destinationFailed(reason, takenThrough: taken)))
    }

    private func position() async throws -> SequenceNumber {
        let mapping = try await session.store.describeMapping(session.key)
        return mapping.checkpoints.first { $0.shard == shard.id }?.position ?? .zero
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

import StreamModel
import StreamStorage
import Tracing

/// How one call of the function ended.
struct CallResult: Sendable {
    let number: Int
    let result: LaneCore.InvocationResult
    /// What the function returned for its tumbling window.
    var state: [UInt8]?
    /// The records that it added to its unit's commit.
    var added: [AddedRecord] = []
    /// Retention has removed everything up to this number, and the records with it; nil if it has not.
    var horizon: SequenceNumber?
    /// Whether the records became too old while they waited for a permit.
    var isTooOld = false
    /// nil if the function was not called.
    var times: FunctionCall.Times?
    /// How long the function took.
    var duration = Duration.zero
}

extension ShardWork {
    /// How long results may wait for those of later calls. A task that calls a fast function many times wakes the
    /// worker once; the checkpoint of a slow function doesn't wait.
    private static let together = Duration.milliseconds(1)

    /// Calls the function with each unit in turn, as long as it succeeds and the driver doesn't end the calls. The
    /// driver enforces the time limit.
    func invoke(_ calls: ArraySlice<LaneCore.Invocation>, runner: FunctionRunner, call: FunctionCall) async {
        await call.run { await invokeAll(calls, runner, call) }
    }

    private func invokeAll(
        _ calls: ArraySlice<LaneCore.Invocation>, _ runner: FunctionRunner, _ call: FunctionCall
    ) async {
        guard let lane = calls.first?.lane else { return }
        var told = timeSource.monotonicTime
        for index in calls.indices {
            let invocation = calls[index]
            if index > calls.startIndex {
                if call.isLast || session.control.stopGrace != nil || isTooOld(invocation) {
                    call.add(CallResult(number: invocation.number, result: .notCalled), isOver: true)
                    break
                }
                let now = timeSource.monotonicTime
                if now - told >= Self.together {
                    address.post(.called(lane))
                    told = now
                    await Task.yield()
                }
            }
            let result = await invokeOne(invocation, runner, call)
            var isOver = index == calls.endIndex - 1
            if case .success = result.result {} else { isOver = true }
            call.add(result, isOver: isOver)
            if isOver { break }
        }
        address.post(.called(lane))
    }

    /// Calls the function once there is a permit.
    private func invokeOne(
        _ invocation: LaneCore.Invocation, _ runner: FunctionRunner, _ call: FunctionCall
    ) async -> CallResult {
        func result(_ result: LaneCore.InvocationResult) -> CallResult {
            CallResult(number: invocation.number, result: result)
        }
        if let pace = session.function.pace, await !pace.wait(for: invocation.unit.records.count) {
            return result(.notCalled)
        }
        guard case .granted(let waited) = await session.permits.acquire(for: shard.id) else {
            return result(.notCalled)
        }
        defer { session.permits.release() }
        if call.isLast { return result(.notCalled) }
        // The records may have become too old during the wait for the permit; the lane decides again (ESM-A11).
        if waited, isTooOld(invocation) {
            var answer = result(.notReached(Self.tooOld))
            answer.isTooOld = true
            return answer
        }
        if let horizon = await horizonPast(invocation.unit) {
            // Expiry comes before everything except a stop (ESM-A11): the lane gives up the expired records of the
            // unit.
            var answer = result(.expired)
            answer.horizon = horizon
            return answer
        }
        let span = session.tracer.map { makeSpan(of: invocation, $0) }
        let context = InvocationContext(
            mapping: session.key.name, stream: session.key.stream, streamID: session.streamID, shard: shard.id,
            attempt: invocation.attempt, window: invocation.window, requestIDs: session.requestIDs,
            invocation: invocation.number, timeout: call.limit, timeSource: timeSource, logger: logger, span: span,
            added: AddedRecords(session.targets, of: invocation.unit.records))
        let last = invocation.unit.records.last?.approximateArrivalTimestamp ?? invocation.unit.span.head.arrival
        let age = max(.zero, timeSource.wallTime - last)
        let begun = timeSource.monotonicTime
        call.begin(at: begun)
        let found: FunctionRunner.Answer
        if let span {
            found = await ServiceContext.$current.withValue(span.context) {
                await runner.call(invocation, context: context)
            }
        } else {
            found = await runner.call(invocation, context: context)
        }
        let isOverdue = call.end()
        let isCancelled = Task.isCancelled && found.result.isReached
        context.added.end()
        let judged = await context.added.take(
            after: isOverdue ? Self.timedOut(call.limit) : isCancelled ? .cancelled : found.result)
        var answer = result(judged.result)
        answer.added = judged.records
        answer.state = found.state
        answer.times = FunctionCall.Times(begun: begun, age: age)
        answer.duration = timeSource.monotonicTime - begun
        span?.end(answer.result)
        return answer
    }

    private func makeSpan(of invocation: LaneCore.Invocation, _ tracer: any Tracer) -> InvocationSpan {
        InvocationSpan(
            tracer, of: invocation, stream: session.key.stream, mapping: session.key.name, shard: shard.id,
            requestID: session.requestIDs.id(shard: shard.id, invocation: invocation.number))
    }

    private static let tooOld = LaneCore.FunctionFailure("the records became too old while they waited for a permit")

    private func isTooOld(_ invocation: LaneCore.Invocation) -> Bool {
        guard let limit = invocation.settings.maximumRecordAge, let first = invocation.unit.records.first else {
            return false
        }
        return timeSource.wallTime - first.approximateArrivalTimestamp >= limit
    }

    /// A function that exceeds its time limit counts as failed, with any result (ESM-R9).
    private static func timedOut(_ limit: Duration) -> LaneCore.InvocationResult {
        .failed(LaneCore.FunctionFailure("the function took longer than \(limit.optionText)", type: "TimeOut"))
    }

    /// The trim horizon, if the unit's first record has expired. Only a unit older than the retention needs a call of
    /// the store.
    private func horizonPast(_ unit: LaneCore.Unit) async -> SequenceNumber? {
        guard let first = unit.records.first,
            timeSource.wallTime - first.approximateArrivalTimestamp >= session.retention.value,
            let horizon = try? await session.trimHorizon(of: shard.id), horizon >= first.sequenceNumber
        else { return nil }
        session.board[shard.id]?.toldExpired(through: horizon)
        return horizon
    }
}

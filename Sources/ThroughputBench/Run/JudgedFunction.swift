import EventSource
import StreamModel
import Synchronization

/// The bench's own function: it only judges the records. Each lane of a shard has one, and all records of a key are in
/// one lane, so that their order shows.
struct JudgingFunction: BatchFunction {
    private var judge: ShardJudge
    private let clock: RunClock
    private let progress: BenchProgress
    private let recorder: Latencies
    private let callTime: UInt64
    private var latencies: [UInt64] = []

    init(_ shard: ShardID, of run: BenchRun.Parts, for mapping: Int) {
        judge = run.judge(of: shard, for: mapping)
        clock = run.clock
        progress = run.progress
        recorder = run.latencies
        callTime = run.settings.callTime.nanoseconds
    }

    mutating func handle(_ batch: RecordBatch, context: InvocationContext) async throws {
        if callTime > 0 { try await clock.sleep(until: clock.now + callTime) }
        receive(batch)
    }

    /// Judges records that have come.
    mutating func receive(_ batch: RecordBatch) {
        let now = clock.now
        latencies.removeAll(keepingCapacity: true)
        judge.deliver(batch, at: now, latencies: &latencies)
        recorder.record(latencies)
        progress.delivered(batch.count, at: now)
    }
}

/// The user's function, with a judge that checks each record when it is sent for the first time. A record counts as
/// consumed when the function reports it as done.
final class JudgedFunction: OutsideFunction {
    private typealias Word = (number: UInt64, word: ShardLedger.Word)

    private struct Lane {
        var judge: ShardJudge
        var sentThrough = SequenceNumber.zero
        /// Records that were sent and are not done, in order: at most a batch.
        var open: [Word] = []
        /// Records that were sent and passed over without being done: they were given up.
        var passed: [Word] = []
    }

    private let inner: any OutsideFunction
    private let run: BenchRun.Parts
    private let mapping: Int
    private let reportsFailures: Bool
    private let lanes = Mutex<[ShardID: Lane]>([:])

    init(_ inner: any OutsideFunction, of run: BenchRun.Parts, for mapping: Int, reportsFailures: Bool) {
        self.inner = inner
        self.mapping = mapping
        self.run = run
        self.reportsFailures = reportsFailures
    }

    func invoke(_ records: RecordBatch, event: [UInt8], context: InvocationContext) async -> OutsideAnswer {
        let shard = context.shard
        let isFirst = withLane(shard) { lane in
            let isFirst = lane.sentThrough == .zero
            let first = records.firstIndex { $0.sequenceNumber > lane.sentThrough } ?? records.endIndex
            lane.open += lane.judge.receive(records.extracting(first..<records.endIndex))
            lane.sentThrough = max(lane.sentThrough, records.lastSequence)
            return isFirst
        }
        run.health.begins(isNewShard: isFirst)
        let answer = await inner.invoke(records, event: event, context: context)
        let now = run.clock.now
        let end = answer.done(of: records, reportsFailures: reportsFailures)
        // A cancelled invocation has failed, whatever it still returns: its time-out has passed, or the run ends.
        let count = Task.isCancelled ? 0 : end.count
        if count > 0 { done(records.extracting(0..<count), at: now, in: shard) }
        run.health.ended(done: count, failure: end.failure?.text)
        return answer
    }

    private func done(_ records: RecordBatch, at time: UInt64, in shard: ShardID) {
        let (first, last) = (records.firstSequence.rawValue, records.lastSequence.rawValue)
        withLane(shard) { lane in
            let count = lane.open.firstIndex { $0.number > last } ?? lane.open.endIndex
            var done: [Word] = []
            for var item in lane.open.prefix(count) {
                if item.number < first {
                    lane.passed.append(item)
                } else {
                    item.word.time = time
                    done.append(item)
                }
            }
            lane.open.removeFirst(count)
            var latencies: [UInt64] = []
            lane.judge.ledger.deliver(done, latencies: &latencies)
            run.latencies.record(latencies)
            run.progress.delivered(done.count, at: time)
        }
    }

    /// Takes the shard's lane out of the map while `body` runs: a shard has one invocation at a time, so no other
    /// thread needs it.
    private func withLane<Result>(_ shard: ShardID, _ body: (inout Lane) -> Result) -> Result {
        var lane = lanes.withLock { $0.removeValue(forKey: shard) } ?? Lane(judge: run.judge(of: shard, for: mapping))
        defer { lanes.withLock { [lane] in $0[shard] = lane } }
        return body(&lane)
    }

    /// Enters the records that were sent and not done into the ledgers: the log has not lost them.
    func finish() {
        for lane in lanes.withLock({ Array($0.values) }) {
            var untimed: [UInt64] = []
            lane.judge.ledger.deliver(lane.passed + lane.open, latencies: &untimed)
        }
    }
}

import EventSource
import StreamModel
import Synchronization

/// The bench's own function: it does nothing but judge what comes.
struct JudgingFunction: BatchFunction {
    private var judge: ShardJudge
    private let clock: RunClock
    private let progress: BenchProgress
    private let recorder: Latencies
    private var latencies: [UInt64] = []

    init(_ shard: ShardID, of run: BenchRun.Parts, for mapping: Int) {
        judge = run.judge(of: shard, for: mapping)
        clock = run.clock
        progress = run.progress
        recorder = run.latencies
    }

    mutating func handle(_ batch: RecordBatch, context: InvocationContext) async throws {
        let now = clock.now
        latencies.removeAll(keepingCapacity: true)
        judge.deliver(batch, at: now, latencies: &latencies)
        recorder.record(latencies)
        progress.delivered(batch.count, at: now)
    }
}

/// The user's own function, with a judge in front of it that looks at each record when it is sent for the first time:
/// what the function makes of it is the function's affair.
final class JudgedFunction: OutsideFunction {
    private struct Lane {
        var judge: ShardJudge
        var sentThrough = SequenceNumber.zero
    }

    private let inner: any OutsideFunction
    private let run: BenchRun.Parts
    private let mapping: Int
    private let lanes = Mutex<[ShardID: Lane]>([:])

    init(_ inner: any OutsideFunction, of run: BenchRun.Parts, for mapping: Int) {
        self.inner = inner
        self.mapping = mapping
        self.run = run
    }

    func invoke(_ records: RecordBatch, event: [UInt8], context: InvocationContext) async -> OutsideAnswer {
        let shard = context.shard
        // A shard never invokes twice at once, so nobody else misses its lane.
        var lane = lanes.withLock { $0.removeValue(forKey: shard) } ?? Lane(judge: run.judge(of: shard, for: mapping))
        let first = records.firstIndex { $0.sequenceNumber > lane.sentThrough } ?? records.endIndex
        let new = records.extracting(first..<records.endIndex)
        if let last = new.last {
            var latencies: [UInt64] = []
            lane.judge.deliver(new, at: run.clock.now, latencies: &latencies)
            run.latencies.record(latencies)
            lane.sentThrough = last.sequenceNumber
        }
        lanes.withLock { [lane] in $0[shard] = lane }
        let answer = await inner.invoke(records, event: event, context: context)
        run.progress.delivered(new.count, at: run.clock.now)
        return answer
    }
}

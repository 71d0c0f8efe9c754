import Benchmark
import EventSource
import StreamModel
import StreamStorage

/// The decision core: a shard's records from the read to the checkpoint, without anything that carries out.
func lanePieces() {
    for size in [100, 1000] {
        Benchmark("decide: read, invoke, end, checkpoint, per record in batches of \(size)") { benchmark in
            Cost.measure(200_000, benchmark) { Lane(batchSize: size).work(off: 200_000) }
        }
    }
}

/// A lane whose actions are answered at once and well.
private struct Lane {
    private var core: ShardCore
    private var tip = SequenceNumber.zero

    init(batchSize: Int) {
        var settings = LaneCore.Settings()
        settings.batchSize = batchSize
        settings.payload = .rawBytes()
        core = ShardCore(
            ShardCore.InitialState(ShardProgress(position: .zero)), settings: settings, denseNumbers: true,
            jitterSeed: 1)
    }

    /// Lets the core decide until so many records are done and checkpointed.
    consuming func work(off records: Int) {
        tip = SequenceNumber(UInt64(records))
        let now = Moment(monotonic: MonotonicTime(sinceOrigin: .zero), wall: Timestamp(milliseconds: 2))
        var events: [ShardCore.Event] = [.start]
        var next = 0
        while next < events.count {
            let decisions = core.handle(events[next], at: now)
            next += 1
            if next == events.count {
                events.removeAll(keepingCapacity: true)
                next = 0
            }
            for action in decisions.actions {
                switch action {
                case .read(let order): if let result = read(order) { events.append(.read(order.number, result)) }
                case .invoke(let invocation): events.append(.invocationEnded(invocation.number, .success))
                case .invokeAll(let calls): events.append(.invocationsEnded(calls.map { ($0.number, .success) }))
                case .checkpoint: events.append(.checkpointed)
                case .wait: break
                case .handOver, .stopped: preconditionFailure("nothing fails here")
                }
            }
        }
        precondition(core.persistedPosition == tip, "the lane has stopped at \(core.persistedPosition)")
    }

    /// At most 500 records, as a call of 500 brings them; nothing at the tip, where a read waits.
    private func read(_ order: ShardCore.ReadOrder) -> ReadResult? {
        let left = Int(tip.rawValue - order.after.rawValue)
        guard left > 0 else { return nil }
        let run = Samples.run(min(500, left, order.maximumRecords), after: order.after)
        return ReadResult(batch: RecordBatch([run]), next: run.lastSequence, tip: tip)
    }
}

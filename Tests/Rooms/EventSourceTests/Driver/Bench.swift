import Logging
import Metrics
import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import TestSupport

@testable import EventSource

/// A stream in memory, a clock that stands still, and a note of everything that a function was called with.
struct Bench {
    let time = VirtualTime()
    let store: InMemoryStore
    let stream: RecordStream
    let calls = Calls()
    /// What the lanes decided, as it happens.
    let trace: AsyncStream<(ShardID, LaneCore.TraceEvent)>
    private let traceInput: AsyncStream<(ShardID, LaneCore.TraceEvent)>.Continuation

    init(shards: Int = 1) async throws {
        store = InMemoryStore(timeSource: time)
        try await store.createStream("s", shards: shards)
        stream = store.stream("s")
        (trace, traceInput) = AsyncStream.makeStream()
    }

    /// Texts `from` to `to` under keys that spread over the shards.
    func put(_ numbers: ClosedRange<Int>, keys: Int = 1) async throws {
        try await stream.put(contentsOf: numbers.map { NewRecord("\($0)", partitionKey: "k\($0 % keys)") })
    }

    func mapping(
        _ name: String = "m", _ settings: EventSourceMapping.Configuration = .init(),
        startingAt start: StartingPosition = .trimHorizon, destination: (any FailureDestination)? = nil,
        metrics: (any MetricsFactory)? = nil,
        logger: Logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
        function: @escaping EventFunction = { _, _ in }
    ) async throws -> EventSourceMapping {
        let (calls, traceInput) = (calls, traceInput)
        return try await EventSourceMapping(
            name, from: stream, startingAt: start, configuration: settings, destination: destination,
            logger: logger,
            source: .closure { batch, context in
                calls.note(batch, context)
                try await function(batch, context)
            }, seed: 1, metricsFactory: metrics ?? MetricsSystem.factory, observer: { traceInput.yield(($0, $1)) })
    }

    /// The records of a stream as texts.
    func texts(in name: String) async throws -> [String] {
        var texts: [String] = []
        for shard in try await store.describeStream(name).shards {
            let result = try await store.read(
                ReadRequest(stream: name, shard: shard.id, after: .zero, maximumBytes: 64 << 20))
            texts += result.batch.map { String(decoding: $0.bytes, as: UTF8.self) }
        }
        return texts
    }

    /// How far the mapping is, durably, in the first shard.
    func checkpoint(of name: String = "m") async throws -> UInt64 {
        let mapping = try await store.describeMapping(MappingID(stream: "s", name: name))
        return mapping.checkpoints.first { $0.shard == ShardID(0) }?.position.rawValue ?? 0
    }

    /// Lets other tasks run until all of them wait.
    func rest() async { await RestingExecutor.current.rest() }

    /// Moves the clock in steps until `done`, and lets other tasks run in each.
    func advance(by step: Duration, until done: () -> Bool) async {
        while !done() {
            time.advance(by: step)
            await rest()
        }
    }

    /// Lets the clock run on through every pause of a lane, until `done` says so of a step.
    func advanceThroughPauses(until done: (LaneCore.TraceEvent) -> Bool) async {
        for await (_, event) in trace {
            switch event {
            case .retrying(_, _, let wait), .destinationFailed(_, _, let wait), .notReached(_, _, let wait),
                .protecting(_, _, let wait):
                time.advance(by: wait)
            default: break
            }
            if done(event) { return }
        }
    }
}

/// What a function was called with.
final class Calls: Sendable {
    struct Call: Sendable {
        let texts: [String]
        let shard: ShardID
        let attempt: Int
        let requestID: String
    }
    private let calls = Mutex<[Call]>([])

    func note(_ batch: RecordBatch, _ context: InvocationContext) {
        let texts = batch.map { String(decoding: $0.bytes, as: UTF8.self) }
        calls.withLock {
            $0.append(
                Call(texts: texts, shard: context.shard, attempt: context.attempt, requestID: context.requestID))
        }
    }

    var all: [Call] { calls.withLock { $0 } }
    var texts: [[String]] { all.map(\.texts) }
}

/// A gate that stays shut until it is opened; it does not care about cancellation.
final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var waiting: [CheckedContinuation<Void, Never>] = []
        var arrivals = 0
        var watchers: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }
    private let state = Mutex(State())

    func pass() async {
        await withCheckedContinuation { continuation in
            let (isOpen, watchers) = state.withLock { state in
                state.arrivals += 1
                if !state.isOpen { state.waiting.append(continuation) }
                let arrivals = state.arrivals
                let due = state.watchers.filter { $0.count <= arrivals }
                state.watchers.removeAll { $0.count <= arrivals }
                return (state.isOpen, due)
            }
            for watcher in watchers { watcher.continuation.resume() }
            if isOpen { continuation.resume() }
        }
    }

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Returns when this many have come to the gate.
    func arrivals(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isDue = state.withLock { state in
                if state.arrivals >= count { return true }
                state.watchers.append((count, continuation))
                return false
            }
            if isDue { continuation.resume() }
        }
    }
}

import Benchmark
import DiskAccess
import EventSource
import Logging
import SegmentStorage
import StreamModel
import StreamStorage
import Synchronization

/// The embedded store as a whole, on a directory for temporary files.
func storePieces() {
    let fixture = StoreFixture()
    let configuration = Benchmark.Configuration(
        warmupIterations: 1, maxDuration: .seconds(4), setup: { try await fixture.open() },
        teardown: { try await fixture.close() })

    Benchmark("store: put, per record in calls of 500", configuration: configuration) { benchmark in
        let stream = fixture.stream
        let call = Samples.call
        try await Cost.measure(call.count * 600, benchmark) {
            for _ in 0..<600 { blackHole(try await stream.put(contentsOf: call)) }
        }
    }

    Benchmark("store: put, per call of one by 64 callers", configuration: configuration) { benchmark in
        let stream = fixture.stream
        let call = Samples.call
        try await Cost.measure(callsOfAll, benchmark) {
            try await callers { blackHole(try await stream.put(contentsOf: [call[$0 % call.count]])) }
        }
    }

    // What the same callers cost without a store: the difference is the store's own work.
    Benchmark("store: no store, per call of nothing by 64 callers", configuration: configuration) { benchmark in
        let groups = try SyncedGroups(in: fixture.directory)
        try await Cost.measure(callsOfAll, benchmark) { try await callers { _ in await groups.join() } }
        await groups.end()
    }

    for size in [100, 1000] {
        Benchmark("store: read by a mapping, per record in batches of \(size)", configuration: configuration) {
            benchmark in
            let records = try await fixture.fill()
            var settings = EventSourceMapping.Configuration()
            settings.batchSize = size
            settings.failureDestination = .none
            let mapping = try await EventSourceMapping(
                "pieces-\(fixture.nextNumber())", from: fixture.stream, configuration: settings
            ) { batch, _ in
                var sum = 0
                for record in batch { sum &+= record.data.count }
                blackHole(sum)
            }
            try await Cost.measure(records, benchmark) { try await mapping.run(until: .caughtUp) }
            guard mapping.statistics.delivered == records else {
                return benchmark.error("\(mapping.statistics.delivered) of \(records) records were delivered")
            }
        }
    }
}

private let callsOfAll = 32_768

/// Lets 64 tasks make calls, one after the other each.
private func callers(_ call: @escaping @Sendable (Int) async throws -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        for caller in 0..<64 {
            group.addTask { for index in 0..<callsOfAll / 64 { try await call(caller + index * 64) } }
        }
        try await group.waitForAll()
    }
}

/// Callers that wait for a thread which writes and syncs a block for all that are there: what every store must do.
private final class SyncedGroups: Sendable {
    private struct State {
        var waiting: [CheckedContinuation<Void, Never>] = []
        var isEnding = false
    }

    private let state: Monitor<State>
    private let thread: WorkerThread

    init(in directory: String) throws {
        let state = Monitor(State())
        let file = try POSIXFileSystem().open("\(directory)/groups-\(UInt64.random(in: 0 ... .max))", .create)
        let block = [UInt8](repeating: 1, count: 4096)
        for offset in 0..<1024 { try file.writeAll(block, at: offset * block.count) }
        try file.synchronize()
        self.state = state
        thread = WorkerThread(name: "groups") {
            var place = 0
            while let group = state.wait(
                atMost: nil,
                until: { state -> [CheckedContinuation<Void, Never>]? in
                    defer { state.waiting.removeAll() }
                    return state.waiting.isEmpty && !state.isEnding ? nil : state.waiting
                }), !group.isEmpty
            {
                try? file.writeAll(block, at: place % 1024 * block.count)
                try? file.synchronize()
                place += 1
                for caller in group { caller.resume() }
            }
        }
    }

    func join() async {
        await withCheckedContinuation { continuation in
            let wakes = state.withLock { state in
                state.waiting.append(continuation)
                return state.waiting.count == 1
            }
            if wakes { state.wakeAll() }
        }
    }

    func end() async {
        state.withLock { $0.isEnding = true }
        state.wakeAll()
        await thread.finished()
    }
}

/// A store in a directory of its own for one benchmark.
private final class StoreFixture: Sendable {
    private struct State {
        var store: SegmentStore?
        var directory = ""
        var number = 0
        var filled = 0
    }

    private let state = Mutex(State())

    var stream: RecordStream { state.withLock { $0.store!.stream("pieces") } }
    var directory: String { state.withLock { $0.directory } }

    func nextNumber() -> Int {
        state.withLock { state in
            state.number += 1
            return state.number
        }
    }

    func open() async throws {
        let directory = try TemporaryDirectory.make()
        var logger = Logger(label: "pieces")
        logger.logLevel = .error
        let store = try await SegmentStore.openIfFree(at: "\(directory)/store", logger: logger)
        try await store.createStream("pieces", shards: 4)
        state.withLock { state in
            state = State()
            state.store = store
            state.directory = directory
        }
    }

    /// Puts what the reading benchmarks read, once; answers how many records the stream has.
    func fill() async throws -> Int {
        let records = 100_000
        guard state.withLock({ $0.filled }) == 0 else { return records }
        for _ in 0..<records / Samples.callCount { try await stream.put(contentsOf: Samples.call) }
        state.withLock { $0.filled = records }
        return records
    }

    func close() async throws {
        let (store, directory) = state.withLock { ($0.store, $0.directory) }
        try await store?.close()
        state.withLock { $0.store = nil }
        TemporaryDirectory.remove(directory)
    }
}

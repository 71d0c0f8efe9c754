import Foundation
import Logging
import Metrics
import MetricsTestKit
import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import TestSupport
import TestTraits
import Testing

@testable import EventSource
@testable import SegmentStorage

/// Every metric against what the statistics say, and both against books that others keep.
@Suite("Metrics", .timeLimit(.minutes(2)), .restingExecutor)
struct MetricsTests {
    enum Kind: String, CaseIterable, Sendable { case embedded, inMemory }

    private static let dimensions = [("stream", "s"), ("mapping", "m")]
    private static let ranges = HashKeyRange.even(3)

    private static func records(_ texts: [String], shard: Int) -> [NewRecord] {
        texts.map { NewRecord($0, partitionKey: "k\(shard)", explicitHashKey: ranges[shard].first) }
    }

    /// What one run goes through: records that expired, that are too old, that fail, that can never be handled, a function that
    /// reports parts, that can't be reached, that is cut off; and what each of the counts must be.
    @Test(arguments: Kind.allCases, [true, false])
    func `metrics, statistics and independent counts agree, and all that was read is accounted for (ESM-M1 to ESM-M9)`(
        kind: Kind, hasDestination: Bool
    ) async throws {
        let (metrics, time) = (TestMetrics(), VirtualTime())
        let place = TestDirectory()
        let store: any StoreEngine =
            switch kind {
            case .inMemory: InMemoryStore(timeSource: time)
            case .embedded:
                try await SegmentStore.open(
                    at: place.path + "/store", configuration: .init(), timeSource: time,
                    logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
                    internals: .metering(metrics))
            }
        try await store.createStream("s", shards: 3)
        let stream = store.stream("s")
        func put(_ texts: [String], shard: Int) async throws {
            try await stream.put(contentsOf: Self.records(texts, shard: shard))
        }
        let (books, steps, destination) = (Books(), Steps(time), CountingDestination())
        var settings = EventSourceMapping.Configuration()
        settings.batchSize = 10
        settings.maximumRetryAttempts = 1
        settings.maximumRecordAge = .seconds(3600)
        if !hasDestination { settings.failureDestination = .none }
        let mapping = try await EventSourceMapping(
            "m", from: stream, startingAt: .trimHorizon, configuration: settings,
            destination: hasDestination ? destination : nil,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), source: .outside(books), seed: 1,
            metricsFactory: metrics, observer: steps.note)
        let fine = (1...20).map { "fine \($0)" }
        try await put((1...7).map { "expires \($0)" }, shard: 0)
        time.advance(by: .seconds(25 * 3600))
        try await put((1...5).map { "ages \($0)" }, shard: 2)
        if let memory = store as? InMemoryStore {
            try memory.loseRecords(SequenceNumber(1)...SequenceNumber(2), in: "s", shard: ShardID(2))
        }
        time.advance(by: .seconds(2 * 3600))
        try await put(fine + ["bad"] + fine, shard: 0)
        try await put(["far"] + fine + ["part"] + fine + ["forever"], shard: 1)
        try await put(fine, shard: 2)
        let lost = kind == .inMemory ? 2 : 0
        let (expired, aged) = (7, 5 - lost)

        try await mapping.run(until: .caughtUp)
        books.newRun()

        // The function has ten, the lane reads on beside it, and the run is cut off.
        try await put((1...10).map { "gate \($0)" }, shard: 1)
        let polled = mapping.statistics.polled
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await mapping.run(until: .stopped) }
            await books.gate.arrivals(1)
            try await put((1...15).map { "held \($0)" }, shard: 1)
            // These fifteen are read without anything being decided about them.
            // The metrics follow the statistics a moment later.
            await RestingExecutor.current.rest {
                mapping.statistics.polled >= polled + 25 && metrics.total("PolledEventCount") >= polled + 25
            }
            #expect(metrics.total("PolledEventCount") == polled + 25)
            group.cancelAll()
            books.gate.open()
            await #expect(throws: CancellationError.self) { try await group.waitForAll() }
        }
        books.newRun()
        try await mapping.run(until: .caughtUp)

        let all = mapping.statistics
        let counted = books.counted
        // What others have counted.
        let put: Int = 7 + 5 + 41 + 43 + 20 + 25
        let read: Int = put - expired - lost
        #expect(all.polled == read + 25)
        #expect(all.released == 25)
        #expect(all.invocations == counted.calls && all.invokedRecords == counted.records)
        #expect(all.errors == counted.failedCalls && all.failedInvokedRecords == counted.failedRecords)
        #expect(all.throttles == counted.unreached && counted.unreached == 1)
        #expect(all.delivered == counted.done)
        #expect(counted.done == read - aged - 2)
        #expect(all.sentAgain == counted.again && counted.again > 0)
        #expect(all.retries == counted.retries && counted.retries > 0)
        #expect(all.redelivered == 10)
        var causes: [GiveUpCondition: Int] = [
            .recordsExpired: expired, .recordAgeExceeded: aged, .retryAttemptsExhausted: 1, .permanentFailure: 1,
        ]
        if lost > 0 { causes[.recordsLost] = lost }
        #expect(all.givenUpByCondition == causes)
        let givenUp: Int = expired + aged + 2 + lost
        #expect(all.givenUp == givenUp)
        #expect(all.expired == expired && all.lost == lost)
        let kept = hasDestination ? givenUp : 0
        #expect(all.dropped == (hasDestination ? 0 : aged + 2))
        #expect(all.deliveredToDestination == kept)
        #expect(all.deliveredToDestination == destination.counted.records)
        #expect(all.destinationFailures == destination.counted.failures)
        #expect(all.destinationFailures == (hasDestination ? 2 : 0))
        #expect(all.splits == steps.counted.splits && all.partialSuccesses == steps.counted.parts)
        #expect(all.batches.values.reduce(0, +) == steps.counted.closed)
        #expect(all.checkpoints == steps.counted.checkpoints)
        #expect(all.settled == all.polled)

        try check(metrics, all)
        let lag = try metrics.expectGauge("shardline.CheckpointLag", Self.dimensions)
        let oldest = try metrics.expectGauge("shardline.OldestRecordAge", Self.dimensions)
        #expect(lag.lastValue == 0)
        #expect(oldest.lastValue == 0)
        if let embedded = store as? SegmentStore { try await check(metrics, embedded, records: put) }
        try await (store as? SegmentStore)?.close()
    }

    /// Each metric of the mapping that counts, and those that take a value an invocation.
    private func check(_ metrics: TestMetrics, _ all: MappingStatistics) throws {
        let expected = [
            "PolledEventCount": all.polled, "FilteredOutEventCount": all.filteredOut,
            "InvokedEventCount": all.invokedRecords,
            "FailedInvokeEventCount": all.failedInvokedRecords, "ResentEventCount": all.sentAgain,
            "RedeliveredEventCount": all.redelivered, "SucceededEventCount": all.delivered,
            "RecordsParked": all.parked, "GivenUpEventCount": all.givenUp, "DroppedEventCount": all.dropped,
            "OnFailureDestinationDeliveredEventCount": all.deliveredToDestination,
            "DestinationDeliveryFailures": all.destinationFailures, "ExpiredEventCount": all.expired,
            "LostEventCount": all.lost, "LateEventCount": all.late,
            "ReleasedEventCount": all.released, "Invocations": all.invocations,
            "Errors": all.errors, "Throttles": all.throttles, "Retries": all.retries, "Splits": all.splits,
            "PartialSuccesses": all.partialSuccesses, "BatchesClosed": all.batches.values.reduce(0, +),
            "Checkpoints": all.checkpoints,
        ]
        #expect(Set(expected.keys) == Set(MappingMetrics.counters.map(\.name) + ["RedeliveredEventCount"]))
        for (name, value) in expected { #expect(metrics.total(name) == value, "\(name)") }
        #expect(try metrics.expectTimer("shardline.Duration", Self.dimensions).values.count == all.invocations)
        let ages = try metrics.expectRecorder("shardline.IteratorAge", Self.dimensions).values
        let blocked = try metrics.expectRecorder("shardline.LaneBlockedSeconds", Self.dimensions).values
        #expect(ages.count == all.invocations + blocked.count)
        #expect(ages.max() == all.greatestIteratorAge.map { Double($0.wholeMilliseconds) })
    }

    /// Each metric of a store.
    private func check(_ metrics: TestMetrics, _ store: SegmentStore, records: Int) async throws {
        let statistics = try await store.statistics()
        #expect(statistics.records == records)
        #expect(try metrics.expectCounter("shardline.JournalCommits").totalValue == statistics.commits)
        #expect(try metrics.expectCounter("shardline.JournalBytes").totalValue == statistics.journalBytesWritten)
        let entries = try metrics.expectRecorder("shardline.JournalCommitEntries").values
        #expect(entries.count == statistics.commits)
        #expect(Int(entries.reduce(0, +)) >= statistics.checkpoints)
        #expect(try metrics.expectGauge("shardline.DiskFull").values.allSatisfy { $0 == 0 })
        #expect(try metrics.expectGauge("shardline.ClockBehindSeconds").values.allSatisfy { $0 == 0 })
        try checkNames(metrics)
    }

    /// The table of the documentation has each metric that there is, with its kind, and no other.
    private func checkNames(_ metrics: TestMetrics) throws {
        let page = URL(filePath: PackageFolder.path("Sources/Shardline/Shardline.docc/Metrics.md"))
        var told: [String: String] = [:]
        for line in try String(contentsOf: page, encoding: .utf8).split(separator: "\n") where line.hasPrefix("| `") {
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            // Those of a server are not recorded here.
            guard !cells[0].hasPrefix("`server.") else { continue }
            #expect(cells.count == 4 && !cells[2].isEmpty && !cells[3].isEmpty, "\(line)")
            #expect(told.updateValue(cells[1], forKey: "shardline." + cells[0].trimming(while: "`")) == nil, "\(line)")
        }
        var found: [String: String] = [:]
        for counter in metrics.counters { found[counter.label] = "counter" }
        for timer in metrics.timers { found[timer.label] = "timer" }
        for recorder in metrics.recorders { found[recorder.label] = recorder.aggregate ? "recorder" : "gauge" }
        for meter in metrics.meters { found[meter.label] = "gauge" }
        #expect(told == found)
        #expect(found.keys.allSatisfy { $0.wholeMatch(of: #/shardline\.([A-Z][a-z]+)+/#) != nil })
    }

    @Test func `what a stuck shard does not read is in the gauges, and so are children that wait for it (ESM-M8)`()
        async throws
    {
        let bench = try await Bench()
        let metrics = TestMetrics()
        try await bench.put(1...100)
        let begun = bench.time.wallTime
        var settings = EventSourceMapping.Configuration()
        settings.batchSize = 2
        settings.maximumRetryAttempts = nil
        let mapping = try await bench.mapping("m", settings, metrics: metrics) { _, _ in throw MalformedRecord() }
        async let run: Void = mapping.run(until: .stopped)
        await bench.rest()
        let seal = Seal(stream: "s", parents: [ShardID(0)], children: HashKeyRange.even(2))
        _ = try await bench.store.commit([.seal(seal)])
        try await bench.put(101...130, keys: 7)
        await bench.advance(by: .seconds(1)) {
            let (lag, age) = (metrics.gauges("CheckpointLag").last ?? 0, metrics.gauges("OldestRecordAge").last ?? 0)
            return lag == 130 && age > 20_000
        }
        let age = Double((bench.time.wallTime - begun).wholeMilliseconds)
        #expect((metrics.gauges("OldestRecordAge").last ?? 0) <= age)
        #expect(metrics.gauges("OldestRecordAge") == metrics.gauges("OldestRecordAge").sorted())
        mapping.triggerGracefulShutdown()
        try await run
        #expect(metrics.gauges("CheckpointLag").last == 130)
    }

    @Test func `an invocation that was refused, as the run is to stop, is no invocation`() async throws {
        let bench = try await Bench(shards: 3)
        let metrics = TestMetrics()
        try await bench.stream.put(contentsOf: (0..<3).flatMap { Self.records(["a", "b"], shard: $0) })
        var settings = EventSourceMapping.Configuration()
        settings.concurrency = 1
        let gate = Gate()
        let mapping = try await bench.mapping("m", settings, metrics: metrics) { _, _ in await gate.pass() }
        async let run: Void = mapping.run(until: .stopped)
        await gate.arrivals(1)
        await bench.rest()
        mapping.triggerGracefulShutdown()
        await bench.rest()
        gate.open()
        try await run
        #expect(mapping.statistics.invocations == 1 && bench.calls.all.count == 1)
        #expect(mapping.statistics.released == 4 && mapping.statistics.settled == mapping.statistics.polled)
        #expect(metrics.total("InvokedEventCount") == 2 && metrics.total("Invocations") == 1)
    }
}

extension TestMetrics {
    fileprivate func total(_ name: String) -> Int {
        Int((try? expectCounter("shardline.\(name)", [("stream", "s"), ("mapping", "m")]).totalValue) ?? -1)
    }

    fileprivate func gauges(_ name: String) -> [Double] {
        (try? expectGauge("shardline.\(name)", [("stream", "s"), ("mapping", "m")]).values) ?? []
    }
}

extension String {
    fileprivate func trimming(while character: Character) -> String {
        String(drop { $0 == character }.reversed().drop { $0 == character }.reversed())
    }
}

/// A function whose answers follow from what the records say, and that keeps books of its own.
private final class Books: OutsideFunction {
    struct Counted {
        var calls = 0
        var records = 0
        var failedCalls = 0
        var failedRecords = 0
        var done = 0
        var unreached = 0
        var again = 0
        var retries = 0
        fileprivate var sent: Set<String> = []
        fileprivate var batches: Set<[String]> = []
        fileprivate var met: Set<String> = []
    }
    private let books = Mutex(Counted())
    let gate = Gate()

    var counted: Counted { books.withLock { $0 } }

    /// What is sent from now on was not sent before by this run.
    func newRun() { books.withLock { ($0.sent, $0.batches) = ([], []) } }

    private func meets(_ text: String) -> Bool { books.withLock { $0.met.insert(text).inserted } }

    func invoke(_ records: RecordBatch, event: [UInt8], context: InvocationContext) async -> OutsideAnswer {
        let texts = records.map { String(decoding: $0.bytes, as: UTF8.self) }
        if texts.contains("far"), meets("far") {
            books.withLock { $0.unreached += 1 }
            return .notReached("nobody is there")
        }
        let names = records.map(\.kinesisSequenceNumber.description)
        books.withLock { books in
            books.calls += 1
            books.records += records.count
            for name in names where !books.sent.insert(name).inserted { books.again += 1 }
            if !books.batches.insert(names).inserted { books.retries += 1 }
        }
        if texts.contains("gate 1"), meets("gate") {
            await gate.pass()
            return .answered(Array("{}".utf8))
        }
        if texts.contains("bad") { return failed(records.count, done: 0, .failed("bad", type: nil)) }
        if let place = texts.firstIndex(of: "part"), meets("part") {
            return failed(records.count, done: place, .answered(Self.report(records[place])))
        }
        if let place = texts.firstIndex(of: "forever") {
            return failed(
                records.count, done: place, .answered(Self.report(records[place], more: #","permanent":true"#)))
        }
        books.withLock { $0.done += records.count }
        return .answered(Array("{}".utf8))
    }

    private func failed(_ count: Int, done: Int, _ answer: OutsideAnswer) -> OutsideAnswer {
        books.withLock { books in
            books.failedCalls += 1
            books.failedRecords += count
            books.done += done
        }
        return answer
    }

    private static func report(_ record: Record, more: String = "") -> [UInt8] {
        Array(#"{"batchItemFailures":[{"itemIdentifier":"\#(record.kinesisSequenceNumber)"\#(more)}]}"#.utf8)
    }
}

/// Counts what lanes say they do, and lets their pauses pass at once.
private final class Steps: Sendable {
    struct Counted {
        var (splits, parts, closed, checkpoints) = (0, 0, 0, 0)
    }
    private let steps = Mutex(Counted())
    private let time: VirtualTime

    init(_ time: VirtualTime) { self.time = time }

    var counted: Counted { steps.withLock { $0 } }

    @Sendable func note(_ shard: ShardID, _ step: LaneCore.TraceEvent) {
        switch step {
        case .split(_, .bisect, _, _), .split(_, .isolate, _, _): steps.withLock { $0.splits += 1 }
        case .progressed: steps.withLock { $0.parts += 1 }
        case .closed: steps.withLock { $0.closed += 1 }
        case .checkpointed: steps.withLock { $0.checkpoints += 1 }
        case .retrying(_, _, let wait), .destinationFailed(_, _, let wait), .notReached(_, _, let wait),
            .protecting(_, _, let wait):
            time.advance(by: wait)
        default: break
        }
    }
}

/// Fails twice, and counts what it takes.
private final class CountingDestination: FailureDestination {
    private let state = Mutex((records: 0, failures: 0))

    var counted: (records: Int, failures: Int) { state.withLock { $0 } }

    func deliver(_ document: FailureDocument) async throws {
        let fails = state.withLock { state in
            if state.failures < 2 {
                state.failures += 1
                return true
            }
            state.records += document.recordCount ?? 0
            return false
        }
        if fails { throw MalformedRecord("no room") }
    }
}

extension SegmentStore.Internals {
    /// Those of a store that tells its metrics to this factory.
    fileprivate static func metering(_ metrics: any MetricsFactory) -> Self {
        var internals = Self()
        internals.metrics = metrics
        return internals
    }
}

import Logging
import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import TestSupport
import TestTraits
import Testing

@testable import EventSource

/// Mappings that park keys, on a store in memory (ESM-N1, ESM-N2, ESM-N13).
@Suite(.timeLimit(.minutes(2)), .restingExecutor)
struct ParkingRunTests {
    /// What the function was given, by key, and which texts it refuses.
    private final class Seen: Sendable {
        private struct State {
            var texts: [String: [String]] = [:]
            var bad: Set<String> = []
            var shards: Set<ShardID> = []
            var streams: Set<String> = []
        }
        private let state = Mutex(State())

        func handle(_ batch: RecordBatch, _ context: InvocationContext) throws {
            try state.withLock { state in
                state.streams.insert("\(context.stream)/\(context.mapping)")
                for record in batch {
                    if state.bad.contains(String(decoding: record.bytes, as: UTF8.self)) {
                        throw BatchFailure(from: record, because: MalformedRecord("text \(batch.count)"))
                    }
                    state.texts[record.partitionKey, default: []].append(String(decoding: record.bytes, as: UTF8.self))
                    if record.shard != context.shard { state.streams.insert("\(record.shard) in \(context.shard)") }
                }
            }
        }

        func refuse(_ texts: Set<String>) { state.withLock { $0.bad = texts } }
        var texts: [String: [String]] { state.withLock { $0.texts } }
        var contexts: Set<String> { state.withLock { $0.streams } }
    }

    private struct Setup {
        let bench: Bench
        let seen = Seen()
        var settings = EventSourceMapping.Configuration()

        init(shards: Int = 1, factor: Int = 1) async throws {
            bench = try await Bench(shards: shards)
            settings.whenExhausted = .parkKey
            settings.maximumRetryAttempts = 0
            settings.parallelizationFactor = factor
            settings.batchSize = 5
        }

        func mapping() async throws -> EventSourceMapping {
            let seen = seen
            return try await bench.mapping("m", settings) { batch, context in try seen.handle(batch, context) }
        }

        /// One run until everything is done.
        @discardableResult
        func run() async throws -> MappingStatistics {
            let mapping = try await mapping()
            try await mapping.run(until: .caughtUp)
            return mapping.statistics
        }

        var named: StreamMapping { bench.stream.mapping("m") }

        /// Puts these texts under keys in turn.
        func put(_ numbers: ClosedRange<Int>, keys: Int) async throws { try await bench.put(numbers, keys: keys) }

        /// The texts of a key among those that were put.
        static func texts(_ numbers: ClosedRange<Int>, key: Int, of keys: Int) -> [String] {
            numbers.filter { $0 % keys == key }.map(String.init)
        }
    }

    @Test(arguments: [1, 3], [1, 4])
    func `ESM-N1 a key waits over runs, and its records come in order once it is released`(factor: Int, shards: Int)
        async throws
    {
        let setup = try await Setup(shards: shards, factor: factor)
        try await setup.put(1...60, keys: 6)
        setup.seen.refuse(["14"])
        let first = try await setup.run()
        #expect(first.parked == 8 && first.givenUp == 0 && first.settled == first.polled)
        var keys = try await setup.named.parkedKeys()
        #expect(keys.map(\.partitionKey) == ["k2"] && keys[0].recordCount == 8 && keys[0].state == .parked)
        #expect(keys[0].cause?.errorText?.contains("text") == true && keys[0].cause?.attempts == 1)
        #expect(try await setup.bench.texts(in: setup.named.parkingStream).count == 8)
        // Another run: later records wait, too.
        try await setup.put(61...72, keys: 6)
        try await setup.run()
        keys = try await setup.named.parkedKeys()
        #expect(keys[0].recordCount == 10)
        for key in 0..<6 where key != 2 {
            #expect(setup.seen.texts["k\(key)"] == Setup.texts(1...72, key: key, of: 6))
        }
        #expect(setup.seen.texts["k2"] == ["2", "8"])
        // The function is mended.
        setup.seen.refuse([])
        #expect(try await setup.named.release(reason: "deployed 1.4") == 1)
        try await setup.put(73...84, keys: 6)
        try await setup.run()
        #expect(setup.seen.texts["k2"] == Setup.texts(1...84, key: 2, of: 6))
        #expect(try await setup.named.parkedKeys().isEmpty)
        #expect(setup.seen.contexts == ["s/m"])
        let history = try await setup.named.history()
        #expect(history.last?.reason == "release all parked keys: deployed 1.4")
        // The request is gone, and the key flows.
        let left = try await setup.bench.store.attributes(AttributeQuery(.stream("s")))
        #expect(left.attributes.isEmpty)
        try await setup.put(85...90, keys: 6)
        try await setup.run()
        #expect(setup.seen.texts["k2"] == Setup.texts(1...90, key: 2, of: 6))
    }

    @Test func `ESM-N2 a record that fails again holds its key only`() async throws {
        let setup = try await Setup()
        try await setup.put(1...40, keys: 4)
        setup.seen.refuse(["5", "6", "26"])
        try await setup.run()
        #expect(try await setup.named.parkedKeys().map(\.partitionKey) == ["k1", "k2"])
        setup.seen.refuse(["26"])
        try await setup.named.release()
        try await setup.run()
        let keys = try await setup.named.parkedKeys()
        #expect(keys.map(\.partitionKey) == ["k2"] && keys[0].failedReleases == 1)
        #expect(keys[0].recordCount == Setup.texts(26...40, key: 2, of: 4).count)
        #expect(setup.seen.texts["k1"] == Setup.texts(1...40, key: 1, of: 4))
        #expect(setup.seen.texts["k2"] == Setup.texts(1...25, key: 2, of: 4))
        setup.seen.refuse([])
        try await setup.named.release(ParkedKeySelection(keys: ["k2"]))
        try await setup.run()
        #expect(setup.seen.texts["k2"] == Setup.texts(1...40, key: 2, of: 4))
    }

    @Test func `ESM-N2 a record that somebody put into the parking stream stops its key only, and nothing is lost`()
        async throws
    {
        let setup = try await Setup()
        try await setup.put(1...12, keys: 3)
        setup.seen.refuse(["4", "5"])
        try await setup.run()
        let stream = setup.bench.store.stream(setup.named.parkingStream)
        try await stream.put("not parked", partitionKey: "k1")
        // A release reads on to a later record of the key, as the number of what waits says where to end.
        try await setup.put(13...15, keys: 3)
        try await setup.run()
        setup.seen.refuse([])
        try await setup.named.release()
        try await setup.run()
        let keys = try await setup.named.parkedKeys()
        #expect(keys.map(\.partitionKey) == ["k1"] && keys.first?.failedReleases == 1 && keys.first?.state == .parked)
        #expect(keys.first?.cause?.errorText?.contains("no record of a parking stream") == true)
        #expect(setup.seen.texts["k2"] == Setup.texts(1...15, key: 2, of: 3))
        // What came before it was handed back, the rest waits.
        let done = setup.seen.texts["k1"] ?? []
        #expect(
            done + Setup.texts(1...15, key: 1, of: 3).suffix(keys.first?.recordCount ?? 0)
                == Setup.texts(1...15, key: 1, of: 3))
        #expect(try await setup.named.discard(ParkedKeySelection(keys: ["k1"])) == 1)
        try await setup.run()
        #expect(try await setup.named.parkedKeys().isEmpty)
    }

    @Test func `ESM-N13 what is said of a request is cut in the history, and a long reason is kept with the key`()
        async throws
    {
        let setup = try await Setup()
        try await setup.put(1...4, keys: 2)
        try await setup.run()
        // The most that a reason may have, all of it escaped in JSON, and clusters of many code points.
        let reason = String(repeating: "\u{1}", count: 1_024)
        try await setup.named.park(["k1"], reason: reason)
        try await setup.run()
        let key = try #require(try await setup.named.parkedKeys().first)
        #expect(key.partitionKey == "k1" && reason.hasPrefix(key.reason) && key.reason.utf8.count > 200)
        let history = try await setup.named.history()
        #expect(history.last?.reason.hasPrefix("park key 'k1': \u{1}") == true)
        #expect(history.last?.reason.utf8.count ?? 0 > 1_000 && history.last?.reason.utf8.count ?? 2_000 <= 1_024)
        try await setup.named.release(reason: "a" + String(repeating: "\u{301}", count: 511))
        try await setup.run()
        #expect(try await setup.named.parkedKeys().isEmpty)
        await #expect(throws: ShardlineError.self) { try await setup.named.release(reason: reason + "x") }
    }

    @Test(arguments: [
        #"{"action":"discard","keys":"k1"}"#, #"{"action":"discard","keys":["k1",7]}"#,
        #"{"action":"discard","group":7}"#,
        #"{"action":"discard","group":"x"}"#, #"{"action":"discard","errorType":[]}"#, #"{"action":"drop"}"#,
        #"{"action":"discard","since":"yesterday"}"#, #"{"action":"discard","before":1.5}"#, "[]", "",
    ])
    func `ESM-N13 a request that can't be read means no key, instead of more than were asked for`(text: String) {
        #expect(MappingRequest(value: Array(text.utf8)) == nil)
        let written = MappingRequest(
            .discard, ParkedKeySelection(keys: ["k"], since: Timestamp(milliseconds: 5)), actor: "ops", reason: "")
        let read = MappingRequest(value: written.value)
        #expect(read?.selection == written.selection && read?.action == .discard && read?.actor == "ops")
        #expect(MappingRequest(value: Array(#"{"action":"release","newer":1}"#.utf8))?.selection == .all)
    }

    @Test func `ESM-N1 the metrics count what is parked`() async throws {
        let setup = try await Setup()
        try await setup.put(1...8, keys: 2)
        setup.seen.refuse(["3"])
        let statistics = try await setup.run()
        #expect(statistics.parked == 3 && statistics.description.contains("parked 3"))
        #expect(MappingCounts.names.contains("RecordsParked"))
    }

    @Test func `ESM-N1 the children of a split go on with the parked keys of their parent`() async throws {
        let setup = try await Setup()
        try await setup.put(1...32, keys: 8)
        setup.seen.refuse(["11"])
        try await setup.run()
        try await setup.bench.stream.updateShardCount(to: 4)
        try await setup.put(33...64, keys: 8)
        // A run that ends at the tip of this moment drives the parent, and the next one its children.
        try await setup.run()
        try await setup.run()
        let keys = try await setup.named.parkedKeys()
        #expect(keys.map(\.partitionKey) == ["k3"] && keys[0].shard != ShardID(0))
        #expect(keys[0].recordCount == Setup.texts(11...64, key: 3, of: 8).count)
        setup.seen.refuse([])
        try await setup.named.release()
        try await setup.run()
        try await setup.run()
        for key in 0..<8 { #expect(setup.seen.texts["k\(key)"] == Setup.texts(1...64, key: key, of: 8)) }
        #expect(try await setup.named.parkedKeys().isEmpty && setup.seen.contexts == ["s/m"])
    }

    @Test func `ESM-N13 an operator parks, releases and discards keys of a mapping that runs`() async throws {
        let setup = try await Setup()
        let mapping = try await setup.mapping()
        async let run: Void = mapping.run(until: .stopped)
        try await setup.put(1...8, keys: 4)
        await setup.bench.rest()
        try await setup.named.park(["k1", "k2"], reason: "refunds first", by: "ops")
        await setup.bench.rest()
        try await setup.put(9...16, keys: 4)
        await setup.bench.rest()
        var keys = try await setup.named.parkedKeys()
        #expect(
            keys.map(\.partitionKey) == ["k1", "k2"] && keys.allSatisfy { $0.recordCount == 2 && $0.actor == "ops" })
        #expect(setup.seen.texts["k1"] == ["1", "5"] && setup.seen.texts["k0"] == ["4", "8", "12", "16"])
        #expect(try await setup.named.discard(ParkedKeySelection(keys: ["k2"]), reason: "test data") == 1)
        try await setup.named.release(ParkedKeySelection(keys: ["k1"]))
        await setup.bench.rest()
        keys = try await setup.named.parkedKeys()
        #expect(keys.isEmpty)
        try await setup.put(17...20, keys: 4)
        await setup.bench.rest()
        mapping.triggerGracefulShutdown()
        try await run
        #expect(setup.seen.texts["k1"] == ["1", "5", "9", "13", "17"])
        #expect(setup.seen.texts["k2"] == ["2", "6", "18"])
    }

    @Test func `ESM-N2 a disabled mapping redrives nothing until it is enabled`() async throws {
        let setup = try await Setup()
        try await setup.put(1...8, keys: 2)
        setup.seen.refuse(["3"])
        try await setup.run()
        setup.seen.refuse([])
        try await setup.named.disable(reason: "maintenance")
        let mapping = try await setup.mapping()
        async let run: Void = mapping.run(until: .stopped)
        try await setup.named.release()
        await setup.bench.rest()
        #expect(setup.seen.texts["k1"] == ["1"])
        try await setup.named.enable()
        await setup.bench.rest()
        mapping.triggerGracefulShutdown()
        try await run
        #expect(setup.seen.texts["k1"] == ["1", "3", "5", "7"])
    }

    @Test func `ESM-N2 a redrive hands back so many records in a second as the settings say`() async throws {
        let time = VirtualTime()
        let pace = Pace(rate: 10, timeSource: time)
        let begun = time.monotonicTime
        #expect(await pace.wait(for: 10))
        #expect(time.monotonicTime == begun)
        async let second = pace.wait(for: 5)
        await RestingExecutor.current.rest()
        time.advance(by: .milliseconds(999))
        await RestingExecutor.current.rest()
        async let third = pace.wait(for: 1)
        await RestingExecutor.current.rest()
        time.advance(by: .milliseconds(1))
        #expect(await second)
        time.advance(by: .milliseconds(500))
        #expect(await third)
        // With nothing for a while nothing is saved up.
        time.advance(by: .seconds(60))
        #expect(await pace.wait(for: 10))
        var settings = EventSourceMapping.Configuration()
        settings.redriveRate = 0
        #expect(throws: ShardlineError.self) { try settings.validate() }
    }

    @Test func `ESM-N2 with a rate a redrive takes its time, in small batches`() async throws {
        var setup = try await Setup()
        setup.settings.redriveRate = 2
        try await setup.put(1...12, keys: 1)
        setup.seen.refuse(["1"])
        try await setup.run()
        setup.seen.refuse([])
        try await setup.named.release()
        let begun = setup.bench.time.monotonicTime
        let mapping = try await setup.mapping()
        async let run: Void = mapping.run(until: .caughtUp)
        let named = setup.named
        for _ in 0..<100 where try await !named.parkedKeys().isEmpty {
            setup.bench.time.advance(by: .milliseconds(500))
            await setup.bench.rest()
        }
        try await run
        #expect(setup.seen.texts["k0"] == (1...12).map(String.init))
        #expect(setup.bench.time.monotonicTime - begun >= .milliseconds(5_000))
    }

    @Test func `ESM-S42 parking has no windows, and its bounds are checked`() async throws {
        var settings = EventSourceMapping.Configuration()
        settings.whenExhausted = .parkKey
        settings.tumblingWindow = .seconds(60)
        settings.maximumParkedRecordsPerKey = 0
        #expect {
            try settings.validate()
        } throws: { error in
            let text = "\(error)"
            return text.contains("whenExhausted park-key with tumblingWindow")
                && text.contains("maximumParkedRecordsPerKey 0")
        }
        #expect(throws: ShardlineError.self) {
            try EventSourceMapping.Configuration(json: Array(#"{"whenExhausted":"later"}"#.utf8))
        }
        let read = try EventSourceMapping.Configuration(json: Array(#"{"whenExhausted":"park-key"}"#.utf8))
        #expect(read.whenExhausted == .parkKey)
    }

    /// What a function does with redriven records: it waits until it may go on or is cancelled, and notes what it did.
    private final class Slow: Sendable {
        private let state = Mutex((texts: [String](), calls: 0))
        let gate = Gate()
        var texts: [String] { state.withLock { $0.texts } }
        var calls: Int { state.withLock { $0.calls } }

        func note(_ batch: RecordBatch) {
            state.withLock { $0.texts += batch.map { String(decoding: $0.bytes, as: UTF8.self) } }
        }

        func isFirst() -> Bool {
            state.withLock { state in
                state.calls += 1
                return state.calls == 1
            }
        }
    }

    @Test func `ESM-R9 ESM-N2 what a redriven function leaves undone when it is cancelled is handed back again`()
        async throws
    {
        var setup = try await Setup()
        try await setup.put(1...4, keys: 1)
        setup.seen.refuse(["2"])
        try await setup.run()
        try await setup.named.release()
        let (slow, time) = (Slow(), setup.bench.time)
        setup.settings.functionTimeout = .seconds(1)
        setup.settings.maximumRetryAttempts = 3
        let mapping = try await setup.bench.mapping("m", setup.settings) { batch, context in
            if slow.isFirst() {
                // A function that takes its cancellation for a reason to return.
                try? await time.sleep(until: time.monotonicTime + .seconds(3600))
                return
            }
            slow.note(batch)
        }
        async let run: Void = mapping.run(until: .caughtUp)
        await setup.bench.rest()
        #expect(slow.calls == 1)
        await setup.bench.advance(by: .milliseconds(600)) { slow.texts.count == 3 }
        try await run
        #expect(slow.texts == ["2", "3", "4"])
        #expect(try await setup.named.parkedKeys().isEmpty)
    }

    @Test func `ESM-L2 ESM-N2 a redrive that was interrupted by disabling goes on, and loses nothing`() async throws {
        let setup = try await Setup()
        try await setup.put(1...20, keys: 1)
        setup.seen.refuse(["2"])
        try await setup.run()
        let slow = Slow()
        let mapping = try await setup.bench.mapping("m", setup.settings) { batch, context in
            await slow.gate.pass()
            slow.note(batch)
        }
        async let run: Void = mapping.run(until: .stopped)
        try await setup.named.release()
        await slow.gate.arrivals(1)
        // Disabled and enabled again while the function has the first batch.
        try await setup.named.disable(reason: "a moment")
        await setup.bench.rest()
        try await setup.named.enable()
        await setup.bench.rest()
        slow.gate.open()
        await setup.bench.advance(by: .milliseconds(100)) { slow.texts.count >= 19 }
        mapping.triggerGracefulShutdown()
        try await run
        #expect(slow.texts == (2...20).map(String.init))
        #expect(try await setup.named.parkedKeys().isEmpty)
    }
}

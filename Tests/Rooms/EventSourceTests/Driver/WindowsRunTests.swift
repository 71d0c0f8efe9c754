import Logging
import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import TestSupport
import TestTraits
import Testing

@testable import EventSource

/// Mappings with tumbling windows, from the put to the final invocation.
@Suite("Running a mapping with tumbling windows", .restingExecutor)
struct WindowsRunTests {
    /// What the function of a test was given.
    private final class Seen: Sendable {
        struct End: Equatable {
            var texts: [String]
            var isEarly = false
        }
        let ends = Mutex<[End]>([])
        let states = Mutex<[[String]]>([])
        var all: [End] { ends.withLock { $0 } }
        func note(_ end: End) { ends.withLock { $0.append(end) } }
        func note(_ state: [String]) { states.withLock { $0.append(state) } }
    }

    private let time = VirtualTime()
    private let seen = Seen()
    private let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    private func store() async throws -> InMemoryStore {
        let store = InMemoryStore(timeSource: time)
        try await store.createStream("s", shards: 1)
        return store
    }

    private func settings(_ change: (inout EventSourceMapping.Configuration) -> Void = { _ in })
        -> EventSourceMapping.Configuration
    {
        var settings = EventSourceMapping.Configuration()
        settings.tumblingWindow = .seconds(10)
        settings.maximumRetryAttempts = 0
        settings.batchSize = 3
        change(&settings)
        return settings
    }

    /// A mapping that collects the texts of each window; `function` may throw.
    private func mapping(
        _ store: InMemoryStore, _ settings: EventSourceMapping.Configuration,
        function: @escaping @Sendable (Record) throws -> Void = { _ in }
    ) async throws -> EventSourceMapping {
        let seen = seen
        return try await EventSourceMapping(
            "m", from: store.stream("s"), configuration: settings, logger: silent, windowState: [String]()
        ) { batch, texts, context in
            #expect(context.window?.isFinal == false)
            seen.note(texts)
            for record in batch {
                try function(record)
                texts.append(String(decoding: record.bytes, as: UTF8.self))
            }
        } windowEnd: { texts, window, context in
            #expect(window.isFinal && context.window == window && window.end - window.start == .seconds(10))
            seen.note(.init(texts: texts, isEarly: window.isTerminatedEarly))
        }
    }

    private func put(_ texts: String..., into store: InMemoryStore) async throws {
        try await store.stream("s").put(contentsOf: texts.map { NewRecord($0, partitionKey: "k") })
    }

    private func running(_ mapping: EventSourceMapping, _ body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await mapping.run(until: .stopped) }
            await RestingExecutor.current.rest()
            try await body()
            mapping.triggerGracefulShutdown()
            try await group.waitForAll()
        }
    }

    private func advance(_ duration: Duration) async {
        // In steps, since a pause may begin at any of them.
        for _ in 0..<10 {
            time.advance(by: duration / 10)
            await RestingExecutor.current.rest()
        }
    }

    @Test func `a typed state goes from batch to batch, and its window's end gets it (ESM-T1, ESM-T2, ESM-T5)`()
        async throws
    {
        let store = try await store()
        try await running(try await mapping(store, settings())) {
            try await put("a", "b", into: store)
            await advance(.seconds(4))
            try await put("c", into: store)
            await advance(.seconds(16))
            #expect(seen.all == [.init(texts: ["a", "b", "c"])])
            try await put("d", into: store)
            await advance(.seconds(20))
        }
        #expect(seen.all == [.init(texts: ["a", "b", "c"]), .init(texts: ["d"])])
        #expect(seen.states.withLock { $0 } == [[], ["a", "b"], []])
    }

    @Test func `the next run goes on with the state of the last one (ESM-T8)`() async throws {
        let store = try await store()
        try await put("a", "b", "c", "d", into: store)
        try await mapping(store, settings()).run(until: .caughtUp)
        #expect(seen.all.isEmpty)
        try await put("e", into: store)
        try await running(try await mapping(store, settings())) { await advance(.seconds(20)) }
        #expect(seen.all == [.init(texts: ["a", "b", "c", "d", "e"])])
    }

    @Test
    func `an error that names a record keeps the state of those before it, any other keeps none (ESM-T7, ESM-T9)`()
        async throws
    {
        struct Refused: Error {}
        let store = try await store()
        try await put("a", "bad", "c", "worse", "e", into: store)
        let settings = settings { $0.bisectOnError = false }
        let mapping = try await mapping(store, settings) { record in
            switch String(decoding: record.bytes, as: UTF8.self) {
            case "bad": throw PermanentFailure(record, because: Refused())
            case "worse": throw Refused()
            default: break
            }
        }
        try await running(mapping) { await advance(.seconds(20)) }
        #expect(seen.all == [.init(texts: ["a", "c"])])
        #expect(mapping.statistics.givenUp == 3)
    }

    @Test func `the end of the shard ends the window, and each child begins without one (ESM-T8, ESM-H6)`() async throws
    {
        let store = try await store()
        let mapping = try await mapping(store, settings())
        try await running(mapping) {
            try await put("a", into: store)
            await RestingExecutor.current.rest()
            _ = try await store.stream("s").splitShard(ShardID(0))
            await RestingExecutor.current.rest()
            #expect(seen.all == [.init(texts: ["a"])])
            try await put("b", into: store)
            await advance(.seconds(20))
        }
        #expect(seen.all == [.init(texts: ["a"]), .init(texts: ["b"])])
    }

    @Test func `a window whose end is given up is in the failure stream, with its state (ESM-T7)`() async throws {
        let store = try await store()
        let mapping = try await EventSourceMapping(
            "m", from: store.stream("s"), configuration: settings(), logger: silent, windowState: ["n": 0]
        ) { batch, state, _ in
            state["n", default: 0] += batch.count
        } windowEnd: { _, _, _ in
            throw MalformedRecord("no room")
        }
        try await put("a", "b", into: store)
        try await running(mapping) { await advance(.seconds(20)) }
        let name = try #require(mapping.failureStream)
        let result = try await store.read(ReadRequest(stream: name, shard: ShardID(0), after: .zero))
        let failure = try FailureRecord(try #require(result.batch.first))
        #expect(result.batch.count == 1 && failure.records.isEmpty && failure.recordCount == 0)
        #expect(failure.windowState.map { String(decoding: $0, as: UTF8.self) } == #"{"n":2}"#)
        #expect(failure.window.map { $0.upperBound - $0.lowerBound } == .seconds(10))
        #expect(failure.endSequenceNumber.sequenceNumber == SequenceNumber(2))
        #expect(failure.errorText?.contains("no room") == true)
        #expect(mapping.statistics.givenUp == 0 && mapping.statistics.delivered == 2)
    }

    @Test func `a function without a state is refused with windows, and one with a state without them`() async throws {
        let store = try await store()
        let plain = await #expect(throws: ShardlineError.self) {
            try await EventSourceMapping("m", from: store.stream("s"), configuration: settings()) { _, _ in }
        }
        #expect(plain?.code == .invalidArgument && plain?.message.contains("tumblingWindow") == true)
        let windowed = await #expect(throws: ShardlineError.self) {
            try await mapping(store, settings { $0.tumblingWindow = nil })
        }
        #expect(windowed?.code == .invalidArgument && windowed?.message.contains("tumblingWindow") == true)
        let lanes = await #expect(throws: ShardlineError.self) {
            try await mapping(store, settings { $0.parallelizationFactor = 2 })
        }
        #expect(lanes?.message.contains("parallelizationFactor 2 with tumblingWindow") == true)
    }

    @Test func `an update can't give a function windows that it has none for, nor take them away (ESM-S41)`()
        async throws
    {
        let store = try await store()
        let plain = try await EventSourceMapping("plain", from: store.stream("s"), logger: silent) { _, _ in }
        try await running(plain) {
            let refused = await #expect(throws: ShardlineError.self) {
                try await store.stream("s").mapping("plain").update { $0.tumblingWindow = .seconds(10) }
            }
            #expect(refused?.code == .invalidArgument)
            #expect(refused?.message.contains("tumblingWindow 10s with a function that keeps no state") == true)
            #expect(try await plain.describe().revision == 0)
            try await plain.update { $0.batchSize = 7 }
            try await put("a", into: store)
            await advance(.seconds(1))
        }
        #expect(plain.statistics.delivered == 1 && plain.statistics.givenUp == 0)
        let windowed = try await mapping(store, settings())
        try await running(windowed) {
            await #expect(throws: ShardlineError.self) { try await windowed.update { $0.tumblingWindow = nil } }
            try await windowed.update { $0.tumblingWindow = .seconds(5) }
        }
        #expect(try await windowed.describe().revision == 1)
    }

    @Test func `a run fails where an update has given its function windows, before it reads a record (ESM-S41)`()
        async throws
    {
        let store = try await store()
        try await put("a", into: store)
        let plain = try await EventSourceMapping("m", from: store.stream("s"), logger: silent) { _, _ in }
        // Nobody runs it, so nobody can be asked.
        try await plain.update(reason: "try it", by: "ops") { $0.tumblingWindow = .seconds(10) }
        let failed = await #expect(throws: ShardlineError.self) { try await plain.run(until: .caughtUp) }
        #expect(failed?.code == .invalidArgument)
        #expect(failed?.message.contains("its settings of revision 1 (by ops: try it)") == true)
        #expect(failed?.message.contains("tumblingWindow 10s") == true)
        let described = try await plain.describe()
        #expect(!described.isClaimed && described.checkpoints.map(\.position) == [.zero])
        try await plain.update { $0.tumblingWindow = nil }
        try await plain.run(until: .caughtUp)
        #expect(plain.statistics.delivered == 1 && plain.statistics.givenUp == 0)
    }

    @Test
    func `a run whose store can't ask it keeps the settings before an update that its function can't have (ESM-S41)`()
        async throws
    {
        let inner = try await store()
        let store = CountingStore(inner)
        let plain = try await EventSourceMapping("m", from: store.stream("s"), logger: silent) { _, _ in }
        try await running(plain) {
            try await plain.update { $0.tumblingWindow = .seconds(10) }
            await advance(.seconds(5))
            try await put("a", into: inner)
            await advance(.seconds(30))
        }
        #expect(plain.statistics.delivered == 1 && plain.statistics.givenUp == 0)
        #expect(try await inner.stream("s.m.failed").recordCount() == 0)
    }

    @Test func `without windows, the state of an open one goes to the failure stream (ESM-T11)`() async throws {
        let store = try await store()
        try await put("a", into: store)
        try await mapping(store, settings()).run(until: .caughtUp)
        let plain = try await EventSourceMapping(
            "m", from: store.stream("s"), configuration: settings { $0.tumblingWindow = nil }, logger: silent
        ) { _, _ in }
        try await put("b", into: store)
        try await running(plain) {
            await advance(.seconds(20))
            try await put("c", into: store)
            await advance(.seconds(20))
        }
        #expect(plain.statistics.delivered == 2)
        let result = try await store.read(
            ReadRequest(stream: try #require(plain.failureStream), shard: ShardID(0), after: .zero))
        let failure = try FailureRecord(try #require(result.batch.first))
        #expect(failure.windowState.map { String(decoding: $0, as: UTF8.self) } == #"["a"]"#)
        #expect(failure.condition == .permanentFailure)
    }

    @Test func `a state that can't be decoded fails its batches, and says why`() async throws {
        let store = try await store()
        try await put("a", into: store)
        try await mapping(store, settings()).run(until: .caughtUp)
        try await put("b", into: store)
        let other = try await EventSourceMapping(
            "m", from: store.stream("s"), configuration: settings(), logger: silent, windowState: 0
        ) { _, _, _ in
        } windowEnd: { _, _, _ in
        }
        try await other.run(until: .caughtUp)
        #expect(other.statistics.givenUp == 1)
        let result = try await store.read(
            ReadRequest(stream: try #require(other.failureStream), shard: ShardID(0), after: .zero))
        #expect(try FailureRecord(try #require(result.batch.first)).errorText?.contains("as Int") == true)
    }
}

import Logging
import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import Testing

@testable import EventSource

/// No mapping gets a dead-letter stream that is somebody else's, unless it is named.
@Suite(.timeLimit(.minutes(1))) struct DeadLetterNameTests {
    private let store = InMemoryStore()

    @discardableResult
    private func mapping(
        _ name: String, on stream: String, _ settings: EventSourceMapping.Configuration = .init(),
        logger: Logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
        function: @escaping EventFunction = { _, _ in }
    ) async throws -> EventSourceMapping {
        try await store.createStreamIfNeeded(stream, shards: 1)
        return try await EventSourceMapping(
            name, from: store.stream(stream), configuration: settings, logger: logger, function: function)
    }

    /// Keeps the warnings.
    private struct Warnings: LogHandler {
        final class Kept: Sendable {
            let all = Mutex<[String]>([])
        }
        let kept: Kept
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.warning
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) { kept.all.withLock { $0.append("\(event.message)") } }
    }

    /// What creating or resuming the mapping warns of; `runs` lets the store keep the settings.
    private func warnings(
        _ name: String, on stream: String, _ destination: EventSourceMapping.Configuration.Destination,
        runs: Bool = true
    ) async throws -> [String] {
        let kept = Warnings.Kept()
        var settings = EventSourceMapping.Configuration()
        settings.failureDestination = destination
        let made = try await mapping(
            name, on: stream, settings, logger: Logger(label: "test") { _ in Warnings(kept: kept) })
        if runs { try await made.run(until: .caughtUp) }
        return kept.all.withLock { $0 }
    }

    private func warning(_ stream: String, _ mapping: String, of source: String, more: Int = 0) -> String {
        "the stream '\(stream)' takes what this mapping gives up, and also that of the mapping '\(mapping)' of '\(source)'\(more == 0 ? "" : " and of \(more) more"); each failure record names its mapping; where one stream for all is not wanted, name another failure destination"
    }

    @Test func `a stream of an account and region has a dead-letter stream there (STORE-Q3)`() async throws {
        let stream = "123456789012:eu-west-1:orders.x"
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = 0
        settings.filters = [#"{"eventSourceARN": ["arn:aws:kinesis:eu-west-1:123456789012:stream/orders.x"]}"#]
        let made = try await mapping("m", on: stream, settings) { _, _ in
            throw PermanentFailure(because: ShardlineError(.closed, "no"))
        }
        #expect(made.failureStream == "123456789012:eu-west-1:orders.x.m.failed")
        try await store.stream(stream).put("a", partitionKey: "k")
        try await made.run(until: .caughtUp)
        let failures = try await store.read(
            ReadRequest(stream: try #require(made.failureStream), shard: ShardID(0), after: .zero))
        let failure = try FailureRecord(try #require(failures.batch.first))
        #expect(failure.stream == stream && failure.mapping == "m")
        // The same from a plain stream, whose account is the mapping's.
        let plain = try await mapping("m", on: "orders") { _, _ in
            throw PermanentFailure(because: ShardlineError(.closed, "no"))
        }
        try await store.stream("orders").put("a", partitionKey: "k")
        try await plain.run(until: .caughtUp)
        let others = try await store.read(ReadRequest(stream: "orders.m.failed", shard: ShardID(0), after: .zero))
        #expect(try FailureRecord(try #require(others.batch.first)).stream == "orders")
    }

    @Test func `a chosen stream that is another mapping's own is warned of once, in whichever order they come`()
        async throws
    {
        // The default of one, then chosen by the other; and the same in the opposite order.
        #expect(try await warnings("m", on: "s", .deadLetterStream) == [])
        #expect(
            try await warnings("n", on: "t", .stream(named: "s.m.failed")) == [warning("s.m.failed", "m", of: "s")])
        #expect(try await warnings("n", on: "t", .stream(named: "s.m.failed")) == [])
        #expect(try await warnings("x", on: "t", .stream(named: "s.y.failed")) == [])
        #expect(try await warnings("y", on: "s", .deadLetterStream) == [warning("s.y.failed", "x", of: "t")])
        #expect(try await warnings("y", on: "s", .deadLetterStream) == [])
        // Chosen by several, and by one that had another before.
        #expect(try await warnings("o", on: "u", .none) == [])
        #expect(
            try await warnings("o", on: "u", .stream(named: "s.m.failed"))
                == [warning("s.m.failed", "m", of: "s", more: 1)])
        #expect(try await warnings("o", on: "u", .none) == [])
        #expect(try await warnings("p", on: "u", .stream(named: "bad")) == [])
        #expect(try await warnings("q", on: "u", .stream(named: "bad")) == [warning("bad", "p", of: "u")])
        #expect(try await warnings("r", on: "u", .none) == [])
    }

    /// As a version made it that kept no name.
    private func oldMapping(_ name: String, on stream: String) async throws {
        try await store.createStreamIfNeeded(stream, shards: 1)
        try await store.createMapping(
            MappingDefinition(
                key: MappingID(stream: stream, name: name), startingPosition: .trimHorizon,
                configuration: EventSourceMapping.Configuration().json))
    }

    private func stored(_ name: String, on stream: String) async throws -> StoredSettings {
        try StoredSettings(
            json: try await store.describeMapping(MappingID(stream: stream, name: name)).configuration)
    }

    private func refusal(_ body: () async throws -> Void) async -> String {
        do { try await body() } catch let error as ShardlineError where error.code == .invalidArgument {
            return error.message
        } catch {
            Issue.record("\(error)")
        }
        return ""
    }

    @Test func `mappings whose names only differ in where the dot stands share no stream`() async throws {
        let names = ["a", "b", "c", "d"]
        var streams: [String: String] = [:]
        for cut in [[1], [2], [3]] {
            let stream = names[..<cut[0]].joined(separator: ".")
            let name = names[cut[0]...].joined(separator: ".")
            let made = try await mapping(name, on: stream)
            let failures = try #require(made.failureStream)
            #expect(streams.updateValue("\(stream)/\(name)", forKey: failures) == nil)
            #expect(try await store.describeStream(failures).isFailureStream)
        }
        #expect(streams["a.b.c.d.failed"] == "a.b.c/d")
        #expect(streams.count == 3)
    }

    @Test func `of all short names with dots no two come to one stream`() {
        let parts = ["a", "b", ".", "0", "1", "failed"]
        var words: [String] = []
        for first in parts {
            for second in parts + [""] {
                for third in parts + [""] where Limits.isName(first + second + third) {
                    words.append(first + second + third)
                }
            }
        }
        var seen: [String: String] = [:]
        for stream in Set(words) {
            for mapping in Set(words) {
                let key = MappingID(stream: stream, name: mapping)
                for name in StoredSettings.defaultNames(of: key) {
                    let before = seen.updateValue(key.description, forKey: name)
                    #expect(before == nil, "\(name) of \(key) and of \(before ?? "")")
                }
            }
        }
    }

    @Test func `what a mapping of before has it keeps, and another one gets a name of its own`() async throws {
        try await oldMapping("b.c", on: "a")
        let old = try await mapping("b.c", on: "a")
        #expect(old.isResumed && old.failureStream == "a.b.c.failed")
        let new = try await mapping("c", on: "a.b")
        #expect(new.failureStream == "a.b.c.failed.0")
        // Both keep them, run after run.
        for made in [old, new] { try await made.run(until: .caughtUp) }
        #expect(try await mapping("b.c", on: "a").failureStream == "a.b.c.failed")
        #expect(try await mapping("c", on: "a.b").failureStream == "a.b.c.failed.0")
        #expect(try await stored("c", on: "a.b").deadLetterStream == "a.b.c.failed.0")
    }

    @Test func `a mapping of before without dots keeps its name too`() async throws {
        try await oldMapping("c", on: "a.b")
        #expect(try await mapping("c", on: "a.b").failureStream == "a.b.c.failed")
        #expect(try await mapping("b.c", on: "a").failureStream == "a.b.c.failed.1")
    }

    @Test func `a stream that was not made for failures is not taken`() async throws {
        try await store.createStream("s.m.failed", shards: 1, maximumRecordSize: Limits.largestRecordSize)
        let message = await refusal { try await mapping("m", on: "s") }
        #expect(message.contains("'s.m.failed'") && message.contains("stream:NAME"), "\(message)")
        #expect(try await store.listMappings(of: nil).isEmpty)
        // Who names it means it.
        var settings = EventSourceMapping.Configuration()
        settings.failureDestination = .stream(named: "s.m.failed")
        #expect(try await mapping("m", on: "s", settings).failureStream == "s.m.failed")
        // To go over to the default is no permission.
        #expect(await refusal { try await mapping("m", on: "s") }.contains("'s.m.failed'"))
    }

    @Test func `a stream may be shared by those who name it`() async throws {
        var settings = EventSourceMapping.Configuration()
        settings.failureDestination = .stream(named: "bad")
        #expect(try await mapping("m", on: "s", settings).failureStream == "bad")
        #expect(try await mapping("n", on: "t", settings).failureStream == "bad")
    }

    @Test func `a mapping that is deleted and made again has its stream again`() async throws {
        for (stream, name) in [("s", "m"), ("s", "m.v2")] {
            let first = try await mapping(name, on: stream).failureStream
            try await store.deleteMapping(MappingID(stream: stream, name: name))
            #expect(try await mapping(name, on: stream).failureStream == first)
        }
    }

    @Test func `the name stays while another destination is used for a time`() async throws {
        let first = try await mapping("m.v2", on: "s").failureStream
        var settings = EventSourceMapping.Configuration()
        settings.failureDestination = .none
        let other = try await mapping("m.v2", on: "s", settings)
        #expect(other.failureStream == nil)
        try await other.run(until: .caughtUp)
        #expect(try await stored("m.v2", on: "s").configuration.failureDestination == .none)
        #expect(try await mapping("m.v2", on: "s").failureStream == first)
    }

    @Test func `a name that is too long with its number is refused, and one that fits is not`() async throws {
        // "….m.n.failed" would fit by itself.
        let long = String(repeating: "s", count: 116)
        #expect(await refusal { try await mapping("m.n", on: long) }.contains("128 characters"))
        #expect(try await mapping("m", on: long).failureStream?.utf8.count == 125)
        let fitting = String(repeating: "s", count: 115)
        #expect(try await mapping("m.n", on: fitting).failureStream?.utf8.count == 128)
        #expect(
            await refusal { try await mapping(String(repeating: "m", count: 6), on: fitting + "s") }.contains("128"))
    }

    @Test func `a stream that was deleted while the mapping was stopped is there again when it runs`() async throws {
        let made = try await mapping("m", on: "s") { batch, _ in
            throw PermanentFailure(batch[0], because: .malformed)
        }
        try await store.deleteStream("s.m.failed")
        try await store.stream("s").put("bad", partitionKey: "k")
        try await made.run(until: .caughtUp)
        #expect(try await store.describeStream("s.m.failed").shards.map(\.tip.rawValue) == [1])
    }

    @Test func `neither the stream nor the dead-letter stream of a mapping that runs is deleted`() async throws {
        let store = store
        let made = try await mapping("m", on: "s") { _, _ in
            for name in ["s", "s.m.failed"] {
                do {
                    try await store.deleteStream(name)
                    Issue.record("'\(name)' was deleted")
                } catch let error as ShardlineError {
                    #expect(error.code == .mappingBusy && error.message.contains("'m'"), "\(error)")
                }
            }
        }
        try await store.stream("s").put("a", partitionKey: "k")
        try await made.run(until: .caughtUp)
        #expect(made.statistics.errors == 0)
        for name in ["s.m.failed", "s"] { try await store.deleteStream(name) }
    }
}

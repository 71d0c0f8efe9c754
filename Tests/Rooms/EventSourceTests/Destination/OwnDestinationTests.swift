import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import TestTraits
import Testing

@testable import EventSource

/// Destinations that a program brings, named in the settings (ESM-D11).
@Suite(.timeLimit(.minutes(1)), .restingExecutor) struct OwnDestinationTests {
    private final class Kept: FailureDestination, CustomStringConvertible {
        private let ids = Mutex<[String]>([])
        let description = "the shelf"
        var all: [String] { ids.withLock { $0 } }
        func deliver(_ document: FailureDocument) async throws { ids.withLock { $0.append(document.id) } }
    }

    private static var settings: EventSourceMapping.Configuration {
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = 0
        settings.failureDestination = .own("shelf:1")
        return settings
    }

    @Test func `the text form is own and the destination's text, in JSON too (ESM-D11)`() throws {
        #expect(EventSourceMapping.Configuration.Destination("own:shelf:1") == .own("shelf:1"))
        #expect(try EventSourceMapping.Configuration(json: Self.settings.json) == Self.settings)
    }

    @Test func `a mapping that brings none is refused with such settings, before it is made (ESM-D11)`() async throws {
        let bench = try await Bench()
        let error = await #expect(throws: ShardlineError.self) { try await bench.mapping("m", Self.settings) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("failureDestination own:shelf:1 (allowed: only where the program") == true)
        #expect(try await bench.store.listMappings(of: nil).isEmpty)
    }

    @Test func `it takes what is given up until an update names another destination (ESM-D11, ESM-L4)`() async throws {
        let (bench, kept) = (try await Bench(), Kept())
        try await bench.put(1...1)
        func run() async throws {
            let mapping = try await bench.mapping("m", Self.settings, destination: kept) { _, _ in
                throw MalformedRecord("down")
            }
            try await mapping.run(until: .caughtUp)
        }
        try await run()
        #expect(kept.all.count == 1 && kept.all[0].hasPrefix("s/m/shardId-000000000000:"))
        try await bench.stream.mapping("m").update { $0.failureDestination = .stream(named: "lost") }
        try await bench.put(2...2)
        try await run()
        #expect(kept.all.count == 1)
        #expect(try await bench.texts(in: "lost").count == 1)
        try await bench.stream.mapping("m").update { $0.failureDestination = .own("again") }
        try await bench.put(3...3)
        try await run()
        #expect(kept.all.count == 2)
    }
}

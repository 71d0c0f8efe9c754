import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import SegmentStorage

/// What the messages about a store's settings allow is taken, and nothing else is.
@Suite struct StoreConfigurationTests {
    private func message(_ change: (inout SegmentStore.Configuration) -> Void) -> String {
        var configuration = SegmentStore.Configuration()
        change(&configuration)
        do { try configuration.validate() } catch { return "\(error)" }
        return ""
    }

    @Test func `bounds that a message names are taken, their neighbours are not`() throws {
        for (name, path) in [
            ("journalLimit", \SegmentStore.Configuration.journalLimit), ("memtableSize", \.memtableSize),
            ("queueSize", \.queueSize),
        ] {
            let refusal = message { $0[keyPath: path] = -5 }
            #expect(refusal.hasPrefix("\(name) -5 (allowed: ") && refusal.hasSuffix(" bytes)"), "\(refusal)")
            let numbers = refusal.dropFirst("\(name) -5".count).matches(of: /\d+/).compactMap { Int($0.output) }
            for number in numbers { #expect(message { $0[keyPath: path] = number } == "", "\(number)") }
            #expect(message { $0[keyPath: path] = numbers[0] - 1 }.hasPrefix("\(name) "))
            if numbers.count > 1 {
                #expect(message { $0[keyPath: path] = numbers[1] + 1 }.hasPrefix("\(name) "))
            } else {
                #expect(message { $0[keyPath: path] = .max } == "")
            }
        }
        let words = "(allowed: above 0, up to 60s)"
        for duration in [Duration.nanoseconds(1), .seconds(60)] {
            #expect(message { $0.durability = .interval(duration) } == "")
        }
        for duration in [Duration.zero, .seconds(-1), .seconds(60) + .nanoseconds(1)] {
            #expect(message { $0.durability = .interval(duration) }.hasSuffix(words))
        }
    }

    @Test func `a store opens with the largest of everything that is allowed`() async throws {
        let directory = TestDirectory()
        var configuration = SegmentStore.Configuration()
        configuration.journalLimit = .max
        configuration.memtableSize = 1 << 40
        configuration.queueSize = .max
        let store = try await SegmentStore.open(at: directory.path, configuration: configuration, logger: silent)
        try await store.createStream("s", shards: 1)
        _ = try await store.stream("s").put("a", partitionKey: "k")
        try await store.close()
    }
}

import StreamModel
import Testing

@testable import StreamStorage

/// What the messages about a stream's and a producer's settings allow is taken, and nothing else is.
@Suite struct AllowedValuesTests {
    private func message(_ body: () throws -> Void) -> String {
        do { try body() } catch { return "\(error)" }
        return ""
    }

    /// Holds a setting with whole numbers against its message: the bounds that it names, and their neighbours.
    private func check(_ name: String, refused: Int, _ validate: (Int) throws -> Void) throws {
        let refusal = message { try validate(refused) }
        #expect(refusal.hasPrefix("\(name) \(refused) (allowed: "), "\(refusal)")
        let words = refusal.drop { $0 != "(" }
        if let least = words.firstMatch(of: /at least (\d+)/).flatMap({ Int($0.1) }) {
            #expect(message { try validate(least) } == "" && message { try validate(.max) } == "")
            #expect(message { try validate(least - 1) }.hasSuffix(words))
            return
        }
        let range = try #require(words.firstMatch(of: /(\d+) to (\d+)/), "\(refusal)")
        let (low, high) = (try #require(Int(range.1)), try #require(Int(range.2)))
        for value in [low, high] { #expect(message { try validate(value) } == "", "\(value)") }
        for value in [low - 1, high + 1] { #expect(message { try validate(value) }.hasSuffix(words), "\(value)") }
    }

    @Test(arguments: [false, true]) func `a stream's settings`(isFailureStream: Bool) throws {
        func settings(_ change: (inout StreamSettings) -> Void) throws {
            var settings = StreamSettings(isFailureStream: isFailureStream)
            change(&settings)
            try settings.validate(name: "s")
        }
        try check("shards", refused: -5) { value in try settings { $0.shards = value } }
        try check("maximumRecordSize", refused: -5) { value in try settings { $0.maximumRecordSize = value } }
        let refusal = message { try settings { $0.retention = .zero } }
        #expect(refusal == "retention 0s (allowed: 1s to 365d)")
        for seconds in [1, 365 * 86_400] {
            #expect(message { try settings { $0.retention = .seconds(seconds) } } == "")
        }
        for duration in [Duration.milliseconds(999), .seconds(365 * 86_400) + .milliseconds(1)] {
            #expect(message { try settings { $0.retention = duration } }.hasSuffix("(allowed: 1s to 365d)"))
        }
        // As an option is called that it was given with.
        let named = message {
            try StreamSettings(shards: 0).validate(name: "s", label: { "--\($0)" })
        }
        #expect(named == "--shards 0 (allowed: 1 to 10000)")
    }

    @Test func `a producer's settings`() throws {
        func settings(_ change: (inout Producer.Configuration) -> Void) throws {
            var settings = Producer.Configuration()
            change(&settings)
            try settings.validate()
        }
        try check("maximumBatchRecords", refused: -5) { value in try settings { $0.maximumBatchRecords = value } }
        try check("maximumBatchBytes", refused: -5) { value in try settings { $0.maximumBatchBytes = value } }
        try check("bufferedRecords", refused: -5) { value in try settings { $0.bufferedRecords = value } }
        try check("bufferedBytes", refused: -5) { value in try settings { $0.bufferedBytes = value } }
        for duration in [Duration.zero, .seconds(86_400)] {
            #expect(message { try settings { $0.linger = duration } } == "")
        }
        for duration in [Duration.nanoseconds(-1), .seconds(86_400) + .nanoseconds(1)] {
            #expect(message { try settings { $0.linger = duration } }.hasSuffix("(allowed: 0s to 1d)"))
        }
    }

    @Test func `a stream's name`() {
        for name in ["a", String(repeating: "x", count: 128), "A-z_0.9", "..."] {
            #expect(message { try StreamSettings().validate(name: name) } == "")
        }
        for name in ["", ".", "..", "a b", "ä", "a/b", "a\n", String(repeating: "x", count: 129)] {
            #expect(
                message { try StreamSettings().validate(name: name) }
                    == "stream name '\(name)' (allowed: 1 to 128 of a-z A-Z 0-9 _ . -, and neither '.' nor '..', also after an account and a region, as in 123456789012:us-east-1:NAME)"
            )
        }
    }
}

import StreamModel
import Testing

@testable import EventSource

/// What a message says is allowed is taken, and nothing else is: in Swift and in JSON, each in its own words.
@Suite struct AllowedValuesTests {
    typealias Configuration = EventSourceMapping.Configuration

    /// A setting that is a number, or a time in seconds.
    struct Setting: Sendable, CustomTestStringConvertible {
        var name: String
        var json: String
        /// The next value beyond a bound.
        var step: Double
        var set: @Sendable (inout Configuration, Double?) -> Void
        var testDescription: String { name }

        static func number(_ name: String, _ path: any WritableKeyPath<Configuration, Int> & Sendable) -> Setting {
            Setting(name: name, json: name, step: 1) { $0[keyPath: path] = Int($1 ?? -7) }
        }
        static func number(_ name: String, _ path: any WritableKeyPath<Configuration, Int?> & Sendable) -> Setting {
            Setting(name: name, json: name, step: 1) { $0[keyPath: path] = $1.map { Int($0) } }
        }
        static func time(
            _ name: String, _ path: any WritableKeyPath<Configuration, Duration> & Sendable, json: String? = nil
        ) -> Setting {
            Setting(name: name, json: json ?? name, step: 0.0001) { $0[keyPath: path] = .seconds($1 ?? -7) }
        }
        static func time(_ name: String, _ path: any WritableKeyPath<Configuration, Duration?> & Sendable) -> Setting {
            Setting(name: name, json: name, step: 0.0001) { $0[keyPath: path] = $1.map { .seconds($0) } }
        }
    }

    static let settings: [Setting] = [
        .number("batchSize", \.batchSize), .number("parallelizationFactor", \.parallelizationFactor),
        .number("maximumUncheckpointedBatches", \.maximumUncheckpointedBatches),
        .number("maximumParkedRecordsPerKey", \.maximumParkedRecordsPerKey),
        .number("maximumParkedRecords", \.maximumParkedRecords),
        .number("redriveRate", \.redriveRate), .number("breaker", \.breaker),
        .time("batchWindow", \.batchWindow),
        .number("maximumRetryAttempts", \.maximumRetryAttempts), .time("maximumRecordAge", \.maximumRecordAge),
        .time("functionTimeout", \.functionTimeout), .time("backOff.first", \.backOff.first, json: "backOffFirst"),
        .time("backOff.longest", \.backOff.longest, json: "backOffLongest"), .number("payloadLimit", \.payloadLimit),
        .number("concurrency", \.concurrency), .time("shutdownGrace", \.shutdownGrace),
    ]

    /// The message for a value, as Swift gives it or JSON; empty where it is taken.
    private func message(_ setting: Setting, _ value: Double?, inJSON: Bool) -> String {
        do {
            if inJSON {
                let text = value.map { $0 == $0.rounded() ? "\(Int($0))" : "\($0)" } ?? "null"
                // A first pause above the longest one's default would be refused for that.
                let more = setting.json == "backOffFirst" ? #", "backOffLongest": 86400"# : ""
                _ = try Configuration(json: Array("{\"\(setting.json)\": \(text)\(more)}".utf8))
            } else {
                var configuration = Configuration()
                if setting.name == "backOff.first" { configuration.backOff.longest = .seconds(86_400) }
                setting.set(&configuration, value)
                try configuration.validate()
            }
            return ""
        } catch {
            return "\(error)"
        }
    }

    /// A number, or the seconds of a duration such as `90s`.
    private static func number(_ text: Substring) -> Double? {
        let units = ["": 1, "ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400]
        let digits = text.prefix { $0.isNumber || $0 == "." }
        return Double(digits).flatMap { number in units[String(text.dropFirst(digits.count))].map { number * $0 } }
    }

    @Test(arguments: settings, [false, true])
    func `bounds and special values that a message names are taken, their neighbours are not`(
        setting: Setting, inJSON: Bool
    ) throws {
        let refusal = message(setting, -7, inJSON: inJSON)
        let name = inJSON ? setting.json : setting.name
        #expect(refusal.hasPrefix("\(name) -7"), "\(refusal)")
        let range = try #require(refusal.firstMatch(of: /\(allowed: ([\w.]+) to ([\w.]+)/), "\(refusal)")
        // The longest pause begins with the first one.
        let low = Self.number(range.1) ?? 0.5
        let high = try #require(Self.number(range.2))
        for value in [low, high] { #expect(message(setting, value, inJSON: inJSON) == "", "\(value)") }
        for value in [low - setting.step, high + setting.step] {
            let text = message(setting, value, inJSON: inJSON)
            // In JSON -1 is "no limit", which is the neighbour of 0.
            if inJSON, value == -1, refusal.contains("-1 or null") { continue }
            #expect(text.hasSuffix(refusal.drop { $0 != "(" }), "\(value): \(text)")
        }
        // Without a value there is no limit, where that is said; -1 is that in JSON, and in JSON only.
        #expect(refusal.contains("or nil for") == (!inJSON && message(setting, nil, inJSON: false) == ""))
        let isOptional = refusal.contains(inJSON ? "or -1 or null for" : "or nil for")
        #expect(
            isOptional
                == [
                    "maximumRetryAttempts", "maximumRecordAge", "payloadLimit", "concurrency", "redriveRate", "breaker",
                ].contains(name))
        #expect((message(setting, -1, inJSON: inJSON) == "") == (inJSON && isOptional))
        #expect(refusal.contains("-1") == (inJSON && isOptional), "\(refusal)")
    }

    @Test func `names that a message allows are taken, and those that it excludes are not`() {
        func message(_ change: (inout Configuration) -> Void) -> String {
            var configuration = Configuration()
            change(&configuration)
            do { try configuration.validate() } catch { return "\(error)" }
            return ""
        }
        for name in ["a", String(repeating: "x", count: 128), "A-z_0.9", "..."] {
            #expect(message { $0.failureDestination = .stream(named: name) } == "")
        }
        for name in ["", ".", "..", "a b", String(repeating: "x", count: 129)] {
            #expect(
                message { $0.failureDestination = .stream(named: name) }
                    == "failureDestination stream:\(name) (allowed: a name of 1 to 128 of a-z A-Z 0-9 _ . -, and neither '.' nor '..', also after an account and a region, as in 123456789012:us-east-1:NAME)"
            )
        }
        for region in ["a", String(repeating: "x", count: 64)] { #expect(message { $0.region = region } == "") }
        for region in ["", ".", "..", String(repeating: "x", count: 65)] {
            #expect(
                message { $0.region = region }
                    == "region '\(region)' (allowed: 1 to 64 of a-z A-Z 0-9 _ . -, and neither '.' nor '..')")
        }
        #expect(message { $0.account = "123456789012" } == "")
        for account in ["12345678901", "1234567890123", "12345678901a"] {
            #expect(message { $0.account = account } == "account '\(account)' (allowed: 12 digits)")
        }
    }
}

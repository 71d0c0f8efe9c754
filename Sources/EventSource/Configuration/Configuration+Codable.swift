import FoundationEssentials
import StreamModel

/// The settings as a JSON object with the settings' names; every member is optional. Durations are in seconds. -1, as
/// in Lambda's API, or null means "no limit" (nil in Swift). A tumbling window of 0 or null is none. The destination is in
/// its text form. Filters are a list of strings, each with a pattern's JSON.
extension EventSourceMapping.Configuration: Codable {
    enum CodingKeys: String, CodingKey, CaseIterable {
        case batchSize, batchWindow, tumblingWindow, parallelizationFactor, maximumRetryAttempts, maximumRecordAge,
            bisectOnError
        case reportsBatchItemFailures, maximumUncheckpointedBatches
        case failureDestination, backOffFirst, backOffLongest, functionTimeout, payloadLimit, concurrency
        case shutdownGrace, awsCompatibleCounts, account, region, filters
        case deaggregates, shardMetrics
        case whenExhausted, maximumParkedRecordsPerKey, maximumParkedRecords, redriveRate, breaker, successStream
    }

    private struct AnyKey: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    /// Reads settings; a missing one keeps its default. Throws `invalidArgument` for an unknown name and for values
    /// outside their limits. The member `deadLetterStream`, which the store adds to a mapping's settings, is ignored.
    public init(from decoder: any Decoder) throws {
        self.init()
        let known = Set(CodingKeys.allCases.map(\.rawValue))
        let strangers = try decoder.container(keyedBy: AnyKey.self).allKeys.map(\.stringValue)
            .filter { !known.contains($0) && $0 != StoredSettings.member }.sorted()
        guard strangers.isEmpty else {
            throw ShardlineError(
                .invalidArgument,
                "unknown setting \(strangers.map { "'\($0)'" }.joined(separator: ", ")) (allowed: \(CodingKeys.allCases.map(\.rawValue).joined(separator: ", ")))"
            )
        }
        let values = try decoder.container(keyedBy: CodingKeys.self)
        func take<Value: Decodable>(_ key: CodingKeys, into target: inout Value) throws {
            if let value = try values.decodeIfPresent(Value.self, forKey: key) { target = value }
        }
        func take(_ key: CodingKeys, into target: inout Duration) throws {
            if let value = try values.decodeIfPresent(Double.self, forKey: key) { target = Self.duration(value) }
        }
        func takeLimit(_ key: CodingKeys, into target: inout Int?) throws {
            guard values.contains(key) else { return }
            let value = try values.decodeIfPresent(Int.self, forKey: key)
            target = value == -1 ? nil : value
        }
        try take(.batchSize, into: &batchSize)
        try take(.batchWindow, into: &batchWindow)
        if let window = try values.decodeIfPresent(Double.self, forKey: .tumblingWindow) {
            tumblingWindow = window == 0 ? nil : Self.duration(window)
        }
        try take(.parallelizationFactor, into: &parallelizationFactor)
        try take(.maximumUncheckpointedBatches, into: &maximumUncheckpointedBatches)
        try takeLimit(.maximumRetryAttempts, into: &maximumRetryAttempts)
        if values.contains(.maximumRecordAge) {
            let age = try values.decodeIfPresent(Double.self, forKey: .maximumRecordAge)
            maximumRecordAge = age == -1 ? nil : age.map(Self.duration)
        }
        if let text = try values.decodeIfPresent(String.self, forKey: .whenExhausted) {
            whenExhausted = try Self.whenExhausted(text)
        }
        try take(.maximumParkedRecordsPerKey, into: &maximumParkedRecordsPerKey)
        try take(.maximumParkedRecords, into: &maximumParkedRecords)
        try takeLimit(.redriveRate, into: &redriveRate)
        try takeLimit(.breaker, into: &breaker)
        if let name = try values.decodeIfPresent(String.self, forKey: .successStream) {
            successStream = name.isEmpty ? nil : name
        }
        try take(.bisectOnError, into: &bisectOnError)
        try take(.reportsBatchItemFailures, into: &reportsBatchItemFailures)
        if let text = try values.decodeIfPresent(String.self, forKey: .failureDestination) {
            guard let destination = Destination(text) else {
                throw ShardlineError(
                    .invalidArgument,
                    "failureDestination '\(text)' (allowed: dead-letter-stream, stream:NAME, file:PATH, own:TEXT, none)"
                )
            }
            failureDestination = destination
        }
        try take(.backOffFirst, into: &backOff.first)
        try take(.backOffLongest, into: &backOff.longest)
        try take(.functionTimeout, into: &functionTimeout)
        try takeLimit(.payloadLimit, into: &payloadLimit)
        try takeLimit(.concurrency, into: &concurrency)
        try take(.shutdownGrace, into: &shutdownGrace)
        try take(.awsCompatibleCounts, into: &awsCompatibleCounts)
        try take(.account, into: &account)
        try take(.region, into: &region)
        try take(.filters, into: &filters)
        try take(.deaggregates, into: &deaggregates)
        try take(.shardMetrics, into: &shardMetrics)
        try validateJSON()
    }

    private static func whenExhausted(_ text: String) throws -> WhenExhausted {
        if let choice = WhenExhausted(rawValue: text) { return choice }
        let allowed = WhenExhausted.allCases.map(\.rawValue).joined(separator: ", ")
        throw ShardlineError(.invalidArgument, "whenExhausted '\(text)' (allowed: \(allowed))")
    }

    /// Writes all settings.
    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(batchSize, forKey: .batchSize)
        try values.encode(batchWindow.inSeconds, forKey: .batchWindow)
        try values.encode(tumblingWindow?.inSeconds ?? 0, forKey: .tumblingWindow)
        try values.encode(parallelizationFactor, forKey: .parallelizationFactor)
        try values.encode(maximumUncheckpointedBatches, forKey: .maximumUncheckpointedBatches)
        try values.encode(maximumRetryAttempts ?? -1, forKey: .maximumRetryAttempts)
        try values.encode(maximumRecordAge?.inSeconds ?? -1, forKey: .maximumRecordAge)
        try values.encode(whenExhausted.rawValue, forKey: .whenExhausted)
        try values.encode(maximumParkedRecordsPerKey, forKey: .maximumParkedRecordsPerKey)
        try values.encode(maximumParkedRecords, forKey: .maximumParkedRecords)
        try values.encode(redriveRate ?? -1, forKey: .redriveRate)
        try values.encode(breaker ?? -1, forKey: .breaker)
        try values.encode(successStream ?? "", forKey: .successStream)
        try values.encode(bisectOnError, forKey: .bisectOnError)
        try values.encode(reportsBatchItemFailures, forKey: .reportsBatchItemFailures)
        try values.encode(failureDestination.description, forKey: .failureDestination)
        try values.encode(backOff.first.inSeconds, forKey: .backOffFirst)
        try values.encode(backOff.longest.inSeconds, forKey: .backOffLongest)
        try values.encode(functionTimeout.inSeconds, forKey: .functionTimeout)
        try values.encode(payloadLimit ?? -1, forKey: .payloadLimit)
        try values.encode(concurrency ?? -1, forKey: .concurrency)
        try values.encode(shutdownGrace.inSeconds, forKey: .shutdownGrace)
        try values.encode(awsCompatibleCounts, forKey: .awsCompatibleCounts)
        try values.encode(account, forKey: .account)
        try values.encode(region, forKey: .region)
        try values.encode(filters, forKey: .filters)
        try values.encode(deaggregates, forKey: .deaggregates)
        try values.encode(shardMetrics, forKey: .shardMetrics)
    }

    /// Reads settings from JSON. Throws `invalidArgument`; the message says what is wrong and what is allowed.
    public init(json: [UInt8]) throws {
        do {
            self = try JSONDecoder().decode(Self.self, from: Data(json))
        } catch let error as ShardlineError {
            throw error
        } catch DecodingError.typeMismatch(_, let context) {
            let setting = context.codingPath.map(\.stringValue).joined(separator: ".")
            throw ShardlineError(
                .invalidArgument,
                setting.isEmpty
                    ? "the settings are no JSON object"
                    : "\(setting) has a value of the wrong type: \(context.debugDescription)",
                cause: DecodingError.dataCorrupted(context))
        } catch {
            throw ShardlineError(.invalidArgument, "the settings are no JSON object", cause: error)
        }
    }

    /// The settings as one line of JSON, with sorted names.
    package var json: [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Durations are finite, so every number is a JSON number.
        return [UInt8]((try? encoder.encode(self)) ?? Data("{}".utf8))
    }

    /// Converts seconds to a duration (ESM-S33), rounded to nanoseconds, so that writing and reading gives the same value.
    private static func duration(_ seconds: Double) -> Duration {
        guard seconds.isFinite, abs(seconds) < 1e9 else {
            return .seconds(seconds > 0 ? 1_000_000_000 : -1_000_000_000)
        }
        return .nanoseconds(Int64((seconds * 1e9).rounded()))
    }
}

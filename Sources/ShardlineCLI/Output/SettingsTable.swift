import EventSource
import StreamModel
import StreamStorage

/// A mapping's settings for people: one a row, under the names of the options that set them.
enum SettingsTable {
    /// The rows of the settings of `mapping`, the first after `title`, the others below it; the text as it is where this
    /// version can't read it.
    static func lines(ofJSON json: [UInt8], of mapping: MappingID, title: String) -> [String] {
        guard !json.isEmpty else { return ["\(title)not known"] }
        guard let settings = try? StoredSettings(json: json) else {
            return ["\(title)\(Output.escaped(json, backslash: "\\"))"]
        }
        let rows = rows(of: settings, of: mapping)
        let width = rows.map(\.name.count).max() ?? 0
        return rows.enumerated().map { index, row in
            let begin = index == 0 ? title : String(repeating: " ", count: title.count)
            return begin + row.name + String(repeating: " ", count: width - row.name.count + 2) + row.value
        }
    }

    private static func rows(
        of stored: StoredSettings, of mapping: MappingID
    ) -> [(name: String, value: String)] {
        let settings = stored.configuration
        let defaults = EventSourceMapping.Configuration()
        var rows: [(name: String, value: String)] = []
        func add(_ name: String, _ value: String) { rows.append((name, value)) }
        let window = settings.batchWindow
        add("--batch-size", "at most \(Readable.count(settings.batchSize, "record"))")
        add("--batch-window", window == .zero ? "0s, a batch is what is there" : Readable.duration(window))
        for filter in settings.filters { add("--filter", Output.escaped(Array(filter.json.utf8), backslash: "\\")) }
        add("--max-retries", settings.maximumRetryAttempts.map { Readable.number($0) } ?? "no limit")
        add("--max-age", settings.maximumRecordAge.map(Readable.duration) ?? "no limit")
        add("--timeout", Readable.duration(settings.functionTimeout))
        add(
            "--concurrency",
            settings.concurrency.map { Readable.count($0, "invocation") } ?? "one for each shard and lane")
        // As the option takes it: the dead-letter stream has no other word there than its name.
        let stream = stored.failureStream(of: mapping)
        add(
            "--on-failure",
            stream.map { "stream:\($0)" }
                ?? Output.escaped(Array(settings.failureDestination.optionText.utf8), backslash: "\\"))
        add("--grace", Readable.duration(settings.shutdownGrace))
        add("--no-bisect", settings.bisectOnError ? "no, failed batches are cut in two" : "yes")
        add("--no-reports", settings.reportsBatchItemFailures ? "no, batchItemFailures count" : "yes")
        if let window = settings.tumblingWindow { add("--tumbling-window", Readable.duration(window)) }
        // Few change it, and its name is long.
        if settings.parallelizationFactor != defaults.parallelizationFactor {
            add("--parallelization-factor", "\(settings.parallelizationFactor) batches of a shard at once")
        }
        if settings.whenExhausted == .parkKey {
            add("--when-exhausted", "park-key, later records of the key wait too")
            add("--maximum-parked-records-per-key", Readable.number(settings.maximumParkedRecordsPerKey))
            add("--maximum-parked-records", "\(Readable.number(settings.maximumParkedRecords)) in a shard")
        }
        if settings.whenExhausted == .pauseShard {
            add("--when-exhausted", "pause-shard, until it is resumed")
        }
        if let rate = settings.redriveRate { add("--redrive-rate", "\(Readable.number(rate)) records a second") }
        if let breaker = settings.breaker { add("--breaker", "\(breaker) %") }
        if let stream = settings.successStream { add("--on-success", stream) }
        if settings.deaggregates { add("--deaggregate", "yes, an event has the user records of aggregates") }
        let backOff = settings.backOff
        // What only a program can set is shown where one has.
        if backOff != defaults.backOff {
            add("back-off", "\(Readable.duration(backOff.first)) to \(Readable.duration(backOff.longest))")
        }
        if settings.payloadLimit != defaults.payloadLimit {
            add("payload limit", settings.payloadLimit.map { Readable.count($0, "byte") } ?? "no limit")
        }
        let unsaved = settings.maximumUncheckpointedBatches
        if unsaved != defaults.maximumUncheckpointedBatches {
            add("checkpoints", "at most \(Readable.count(unsaved, "batch", "batches")) behind")
        }
        if settings.awsCompatibleCounts { add("counts", "as on AWS, at least one invocation") }
        if settings.shardMetrics { add("metrics", "of each shard as well") }
        if settings.account != defaults.account { add("account", settings.account) }
        if settings.region != defaults.region { add("region", settings.region) }
        return rows
    }
}

extension EventSourceMapping.Configuration.Naming {
    private static let optionNames = [
        "batchSize": "--batch-size", "batchWindow": "--batch-window",
        "tumblingWindow": "--tumbling-window",
        "parallelizationFactor": "--parallelization-factor", "maximumRetryAttempts": "--max-retries",
        "maximumRecordAge": "--max-age", "functionTimeout": "--timeout", "concurrency": "--concurrency",
        "whenExhausted": "--when-exhausted", "maximumParkedRecordsPerKey": "--maximum-parked-records-per-key",
        "maximumParkedRecords": "--maximum-parked-records", "failureDestination": "--on-failure",
        "shutdownGrace": "--grace", "breaker": "--breaker", "redriveRate": "--redrive-rate",
        "successStream": "--on-success",
    ]

    /// The names of the options of `consume`, with durations as they were typed.
    static func options(_ given: [String: Given<Duration>?]) -> Self {
        // There is one process for each processor unless another number is given.
        var naming = Self(noLimit: { $0 == "concurrency" ? nil : "-1" }, name: { optionNames[$0] ?? $0 })
        naming.element = { "--filter, number \($0 + 1)" }
        naming.given = given.compactMapValues { $0?.text }
        return naming
    }
}

import DataFormats
import EventSource
import StreamModel
import StreamStorage

/// Paused shards, as they are told to people and to programs.
enum PausedShards {
    /// `shardId-000000000000 since 15:09:12Z, because of record 4959… (key 'k7'), 6 attempts (RetryAttemptsExhausted): …`.
    static func words(_ paused: PausedShard, now: Timestamp) -> String {
        let unit = MappingReport.words(
            .init(
                partitionKey: paused.partitionKey, sequenceNumber: paused.sequenceNumber,
                recordCount: paused.recordCount))
        let attempts = Readable.count(paused.cause.attempts, "attempt")
        let error = paused.cause.errorText.map {
            ": " + Output.escaped(Readable.shortened($0, to: 200).utf8, backslash: "\\")
        }
        let since = Readable.moment(paused.since, now: now)
        return
            "\(paused.shard) since \(since), because of \(unit), \(attempts) (\(paused.cause.condition))\(error ?? "")"
    }

    /// The lines of `mapping describe`.
    static func lines(_ shards: [PausedShard], of mapping: (stream: String, name: String), now: Timestamp) -> [String] {
        guard !shards.isEmpty else { return [] }
        let shown = shards.prefix(3).map { "paused     \(words($0, now: now))" }
        let more = shards.count > 3 ? ["paused     and \(shards.count - 3) more"] : []
        return shown + more
            + [
                "           `shardline mapping resume \(mapping.stream) \(mapping.name)` lets \(shards.count == 1 ? "it" : "them") go on"
            ]
    }

    static func write(_ shards: [PausedShard], to writer: inout JSONWriter) {
        writer.array { list in
            for paused in shards {
                list.object { entry in
                    entry.member("shardId", paused.shard.description)
                    entry.name("since")
                    entry.seconds(ofMilliseconds: paused.since.milliseconds)
                    entry.member("partitionKey", paused.partitionKey)
                    entry.member("sequenceNumber", paused.sequenceNumber.description)
                    entry.member("records", paused.recordCount)
                    entry.member("condition", paused.cause.condition.rawValue)
                    entry.member("errorType", paused.cause.errorType)
                    entry.member("errorText", paused.cause.errorText)
                    entry.member("attempts", paused.cause.attempts)
                    entry.member("failureGroup", paused.cause.group.description)
                }
            }
        }
    }
}

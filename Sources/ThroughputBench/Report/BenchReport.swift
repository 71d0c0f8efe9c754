/// What a bench found out. Its JSON has these names in snake case.
package struct BenchReport: Codable, Sendable {
    /// Percentiles of a time, in milliseconds.
    package struct Milliseconds: Codable, Sendable {
        package var p50: Double
        package var p99: Double
        package var p999: Double
        package var max: Double
    }

    /// The least that durable writing costs on this disk, measured in the same run.
    package struct Floor: Codable, Sendable {
        /// 4 KiB written over and synced.
        package var syncMs: Milliseconds
        /// 1 MiB written over and synced, again and again: bytes a second, in MB.
        package var mbPerS: Double
        /// By which factor the floor differed between the beginning and the end of the run.
        package var variation: Double
    }

    package var records = 0
    package var recordBytes = 0
    package var shards = 0
    package var durability = ""
    package var mappings = 1
    package var producers = 0
    package var batch = 0
    package var consumerBatch = 0
    /// Records a second that were due; nil where they were put as fast as it went.
    package var rate: Double?
    package var putRecordsPerS = 0.0
    package var consumedRecordsPerS = 0.0
    package var mbPerS = 0.0
    /// From a call's begin to its acknowledgement.
    package var putAckMs: Milliseconds?
    /// From when a record was put (with a rate: was due) until the function has it; a function of the user's: until it
    /// says that it is done.
    package var latencyMs: Milliseconds?
    package var cpuUsPerRecord = 0.0
    package var recsPerCommit = 0.0
    /// Of the journal's files, from the store's opening to its closing.
    package var syncs = 0
    package var invocations = 0
    package var checkpoints = 0
    package var ordered = false
    package var lost = 0
    package var duplicates = 0
    /// Records that the function did not do, in the end.
    package var givenUp = 0
    package var failedInvocations = 0
    /// Records that were neither done nor given up when the run was stopped, as the function did nothing but fail or
    /// did not answer.
    package var unfinished = 0
    /// Why the last invocation that failed did so; nil where none failed.
    package var functionError: String?
    package var diskBytes = 0
    package var journalReservedBytes = 0
    package var segmentBytes = 0
    package var metadataBytes = 0
    package var journalLiveBytes = 0
    package var peakRssBytes = 0
    package var seconds = 0.0
    package var floor: Floor?
    /// The floor itself varied by more than a factor of 2, so the figures of this run say little.
    package var isVoid = false
    /// The first records with which something was wrong.
    package var violations: [String] = []

    /// Whether everything came, once, in order, where it belongs.
    package var isProved: Bool { ordered && lost == 0 && duplicates == 0 && violations.isEmpty }
    /// Whether the function has done every record.
    package var isDone: Bool { givenUp == 0 && unfinished == 0 }

    package init() {}

    /// The floor may vary by this before a run is void.
    package static let allowedVariation = 2.0

    // Written out because of the names that a rule can't make.
    private enum CodingKeys: String, CodingKey {
        case records, shards, durability, mappings, producers, batch, rate, syncs, invocations, checkpoints, ordered,
            lost
        case duplicates, unfinished, seconds, floor, violations
        case recordBytes = "record_bytes"
        case consumerBatch = "consumer_batch"
        case putRecordsPerS = "put_records_per_s"
        case consumedRecordsPerS = "consumed_records_per_s"
        case mbPerS = "mb_per_s"
        case putAckMs = "put_ack_ms"
        case latencyMs = "latency_ms"
        case cpuUsPerRecord = "cpu_us_per_record"
        case recsPerCommit = "recs_per_commit"
        case givenUp = "given_up"
        case failedInvocations = "failed_invocations"
        case functionError = "function_error"
        case diskBytes = "disk_bytes"
        case journalReservedBytes = "journal_reserved_bytes"
        case segmentBytes = "segment_bytes"
        case metadataBytes = "metadata_bytes"
        case journalLiveBytes = "journal_live_bytes"
        case peakRssBytes = "peak_rss_bytes"
        case isVoid = "void"
    }
}

extension BenchReport.Floor {
    private enum CodingKeys: String, CodingKey {
        case syncMs = "sync_ms"
        case mbPerS = "mb_per_s"
        case variation
    }
}

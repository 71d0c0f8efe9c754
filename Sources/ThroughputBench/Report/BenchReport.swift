/// The result of a bench. Its JSON has these names in snake case.
package struct BenchReport: Codable, Sendable {
    /// Percentiles of a time, in milliseconds.
    package struct Milliseconds: Codable, Sendable {
        package var p50: Double
        package var p99: Double
        package var p999: Double
        package var max: Double
    }

    /// The minimum cost of durable writing on this disk, measured in the same run.
    package struct Floor: Codable, Sendable {
        /// 4 KiB overwritten and synced.
        package var syncMs: Milliseconds
        /// 1 MiB overwritten and synced repeatedly: MB a second.
        package var mbPerS: Double
        /// The factor by which the floor differed between the beginning and the end of the run.
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
    package var parallelizationFactor = 1
    /// Records that were due a second; nil where they were put as fast as possible.
    package var rate: Double?
    package var putRecordsPerS = 0.0
    package var consumedRecordsPerS = 0.0
    package var mbPerS = 0.0
    /// From the beginning of a call to its acknowledgement.
    package var putAckMs: Milliseconds?
    /// From when a record was put (with a rate: was due) until the function has it; with the user's function, until it
    /// reports the record as done.
    package var latencyMs: Milliseconds?
    package var cpuUsPerRecord = 0.0
    package var recsPerCommit = 0.0
    /// Syncs of the journal's files, from the store's opening to its closing.
    package var syncs = 0
    package var invocations = 0
    package var checkpoints = 0
    package var ordered = false
    package var lost = 0
    package var duplicates = 0
    /// Records that were given up.
    package var givenUp = 0
    package var failedInvocations = 0
    /// Records that were neither done nor given up when the run was stopped because the function always failed or did
    /// not answer.
    package var unfinished = 0
    /// Why the last failed invocation failed; nil where none failed.
    package var functionError: String?
    package var diskBytes = 0
    package var journalReservedBytes = 0
    package var segmentBytes = 0
    package var metadataBytes = 0
    package var journalLiveBytes = 0
    package var peakRssBytes = 0
    package var seconds = 0.0
    package var floor: Floor?
    /// Whether the floor varied by more than ``allowedVariation``, so that the figures of this run mean little.
    package var isVoid = false
    /// The URL of the server that was measured; nil: a store of this process was.
    package var endpoint: String?
    /// The operation by which an endpoint's records were read: `GetRecords` or `SubscribeToShard`.
    package var reader: String?
    /// Requests to an endpoint, and records of a request, that were tried again because the server had asked for that.
    package var retries: Int?
    /// Processor time of the server's process during puts and reads, in seconds, and a record in microseconds.
    package var serverCpuS: Double?
    package var serverCpuUsPerRecord: Double?
    /// The first records that violated a promise.
    package var violations: [String] = []

    /// Whether every record was delivered once, in order and in its shard.
    package var isProved: Bool { ordered && lost == 0 && duplicates == 0 && violations.isEmpty }
    /// Whether the function has processed every record.
    package var isDone: Bool { givenUp == 0 && unfinished == 0 }

    package init() {}

    /// The largest variation of the floor before a run is void.
    package static let allowedVariation = 2.0

    // Written out because no rule can derive some of the names.
    private enum CodingKeys: String, CodingKey {
        case records, shards, durability, mappings, producers, batch, rate, syncs, invocations, checkpoints, ordered,
            lost
        case duplicates, unfinished, seconds, floor, violations, endpoint, reader, retries
        case recordBytes = "record_bytes"
        case consumerBatch = "consumer_batch"
        case parallelizationFactor = "parallelization_factor"
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
        case serverCpuS = "server_cpu_s"
        case serverCpuUsPerRecord = "server_cpu_us_per_record"
    }
}

extension BenchReport.Floor {
    private enum CodingKeys: String, CodingKey {
        case syncMs = "sync_ms"
        case mbPerS = "mb_per_s"
        case variation
    }
}

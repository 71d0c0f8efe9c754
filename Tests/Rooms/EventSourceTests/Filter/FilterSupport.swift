import StreamModel

@testable import EventSource

/// Filters of one record.
enum Filtered {
    /// Whether a record with these data is kept by one of the patterns.
    static func keeps(_ patterns: [String], _ data: [UInt8], key: String = "k1") throws -> Bool {
        let filter = try RecordFilter(patterns: patterns)
        return filter.matches(run([data], key: key), at: 0)
    }

    static func keeps(_ patterns: [String], _ data: String, key: String = "k1") throws -> Bool {
        try keeps(patterns, Array(data.utf8), key: key)
    }

    /// Whether a record with these data is kept by a pattern for the data: what stands in `"data": …`.
    static func keeps(data pattern: String, _ data: String) throws -> Bool {
        try keeps([#"{"data":\#(pattern)}"#], data)
    }

    /// Whether a record whose field `k` has this value is kept by these alternatives, both as JSON.
    static func accepts(_ alternatives: String, _ value: String) throws -> Bool {
        try keeps(data: #"{"k":\#(alternatives)}"#, #"{"before":[1,{"k":0}],"k":\#(value),"after":"x"}"#)
    }

    /// A run of records of shard 6.
    static func run(_ data: [[UInt8]], key: String = "k1") -> RecordRun {
        var bytes: [UInt8] = []
        for data in data { RecordEncoding.append(NewRecord(data, partitionKey: key), arrivalDelta: 13, to: &bytes) }
        return RecordRun(
            bytes: bytes, offsets: RecordEncoding.offsets(of: data.count, in: bytes.span)!, range: 0..<data.count,
            shard: ShardID(6), shardCreationSecond: 1_545_000_000, firstSequence: SequenceNumber(1),
            arrival: Timestamp(milliseconds: 1_545_084_650_974))
    }

    /// What is said of a pattern that can't be used; nil if it can.
    static func violation(_ pattern: String) -> String? {
        RecordFilter.violations(of: [pattern]) { "filters[\($0)]" }.first
    }
}

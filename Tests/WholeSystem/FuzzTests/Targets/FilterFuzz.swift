import EventSource
import FilterModel
import StreamModel

/// A filter pattern, a zero byte and a record's data: filters are what their model is, and what is wrong with a pattern
/// is said in one line.
enum FilterFuzz {
    static func check(_ input: [UInt8]) throws {
        let end = input.firstIndex(of: 0) ?? input.count
        guard let pattern = String(validating: input[..<end], as: UTF8.self) else { return }
        let data = Array(input[end...].dropFirst())
        let filter: RecordFilter
        do {
            filter = try RecordFilter(patterns: [pattern])
        } catch {
            try hold(error.code == .invalidArgument, "another error than that the pattern is wrong")
            try hold(error.message.utf8.count < 2500, "a message as long as the pattern")
            try hold(!error.message.utf8.contains { $0 < 0x20 }, "a message of several lines")
            return
        }
        var bytes: [UInt8] = []
        RecordEncoding.append(NewRecord(data, partitionKey: "k"), to: &bytes)
        let run = RecordRun(
            bytes: bytes, offsets: [0, UInt32(bytes.count)], range: 0..<1, shard: ShardID(0), shardCreationSecond: 0,
            firstSequence: SequenceNumber(1), arrival: Timestamp(milliseconds: 0))
        // The model knows of the event no more than key and data.
        let others =
            MetadataNames.all.contains { pattern.utf8.count > 0 && pattern.contains($0) } || pattern.contains("\\u")
        let kept = filter.matches(run, at: 0)
        guard !others else { return }
        let expected = FilterModel([Array(pattern.utf8)]).keeps(key: "k", data: data)
        try hold(kept == expected, kept ? "a record is kept that the model drops" : "a record is dropped that it keeps")
    }

    private enum MetadataNames {
        static let all = [
            "sequenceNumber", "approximateArrivalTimestamp", "kinesisSchemaVersion", "event", "awsRegion",
        ]
    }
}

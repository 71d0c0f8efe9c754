import Benchmark
import EventSource
import StreamModel

/// Filters: a record of 200 bytes of JSON with nine fields, some of them nested.
func filterPieces() {
    let run = FilterSamples.run
    for (name, patterns) in FilterSamples.patterns {
        Benchmark("filter: \(name), per record of 200 bytes") { benchmark in
            guard let filter = try? RecordFilter(patterns: patterns) else { return benchmark.error("no patterns") }
            Cost.measure(run.count * 20, benchmark) {
                var kept = 0
                for _ in 0..<20 {
                    for index in 0..<run.count where filter.matches(run, at: index) { kept += 1 }
                }
                blackHole(kept)
            }
        }
    }
}

private enum FilterSamples {
    static let patterns: [(String, [String])] = [
        ("ten patterns for the data", tenForData),
        ("one pattern for the data", [#"{"data":{"type":["refund"]}}"#]),
        ("ten patterns for the key", (0..<10).map { #"{"partitionKey":[{"prefix":"N1\#($0)00"}]}"# }),
        ("one pattern for the key", [#"{"partitionKey":["N10007"]}"#]),
    ]

    /// Seldom true, so that all are decided.
    private static let tenForData = [
        #"{"data":{"type":["refund"]}}"#, #"{"data":{"type":["order"],"amount":[{"numeric":[">",99990]}]}}"#,
        #"{"data":{"customer":{"country":["SE"],"tier":["gold"]}}}"#,
        #"{"data":{"customer":{"id":[{"prefix":"user-999"}]}}}"#, #"{"data":{"source":[{"anything-but":"web"}]}}"#,
        #"{"data":{"tags":["urgent"]}}"#, #"{"data":{"address":[{"cidr":"10.9.0.0/16"}]}}"#,
        #"{"data":{"error":[{"exists":true}]}}"#, #"{"data":{"session":[{"wildcard":"*fff*"}]}}"#,
        #"{"data":{"$or":[{"amount":[1]},{"type":[{"equals-ignore-case":"GIFT"}]}]}}"#,
    ]

    static let run: RecordRun = {
        var bytes: [UInt8] = []
        for index in 0..<1000 {
            let text =
                #"{"type":"order","amount":\#(1000 + index * 7),"source":"web","tags":["new","de"],"#
                + #""address":"10.0.\#(index % 200).\#(index % 250)","customer":{"id":"user-\#(10_000 + index)","#
                + #""country":"DE","tier":"silver"},"session":"\#(String(index * 7919, radix: 16))"#
            let padding = String(repeating: "x", count: max(0, 198 - text.utf8.count))
            RecordEncoding.append(
                NewRecord(text + padding + "\"}", partitionKey: "N\(10_000 + index)"), to: &bytes)
        }
        return RecordRun(
            bytes: bytes, offsets: RecordEncoding.offsets(of: 1000, in: bytes.span)!, range: 0..<1000,
            shard: ShardID(0), shardCreationSecond: 0, firstSequence: SequenceNumber(1),
            arrival: Timestamp(milliseconds: 1))
    }()
}

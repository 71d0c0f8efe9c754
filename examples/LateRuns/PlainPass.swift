import Shardline

/// The expected results of the job, computed without Shardline by one pass over the file.
public struct PlainPass: Equatable, Sendable {
    /// The number of records in each shard.
    public private(set) var recordsPerShard: [Int]
    /// For each shard, the number of records that are not departures.
    public private(set) var isolatedPerShard: [Int]
    /// The longest run of every aircraft that flew, by tail number.
    public private(set) var runs: [LateRun]

    /// Goes through the first `count` lines of a file (all of them by default), for a stream of `shards` shards.
    public init(over file: FlightsFile, shards: Int, count: Int? = nil) {
        recordsPerShard = Array(repeating: 0, count: shards)
        isolatedPerShard = recordsPerShard
        let ranges = HashKeyRange.even(shards)
        var current: [UTF8Key: (run: Int, longest: Int)] = [:]
        for line in file.lines.prefix(count ?? file.lines.count) {
            let hash = HashKey(partitionKey: file.columns.partitionKey(of: line))
            let shard = ranges.firstIndex { $0.contains(hash) }!
            recordsPerShard[shard] += 1
            guard let departure = try? file.columns.departure(in: line) else {
                isolatedPerShard[shard] += 1
                continue
            }
            var (run, longest) = current[UTF8Key(departure.aircraft)] ?? (0, 0)
            run = departure.isLate ? run + 1 : 0
            longest = max(longest, run)
            current[UTF8Key(departure.aircraft)] = (run, longest)
        }
        runs = current.sorted { $0.key < $1.key }.map { LateRun(tailnum: $0.key.string, longest: $0.value.longest) }
    }
}

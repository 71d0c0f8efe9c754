import Benchmark
import Shardline
import ShardlineTesting

// What single steps of a record's way cost, in CPU time and instructions. Compare two versions on one machine;
// absolute figures hold for that machine only.

private let keys = (0..<1000).map { "N\($0)" }
private let records = (0..<500).map { index in
    NewRecord([UInt8](repeating: UInt8(ascii: "x"), count: 100), partitionKey: keys[index % keys.count])
}

let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(
        metrics: [.cpuTotal, .instructions, .throughput], warmupIterations: 3, scalingFactor: .one,
        maxDuration: .seconds(2))

    Benchmark("hash a partition key", configuration: .init(scalingFactor: .kilo)) { benchmark in
        for index in benchmark.scaledIterations { blackHole(HashKey(partitionKey: keys[index % keys.count])) }
    }

    Benchmark("write a sequence number as Kinesis does", configuration: .init(scalingFactor: .kilo)) { benchmark in
        for index in benchmark.scaledIterations {
            let number = KinesisSequenceNumber(
                shard: ShardID(3), shardCreationSecond: 1_700_000_000, sequenceNumber: SequenceNumber(UInt64(index)),
                arrivalSecond: 1_700_000_100)
            blackHole(number.description)
        }
    }

    Benchmark("put 500 records into memory and read them back") { benchmark in
        let store = InMemoryStore()
        try await store.createStream("pieces", shards: 4)
        let stream = store.stream("pieces")
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations {
            blackHole(try await stream.put(contentsOf: records))
            for shard in 0..<4 {
                let result = try await store.read(
                    ReadRequest(stream: "pieces", shard: ShardID(UInt32(shard)), after: .zero))
                for record in result.batch { blackHole(record.data.count) }
            }
        }
        benchmark.stopMeasurement()
        try await store.close()
    }
}

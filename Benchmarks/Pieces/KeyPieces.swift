import Benchmark
import StreamModel

/// Keys and numbers.
func keyPieces() {
    Benchmark("hash a key: one by one") { benchmark in
        let keys = Samples.keys
        Cost.measure(keys.count * 20, benchmark) {
            for _ in 0..<20 { for key in keys { blackHole(HashKey(partitionKey: key)) } }
        }
    }

    Benchmark("hash a key: 500 at once") { benchmark in
        let call = Samples.call
        Cost.measure(call.count * 40, benchmark) {
            for _ in 0..<40 { blackHole(HashKey.all(of: call)) }
        }
    }

    Benchmark("write a sequence number as Kinesis does") { benchmark in
        Cost.measure(1000, benchmark) {
            for index in 0..<1000 {
                let number = KinesisSequenceNumber(
                    shard: ShardID(3), shardCreationSecond: 1_700_000_000,
                    sequenceNumber: SequenceNumber(UInt64(index)), arrivalSecond: 1_700_000_100)
                blackHole(number.description)
            }
        }
    }
}

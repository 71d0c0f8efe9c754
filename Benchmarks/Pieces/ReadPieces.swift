import Benchmark
import StreamModel

/// What a consumer's loop costs, in batches of 10,000 records that lie in runs of 500.
func readPieces() {
    let batch = RecordBatch((0..<20).map { Samples.run(500, after: SequenceNumber(UInt64($0) * 500)) })

    Benchmark("read a record: public loop, data") { benchmark in
        Cost.measure(batch.count * 20, benchmark) {
            var sum = 0
            for _ in 0..<20 {
                for record in batch {
                    let data = record.data
                    sum &+= data.count &+ Int(data[0])
                }
            }
            blackHole(sum)
        }
    }

    Benchmark("read a record: public subscript, data") { benchmark in
        Cost.measure(batch.count * 20, benchmark) {
            var sum = 0
            for _ in 0..<20 {
                for index in batch.indices {
                    let record = batch[index]
                    let data = record.data
                    sum &+= data.count &+ Int(data[0])
                }
            }
            blackHole(sum)
        }
    }

    Benchmark("read a record: internal view, data") { benchmark in
        Cost.measure(batch.count * 20, benchmark) {
            var sum = 0
            for _ in 0..<20 {
                for run in batch.runs {
                    let bytes = run.bytes.span
                    for index in 0..<run.count {
                        let layout = run.layout(of: index)
                        sum &+= layout.end - layout.dataStart &+ Int(bytes[layout.dataStart])
                    }
                }
            }
            blackHole(sum)
        }
    }

    Benchmark("read a record: public loop, key as text") { benchmark in
        Cost.measure(batch.count, benchmark) {
            var sum = 0
            for record in batch { sum &+= record.partitionKey.utf8.count }
            blackHole(sum)
        }
    }
}

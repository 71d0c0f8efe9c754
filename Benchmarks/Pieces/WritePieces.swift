import Benchmark
import SegmentStorage
import StoreSteps
import StreamModel

/// The steps of a put, one by one, of 500 records for 4 shards.
func writePieces() {
    let call = Samples.call

    Benchmark("write: encode a record into a chunk") { benchmark in
        let sizes = RecordEncoding.sizes(of: call)
        Cost.measure(call.count * 100, benchmark) {
            for _ in 0..<100 {
                blackHole(RecordEncoding.chunk(of: call, 0..<call.count, order: nil, sizes: sizes))
            }
        }
    }

    Benchmark("write: measure a record") { benchmark in
        Cost.measure(call.count * 100, benchmark) {
            for _ in 0..<100 { blackHole(RecordEncoding.sizes(of: call)) }
        }
    }

    Benchmark("write: compress and checksum, per record") { benchmark in
        let steps = try WriteSteps(shards: 1)
        let chunk = RecordEncoding.chunk(
            of: call, 0..<call.count, order: nil, sizes: RecordEncoding.sizes(of: call))
        Cost.measure(call.count * 20, benchmark) {
            for _ in 0..<20 { blackHole(steps.store(chunk.bytes)) }
        }
    }

    Benchmark("write: prepare a whole call, per record") { benchmark in
        let steps = try WriteSteps(shards: 4)
        Cost.measure(call.count * 20, benchmark) {
            for _ in 0..<20 { blackHole(steps.prepare(call)) }
        }
    }

    Benchmark("write: prepare a call of one") { benchmark in
        let steps = try WriteSteps(shards: 4)
        Cost.measure(call.count * 20, benchmark) {
            for _ in 0..<20 { for record in call { blackHole(steps.prepare([record])) } }
        }
    }

    Benchmark("write: number calls and make the commit, per call of 500") { benchmark in
        var steps = try WriteSteps(shards: 4)
        let prepared = (0..<8).map { _ in steps.prepare(call) }
        try Cost.measure(prepared.count * 20, benchmark) {
            for _ in 0..<20 { blackHole(try steps.write(prepared)) }
        }
    }

    Benchmark("write: number calls and make the commit, per call of one") { benchmark in
        var steps = try WriteSteps(shards: 4)
        let prepared = call.prefix(64).map { steps.prepare([$0]) }
        try Cost.measure(prepared.count * 20, benchmark) {
            for _ in 0..<20 { blackHole(try steps.write(prepared)) }
        }
    }

    Benchmark("flush: make blocks of calls of 500, per record") { benchmark in
        var steps = try WriteSteps(shards: 4)
        let prepared = steps.prepare(call)
        let commits = try (0..<100).map { _ in try steps.write([prepared]) }
        Cost.measure(call.count * commits.count, benchmark) { blackHole(steps.flush(commits)) }
    }

    Benchmark("flush: make blocks of calls of one, per record") { benchmark in
        var steps = try WriteSteps(shards: 4)
        let prepared = call.map { steps.prepare([$0]) }
        let commits = try (0..<8).map { _ in try steps.write(prepared) }
        Cost.measure(prepared.count * commits.count, benchmark) { blackHole(steps.flush(commits)) }
    }
}

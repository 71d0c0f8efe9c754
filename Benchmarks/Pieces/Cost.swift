import Benchmark
import Glibc

/// Measures parts of an iteration by the processor's own clock, of all threads of the process.
///
/// The library's processor times have the resolution of the scheduler's tick, which is longer than most of what is
/// measured here, and it knows no units but powers of 1,000.
struct Cost {
    /// Nanoseconds of 1,000 units, so thousandths of a nanosecond of one.
    static let processorTime = BenchmarkMetric.custom(
        "CPU (ns per 1,000)", polarity: .prefersSmaller, useScalingFactor: false)
    /// Units in a second of the wall clock.
    static let rate = BenchmarkMetric.custom("Rate (per second)", polarity: .prefersLarger, useScalingFactor: false)

    private let processor = Self.time(CLOCK_PROCESS_CPUTIME_ID)
    private let wall = Self.time(CLOCK_MONOTONIC)

    private static func time(_ clock: clockid_t) -> Int {
        var time = timespec()
        clock_gettime(clock, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }

    /// Tells the benchmark what `units` units have cost since this value was made.
    private func report(of units: Int, to benchmark: Benchmark) {
        let processor = Self.time(CLOCK_PROCESS_CPUTIME_ID) - processor
        let wall = Self.time(CLOCK_MONOTONIC) - wall
        benchmark.measurement(Self.processorTime, processor * 1000 / units)
        benchmark.measurement(Self.rate, units * 1_000_000_000 / max(wall, 1))
    }

    /// Measures `body`, which does so many units.
    static func measure(_ units: Int, _ benchmark: Benchmark, _ body: () throws -> Void) rethrows {
        benchmark.startMeasurement()
        let cost = Cost()
        try body()
        cost.report(of: units, to: benchmark)
        benchmark.stopMeasurement()
    }

    /// Measures `body`, which does so many units.
    static func measure(_ units: Int, _ benchmark: Benchmark, _ body: () async throws -> Void) async rethrows {
        benchmark.startMeasurement()
        let cost = Cost()
        try await body()
        cost.report(of: units, to: benchmark)
        benchmark.stopMeasurement()
    }
}

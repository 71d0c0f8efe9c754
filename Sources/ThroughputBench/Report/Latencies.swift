import Histogram
import Synchronization

/// Measured times, in a histogram of three significant digits (HdrHistogram).
final class Latencies: Sendable {
    private let histogram = Mutex(
        Histogram<UInt64>(highestTrackableValue: 3_600_000_000, numberOfSignificantValueDigits: .three))

    /// Adds times in nanoseconds; times below a microsecond count as one microsecond.
    func record(_ nanoseconds: [UInt64]) {
        guard !nanoseconds.isEmpty else { return }
        histogram.withLock { histogram in
            var index = 0
            while index < nanoseconds.count {
                // Records of one call arrive together, so their times are mostly equal.
                let value = microseconds(nanoseconds[index])
                var end = index + 1
                while end < nanoseconds.count, microseconds(nanoseconds[end]) == value { end += 1 }
                histogram.record(value, count: UInt64(end - index))
                index = end
            }
        }
    }

    private func microseconds(_ nanoseconds: UInt64) -> UInt64 { min(max(1, nanoseconds / 1000), 3_600_000_000) }

    /// The percentiles of the recorded times; nil where there are none.
    var summary: BenchReport.Milliseconds? {
        histogram.withLock { histogram in
            guard histogram.totalCount > 0 else { return nil }
            func at(_ percentile: Double) -> Double { Double(histogram.valueAtPercentile(percentile)) / 1000 }
            return BenchReport.Milliseconds(
                p50: at(50), p99: at(99), p999: at(99.9), max: Double(histogram.max) / 1000)
        }
    }
}

public import CoreMetrics
import StreamModel
import Synchronization

/// A backend of swift-metrics that keeps what is recorded, and writes it as Prometheus reads it (text format 0.0.4).
///
/// ```swift
/// let metrics = PrometheusMetrics()
/// MetricsSystem.bootstrap(metrics)
/// let server = KinesisServer(store: store, metrics: metrics)
/// ```
///
/// Set up before a store is opened, it has the store's and the mappings' metrics too. A label becomes a name by `_` for each
/// character that Prometheus does not allow: `shardline.JournalCommits` becomes `shardline_JournalCommits_total`. Counters
/// end with `_total`; timers are histograms in seconds and end with `_seconds`; what is recorded in other units is a summary
/// of count and sum.
public final class PrometheusMetrics: MetricsFactory, Sendable {
    private struct Families {
        /// By name, in the order of the names when they are written.
        var byName: [UTF8Key: Family] = [:]
    }

    /// All series of one name.
    private struct Family {
        var kind: Kind
        var series: [UTF8Key: any PrometheusSeries] = [:]
    }

    enum Kind: String {
        case counter, gauge, summary, histogram
    }

    private let families = Mutex(Families())

    /// A backend without metrics.
    public init() {}

    /// The series of a label and dimensions, made by `make` where it is new.
    private func series<Series: PrometheusSeries>(
        _ label: String, _ dimensions: [(String, String)], suffix: String, _ kind: Kind, _ make: () -> Series
    ) -> Series {
        let name = PrometheusText.name(label) + suffix
        let labels = PrometheusText.labels(dimensions)
        return families.withLock { families in
            var family = families.byName[UTF8Key(name)] ?? Family(kind: kind)
            if let known = family.series[UTF8Key(labels)] as? Series { return known }
            let new = make()
            // A name of another kind keeps its own; what is recorded here is not shown.
            if family.kind == kind { family.series[UTF8Key(labels)] = new }
            families.byName[UTF8Key(name)] = family
            return new
        }
    }

    private func remove(_ gone: AnyObject) {
        families.withLock { families in
            for (name, family) in families.byName {
                guard let key = family.series.first(where: { $0.value === gone })?.key else { continue }
                families.byName[name]?.series[key] = nil
                if family.series.count == 1 { families.byName[name] = nil }
            }
        }
    }

    /// Everything that was recorded, as Prometheus reads it.
    public func text() -> [UInt8] {
        let families = families.withLock { $0.byName }.sorted { $0.key < $1.key }
        var text = ""
        for (name, family) in families {
            text += "# TYPE \(name.string) \(family.kind.rawValue)\n"
            for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) {
                series.write(name.string, labels.string, to: &text)
            }
        }
        return Array(text.utf8)
    }

    /// A counter.
    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(label, dimensions, suffix: "_total", .counter) { PrometheusCounter() }
    }

    /// A counter of fractions.
    public func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        series(label, dimensions, suffix: "_total", .counter) { PrometheusSum() }
    }

    /// A gauge, or a summary where the values are aggregated.
    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        aggregate
            ? series(label, dimensions, suffix: "", .summary) { PrometheusSummary() }
            : series(label, dimensions, suffix: "", .gauge) { PrometheusGauge() }
    }

    /// A gauge.
    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(label, dimensions, suffix: "", .gauge) { PrometheusGauge() }
    }

    /// A histogram of seconds.
    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(label, dimensions, suffix: "_seconds", .histogram) { PrometheusHistogram() }
    }

    /// Forgets a counter.
    public func destroyCounter(_ handler: any CounterHandler) { remove(handler) }

    /// Forgets a counter.
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { remove(handler) }

    /// Forgets a gauge or a summary.
    public func destroyRecorder(_ handler: any RecorderHandler) { remove(handler) }

    /// Forgets a gauge.
    public func destroyMeter(_ handler: any MeterHandler) { remove(handler) }

    /// Forgets a histogram.
    public func destroyTimer(_ handler: any TimerHandler) { remove(handler) }
}

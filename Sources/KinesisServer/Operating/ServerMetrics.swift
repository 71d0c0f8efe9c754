#if Server
import KinesisAPI
import Metrics
import StreamModel
import Synchronization

/// A server's metrics, by swift-metrics. The page "Metrics" of the documentation lists them all.
final class ServerMetrics: Sendable {
    private let factory: any MetricsFactory
    private let connections: Meter
    /// By operation and code: there are as many as operations and errors, whatever clients send.
    private let requests = Mutex<[UTF8Key: Counter]>([:])
    private let durations = Mutex<[UTF8Key: Timer]>([:])

    init(factory: any MetricsFactory) {
        self.factory = factory
        connections = Meter(label: "shardline.server.Connections", factory: factory)
    }

    func connected() { connections.increment() }

    func disconnected() { connections.decrement() }

    func answered(_ answer: ServiceResponse, in time: Duration) {
        let operation = answer.operation ?? "none"
        let code = answer.errorCode ?? "none"
        let counter = requests.withLock { requests in
            let key = UTF8Key("\(operation) \(code) \(answer.status)")
            if let known = requests[key] { return known }
            let new = Counter(
                label: "shardline.server.Requests",
                dimensions: [("operation", operation), ("error", code), ("status", "\(answer.status)")],
                factory: factory)
            requests[key] = new
            return new
        }
        counter.increment()
        let timer = durations.withLock { durations in
            if let known = durations[UTF8Key(operation)] { return known }
            let new = Timer(
                label: "shardline.server.RequestDuration", dimensions: [("operation", operation)], factory: factory)
            durations[UTF8Key(operation)] = new
            return new
        }
        timer.recordNanoseconds(Int64(time.inSeconds * 1e9))
    }
}
#endif

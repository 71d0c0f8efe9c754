#if Server
import HummingbirdCore

/// How many connections a port has, and whether it takes more. One for each port, on its event loop.
struct ConnectionCount: AvailableConnectionsDelegate {
    private let limit: Int
    private let metrics: ServerMetrics
    private var count = 0

    init(limit: Int, metrics: ServerMetrics) {
        self.limit = limit
        self.metrics = metrics
    }

    mutating func connectionOpened() {
        count += 1
        metrics.connected()
    }

    mutating func connectionClosed() {
        count -= 1
        metrics.disconnected()
    }

    func isAcceptingNewConnections() -> Bool { count < limit }
}
#endif

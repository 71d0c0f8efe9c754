import Synchronization

/// The progress of a run.
package final class BenchProgress: Sendable {
    private let put = Atomic(0)
    private let delivered = Atomic(0)
    private let lastPut = Atomic<UInt64>(0)
    private let lastDelivery = Atomic<UInt64>(0)

    package init() {}

    /// Records that were acknowledged.
    package var acknowledgedCount: Int { put.load(ordering: .relaxed) }
    /// Records that the function has done.
    package var deliveredCount: Int { delivered.load(ordering: .acquiring) }

    /// The time of the last acknowledgement and of the last delivery, in nanoseconds since the run began.
    var lastPutTime: UInt64 { lastPut.load(ordering: .relaxed) }
    var lastDeliveryTime: UInt64 { lastDelivery.load(ordering: .relaxed) }

    func acknowledged(_ count: Int, at time: UInt64) {
        put.add(count, ordering: .relaxed)
        lastPut.max(time, ordering: .relaxed)
    }

    func delivered(_ count: Int, at time: UInt64) {
        lastDelivery.max(time, ordering: .relaxed)
        delivered.add(count, ordering: .releasing)
    }
}

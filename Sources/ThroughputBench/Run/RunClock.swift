import StreamModel

/// The time since a run began, in nanoseconds.
struct RunClock: Sendable {
    let timeSource: any TimeSource
    let begun: MonotonicTime

    init(_ timeSource: any TimeSource) {
        self.timeSource = timeSource
        begun = timeSource.monotonicTime
    }

    var now: UInt64 { (timeSource.monotonicTime - begun).nanoseconds }

    /// Returns when the clock shows `time`.
    func sleep(until time: UInt64) async throws {
        try await timeSource.sleep(until: begun + .nanoseconds(Int64(time)))
    }
}

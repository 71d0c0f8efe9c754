/// The pauses before a process that is kept ready is started again: 500 ms, doubled up to a minute until it has answered an
/// event (ESM-R22).
struct RestartPauses {
    static let first = Duration.milliseconds(500)
    static let longest = Duration.seconds(60)

    private var following = Self.first

    /// The next pause: the process has ended, or can't be started.
    mutating func next() -> Duration {
        defer { following = min(following * 2, Self.longest) }
        return following
    }

    /// The process has answered an event.
    mutating func reset() { following = Self.first }
}

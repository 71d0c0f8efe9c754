import StreamModel

/// One line at the bottom of the terminal that shows how far a command is, at most ten times a second.
struct ProgressBar {
    private let output: Output
    private let timeSource: any TimeSource
    private let total: Int?
    private let begun: MonotonicTime
    private var drawn: MonotonicTime?

    /// A bar for `total` units of input; without a total only the count and the rate are shown.
    init(total: Int?, on output: Output, timeSource: any TimeSource) {
        self.output = output
        self.timeSource = timeSource
        self.total = total
        begun = timeSource.monotonicTime
    }

    /// Draws how far the command is: `done` of the total, and how many records that were.
    mutating func show(done: Int, records: Int) {
        guard output.isTerminal else { return }
        let now = timeSource.monotonicTime
        if let drawn, now - drawn < .milliseconds(100) { return }
        drawn = now
        output.showStatus(
            Self.text(done: done, total: total, records: records, seconds: (now - begun).inSeconds, width: output.width)
        )
    }

    /// Takes the line away.
    func end() { output.showStatus("") }

    static func text(done: Int, total: Int?, records: Int, seconds: Double, width: Int) -> String {
        let rate = seconds > 0 ? Double(records) / seconds : 0
        let counts = "\(Readable.count(records, "record")), \(Readable.rate(rate))/s"
        guard let total, total > 0 else { return counts }
        let share = min(1, Double(done) / Double(total))
        let percent = "\(Int(share * 100))%"
        let room = min(40, width - counts.count - percent.count - 6)
        guard room >= 5 else { return "\(percent) \(counts)" }
        let filled = Int(share * Double(room))
        return "[" + String(repeating: "#", count: filled) + String(repeating: "-", count: room - filled)
            + "] \(percent) \(counts)"
    }
}

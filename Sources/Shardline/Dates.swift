public import FoundationEssentials
public import StreamModel
public import StreamStorage

extension Timestamp {
    /// The moment of a `Date`, in whole milliseconds that have passed; the farthest timestamp for one beyond it.
    public init(_ date: Date) {
        // A double is exact to less than a microsecond here: what is that close to a whole millisecond is one.
        let milliseconds = ((date.timeIntervalSince1970 * 1_000_000).rounded() / 1000).rounded(.down)
        self.init(milliseconds: Int64(exactly: milliseconds) ?? (milliseconds < 0 ? .min : .max))
    }
}

extension Date {
    /// The moment of a timestamp.
    public init(_ timestamp: Timestamp) { self.init(timeIntervalSince1970: Double(timestamp.milliseconds) / 1000) }
}

extension StartingPosition {
    /// The first record that arrived at or after this moment, which must not be in the future or before 1970.
    public static func atTimestamp(_ date: Date) -> StartingPosition { .atTimestamp(Timestamp(date)) }
}

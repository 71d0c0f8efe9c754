public import FoundationEssentials
public import StreamModel
public import StreamStorage

extension Timestamp {
    /// The moment of a `Date`, to the nearest millisecond.
    public init(_ date: Date) { self.init(milliseconds: Int64((date.timeIntervalSince1970 * 1000).rounded())) }
}

extension Date {
    /// The moment of a timestamp.
    public init(_ timestamp: Timestamp) { self.init(timeIntervalSince1970: Double(timestamp.milliseconds) / 1000) }
}

extension StartingPosition {
    /// The first record that arrived at or after this moment, which must not be in the future or before 1970.
    public static func atTimestamp(_ date: Date) -> StartingPosition { .atTimestamp(Timestamp(date)) }
}

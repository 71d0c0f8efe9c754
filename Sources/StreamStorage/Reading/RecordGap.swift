public import StreamModel

/// Records of a shard that a reader can't have: between the record before and the next one.
public struct RecordGap: Hashable, Sendable, CustomStringConvertible {
    /// Why the records are not there.
    public enum Cause: String, Hashable, Sendable {
        /// Retention removed them before they were read.
        case expired
        /// Damage took them, and a repair or an operator declared them lost.
        case lost
    }

    /// The shard.
    public let shard: ShardID
    /// The first and last missing number. Numbers may jump, so their difference is not a count.
    public let numbers: ClosedRange<SequenceNumber>
    /// Why the records are not there.
    public let cause: Cause

    /// A gap with these facts.
    public init(shard: ShardID, numbers: ClosedRange<SequenceNumber>, cause: Cause) {
        self.shard = shard
        self.numbers = numbers
        self.cause = cause
    }

    /// One line for logs.
    public var description: String {
        let why = cause == .expired ? "expired before they were read" : "are lost"
        return "the records \(numbers.lowerBound) to \(numbers.upperBound) of \(shard) \(why)"
    }
}

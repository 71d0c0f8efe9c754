/// The number of a shard within its stream, written as Kinesis does: `shardId-000000000003`.
public struct ShardID: Hashable, Comparable, Sendable, CustomStringConvertible, LosslessStringConvertible {
    /// 0 for a stream's first shard. Below 2^31, so that it fits into a sequence number's text.
    public let number: UInt32

    /// The shard with this number.
    public init(_ number: UInt32) { self.number = number }

    /// Reads `shardId-` and 12 digits, or the number alone (`3`); nil for anything else.
    public init?(_ text: String) {
        let digits = text.hasPrefix("shardId-") ? text.dropFirst(8) : text[...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = UInt32(digits), number < 1 << 31
        else { return nil }
        self.number = number
    }

    /// `shardId-` and the number in 12 digits.
    public var description: String {
        let digits = String(number)
        return "shardId-" + String(repeating: "0", count: 12 - digits.utf8.count) + digits
    }

    /// By number.
    public static func < (left: ShardID, right: ShardID) -> Bool { left.number < right.number }
}

import CHash

/// A place in the 128-bit hash key space that a stream's shards divide among them.
public struct HashKey: Hashable, Comparable, Sendable, CustomStringConvertible, LosslessStringConvertible {
    /// 0 to 2^128 − 1.
    public let value: UInt128

    /// The place with this number.
    public init(_ value: UInt128) { self.value = value }

    /// The hash of a partition key: MD5 of its UTF-8 as a big-endian number (API-H-1).
    public init(partitionKey: String) {
        var key = partitionKey
        self = key.withUTF8 { HashKey(md5Of: $0.baseAddress, count: $0.count) }
    }

    package init(md5Of bytes: UnsafePointer<UInt8>?, count: Int) {
        var digest: (UInt64, UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &digest) { room in
            shardline_md5(bytes, count, room.baseAddress!.assumingMemoryBound(to: UInt8.self))
        }
        self.init(digest: digest.0, digest.1)
    }

    /// The big-endian number that the two halves of a digest form, as they are in memory.
    init(digest high: UInt64, _ low: UInt64) {
        value = UInt128(high.byteSwapped) << 64 | UInt128(low.byteSwapped)
    }

    /// Reads a decimal number of at most 39 digits; nil if it is no such number or not below 2^128.
    public init?(_ text: String) {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let value = UInt128(text) else { return nil }
        self.value = value
    }

    /// Decimal, as Kinesis writes hash keys.
    public var description: String {
        // A flush of a thousand shards writes two thousand hash keys, and the standard library's conversion of
        // `UInt128` is slow.
        let part: UInt128 = 10_000_000_000_000_000_000
        var (rest, low) = value.quotientAndRemainder(dividingBy: part)
        var text = String(UInt64(low))
        var digits = 19
        while rest > 0 {
            text = String(repeating: "0", count: digits - text.utf8.count) + text
            (rest, low) = rest.quotientAndRemainder(dividingBy: part)
            text = String(UInt64(low)) + text
            digits += 19
        }
        return text
    }
    /// By number.
    public static func < (left: HashKey, right: HashKey) -> Bool { left.value < right.value }
}

/// The part of the hash key space that one shard owns, both ends included.
public struct HashKeyRange: Hashable, Sendable {
    /// The lowest hash key of the shard.
    public let first: HashKey
    /// The highest hash key of the shard.
    public let last: HashKey

    /// The range from `first` to `last`, both included; `first` must not be greater.
    public init(first: HashKey, last: HashKey) {
        self.first = first
        self.last = last
    }

    /// Whether the shard owns `key`.
    public func contains(_ key: HashKey) -> Bool { first <= key && key <= last }

    /// Whether some hash key is in both ranges.
    package func overlaps(_ other: HashKeyRange) -> Bool { first <= other.last && other.first <= last }

    /// The whole space divided among `count` shards as CreateStream does (API-H-2): equal parts of ⌊2^128 / count⌋,
    /// the last one takes the rest.
    public static func even(_ count: Int) -> [HashKeyRange] {
        guard count > 1 else { return [HashKeyRange(first: HashKey(0), last: HashKey(.max))] }
        // ⌊2^128 / n⌋ without a 129-bit number: ⌊(2^128 − 1) / n⌋, plus one where n divides 2^128.
        let divisor = UInt128(count)
        let (quotient, rest) = UInt128.max.quotientAndRemainder(dividingBy: divisor)
        let width = rest == divisor - 1 ? quotient + 1 : quotient
        return (0..<count).map { index in
            let first = UInt128(index) * width
            return HashKeyRange(
                first: HashKey(first), last: HashKey(index == count - 1 ? .max : first + width - 1))
        }
    }
}

/// Text that is compared, ordered and hashed by its UTF-8 bytes, as Kinesis compares partition keys.
///
/// `String` compares by canonical equivalence. The two forms of "café", one with the letter é and one with a combining
/// accent, are equal and one key of a dictionary, although they are two partition keys and mostly belong to two shards.
/// A function that keeps state for each partition key, or for each name in its data, uses this type as the key:
///
/// ```swift
/// var totals: [UTF8Key: Int] = [:]
/// totals[UTF8Key(record.partitionKey), default: 0] += 1
/// ```
public struct UTF8Key: Hashable, Comparable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
    /// The text, unchanged.
    public let string: String

    /// The key with this text.
    public init(_ string: String) {
        var string = string
        string.makeContiguousUTF8()
        self.string = string
    }

    /// The key with this text.
    public init(stringLiteral string: String) { self.init(string) }

    /// The text.
    public var description: String { string }

    /// By bytes.
    public static func == (left: UTF8Key, right: UTF8Key) -> Bool {
        left.withBytes { left in
            right.withBytes { right in
                guard left.count == right.count else { return false }
                for index in left.indices where left[index] != right[index] { return false }
                return true
            }
        }
    }

    /// By bytes, which for UTF-8 is the order of the code points.
    public static func < (left: UTF8Key, right: UTF8Key) -> Bool {
        left.withBytes { left in
            right.withBytes { right in
                for index in 0..<min(left.count, right.count) where left[index] != right[index] {
                    return left[index] < right[index]
                }
                return left.count < right.count
            }
        }
    }

    /// By bytes.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(string.utf8.count)
        withBytes { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }

    private func withBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        // The text is contiguous since it was made.
        string.utf8.withContiguousStorageIfAvailable(body)!
    }
}

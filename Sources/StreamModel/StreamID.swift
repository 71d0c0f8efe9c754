/// Identifies a stream whatever its name: no two streams ever have the same id, not even with one name or in two
/// stores.
///
/// A stream that is deleted and created again under its name is another stream, whose sequence numbers start again.
/// State that a consumer keeps outside the store, such as the number up to which a shard's records are in a database,
/// belongs to a stream's id and a shard: see the page "Exactly once". The id stays the same for as long as the stream
/// exists: when the store is opened again, restored from a backup, or repaired.
public struct StreamID: Hashable, Comparable, Sendable, CustomStringConvertible, LosslessStringConvertible {
    /// The id as a number.
    public let value: UInt128

    /// The id with this number.
    public init(_ value: UInt128) { self.value = value }

    /// The id of a stream of one store.
    ///
    /// The store never assigns a number twice. The time distinguishes streams that were created in different copies of
    /// one store. Only its low 32 bits count, since segments store no more.
    ///
    /// - Parameters:
    ///   - store: the store's own id, 16 random bytes.
    ///   - number: the stream's number in the store.
    ///   - createdAt: when the stream was created.
    package init(store: [UInt8], number: UInt64, createdAt: Timestamp) {
        var bytes = store
        for word in [number, UInt64(createdAt.low32)] {
            for shift in stride(from: 0, to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
        }
        value = bytes.withUnsafeBufferPointer { HashKey(md5Of: $0.baseAddress, count: $0.count).value }
    }

    /// Reads 32 hexadecimal digits; nil for anything else.
    public init?(_ text: String) {
        guard text.utf8.count == 32,
            text.utf8.allSatisfy({
                (0x30...0x39).contains($0) || (0x61...0x66).contains($0) || (0x41...0x46).contains($0)
            }),
            let value = UInt128(text, radix: 16)
        else { return nil }
        self.value = value
    }

    /// 32 hexadecimal digits in lower case.
    public var description: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 32 - digits.utf8.count) + digits
    }

    /// By number, which says nothing about which stream is older.
    public static func < (left: StreamID, right: StreamID) -> Bool { left.value < right.value }
}

extension Timestamp {
    /// The low half of the milliseconds, which repeats every 49.7 days.
    package var low32: UInt32 { UInt32(truncatingIfNeeded: milliseconds) }

    /// The latest time up to `bound` whose low half is this.
    package init(low32: UInt32, notAfter bound: Timestamp) {
        self.init(milliseconds: bound.milliseconds - Int64(bound.low32 &- low32))
    }
}

/// The limits of streams, records and calls, in one place.
///
/// They are Kinesis' limits where Kinesis has one; the others say so.
public enum Limits {
    /// Shards of one stream: 1 to 10,000.
    public static let shards = 1...10_000
    /// Characters (Unicode scalars) of a partition key: 1 to 256, as in Kinesis.
    public static let partitionKeyLength = 1...256
    /// Characters of a mapping's name, and of a stream's without account and region (``StreamName``): 1 to 128 of
    /// `[a-zA-Z0-9_.-]`, as in Kinesis.
    public static let nameLength = 1...128
    /// Bytes of data in one record unless the stream says otherwise: 1 MiB.
    public static let defaultRecordSize = 1 << 20
    /// The most that a stream may allow for one record's data: 10 MiB.
    public static let largestRecordSize = 10 << 20
    /// The same for a failure stream, so that the document of the largest record fits in base64: 16 MiB.
    public static let largestFailureRecordSize = 16 << 20
    /// Bytes of keys and data in one call: 64 MiB. Shardline's own.
    public static let callSize = 64 << 20
    /// Retention of a stream unless it says otherwise: 24 hours, as in Kinesis.
    public static let defaultRetention = Duration.seconds(24 * 3600)
    /// How long a stream may keep its records: 1 second to 365 days. Kinesis' minimum is 24 hours.
    public static let retention = Duration.seconds(1)...Duration.seconds(365 * 24 * 3600)
    /// Retention of a dead-letter stream that is created together with its mapping: 14 days.
    public static let failureRetention = Duration.seconds(14 * 24 * 3600)

    /// Whether `name` may name a stream: as ``isName(_:)``, or with an account and a region (``StreamName``).
    public static func isStreamName(_ name: String) -> Bool { StreamName(name) != nil }

    /// Whether `name` may name a mapping, or a stream without account and region.
    public static func isName(_ name: String) -> Bool {
        let bytes = name.utf8
        guard nameLength.contains(bytes.count) else { return false }
        // "." and ".." would be taken as directories where a name becomes part of a path.
        guard name != ".", name != ".." else { return false }
        return bytes.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"):
                true
            default: false
            }
        }
    }
}

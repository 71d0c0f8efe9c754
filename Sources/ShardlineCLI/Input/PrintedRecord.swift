import DataFormats
import EventSource
import StreamModel

/// Reads a record as `tail --json` prints it: its partition key, its explicit hash key if it has one, and its data. Where and
/// when it was, which the line says too, is ignored: the copy gets a place of its own.
enum PrintedRecord {
    /// The longest line of a record with at most `maximumRecordSize` bytes of data. The key's 256 characters take 3 KiB at most;
    /// the rest is for members that were added on the way.
    static func maximumLength(maximumRecordSize: Int) -> Int { Base64.size(of: maximumRecordSize) + 64 << 10 }

    /// The record in `line`. Throws what is missing, or not what `tail --json` prints.
    static func record(in line: [UInt8]) throws(JSONField.Problem) -> NewRecord {
        let values = try JSONField.values(of: ["partitionKey", "data", "explicitHashKey"], in: line)
        let key = try text(values[0], "partitionKey")
        guard let data = Base64.bytes(of: try text(values[1], "data")) else {
            throw JSONField.Problem(reason: "the member 'data' is not base64 (RFC 4648, with its padding)")
        }
        guard let given = values[2] else { return NewRecord(data, partitionKey: key) }
        guard case .string(let digits) = given, let hashKey = HashKey(digits) else {
            throw JSONField.Problem(
                reason: "the member 'explicitHashKey' is no string of decimal digits below 2^128")
        }
        return NewRecord(data, partitionKey: key, explicitHashKey: hashKey)
    }

    private static func text(_ value: JSONField.Value?, _ name: String) throws(JSONField.Problem) -> String {
        switch value {
        case .string(let text): return text
        case nil:
            throw JSONField.Problem(
                reason: "the object has no member '\(name)', so it is no record that `tail --json` has printed")
        case .number: throw JSONField.Problem(reason: "the member '\(name)' is a number; it must be a string")
        case .other(let kind): throw JSONField.Problem(reason: "the member '\(name)' is \(kind); it must be a string")
        }
    }
}

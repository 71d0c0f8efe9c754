import CHash

/// Encodes aggregates as the Kinesis Producer Library does, written after the format's description and not after the
/// reader (API-K-4).
package struct AggregateEncoder {
    /// A user record that is to be encoded.
    package struct User: Equatable, Sendable {
        package var key: String
        package var hashKey: String?
        package var data: [UInt8]
        package var tags: [(String, String?)] = []

        package init(_ key: String, hashKey: String? = nil, _ data: [UInt8], tags: [(String, String?)] = []) {
            self.key = key
            self.hashKey = hashKey
            self.data = data
            self.tags = tags
        }

        package static func == (left: User, right: User) -> Bool {
            left.key.utf8.elementsEqual(right.key.utf8) && left.hashKey == right.hashKey && left.data == right.data
        }
    }

    /// An aggregate of these user records, each table with every text once.
    package static func aggregate(_ users: [User]) -> [UInt8] { sealed(message(users)) }

    /// The message between the magic number and the digest.
    package static func message(_ users: [User]) -> [UInt8] {
        var keys: [[UInt8]] = []
        var hashKeys: [[UInt8]] = []
        func index(of text: String, in table: inout [[UInt8]]) -> UInt64 {
            let text = Array(text.utf8)
            if let index = table.firstIndex(of: text) { return UInt64(index) }
            table.append(text)
            return UInt64(table.count - 1)
        }
        var records: [[UInt8]] = []
        for user in users {
            var record = number(1, index(of: user.key, in: &keys))
            if let hashKey = user.hashKey { record += number(2, index(of: hashKey, in: &hashKeys)) }
            record += bytes(3, user.data)
            for (key, value) in user.tags {
                record += bytes(4, bytes(1, Array(key.utf8)) + (value.map { bytes(2, Array($0.utf8)) } ?? []))
            }
            records.append(record)
        }
        return keys.flatMap { bytes(1, $0) } + hashKeys.flatMap { bytes(2, $0) } + records.flatMap { bytes(3, $0) }
    }

    /// A message with the magic number before it and its digest after it.
    package static func sealed(_ message: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 16)
        message.withUnsafeBytes { shardline_md5($0.baseAddress, $0.count, &digest) }
        return [0xF3, 0x89, 0x9A, 0xC2] + message + digest
    }

    /// A field with a number.
    package static func number(_ field: UInt64, _ value: UInt64) -> [UInt8] { varint(field << 3) + varint(value) }
    /// A field with bytes, text or a message.
    package static func bytes(_ field: UInt64, _ value: [UInt8]) -> [UInt8] {
        varint(field << 3 | 2) + varint(UInt64(value.count)) + value
    }

    /// A number in groups of 7 bits.
    package static func varint(_ value: UInt64) -> [UInt8] {
        value < 128 ? [UInt8(value)] : [UInt8(value & 127) | 128] + varint(value >> 7)
    }
}

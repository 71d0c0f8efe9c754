/// Base64 with the standard alphabet and padding (RFC 4648, section 4).
package enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// The length of `count` bytes in base64.
    package static func size(of count: Int) -> Int { (count + 2) / 3 * 4 }

    /// Appends `data` in base64.
    package static func append(_ data: Span<UInt8>, to text: inout [UInt8]) {
        text.reserveCapacity(roomier: text.count + size(of: data.count))
        data.withUnsafeBufferPointer { data in
            alphabet.withUnsafeBufferPointer { letters in
                append(data, letters: letters, to: &text)
            }
        }
    }

    /// Through a small buffer: an array is asked for room at each single byte, which takes three times as long.
    private static func append(
        _ data: UnsafeBufferPointer<UInt8>, letters: UnsafeBufferPointer<UInt8>, to text: inout [UInt8]
    ) {
        let groupsAtOnce = 256
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: groupsAtOnce * 4) { room in
            var index = 0
            while index + 2 < data.count {
                let groups = min((data.count - index) / 3, groupsAtOnce)
                for group in 0..<groups {
                    let bits = UInt32(data[index]) << 16 | UInt32(data[index + 1]) << 8 | UInt32(data[index + 2])
                    index += 3
                    room[group * 4] = letters[Int(bits >> 18)]
                    room[group * 4 + 1] = letters[Int(bits >> 12 & 63)]
                    room[group * 4 + 2] = letters[Int(bits >> 6 & 63)]
                    room[group * 4 + 3] = letters[Int(bits & 63)]
                }
                text.append(contentsOf: UnsafeBufferPointer(rebasing: room[..<(groups * 4)]))
            }
            guard index < data.count else { return }
            let isPair = data.count - index == 2
            let bits = UInt32(data[index]) << 16 | (isPair ? UInt32(data[index + 1]) << 8 : 0)
            room[0] = letters[Int(bits >> 18)]
            room[1] = letters[Int(bits >> 12 & 63)]
            room[2] = isPair ? letters[Int(bits >> 6 & 63)] : UInt8(ascii: "=")
            room[3] = UInt8(ascii: "=")
            text.append(contentsOf: UnsafeBufferPointer(rebasing: room[..<4]))
        }
    }

    /// Decodes `text`; nil unless it is exactly what ``append(_:to:)`` writes.
    package static func bytes(of text: String) -> [UInt8]? {
        var text = text
        return try? text.withUTF8 { try decode($0) }
    }

    /// The number of bytes that this text holds, without a look at most of it; nil if its length isn't that of base64.
    package static func decodedCount(of text: UnsafeBufferPointer<UInt8>) -> Int? {
        text.count % 4 == 0 ? text.count / 4 * 3 - padding(of: text) : nil
    }

    /// Decodes `text`, which must be exactly what ``append(_:to:)`` writes (API-S-2).
    package static func decode(_ text: UnsafeBufferPointer<UInt8>) throws(Base64Problem) -> [UInt8] {
        guard text.count % 4 == 0 else { throw .length(text.count) }
        guard !text.isEmpty else { return [] }
        let padding = padding(of: text)
        let groups = padding > 0 ? text.count / 4 - 1 : text.count / 4
        var isValid = true
        // Each byte of the capacity that is counted is written first: three bytes a group, then those of the last one.
        let bytes = [UInt8](unsafeUninitializedCapacity: text.count / 4 * 3) { room, count in
            isValid = decode(groups: groups, of: text, into: room)
            count = isValid ? groups * 3 : 0
        }
        guard isValid else { throw badCharacter(in: text, padding: padding) }
        return padding > 0 ? try decodeLast(of: text, padding: padding, after: bytes) : bytes
    }

    /// Throws where `text` can't be decoded.
    package static func check(_ text: UnsafeBufferPointer<UInt8>) throws(Base64Problem) {
        guard text.count % 4 == 0 else { throw .length(text.count) }
        guard !text.isEmpty else { return }
        let padding = padding(of: text)
        let groups = padding > 0 ? text.count / 4 - 1 : text.count / 4
        guard areLetters(groups: groups, of: text) else { throw badCharacter(in: text, padding: padding) }
        if padding > 0 { _ = try decodeLast(of: text, padding: padding, after: []) }
    }

    private static func areLetters(groups: Int, of text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard groups > 0, let letters = text.baseAddress else { return true }
        // As `decode` does, since every index is a byte's value below 256.
        return values.withUnsafeBufferPointer { table in
            let table = table.baseAddress!
            var seen: UInt8 = 0
            for index in 0..<groups * 4 { seen |= table[Int(letters[index])] }
            return seen < 64
        }
    }

    /// Decodes whole groups of four letters; false if a byte is no letter. `room` has three bytes for each group.
    private static func decode(
        groups: Int, of text: UnsafeBufferPointer<UInt8>, into room: UnsafeMutableBufferPointer<UInt8>
    ) -> Bool {
        guard groups > 0, let letters = text.baseAddress, let bytes = room.baseAddress else { return true }
        // A letter's value stands at its place of the 24 bits, so a group is four look-ups. Without bounds checks this
        // takes a third of the time; every index is a byte's value plus a multiple of 256 below 1024.
        return placedValues.withUnsafeBufferPointer { table in
            let table = table.baseAddress!
            var seen: UInt32 = 0
            for group in 0..<groups {
                let from = letters + group * 4
                let bits =
                    table[Int(from[0])] | table[256 + Int(from[1])] | table[512 + Int(from[2])]
                    | table[768 + Int(from[3])]
                seen |= bits
                let to = bytes + group * 3
                to[0] = UInt8(truncatingIfNeeded: bits >> 16)
                to[1] = UInt8(truncatingIfNeeded: bits >> 8)
                to[2] = UInt8(truncatingIfNeeded: bits)
            }
            return seen >> 24 == 0
        }
    }

    /// The bytes of the last group, of two or three letters, appended.
    private static func decodeLast(of text: UnsafeBufferPointer<UInt8>, padding: Int, after bytes: [UInt8])
        throws(Base64Problem) -> [UInt8]
    {
        var bytes = bytes
        var bits: UInt32 = 0
        for index in text.count - 4..<text.count - padding {
            let value = values[Int(text[index])]
            guard value < 64 else { throw badCharacter(in: text, padding: padding) }
            bits = bits << 6 | UInt32(value)
        }
        guard bits & (padding == 1 ? 3 : 15) == 0 else { throw .lastCharacter }
        bits = padding == 1 ? bits >> 2 : bits >> 4
        if padding == 1 { bytes.append(UInt8(truncatingIfNeeded: bits >> 8)) }
        bytes.append(UInt8(truncatingIfNeeded: bits))
        return bytes
    }

    /// How many of the last two characters are padding.
    private static func padding(of text: UnsafeBufferPointer<UInt8>) -> Int {
        text.suffix(2).reversed().prefix { $0 == UInt8(ascii: "=") }.count
    }

    private static func badCharacter(in text: UnsafeBufferPointer<UInt8>, padding: Int) -> Base64Problem {
        guard let index = text.dropLast(padding).firstIndex(where: { values[Int($0)] >= 64 }) else {
            return .length(text.count)
        }
        let following = String(decoding: text[index...].prefix(4), as: UTF8.self)
        return .character(Character(following.unicodeScalars.first ?? "\u{FFFD}"))
    }

    /// The value of each letter; 255 for other bytes.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        for (value, letter) in alphabet.enumerated() { values[Int(letter)] = UInt8(value) }
        return values
    }()

    /// For each of a group's four places a table of the values, shifted to it; other bytes set the highest bit.
    private static let placedValues: [UInt32] = (0..<4).flatMap { place in
        values.map { value in value < 64 ? UInt32(value) << UInt32(18 - 6 * place) : 1 << 31 }
    }
}

/// Why text is no base64. Kinesis tells these three apart.
package enum Base64Problem: Error, Equatable {
    /// The text's length, in bytes, is no multiple of four.
    case length(Int)
    /// A character is none of the alphabet. White space is none, and padding is one at the end only.
    case character(Character)
    /// The last letter before the padding has bits that no byte takes.
    case lastCharacter
}

extension [UInt8] {
    /// Makes room for this many bytes, and for more where it has to move them: many small additions stay linear.
    mutating func reserveCapacity(roomier count: Int) {
        if count > capacity { reserveCapacity(Swift.max(count, 2 * capacity)) }
    }
}

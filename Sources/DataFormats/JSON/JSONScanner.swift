/// Goes through JSON text once, without making values: strict (RFC 8259), UTF-8 included.
///
/// The memory of the text must stay valid while the scanner is used.
@usableFromInline package struct JSONScanner {
    @usableFromInline let bytes: UnsafePointer<UInt8>
    /// The number of bytes.
    @usableFromInline package let end: Int
    /// The next byte.
    @usableFromInline package var at = 0

    /// A value that is nested deeper counts as no JSON, as the stack is limited.
    @inlinable package static var maximumDepth: Int { 200 }

    @inlinable package init(_ text: UnsafeBufferPointer<UInt8>) {
        // An empty buffer may have no address; none of its bytes is read.
        bytes = text.baseAddress ?? UnsafePointer(bitPattern: 1)!
        end = text.count
    }

    @inlinable package var isAtEnd: Bool { at == end }

    /// The next byte; 0, which nothing in JSON begins with, at the end.
    @inlinable @inline(__always) package var next: UInt8 { at < end ? bytes[at] : 0 }

    @inlinable package func slice(_ range: Range<Int>) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: bytes + range.lowerBound, count: range.count)
    }

    @inlinable @inline(__always) package mutating func skipSpace() {
        while at < end, bytes[at] <= 0x20 {
            guard bytes[at] == 0x20 || bytes[at] == 0x0A || bytes[at] == 0x0D || bytes[at] == 0x09 else { return }
            at += 1
        }
    }

    @inlinable @inline(__always) package mutating func take(_ byte: UInt8) -> Bool {
        guard at < end, bytes[at] == byte else { return false }
        at += 1
        return true
    }

    @inlinable package mutating func take(_ word: StaticString) -> Bool {
        guard end - at >= word.utf8CodeUnitCount else { return false }
        for index in 0..<word.utf8CodeUnitCount where bytes[at + index] != word.utf8Start[index] { return false }
        at += word.utf8CodeUnitCount
        return true
    }

    /// Takes a number; nil where there is none.
    @inlinable package mutating func number() -> Range<Int>? {
        let start = at
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")), digits() == 0 { return nil }
        if take(UInt8(ascii: ".")), digits() == 0 { return nil }
        if next | 0x20 == UInt8(ascii: "e") {
            at += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { at += 1 }
            if digits() == 0 { return nil }
        }
        return start..<at
    }

    @inlinable @inline(__always) mutating func digits() -> Int {
        let start = at
        while at < end, bytes[at] &- 0x30 < 10 { at += 1 }
        return at - start
    }

    // MARK: Strings

    /// Where a string's content is, between its quotes.
    @usableFromInline package struct Text {
        @usableFromInline package let range: Range<Int>
        /// Whether it has escapes, so that the bytes differ from the text.
        @usableFromInline package let isEscaped: Bool

        /// A string's content that was taken before.
        @inlinable package init(range: Range<Int>, isEscaped: Bool) {
            self.range = range
            self.isEscaped = isEscaped
        }

        @inlinable package func string(in scanner: JSONScanner) -> String {
            scanner.withText(self) { String(decoding: $0, as: UTF8.self) }
        }
    }

    /// Takes a string that begins at the next byte; nil if it isn't one.
    @inlinable @inline(__always) package mutating func string() -> Text? {
        at += 1
        let start = at
        var isEscaped = false
        while true {
            skipPlainText()
            guard at < end else { return nil }
            let byte = bytes[at]
            switch byte {
            case UInt8(ascii: "\""):
                at += 1
                return Text(range: start..<at - 1, isEscaped: isEscaped)
            case UInt8(ascii: "\\"):
                isEscaped = true
                guard takeEscape() != nil else { return nil }
            case 0x80...: guard takeCharacter() else { return nil }
            default: return nil
            }
        }
    }

    /// Moves to the next quote, backslash, control character, or byte of a character outside ASCII.
    @inlinable @inline(__always) mutating func skipPlainText() {
        let ones: UInt64 = 0x0101_0101_0101_0101
        while at + 8 <= end {
            let word = UInt64(littleEndian: UnsafeRawPointer(bytes + at).loadUnaligned(as: UInt64.self))
            let quotes = word ^ (ones &* 0x22)
            let backslashes = word ^ (ones &* 0x5C)
            // The lowest bit that is set is of the first such byte; higher ones may be wrong.
            let found =
                (((word &- ones &* 0x20) & ~word) | ((quotes &- ones) & ~quotes)
                    | ((backslashes &- ones) & ~backslashes) | word) & (ones &* 0x80)
            if found != 0 {
                at += found.trailingZeroBitCount >> 3
                return
            }
            at += 8
        }
        while at < end, bytes[at] >= 0x20, bytes[at] < 0x80, bytes[at] != 0x22, bytes[at] != 0x5C { at += 1 }
    }

    /// Takes a character of two to four bytes; false if it is no valid UTF-8.
    @inlinable mutating func takeCharacter() -> Bool {
        let length = UTF8Text.lengthOfCharacter(bytes, at: at, end: end)
        at += length
        return length > 0
    }

    /// Takes an escape that begins at the next byte; nil if it isn't one. Half of a surrogate pair is none.
    @inlinable mutating func takeEscape() -> Unicode.Scalar? {
        at += 1
        guard at < end else { return nil }
        let byte = bytes[at]
        at += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            guard let code = hexadecimal() else { return nil }
            guard 0xD800..<0xDC00 ~= code else { return Unicode.Scalar(code) }
            guard take("\\u"), let low = hexadecimal(), 0xDC00..<0xE000 ~= low else { return nil }
            return Unicode.Scalar(0x10000 + (code - 0xD800) << 10 + (low - 0xDC00))
        default: return nil
        }
    }

    @inlinable mutating func hexadecimal() -> UInt32? {
        guard end - at >= 4 else { return nil }
        var code: UInt32 = 0
        for _ in 0..<4 {
            let byte = bytes[at]
            at += 1
            switch byte {
            case 0x30...0x39: code = code << 4 | UInt32(byte - 0x30)
            case 0x41...0x46, 0x61...0x66: code = code << 4 | UInt32((byte | 0x20) - 0x57)
            default: return nil
            }
        }
        return code
    }

    /// Calls `body` with the text of a string that was taken before. Only text with escapes is copied.
    @inlinable @inline(__always)
    package func withText<Result>(_ text: Text, _ body: (UnsafeBufferPointer<UInt8>) throws -> Result) rethrows
        -> Result
    {
        guard text.isEscaped else { return try body(slice(text.range)) }
        return try withUnescaped(text, body)
    }

    @inlinable func withUnescaped<Result>(_ text: Text, _ body: (UnsafeBufferPointer<UInt8>) throws -> Result)
        rethrows
        -> Result
    {
        // An escape is at least as long as its character.
        try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: text.range.count) { room in
            var reader = self
            reader.at = text.range.lowerBound
            var count = 0
            while reader.at < text.range.upperBound {
                if bytes[reader.at] == UInt8(ascii: "\\"), let scalar = reader.takeEscape() {
                    for byte in UTF8.encode(scalar)! {
                        room[count] = byte
                        count += 1
                    }
                } else {
                    room[count] = bytes[reader.at]
                    count += 1
                    reader.at += 1
                }
            }
            return try body(UnsafeBufferPointer(start: UnsafePointer(room.baseAddress), count: count))
        }
    }

    // MARK: Values that nobody asked for

    /// Takes any value; false if there is none. `depth` is the number of values that it is in.
    @inlinable package mutating func skipValue(depth: Int) -> Bool {
        guard depth < Self.maximumDepth else { return false }
        switch next {
        case UInt8(ascii: "\""): return string() != nil
        case UInt8(ascii: "{"): return skipObject(depth: depth)
        case UInt8(ascii: "["): return skipArray(depth: depth)
        case UInt8(ascii: "t"): return take("true")
        case UInt8(ascii: "f"): return take("false")
        case UInt8(ascii: "n"): return take("null")
        default: return number() != nil
        }
    }

    @inlinable mutating func skipObject(depth: Int) -> Bool {
        at += 1
        skipSpace()
        if take(UInt8(ascii: "}")) { return true }
        while true {
            skipSpace()
            guard next == UInt8(ascii: "\""), string() != nil else { return false }
            skipSpace()
            guard take(UInt8(ascii: ":")) else { return false }
            skipSpace()
            guard skipValue(depth: depth + 1) else { return false }
            skipSpace()
            if take(UInt8(ascii: "}")) { return true }
            guard take(UInt8(ascii: ",")) else { return false }
        }
    }

    @inlinable mutating func skipArray(depth: Int) -> Bool {
        at += 1
        skipSpace()
        if take(UInt8(ascii: "]")) { return true }
        while true {
            skipSpace()
            guard skipValue(depth: depth + 1) else { return false }
            skipSpace()
            if take(UInt8(ascii: "]")) { return true }
            guard take(UInt8(ascii: ",")) else { return false }
        }
    }
}

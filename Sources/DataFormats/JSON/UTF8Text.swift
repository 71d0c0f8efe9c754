/// UTF-8, checked as the standard wants it: no overlong forms, no halves of surrogate pairs.
@usableFromInline package enum UTF8Text {
    /// Whether all of it is UTF-8.
    package static func isValid(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let bytes = text.baseAddress else { return true }
        var at = 0
        while at < text.count {
            // Eight bytes of ASCII at once: most text is nothing else.
            while at + 8 <= text.count {
                let word = UnsafeRawPointer(bytes + at).loadUnaligned(as: UInt64.self)
                guard word & 0x8080_8080_8080_8080 == 0 else { break }
                at += 8
            }
            guard at < text.count else { return true }
            let length = bytes[at] < 0x80 ? 1 : lengthOfCharacter(bytes, at: at, end: text.count)
            guard length > 0 else { return false }
            at += length
        }
        return true
    }

    /// The length of a character of two to four bytes; 0 if it is no valid UTF-8.
    @inlinable
    static func lengthOfCharacter(_ bytes: UnsafePointer<UInt8>, at: Int, end: Int) -> Int {
        func follows(_ offset: Int, _ low: UInt8 = 0x80, _ high: UInt8 = 0xBF) -> Bool {
            at + offset < end && bytes[at + offset] >= low && bytes[at + offset] <= high
        }
        return switch bytes[at] {
        case 0xC2...0xDF: follows(1) ? 2 : 0
        case 0xE0: follows(1, 0xA0) && follows(2) ? 3 : 0
        case 0xED: follows(1, 0x80, 0x9F) && follows(2) ? 3 : 0
        case 0xE1...0xEF: follows(1) && follows(2) ? 3 : 0
        case 0xF0: follows(1, 0x90) && follows(2) && follows(3) ? 4 : 0
        case 0xF4: follows(1, 0x80, 0x8F) && follows(2) && follows(3) ? 4 : 0
        case 0xF1...0xF3: follows(1) && follows(2) && follows(3) ? 4 : 0
        default: 0
        }
    }
}

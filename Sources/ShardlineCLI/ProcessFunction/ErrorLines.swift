/// Splits what a child writes to standard error into lines, whatever bytes they contain.
struct ErrorLines {
    /// The longest line that is passed on in one piece, in bytes.
    static let longest = 1 << 20

    private let limit: Int
    private var line: [UInt8] = []
    private var isContinued = false
    /// The last line that was not blank, at most 500 characters of it.
    private(set) var lastWords = ""

    init(limit: Int = Self.longest) { self.limit = limit }

    /// Takes bytes that were read, and passes on each line that is complete.
    mutating func take(_ bytes: ArraySlice<UInt8>, _ passOn: ([UInt8]) -> Void) {
        var rest = bytes
        while let newline = rest.firstIndex(of: UInt8(ascii: "\n")) {
            append(rest[..<newline], passOn)
            flush(passOn)
            rest = rest[(newline + 1)...]
        }
        append(rest, passOn)
    }

    /// Passes on the incomplete last line; the next bytes are another child's.
    mutating func finish(_ passOn: ([UInt8]) -> Void) { flush(passOn) }

    mutating func forgetLastWords() { lastWords = "" }

    private mutating func append(_ bytes: ArraySlice<UInt8>, _ passOn: ([UInt8]) -> Void) {
        line += bytes
        while line.count > limit {
            let cut = border(before: limit)
            tell(line[..<cut], isCut: true, passOn)
            line.removeSubrange(..<cut)
            isContinued = true
        }
    }

    // UTF-8 characters are not split: their continuation bytes begin with the bits 10.
    private func border(before limit: Int) -> Int {
        var cut = limit
        while cut > 0, limit - cut < 3, line[cut] & 0xC0 == 0x80 { cut -= 1 }
        return cut == 0 || line[cut] & 0xC0 == 0x80 ? limit : cut
    }

    private mutating func flush(_ passOn: ([UInt8]) -> Void) {
        if !line.isEmpty { tell(line[...], isCut: false, passOn) }
        line = []
        isContinued = false
    }

    private mutating func tell(_ piece: ArraySlice<UInt8>, isCut: Bool, _ passOn: ([UInt8]) -> Void) {
        if !piece.allSatisfy({ $0 == 0x20 || (0x09...0x0D).contains($0) }) {
            // A character has at most four bytes.
            lastWords = String(String(decoding: piece.prefix(2000), as: UTF8.self).prefix(500))
        }
        let before = isContinued ? "[continued] " : ""
        let behind = isCut ? " [cut after \(limit) bytes, continued]" : ""
        passOn(Array(before.utf8) + piece + Array(behind.utf8))
    }
}

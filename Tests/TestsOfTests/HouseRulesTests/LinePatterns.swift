import Foundation

/// Patterns that are looked for in every line of many files, of which almost none has one.
struct LinePatterns: Sendable {
    private let sources: [String]
    private let ignoresCase: Bool
    private let isSimple: Bool
    /// All patterns as one, for a whole file.
    private let any: NSRegularExpression

    /// `isSimple`: a word ends before a point. Else `FileManager.default` would be one word.
    init(_ patterns: [String], ignoresCase: Bool = false, isSimple: Bool = true) throws {
        sources = patterns
        self.ignoresCase = ignoresCase
        self.isSimple = isSimple
        any = try NSRegularExpression(
            pattern: patterns.map { "(?:\($0))" }.joined(separator: "|"),
            options: ignoresCase ? [.anchorsMatchLines, .caseInsensitive] : .anchorsMatchLines)
    }

    /// The lines of a text, from 0, that match, with the pattern's number and what matches.
    func matches(in text: String) throws -> [(line: Int, pattern: Int, match: Substring)] {
        // A search of the whole text takes a hundredth of the time that one of each line takes.
        guard any.firstMatch(in: text, range: NSRange(location: 0, length: (text as NSString).length)) != nil else {
            return []
        }
        let expressions = try sources.map { source in
            let expression = try Regex(source).ignoresCase(ignoresCase)
            return isSimple ? expression.wordBoundaryKind(.simple) : expression
        }
        return text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().flatMap { number, line in
            expressions.enumerated().compactMap { index, expression in
                line.firstMatch(of: expression).map { (number, index, line[$0.range]) }
            }
        }
    }
}

extension StringProtocol {
    /// Whether these bytes, at least one, are in the text: cheap enough to be asked of every line.
    func has(_ word: String) -> Bool { places(of: word) { _, _, _ in true } }

    /// Whether one of these is in the text.
    func hasAny(_ words: [String]) -> Bool { words.contains { has($0) } }

    /// Whether the text has this word, which is no part of a longer one there.
    func has(word: String) -> Bool {
        func isWord(_ byte: UInt8) -> Bool {
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte & 0xDF) || byte == UInt8(ascii: "_")
        }
        return places(of: word) { text, begin, end in
            !(begin > 0 && isWord(text[begin - 1])) && !(end < text.count && isWord(text[end]))
        }
    }

    /// Whether one of the places where these bytes are is accepted; it gets the text, and where they begin and end.
    private func places(of word: String, _ accepts: (UnsafeBufferPointer<UInt8>, Int, Int) -> Bool) -> Bool {
        let length = word.utf8.count
        let isThere = utf8.withContiguousStorageIfAvailable { text in
            word.utf8.withContiguousStorageIfAvailable { word in
                guard let base = text.baseAddress, let first = word.first else { return false }
                var rest = text.count
                while rest >= length, let found = memchr(base + text.count - rest, Int32(first), rest - length + 1) {
                    let begin = found.assumingMemoryBound(to: UInt8.self) - UnsafeMutablePointer(mutating: base)
                    if memcmp(found, word.baseAddress!, length) == 0, accepts(text, begin, begin + length) {
                        return true
                    }
                    rest = text.count - begin - 1
                }
                return false
            } ?? false
        }
        return isThere ?? false
    }
}

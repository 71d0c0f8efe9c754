import Foundation
import Testing

/// One word, one meaning, and the field's: words that were replaced do not come back (Documentation/Glossary.md has those
/// that are used).
@Suite struct WordTests {
    /// A pattern, and what to say instead.
    static let replaced: [(pattern: String, instead: String)] = [
        (#"\banew\b"#, "recreated, or again"),
        (#"\bin vain\b"#, "without effect"),
        (#"\bso-manieth\b"#, "which one"),
        (#"\bfor good\b"#, "permanently"),
        (#"\bwhoever\b"#, "the caller, the reader, the owner: which"),
        (#"\bgoodbyes?\b"#, "a clean release"),
        (#"\bhouse-?keep\w*"#, "maintenance"),
        (#"\bbehind the (?:newest|last|tip)\b"#, "after: behind means lag"),
        (#"\b(?:Gathering|MappingBoard|StandstillLog|EpochQueue|SegmentPast|MappingKey)\b"#, "the new name"),
        (#"\bunknown(?:Stream|Shard|Mapping)\b"#, "streamNotFound, shardNotFound, mappingNotFound"),
    ]

    static func breaches(in text: String, path: String) throws -> [Breach] {
        try patterns.get().matches(in: text).map { line, pattern, match in
            Breach(path: path, line: line + 1, what: "'\(match)': say \(replaced[pattern].instead)")
        }
    }

    private static let patterns = Result {
        try LinePatterns(replaced.map(\.pattern), ignoresCase: true, isSimple: false)
    }

    @Test func `comments use the field's words`() throws {
        let found = try SourceTree.files(below: "Sources", "Tests", "examples")
            .filter { !$0.path.hasSuffix("/WordTests.swift") }
            .flatMap { try Self.breaches(in: $0.comments, path: $0.path) }
        #expect(found == [])
    }

    @Test func `names of tests use the field's words`() throws {
        let found = try SourceTree.files(below: "Tests").filter { !$0.path.hasSuffix("/WordTests.swift") }
            .flatMap { try Self.breaches(in: Self.names($0.text), path: $0.path) }
        #expect(found == [])
    }

    /// What the lines of this text say in the names of functions; its other lines are empty.
    static func names(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false)
            .map { line in
                guard line.has("func `") else { return "" }
                return line.firstMatch(of: #/func `([^`]+)`/#).map { String($0.1) } ?? ""
            }.joined(separator: "\n")
    }

    /// Log lines and other messages: what stands in string literals, and no name of the code.
    @Test func `messages use the field's words`() throws {
        let found = try SourceTree.files(below: "Sources", "examples").flatMap { file in
            try Self.breaches(in: file.strings, path: file.path)
        }
        #expect(found == [])
    }

    @Test func `documents use the field's words`() throws {
        let manager = FileManager.default
        let below = try ["Documentation", "Sources/Shardline/Shardline.docc"].flatMap { folder in
            try manager.subpathsOfDirectory(atPath: SourceTree.root.appending(path: folder).path)
                .filter { $0.hasSuffix(".md") }.map { "\(folder)/\($0)" }
        }
        for path in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] + below.sorted() {
            #expect(try Self.breaches(in: SourceTree.text(path), path: path) == [])
        }
    }

    @Test func `a word that was replaced is found`() throws {
        let text = "It is made anew.\nA reader behind the newest record.\nIt lags behind."
        #expect(try Self.breaches(in: text, path: "A.swift").map(\.line) == [1, 2])
        let code = "// in vain\nlet text = \"made anew\"\nfunc `it is made anew`() {}"
        #expect(try Self.breaches(in: Self.names(code), path: "A.swift").map(\.line) == [3])
        #expect(try Self.breaches(in: SourceTree.parts(of: code).strings, path: "A.swift").map(\.line) == [2])
    }
}

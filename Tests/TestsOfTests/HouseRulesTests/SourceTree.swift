import Foundation
import Synchronization
import TestSupport

/// The files of this package, read from where this file was compiled.
struct SourceTree {
    /// One Swift file.
    struct File {
        /// Relative to the package: `Sources/StreamModel/Record.swift`.
        let path: String
        /// The text as it is.
        let text: String
        /// The text without comments and without what stands in string literals, with the lines where they were.
        let code: [Substring]
        /// The same in one piece.
        let codeText: String
        /// Only the comments, and only the string literals, with the lines where they were.
        let comments: String
        let strings: String

        init(path: String, text: String) {
            self.path = path
            self.text = text
            (codeText, comments, strings) = SourceTree.parts(of: text)
            code = codeText.split(separator: "\n", omittingEmptySubsequences: false)
        }

        /// The folder below `Sources`, `Tests` or `examples` that the file is in.
        var target: String { String(path.split(separator: "/")[1]) }
        var lines: Int { text.utf8.count { $0 == UInt8(ascii: "\n") } }
    }

    static let root = URL(filePath: PackageFolder.path)

    /// Files that were read, by the folder: taking their comments apart takes long, and each rule needs all of them.
    private static let known = Mutex<[String: [File]]>([:])
    /// Patterns that were looked for.
    fileprivate static let patterns = Mutex<[[String]: LinePatterns]>([:])

    /// All Swift files below these folders of the package.
    static func files(below folders: String...) throws -> [File] {
        try folders.flatMap { folder -> [File] in
            if let files = known.withLock({ $0[folder] }) { return files }
            let files = try read(below: folder)
            known.withLock { $0[folder] = files }
            return files
        }
    }

    private static func read(below folder: String) throws -> [File] {
        let base = root.appending(path: folder)
        guard FileManager.default.fileExists(atPath: base.path) else { return [] }
        return try FileManager.default.subpathsOfDirectory(atPath: base.path).sorted()
            .filter { $0.hasSuffix(".swift") && !$0.contains(".build/") }
            .map { path in
                File(path: "\(folder)/\(path)", text: try text("\(folder)/\(path)"))
            }
    }

    /// Any text file of the package.
    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    /// A Swift file's code, its comments, and its string literals, each with all line ends of the file.
    ///
    /// Interpolations are part of their string: code in them would have to be hidden on purpose.
    static func parts(of text: String) -> (code: String, comments: String, strings: String) {
        let bytes = text.utf8CString
        return bytes.withUnsafeBufferPointer { bytes in
            var splitter = SourceSplitter(bytes: bytes.baseAddress!, count: bytes.count - 1)
            splitter.run()
            func string(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
            return (string(splitter.code), string(splitter.comments), string(splitter.strings))
        }
    }
}

/// Takes a Swift file apart. `bytes` end with a 0 after the last one.
private struct SourceSplitter {
    enum Part { case code, comments, strings }
    enum Place { case code, lineComment, blockComment(depth: Int), string(quotes: Int, hashes: Int) }

    let bytes: UnsafePointer<CChar>
    let count: Int
    var code: [UInt8] = []
    var comments: [UInt8] = []
    var strings: [UInt8] = []
    private var index = 0
    private var place = Place.code

    init(bytes: UnsafePointer<CChar>, count: Int) {
        self.bytes = bytes
        self.count = count
    }

    mutating func run() {
        while index < count {
            // What can't change the place is passed at once: files are large, and tests are not optimized.
            switch place {
            case .code: pass(strcspn(bytes + index, "\n/\"#"), to: .code)
            case .lineComment: pass(strcspn(bytes + index, "\n"), to: .comments)
            case .blockComment: pass(strcspn(bytes + index, "\n*/"), to: .comments)
            case .string: pass(strcspn(bytes + index, "\n\\\""), to: .strings)
            }
            guard index < count else { return }
            if at(index, "\n") {
                code.append(10)
                comments.append(10)
                strings.append(10)
                index += 1
                if case .lineComment = place { place = .code }
            } else {
                step()
            }
        }
    }

    /// Passes a byte, or several, that may change the place.
    private mutating func step() {
        switch place {
        case .code:
            let hashes = run(of: "#", at: index)
            if at(index, "/"), at(index + 1, "/") {
                place = .lineComment
                pass(2, to: .comments)
            } else if at(index, "/"), at(index + 1, "*") {
                place = .blockComment(depth: 1)
                pass(2, to: .comments)
            } else if at(index + hashes, "\"") {
                let quotes = run(of: "\"", at: index + hashes) >= 3 ? 3 : 1
                place = .string(quotes: quotes, hashes: hashes)
                pass(hashes + quotes, to: .strings)
            } else {
                pass(1, to: .code)
            }
        case .lineComment:
            pass(1, to: .comments)
        case .blockComment(let depth):
            if at(index, "*"), at(index + 1, "/") {
                place = depth == 1 ? .code : .blockComment(depth: depth - 1)
                pass(2, to: .comments)
            } else if at(index, "/"), at(index + 1, "*") {
                place = .blockComment(depth: depth + 1)
                pass(2, to: .comments)
            } else {
                pass(1, to: .comments)
            }
        case .string(let quotes, let hashes):
            if at(index, "\\"), run(of: "#", at: index + 1) >= hashes {
                // A line end after it stays one.
                pass(at(index + 1 + hashes, "\n") ? 1 + hashes : 2 + hashes, to: .strings)
            } else if run(of: "\"", at: index) >= quotes, run(of: "#", at: index + quotes) >= hashes {
                place = .code
                pass(quotes + hashes, to: .strings)
            } else {
                pass(1, to: .strings)
            }
        }
    }

    private func at(_ offset: Int, _ byte: Character) -> Bool {
        offset < count && bytes[offset] == byte.asciiValue.map(CChar.init)
    }

    private func run(of byte: Character, at start: Int) -> Int {
        var end = start
        while at(end, byte) { end += 1 }
        return end - start
    }

    /// Goes on by this many bytes, which are of this part.
    private mutating func pass(_ length: Int, to part: Part) {
        let length = min(length, count - index)
        guard length > 0 else { return }
        (bytes + index).withMemoryRebound(to: UInt8.self, capacity: length) {
            let passed = UnsafeBufferPointer(start: $0, count: length)
            switch part {
            case .code: code += passed
            case .comments: comments += passed
            case .strings: strings += passed
            }
        }
        index += length
    }
}

/// A line that breaks a rule, as a test reports it.
struct Breach: CustomStringConvertible, Equatable {
    let path: String
    let line: Int
    let what: String
    var description: String { "\(path):\(line): \(what)" }
}

extension SourceTree.File {
    /// The lines of code that match one of the patterns.
    func breaches(of patterns: [String], because reason: String) throws -> [Breach] {
        var known = SourceTree.patterns.withLock { $0[patterns] }
        if known == nil {
            known = try LinePatterns(patterns)
            SourceTree.patterns.withLock { [known] in $0[patterns] = known }
        }
        let lines = try known?.matches(in: codeText).map(\.line) ?? []
        return Set(lines).sorted().map { Breach(path: path, line: $0 + 1, what: reason) }
    }
}

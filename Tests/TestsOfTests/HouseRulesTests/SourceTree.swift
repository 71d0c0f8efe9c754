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

        /// The folder below `Sources`, `Tests` or `examples` that the file is in.
        var target: String { String(path.split(separator: "/")[1]) }
        var lines: Int { text.split(separator: "\n", omittingEmptySubsequences: false).count - 1 }
    }

    static let root = URL(filePath: PackageFolder.path)

    /// Files that were read, by the folder: taking their comments apart takes long, and each rule needs all of them.
    private static let known = Mutex<[String: [File]]>([:])

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
                let text = try String(contentsOf: base.appending(path: path), encoding: .utf8)
                return File(
                    path: "\(folder)/\(path)", text: text,
                    code: Self.withoutCommentsAndStrings(text).split(
                        separator: "\n", omittingEmptySubsequences: false))
            }
    }

    /// Any text file of the package.
    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    /// What a byte of a Swift file can be part of.
    struct Part: OptionSet {
        let rawValue: Int
        static let code = Part(rawValue: 1)
        static let comment = Part(rawValue: 2)
        static let string = Part(rawValue: 4)
    }

    /// Blanks out comments and the contents of string literals; line ends stay.
    ///
    /// Interpolations are blanked out too: code in them would have to be hidden on purpose.
    static func withoutCommentsAndStrings(_ text: String) -> String { only(.code, of: text) }

    /// The parts of the text that are wanted; line ends stay.
    static func only(_ wanted: Part, of text: String) -> String {
        enum Place { case code, lineComment, blockComment(depth: Int), string(quotes: Int, hashes: Int) }
        var place = Place.code
        var result: [UInt8] = []
        let bytes = Array(text.utf8)
        var index = 0
        func at(_ offset: Int, _ byte: Character) -> Bool {
            offset < bytes.count && bytes[offset] == byte.asciiValue
        }
        func run(of byte: Character, at start: Int) -> Int {
            var end = start
            while at(end, byte) { end += 1 }
            return end - start
        }
        /// Goes on by this many bytes, which are of this part.
        func pass(_ count: Int, _ part: Part) {
            let end = min(index + count, bytes.count)
            if wanted.contains(part) { result += bytes[index..<end] }
            index = end
        }
        while index < bytes.count {
            if at(index, "\n") {
                result.append(bytes[index])
                index += 1
                if case .lineComment = place { place = .code }
                continue
            }
            switch place {
            case .code:
                let hashes = run(of: "#", at: index)
                if at(index, "/"), at(index + 1, "/") {
                    place = .lineComment
                    pass(2, .comment)
                } else if at(index, "/"), at(index + 1, "*") {
                    place = .blockComment(depth: 1)
                    pass(2, .comment)
                } else if at(index + hashes, "\"") {
                    let quotes = run(of: "\"", at: index + hashes) >= 3 ? 3 : 1
                    place = .string(quotes: quotes, hashes: hashes)
                    pass(hashes + quotes, .string)
                } else {
                    pass(1, .code)
                }
            case .lineComment:
                pass(1, .comment)
            case .blockComment(let depth):
                if at(index, "*"), at(index + 1, "/") {
                    place = depth == 1 ? .code : .blockComment(depth: depth - 1)
                    pass(2, .comment)
                } else if at(index, "/"), at(index + 1, "*") {
                    place = .blockComment(depth: depth + 1)
                    pass(2, .comment)
                } else {
                    pass(1, .comment)
                }
            case .string(let quotes, let hashes):
                if at(index, "\\"), run(of: "#", at: index + 1) >= hashes {
                    pass(2 + hashes, .string)
                } else if run(of: "\"", at: index) >= quotes, run(of: "#", at: index + quotes) >= hashes {
                    place = .code
                    pass(quotes + hashes, .string)
                } else {
                    pass(1, .string)
                }
            }
        }
        return String(decoding: result, as: UTF8.self)
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
        // Else there is no end of a word before a point: `FileManager.default` would be one.
        let expressions = try patterns.map { try Regex($0).wordBoundaryKind(.simple) }
        return code.enumerated().compactMap { number, line in
            guard expressions.contains(where: { line.firstMatch(of: $0) != nil }) else { return nil }
            return Breach(path: path, line: number + 1, what: reason)
        }
    }
}

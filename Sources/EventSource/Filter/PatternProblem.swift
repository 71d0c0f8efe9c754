import DataFormats

/// What is wrong with a filter pattern, and where (ESM-F19).
struct PatternProblem: Error, Hashable {
    /// Where in the pattern: `$` for the whole, `$.data.type[1]`.
    let path: String
    /// The place of the first wrong byte in the pattern's UTF-8, counted from 0.
    let offset: Int
    /// What is wrong there.
    let what: String
    /// What would be right.
    let allowed: String

    init(_ path: PatternPath, _ offset: Int, _ what: String, allowed: String) {
        self.path = path.description
        self.offset = offset
        self.what = what
        self.allowed = allowed
    }

    /// One line, as messages about settings have it.
    var message: String { "byte \(offset), at \(path): \(what) (allowed: \(allowed))" }

    /// Text of a pattern as messages quote it: short, and without control characters.
    static func quoted(_ text: String) -> String {
        let scalars = text.unicodeScalars
        var writer = JSONWriter()
        var short = String(String.UnicodeScalarView(scalars.prefix(40)))
        if scalars.dropFirst(40).first != nil { short += "…" }
        writer.string(short)
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}

/// The way from the whole pattern to a value in it.
struct PatternPath: CustomStringConvertible {
    private(set) var parts: [String] = []

    /// The way to a member of the object there.
    func member(_ name: String) -> PatternPath {
        let isPlain =
            !name.isEmpty && name.utf8.count <= 40
            && name.utf8.allSatisfy {
                switch $0 {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "$"):
                    true
                default: false
                }
            }
        return adding(isPlain ? ".\(name)" : "[\(PatternProblem.quoted(name))]")
    }

    /// The way to an element of the list there.
    func element(_ index: Int) -> PatternPath { adding("[\(index)]") }

    private func adding(_ part: String) -> PatternPath {
        var path = self
        path.parts.append(part)
        return path
    }

    /// As in `$.data.type[1]`; of a long way only the end.
    var description: String { parts.count > 12 ? "$…" + parts.suffix(12).joined() : "$" + parts.joined() }
}

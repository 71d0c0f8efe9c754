import Testing

/// A function is read in one piece, so it fits on a page.
@Suite struct FunctionLengthTests {
    static let most = 70

    /// The functions of a file that have more lines than they may, with their lengths.
    static func long(in code: [Substring]) -> [(line: Int, length: Int)] {
        var found: [(line: Int, length: Int)] = []
        for (number, line) in code.enumerated() {
            guard line.hasAny(["func ", "init"]),
                line.contains(#/^ *(?:@\w+(?:\(\w*\))? )*(?:\w+(?:\(set\))? )*(?:func |init[?(<])/#)
            else { continue }
            let indentation = line.prefix { $0 == " " }
            // Its body begins where a line of its own indentation, or its first, ends with a brace; a requirement of a
            // protocol has none.
            var start = number
            while start < code.count, !code[start].hasSuffix("{") {
                if code[start].isEmpty || start > number && code[start].hasPrefix("\(indentation)}") { break }
                start += 1
            }
            guard start < code.count, code[start].hasSuffix("{"),
                start == number || code[start].prefix(while: { $0 == " " }) == indentation,
                let end = code[start...].dropFirst().firstIndex(where: { $0 == "\(indentation)}" })
            else { continue }
            let length = end - number + 1
            if length > most { found.append((number + 1, length)) }
        }
        return found
    }

    @Test func `no function has more than 70 lines`() throws {
        let found = try SourceTree.files(below: "Sources", "examples").flatMap { file in
            Self.long(in: file.code).map {
                Breach(path: file.path, line: $0.line, what: "a function of \($0.length) lines")
            }
        }
        #expect(found == [])
    }

    @Test func `a long function is found, whatever its signature looks like`() {
        let body = String(repeating: "        step()\n", count: Self.most - 1)
        for head in [
            "    func run() {", "    private mutating func run(\n        _ value: Int\n    ) throws -> Int {",
            "    init?(_ value: Int) {", "    @discardableResult package static func run<T>(_ t: T) async -> T {",
        ] {
            let text = "struct A {\n\(head)\n\(body)    }\n}"
            let code = text.split(separator: "\n", omittingEmptySubsequences: false)
            #expect(Self.long(in: code).map(\.line) == [2])
        }
        let short = "    func run() {\n\(String(repeating: "        step()\n", count: Self.most - 2))    }"
        #expect(Self.long(in: short.split(separator: "\n")).isEmpty)
        let requirement = "    func run()\n" + String(repeating: "    var a: Int { get }\n", count: 90)
        #expect(Self.long(in: requirement.split(separator: "\n")).isEmpty)
    }
}

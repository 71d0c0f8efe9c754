import Foundation

/// The table of `Documentation/Rules/Table.md`: of each rule of event source mappings the files that keep it, and the
/// suites whose tests cite it.
struct RuleTable {
    /// A rule and where it is.
    struct Row {
        let rule: String
        /// The heading of its section in the document of rules.
        let heading: Substring
        /// Whether it is a fact of AWS, which nothing here has to keep.
        let isFact: Bool
        /// Files in the order of their paths.
        var sources: [String] = []
        /// The names of suites with their files, in the order of the names.
        var suites: [String: String] = [:]
    }

    static let path = "Documentation/Rules/Table.md"
    /// The document whose rules are in the table.
    static let document = (path: "Documentation/Rules/EventSourceMappings.md", family: "ESM")

    private(set) var rows: [Row]

    /// The table of these rules, given the files of `Sources` and `Tests`.
    init(document: String, sources: [SourceTree.File], tests: [SourceTree.File]) throws {
        let book = try RuleBook(document, family: Self.document.family)
        var headings: [String: Substring] = [:]
        var heading: Substring = ""
        for line in document.split(separator: "\n") {
            if line.hasPrefix("## ") { heading = line.dropFirst(3) }
            guard let rule = line.prefixMatch(of: #/- \*\*([A-Z]+-[A-Za-z0-9-]+)\*\*/#) else { continue }
            headings[String(rule.1)] = heading
        }
        rows = book.rules.map { Row(rule: $0, heading: headings[$0] ?? "", isFact: book.facts.contains($0)) }
        let places = Dictionary(uniqueKeysWithValues: rows.indices.map { (rows[$0].rule, $0) })
        for file in sources.sorted(by: { $0.path < $1.path }) {
            // A range says where much is kept, and nothing of one rule.
            let cited = RuleCitation.all(in: file.text).filter { $0.rules.count == 1 }.map { $0.rules[0] }
            for rule in Set(cited) { if let place = places[rule] { rows[place].sources.append(file.path) } }
        }
        for file in tests.sorted(by: { $0.path < $1.path }) {
            for (rule, suite) in Self.tested(in: file, book) {
                if let place = places[rule] { rows[place].suites[suite] = file.path }
            }
        }
    }

    /// The table of the repository.
    static func ofRepository() throws -> RuleTable {
        // What tests use, and the tests of the sources' form, prove no rule.
        let tests = try SourceTree.files(below: "Tests")
            .filter { !$0.path.hasPrefix("Tests/Support/") && !$0.path.hasPrefix("Tests/TestsOfTests/") }
        return try RuleTable(
            document: SourceTree.text(document.path), sources: SourceTree.files(below: "Sources"), tests: tests)
    }

    /// The rules that a file's tests cite, each with its suite. What is said of a whole suite, or in a type that only
    /// helps, is no citation by a test.
    private static func tested(in file: SourceTree.File, _ book: RuleBook) -> [(rule: String, suite: String)] {
        let citations = RuleCitation.all(in: file.text)
        guard !citations.isEmpty else { return [] }
        let lines = file.text.split(separator: "\n", omittingEmptySubsequences: false)
        var found: [(String, String)] = []
        var start = lines.startIndex
        while let first = lines[start...].firstIndex(where: isType) {
            let end = lines[first...].firstIndex { $0.hasPrefix("}") } ?? lines.endIndex
            start = end
            guard lines[first..<end].contains(where: { $0.contains("@Test") }),
                let name = lines[first].firstMatch(of: type)
            else { continue }
            for citation in citations where first < citation.line && citation.line < end {
                found += (book.rules(of: citation) ?? []).map { ($0, String(name.1)) }
            }
        }
        return found
    }

    private static func isType(_ line: Substring) -> Bool {
        guard let first = line.utf8.first, first != UInt8(ascii: " "), first != UInt8(ascii: "/") else { return false }
        return line.contains(type)
    }

    /// The name of a type, after which comes no string: the title of a suite stands before it.
    private static var type: Regex<(Substring, Substring)> {
        #/\b(?:struct|class|extension|enum|actor) (\w+)[^"]*$/#
    }

    /// What is wrong: rules that no source or no test cites.
    var gaps: [String] {
        rows.filter { !$0.isFact }.flatMap { row in
            (row.sources.isEmpty ? ["no file of Sources cites \(row.rule)"] : [])
                + (row.suites.isEmpty ? ["no test cites \(row.rule)"] : [])
        }
    }

    /// The table as Markdown.
    var markdown: String {
        var text = """
            # Where each rule is kept and tested

            Each rule of [event source mappings](EventSourceMappings.md), the files whose code cites it, and the suites whose tests do.
            `make rule-table` writes this page from the citations. `RuleTableTests` fails where it is not what they say, and where no
            file or no test cites a rule. A fact of AWS needs neither.

            """
        var heading: Substring = ""
        for row in rows {
            if row.heading != heading {
                heading = row.heading
                text += "\n## \(heading)\n\n| rule | kept in | tested by |\n| --- | --- | --- |\n"
            }
            let sources = row.isFact && row.sources.isEmpty ? "a fact of AWS" : Self.list(row.sources.map { ($0, $0) })
            let suites = row.suites.sorted { $0.key < $1.key }.map { (name: $0.key, path: $0.value) }
            let rule = "[\(row.rule)](EventSourceMappings.md#\(Self.anchor(heading)))"
            text += "| \(rule) | \(sources) | \(Self.list(suites)) |\n"
        }
        return text
    }

    private static func list(_ links: [(name: String, path: String)]) -> String {
        links.map { name, path in
            let name = name.split(separator: "/").last.map(String.init) ?? name
            return "[\(name.hasSuffix(".swift") ? String(name.dropLast(6)) : name)](../../\(path))"
        }.joined(separator: ", ")
    }

    private static func anchor(_ heading: Substring) -> String {
        heading.lowercased().filter { $0.isLetter || $0.isNumber || $0 == " " || $0 == "-" }.replacing(" ", with: "-")
    }
}

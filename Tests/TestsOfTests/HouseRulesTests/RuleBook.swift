import Foundation

/// The rules that the documents in `Documentation/Rules` state.
struct RuleBook {
    /// A document and the family of its rules.
    static let documents = [
        ("Documentation/Rules/EventSourceMappings.md", "ESM"), ("Documentation/Rules/Store.md", "STORE"),
        ("Documentation/Rules/KinesisAPI.md", "API"), ("Documentation/Rules/KinesisProtocol.md", "API"),
        ("Documentation/Rules/KinesisOperations.md", "API"),
    ]

    /// The rules, in the order of the documents.
    private(set) var rules: [String] = []
    /// Those that are facts of AWS, which nothing here has to keep.
    private(set) var facts: Set<String> = []
    /// What is wrong with the documents themselves.
    private(set) var breaches: [Breach] = []
    private var places: Set<String> = []

    /// The rules of the repository.
    init() throws {
        for (path, family) in Self.documents { try add(SourceTree.text(path), path: path, family: family) }
    }

    /// The rules of a document: list entries that begin with the rule's number and its marks.
    init(_ text: String, path: String = "document", family: String) throws {
        try add(text, path: path, family: family)
    }

    private mutating func add(_ text: String, path: String, family: String) throws {
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            guard let found = line.firstMatch(of: #/^- \*\*([A-Z]+-[A-Za-z0-9-]+)\*\*(?: \(([^)]*)\))?/#) else {
                continue
            }
            let rule = String(found.1)
            func refuse(_ what: String) { breaches.append(Breach(path: path, line: number + 1, what: what)) }
            if !rule.hasPrefix(family + "-") { refuse("\(rule) is in the document of \(family)") }
            if RuleCitation.all(in: rule).map(\.rules) != [[rule]] { refuse("\(rule) is no number of a rule") }
            if !places.insert(rule).inserted { refuse("\(rule) is stated twice") }
            rules.append(rule)
            if found.2?.contains("fact of AWS") == true { facts.insert(rule) }
        }
    }

    /// Whether there is such a rule.
    func contains(_ rule: String) -> Bool { places.contains(rule) }

    /// The rules from `first` to `last`, both included; nil where they are not two rules of one letter, in this order.
    func range(_ first: String, _ last: String) -> [String]? {
        guard RuleCitation.letter(of: first) == RuleCitation.letter(of: last),
            let start = rules.firstIndex(of: first), let end = rules.firstIndex(of: last), start < end
        else { return nil }
        return Array(rules[start...end])
    }

    /// The rules that a citation is about, a range with all that lies between; nil where there are no such rules.
    func rules(of citation: RuleCitation) -> [String]? {
        if citation.rules.count == 2 { return range(citation.rules[0], citation.rules[1]) }
        return citation.rules.isEmpty || !citation.rules.allSatisfy(contains) ? nil : citation.rules
    }

    /// The citations of rules that are not in the book.
    func unknown(in text: String, path: String) -> [Breach] {
        RuleCitation.all(in: text).compactMap { citation in
            rules(of: citation) == nil
                ? Breach(path: path, line: citation.line + 1, what: "there is no rule \(citation.text)") : nil
        }
    }

    /// The rules that a text cites.
    func cited(in text: String) -> Set<String> {
        RuleCitation.all(in: text).reduce(into: []) { $0.formUnion(rules(of: $1) ?? []) }
    }

    /// The rules that no test cites and that are no facts of AWS.
    func uncited(by tests: [String]) -> [String] {
        let cited = tests.reduce(into: Set<String>()) { $0.formUnion(self.cited(in: $1)) }
        return rules.filter { !cited.contains($0) && !facts.contains($0) }
    }
}

/// Where a text names a rule, or two with "to" between them.
struct RuleCitation {
    let text: String
    /// One rule; two of a range; none where the family's name has no number of a rule after it.
    let rules: [String]

    /// The line of the text, from 0.
    let line: Int

    /// All citations of a text.
    static func all(in text: String) -> [RuleCitation] {
        var citations: [RuleCitation] = []
        for (number, line) in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .enumerated()
        {
            // Most lines have none, and are told apart cheaply.
            guard mayCite(line), let line = String(line) else { continue }
            let pattern = #/\b(?:ESM|STORE|API)-\w[\w-]*(?: to (?:ESM|STORE|API)-\w[\w-]*)?/#
            citations += line.matches(of: pattern).map { match in
                let parts = match.output.split(separator: " to ").map(String.init)
                return RuleCitation(
                    text: String(match.output), rules: parts.allSatisfy(isRule) ? parts : [], line: number)
            }
        }
        return citations
    }

    private static func mayCite(_ line: Substring.UTF8View) -> Bool {
        var rest = line
        while let hyphen = rest.firstIndex(of: UInt8(ascii: "-")) {
            let head = line[..<hyphen].suffix(3)
            if ["ESM", "ORE", "API"].contains(where: { head.elementsEqual($0.utf8) }) { return true }
            rest = rest[rest.index(after: hyphen)...]
        }
        return false
    }

    private static func isRule(_ text: String) -> Bool {
        text.wholeMatch(of: #/(?:ESM|STORE)-[A-Z]\d+[a-z]?|API-[A-Z][A-Za-z]*-\d+/#) != nil
    }

    /// The family and the letter: all but the number.
    static func letter(of rule: String) -> Substring {
        rule.firstMatch(of: #/^(\w+-[A-Za-z]+)/#)?.1 ?? ""
    }
}

/// Rules cited as documents outside the repository number them, which nobody can look up.
struct BareCitation {
    private let bytes: [UInt8]

    private init(_ text: some StringProtocol) { bytes = Array(text.utf8) }

    /// The lines of a Swift file whose comments, or names in backticks, cite so; of strings only what stands in
    /// brackets, as messages cite rules: others hold data.
    static func all(in file: SourceTree.File) -> [Breach] {
        let lines = file.text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        var found = BareCitation(file.comments).places()
        for place in BareCitation(file.text).places(onlyInBrackets: true)
        where !found.contains(where: { $0.line == place.line }) {
            found.append(place)
        }
        for (number, line) in file.code.enumerated() where line.utf8.contains(UInt8(ascii: "`")) {
            for name in line.matches(of: #/`([^`]* [^`]*)`/#) {
                found += BareCitation(name.1).places().map { ($0.what, number) }
            }
        }
        return found.filter { place in
            // Standards have sections of their own.
            let line = place.line < lines.count ? String(lines[place.line]) ?? "" : ""
            return !["RFC ", "SQLite's documentation", "Database File Format"].contains { line.contains($0) }
        }.map {
            Breach(path: file.path, line: $0.line + 1, what: "'\($0.what)' is to be cited as ESM-…, STORE-… or API-…")
        }
    }

    private func places(onlyInBrackets: Bool = false) -> [(what: String, line: Int)] {
        var places: [(what: String, line: Int)] = []
        var line = 0
        for index in bytes.indices {
            switch bytes[index] {
            case UInt8(ascii: "\n"): line += 1
            case 0x41...0x5A:
                guard let end = numberEnd(index, onlyInBrackets: onlyInBrackets) else { continue }
                let number = String(decoding: bytes[index..<end], as: UTF8.self)
                if !Self.services.contains(number) { places.append((number, line)) }
            case 0x30...0x39 where !onlyInBrackets:
                for word in Self.words where precedes(word + " ", index) { places.append((word, line)) }
            case UInt8(ascii: "d") where !onlyInBrackets, UInt8(ascii: "n") where !onlyInBrackets:
                for name in Self.documents where precedes(name, index + 1) { places.append((name, line)) }
            case 0xA7 where !onlyInBrackets:
                if precedes("§", index + 1) { places.append(("§", line)) }
            default: continue
            }
        }
        return places
    }

    /// What had numbers in other documents, and the documents.
    private static let words = ["section", "Section", "sections", "row", "Row", "rows", "invariant", "invariants"]
    private static let documents = ["store-design", "DESIGN.md", "esm.md", "kinesis-api.md"]

    /// Services of AWS that are called like rules.
    private static let services = ["S3"]

    /// The end of a letter, perhaps a hyphen, one or two digits, perhaps a small letter, from `start` on: `C4`, `R3b`,
    /// `R-4`.
    private func numberEnd(_ start: Int, onlyInBrackets: Bool) -> Int? {
        var end = start + 1
        if at(end, "-") { end += 1 }
        guard isDigit(end) else { return nil }
        end += isDigit(end + 1) ? 2 : 1
        if bytes.indices.contains(end), (0x61...0x7A).contains(bytes[end]) { end += 1 }
        if isWord(end) || isWord(start - 1) { return nil }
        if onlyInBrackets { return at(start - 1, "(") && (at(end, ")") || at(end, ",")) ? end : nil }
        if start > 0, "-#\\/+=.".utf8.contains(bytes[start - 1]) { return nil }
        if end < bytes.count, "=/+".utf8.contains(bytes[end]) { return nil }
        return end
    }

    private func at(_ index: Int, _ character: Character) -> Bool {
        bytes.indices.contains(index) && bytes[index] == character.asciiValue
    }

    private func isDigit(_ index: Int) -> Bool { bytes.indices.contains(index) && (0x30...0x39).contains(bytes[index]) }

    private func isWord(_ index: Int) -> Bool {
        guard bytes.indices.contains(index) else { return false }
        switch bytes[index] {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"): return true
        default: return false
        }
    }

    /// Whether `text` ends there, and is no part of a longer word.
    private func precedes(_ text: String, _ end: Int) -> Bool {
        let start = end - text.utf8.count
        return start >= 0 && !isWord(start - 1) && bytes[start..<end].elementsEqual(text.utf8)
    }
}

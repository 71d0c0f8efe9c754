import Foundation

/// The links of one Markdown file that lead to places inside the repository.
struct MarkdownLinks {
    /// One link, as it is written.
    struct Link: Equatable {
        let target: String
        let line: Int
    }

    /// The file, relative to the package.
    let path: String
    private let links: [Link]
    /// What its headings are called in links.
    let anchors: Set<String>

    init(path: String, text: String) {
        self.path = path
        var links: [Link] = []
        var headings: [String: Int] = [:]
        var anchors: Set<String> = []
        var isFenced = false
        for (number, line) in text.components(separatedBy: "\n").enumerated() {
            if line.drop(while: { $0 == " " }).hasPrefix("```") {
                isFenced.toggle()
                continue
            }
            if isFenced { continue }
            if let heading = line.wholeMatch(of: #/#{1,6} +(.*?) *#*/#) {
                let anchor = Self.anchor(of: String(heading.1))
                let count = headings[anchor, default: 0]
                anchors.insert(count == 0 ? anchor : "\(anchor)-\(count)")
                headings[anchor] = count + 1
            }
            let prose = Self.withoutCode(line)
            for match in prose.matches(of: #/\]\(<?([^()\s>]*)>?(?: "[^"]*")?\)/#) {
                links.append(Link(target: String(match.1), line: number + 1))
            }
            for match in prose.matches(of: #/<(doc:[^>]*)>/#) {
                links.append(Link(target: String(match.1), line: number + 1))
            }
            // The other form: the target stands by itself, `[name]: target`.
            if let match = prose.prefixMatch(of: #/ {0,3}\[[^\]]+\]: *(\S+)/#) {
                links.append(Link(target: String(match.1), line: number + 1))
            }
        }
        (self.links, self.anchors) = (links, anchors)
    }

    /// What a link to a heading is called, as GitHub makes it: lower case, hyphens for spaces, no punctuation.
    static func anchor(of heading: String) -> String {
        let text = heading.replacing(#/\[([^\]]*)\]\([^)]*\)/#) { String($0.1) }
        return String(
            text.lowercased().compactMap { character -> Character? in
                if character == " " { return "-" }
                return character.isLetter || character.isNumber || character == "-" || character == "_"
                    ? character : nil
            })
    }

    /// The line without `code`, which may hold what looks like a link.
    private static func withoutCode(_ line: String) -> String { line.replacing(#/(`+)[^`].*?\1/#) { _ in "" } }

    /// The links that lead nowhere.
    ///
    /// - Parameters:
    ///   - exists: whether a file or folder is there, by its path relative to the package.
    ///   - headings: the anchors of another Markdown file; nil where there is no such file.
    func breaches(exists: (String) -> Bool, headings other: (String) -> Set<String>?) -> [Breach] {
        links.compactMap { link in
            problem(of: link.target, exists: exists, headings: other)
                .map { Breach(path: path, line: link.line, what: "\(link.target): \($0)") }
        }
    }

    private func problem(
        of target: String, exists: (String) -> Bool, headings other: (String) -> Set<String>?
    ) -> String? {
        if target.hasPrefix("doc:") { return pageProblem(String(target.dropFirst(4)), exists: exists) }
        if target.contains(#/^[a-z][a-z0-9+.-]*:/#) { return nil }
        let parts = target.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let anchor = parts.count > 1 ? parts[1] : nil
        guard let file = parts.first, !file.isEmpty else {
            guard let anchor, !anchor.isEmpty else { return "an empty link" }
            return anchors.contains(anchor) ? nil : "no such heading"
        }
        guard let place = Self.resolve(file, from: path) else { return "outside of the repository" }
        let isThere = exists(place) || path.contains(".docc/") && isResource(file, exists: exists)
        guard isThere else { return "no such file" }
        guard let anchor else { return nil }
        guard let there = other(place) else { return "a heading of what is no Markdown" }
        return there.contains(anchor) ? nil : "no such heading"
    }

    /// A page of the same DocC catalogue, by its name; DocC itself looks at what comes after `#`.
    private func pageProblem(_ page: String, exists: (String) -> Bool) -> String? {
        let name = page.prefix { $0 != "#" }
        guard path.contains(".docc/"), let place = Self.resolve("\(name).md", from: path) else {
            return "a page of DocC, outside of a catalogue"
        }
        return exists(place) ? nil : "no such page"
    }

    /// DocC finds pictures by their name alone.
    private func isResource(_ name: String, exists: (String) -> Bool) -> Bool {
        ["svg", "png"].contains { kind in
            Self.resolve("Resources/\(name).\(kind)", from: path).map(exists) == true
        }
    }

    /// The path that a relative link means; nil: it leaves the repository.
    static func resolve(_ link: String, from path: String) -> String? {
        var parts = path.split(separator: "/").dropLast().map(String.init)
        for part in link.split(separator: "/") where part != "." {
            if part != ".." {
                parts.append(String(part))
            } else if parts.popLast() == nil {
                return nil
            }
        }
        return parts.joined(separator: "/")
    }
}

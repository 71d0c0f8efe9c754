import Foundation
import Testing

/// The papers of the repository lead to what is there.
@Suite struct DocumentTests {
    /// All files of the package that a person wrote, relative to it.
    private static func paths() throws -> [String] {
        let top = try FileManager.default.contentsOfDirectory(atPath: SourceTree.root.path)
        let folders = ["Sources", "Tests", "examples", "Benchmarks", "Documentation", ".github", ".ci"]
        return try top.filter { !folders.contains($0) && !$0.hasPrefix(".") }
            + folders.flatMap { folder in
                try FileManager.default.subpathsOfDirectory(
                    atPath: SourceTree.root.appending(path: folder).path
                ).map { "\(folder)/\($0)" }
            }.filter { path in !["/.build", "/Corpus/", "/Fixtures/"].contains { path.contains($0) } }
    }

    private static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: SourceTree.root.appending(path: path).path)
    }

    @Test func `every link of a Markdown file leads to a file and a heading that are there`() throws {
        let files = try Self.paths().filter { $0.hasSuffix(".md") }.sorted()
        #expect(files.count > 20)
        let links = try Dictionary(
            uniqueKeysWithValues: files.map { ($0, MarkdownLinks(path: $0, text: try SourceTree.text($0))) })
        let breaches = files.flatMap { path in
            links[path]?.breaches(exists: Self.exists) { links[$0]?.anchors } ?? []
        }
        #expect(breaches == [])
    }

    @Test func `every document that is named by its path is there`() throws {
        let kinds = [".md", ".swift", ".py", ".sh", ".txt", ".c", ".h", ".yml", "Makefile"]
        var missing: [Breach] = []
        for path in try Self.paths().sorted() where kinds.contains(where: { path.hasSuffix($0) }) {
            guard !path.hasSuffix("HouseRulesTests/DocumentTests.swift") else { continue }
            missing += Self.missingDocuments(in: try SourceTree.text(path), path: path, exists: Self.exists)
        }
        #expect(missing == [])
    }

    private static func missingDocuments(in text: String, path: String, exists: (String) -> Bool) -> [Breach] {
        guard text.contains("Documentation/") else { return [] }
        return text.components(separatedBy: "\n").enumerated().flatMap { number, line in
            (line.has("Documentation/") ? line[...] : "").matches(of: #/\bDocumentation\/[\w\/.-]*\w/#).map {
                String($0.output)
            }
            .filter { !exists($0) }
            .map { Breach(path: path, line: number + 1, what: $0) }
        }
    }

    @Test func `every path in the package that a Markdown file names is there`() throws {
        let missing = try Self.paths().filter { $0.hasSuffix(".md") }.sorted().flatMap { path in
            Self.missingPaths(in: try SourceTree.text(path), path: path, exists: Self.exists)
        }
        #expect(missing == [])
    }

    /// Paths from the package's top that the text names as words, in code or not. Links have a test of their own.
    private static func missingPaths(in text: String, path: String, exists: (String) -> Bool) -> [Breach] {
        text.components(separatedBy: "\n").enumerated().flatMap { number, line in
            (line.has("/") ? line[...] : "").matches(
                of: #/(?:^|[\s`("])((?:Sources|Tests|Benchmarks|examples)\/[\w\/.+-]*\w)/#
            ).map {
                String($0.1)
            }
            .filter { !exists($0) }
            .map { Breach(path: path, line: number + 1, what: $0) }
        }
    }

    @Test func `DocC's front page lists every public type`() throws {
        let exported = try SourceTree.text("Sources/Shardline/Exports.swift")
            .matches(of: #/@_exported public import (\w+)/#).map { String($0.1) }
        #expect(exported.count > 4)
        for (product, rooms) in [("Shardline", exported + ["Shardline"]), ("ShardlineTesting", ["ShardlineTesting"])] {
            let page = try SourceTree.text("Sources/\(product)/\(product).docc/\(product).md")
            let files = try SourceTree.files(below: "Sources").filter { rooms.contains($0.target) }
            #expect(Self.unlisted(in: page, of: files.flatMap(\.code)) == [], "\(product).md")
        }
    }

    /// The public types at the top level of these lines of code that no topic of the page lists.
    private static func unlisted(in page: String, of code: [Substring]) -> [String] {
        let declaration =
            #/^(?:@\w+(?:\([^)]*\))?\s+)*public\s+(?:(?:final|indirect|nonisolated)\s+)*(?:struct|class|enum|protocol|actor|typealias)\s+(\w+)/#
        let topics = page.split(separator: "\n").compactMap { $0.wholeMatch(of: #/- ``(\w+)``/#)?.1 }
        return code.filter { $0.has("public") }.compactMap { $0.firstMatch(of: declaration)?.1 }.filter {
            !topics.contains($0)
        }.map(String.init)
    }

    @Test func `ARCHITECTURE.md has what each target may import as RoomTests has it`() throws {
        let rows = Self.imports(in: try SourceTree.text("ARCHITECTURE.md"))
        for (target, allowed) in RoomTests.rooms { #expect(rows[target] == allowed, "\(target)") }
    }

    /// By target, the names in the third column of the table with four columns.
    private static func imports(in text: String) -> [String: Set<String>] {
        func names(_ cell: Substring) -> Set<String> { Set(cell.matches(of: #/`(\w+)`/#).map { String($0.1) }) }
        var rows: [String: Set<String>] = [:]
        for line in text.split(separator: "\n") where line.hasPrefix("| `") {
            let cells = line.split(separator: "|")
            guard cells.count == 4 else { continue }
            for target in names(cells[0]) { rows[target] = names(cells[2]) }
        }
        return rows
    }

    @Test func `ARCHITECTURE.md names every room and folder, and files that are there`() throws {
        let text = try SourceTree.text("ARCHITECTURE.md")
        let files = try SourceTree.files(below: "Sources", "Tests", "examples").map(\.path)
        #expect(Self.unnamed(in: text, rooms: RoomTests.rooms.keys.sorted(), files: files) == [])
    }

    /// Rooms, and folders of rooms with more than four, that the text does not name; files that it names and that are not there.
    private static func unnamed(in text: String, rooms: [String], files: [String]) -> [String] {
        let named = Set(text.matches(of: #/`([^`\n]+)`/#).map { String($0.1) })
        let paths = files.map { $0.split(separator: "/") }
        let folders = rooms.flatMap { room -> [String] in
            let own = Set(paths.filter { $0.count > 3 && $0[0] == "Sources" && $0[1] == room }.map { String($0[2]) })
            return own.count > 4 ? own.sorted() : []
        }
        let there = Set(paths.compactMap { $0.last.map(String.init) })
        return (rooms + folders).filter { !named.contains($0) }
            + named.filter { $0.hasSuffix(".swift") }.map { String($0.split(separator: "/").last ?? "") }
            .filter { !there.contains($0) }.sorted()
    }

    @Test func `the workflow runs what a change must pass`() throws {
        let workflow = try SourceTree.text(".github/workflows/ci.yml")
        for command in ["make test", "make lint", "make docs", "make demo"] {
            #expect(workflow.contains("run: \(command)\n"), "\(command)")
        }
        for package in try PackageTests.makefilePackages() { #expect(workflow.contains(" \(package)"), "\(package)") }
    }

    @Test func `the page of serve has every option, with its variable`() throws {
        let code = try SourceTree.text("Sources/ShardlineCLI/Arguments/ServeOptions.swift")
        let options = code.matches(of: #/\n    var (\w+)(?:: String\?| = false)\n/#).map { match in
            "--" + String(match.1.flatMap { $0.isUppercase ? "-" + $0.lowercased() : String($0) })
        }
        #expect(options.count > 20)
        let rows = try SourceTree.text("Documentation/Serve.md").split(separator: "\n").filter { $0.hasPrefix("| `--") }
        let named = rows.compactMap { $0.firstMatch(of: #/^\| `(--[\w-]+)`/#).map { String($0.1) } }
        #expect(Set(named) == Set(options + ["--data"]))
        for (name, row) in zip(named, rows) where !["--config", "--data"].contains(name) {
            let variable = "SHARDLINE_SERVE_" + name.dropFirst(2).uppercased().replacing("-", with: "_")
            #expect(row.contains("`\(variable)`"), "\(row)")
        }
    }

    // MARK: That these tests find what they look for

    private static func breaches(_ text: String, in path: String = "Documentation/Page.md") -> [Breach] {
        let files = ["README.md", "Documentation/Page.md", "Documentation/Other.md", "Sources/A.docc/Page.md"]
        let links = MarkdownLinks(path: path, text: text)
        return links.breaches(exists: { files.contains($0) || $0 == "Sources/A.docc/Resources/plot.svg" }) { other in
            files.contains(other) ? ["a-heading"] : nil
        }
    }

    @Test(arguments: [
        "See [this](Missing.md).", "[up](../Missing.md)", "[out](../../README.md)", "[a](Other.md#no-heading)",
        "[here](#no-heading)", "[nothing]()", "[b]: Missing.md", "![picture](Missing.svg)", "<doc:Page>",
        "[two](Other.md) and [links](Missing.md)",
        "## A `heading`\n[here](#a-heading-1)",
    ])
    func `a link that leads nowhere is found`(text: String) {
        #expect(Self.breaches("# Title\n" + text).count == 1)
    }

    @Test(arguments: ["<doc:Missing>", "![plot](missing)", "[page](Missing.md)"])
    func `a link of a DocC page that leads nowhere is found`(text: String) {
        #expect(Self.breaches(text, in: "Sources/A.docc/Page.md").count == 1)
    }

    @Test(arguments: [
        "[this](Other.md) [top](../README.md#a-heading)", "[web](https://example.com/a#b) [mail](mailto:a@b)",
        "`[code](Missing.md)`", "```\n[block](Missing.md)\n```",
        "[here](#some-things-and-io)\n## Some *things*, and I/O",
        "## A\n## A\n[second](#a-1)",
    ])
    func `a link that leads somewhere is left alone`(text: String) { #expect(Self.breaches(text) == []) }

    @Test(arguments: ["<doc:Page>", "<doc:Page#Any-heading>", "![plot](plot)", "[page](Page.md)"])
    func `a link of a DocC page is left alone`(text: String) {
        #expect(Self.breaches(text, in: "Sources/A.docc/Page.md") == [])
    }

    @Test func `a document that was moved is found`() {
        let found = Self.missingDocuments(
            in: "// one\n// see Documentation/Gone.md, and Documentation/Here.md.", path: "f"
        ) { $0 == "Documentation/Here.md" }
        #expect(found == [Breach(path: "f", line: 2, what: "Documentation/Gone.md")])
    }

    @Test func `a path that was moved is found`() {
        let text = "`Sources/Here.swift`, see Tests/Gone, (Tests/Here)\n    cd Benchmarks/gone.py --all\nA/Tests/Gone"
        let found = Self.missingPaths(in: text, path: "f") { ["Sources/Here.swift", "Tests/Here"].contains($0) }
        #expect(
            found == [
                Breach(path: "f", line: 1, what: "Tests/Gone"), Breach(path: "f", line: 2, what: "Benchmarks/gone.py"),
            ])
    }

    @Test func `what a target may import is read from the table`() {
        let text =
            "| target | what | may import | not |\n| `A`, `B` | x | `C`, `D` | y |\n| `E` | x | – | y |\n| `F` | `G` |"
        #expect(Self.imports(in: text) == ["A": ["C", "D"], "B": ["C", "D"], "E": []])
    }

    @Test func `a room, a folder or a file that ARCHITECTURE.md has wrong is found`() {
        let files = ["A", "B", "C", "D", "E"].map { "Sources/Room/\($0)/File\($0).swift" }
        let text = "`Room` has `A`, `B`, `C` and `D`: `FileA.swift`, `Room/B/FileB.swift`, `Gone.swift`"
        #expect(Self.unnamed(in: text, rooms: ["Room", "Other"], files: files) == ["Other", "E", "Gone.swift"])
    }

    @Test func `a public type that the front page does not list is found`() {
        let code: [Substring] = [
            "public struct Old: Sendable {", "    public struct Inner {", "public final class New {",
        ]
        #expect(Self.unlisted(in: "### Topic\n- ``Old``\n", of: code) == ["New"])
    }
}

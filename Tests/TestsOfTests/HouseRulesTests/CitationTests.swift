import Testing

/// What the documents say of tests is true of the tests.
@Suite struct CitationTests {
    /// The suites and single tests of all test targets, as they are declared.
    private static func suites() throws -> Set<String> {
        let declaration = #/\b(?:struct|class|actor)\s+(\w+Tests)\b/#
        let lines = try SourceTree.files(below: "Tests").filter { $0.codeText.has("Tests") }.flatMap(\.code)
        return Set(lines.filter { $0.has("Tests") }.flatMap { $0.matches(of: declaration).map { String($0.1) } })
    }

    @Test(arguments: ["Sources/Shardline/Shardline.docc/WhatCanGoWrong.md", "SECURITY.md"])
    func `every suite that a document cites is there`(document: String) throws {
        let cited = try SourceTree.text(document).matches(of: #/`(\w+Tests)`/#).map { String($0.1) }
        #expect(cited.count > 10)
        #expect(Set(cited).subtracting(try Self.suites()).sorted() == [])
    }

    @Test func `every fault has a test`() throws {
        let page = try SourceTree.text("Sources/Shardline/Shardline.docc/WhatCanGoWrong.md")
        let rows = page.split(separator: "\n").filter {
            $0.hasPrefix("| ") && !$0.hasPrefix("| ---") && !$0.hasPrefix("| what goes wrong")
        }
        #expect(rows.count > 30)
        for row in rows {
            let cells = row.split(separator: "|")
            #expect(cells.count == 4, "\(row)")
            #expect(cells.last?.contains(#/`\w+Tests`/#) == true, "\(row)")
        }
    }

    @Test func `every name that the glossary cites is in the sources`() throws {
        let sources = try SourceTree.files(below: "Sources").map(\.text)
        var known: [String: Bool] = [:]
        func isKnown(_ word: Substring) -> Bool {
            if let known = known[String(word)] { return known }
            let isThere = sources.contains { $0.has(word: String(word)) }
            known[String(word)] = isThere
            return isThere
        }
        let rows = try SourceTree.text("Documentation/Glossary.md").split(separator: "\n").filter { $0.hasPrefix("| ") }
        #expect(rows.count > 50)
        for row in rows where !row.hasPrefix("| ---") && !row.hasPrefix("| word") {
            let cells = row.split(separator: "|")
            #expect(cells.count == 3, "\(row)")
            for name in cells.last?.matches(of: #/`([^`]+)`/#) ?? [] {
                let words = name.1.matches(of: #/\w+/#).map(\.output)
                #expect(words.filter { !isKnown($0) } == [])
            }
        }
    }
}

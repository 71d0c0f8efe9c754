import Testing

/// What the documents say of tests is true of the tests.
@Suite struct CitationTests {
    /// The suites and single tests of all test targets, as they are declared.
    private static func suites() throws -> Set<String> {
        let declaration = #/\b(?:struct|class|actor)\s+(\w+Tests)\b/#
        return Set(
            try SourceTree.files(below: "Tests").flatMap { $0.text.matches(of: declaration).map { String($0.1) } })
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
}

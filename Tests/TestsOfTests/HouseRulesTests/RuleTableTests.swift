import Foundation
import Testing

/// The table of rules is what sources and tests say, and has no gap.
@Suite struct RuleTableTests {
    @Test func `every rule of event source mappings is kept by a file and tested by a suite`() throws {
        #expect(try RuleTable.ofRepository().gaps == [])
    }

    /// With `SHARDLINE_RULE_TABLE=write` it is written: `make rule-table`.
    @Test func `the table in the documentation is the one that the citations give`() throws {
        let table = try RuleTable.ofRepository().markdown
        if ProcessInfo.processInfo.environment["SHARDLINE_RULE_TABLE"] == "write" {
            try table.write(to: SourceTree.root.appending(path: RuleTable.path), atomically: true, encoding: .utf8)
        }
        let lines = table.split(separator: "\n")
        let written = try SourceTree.text(RuleTable.path).split(separator: "\n")
        #expect(lines.filter { !written.contains($0) } == [], "these lines are missing: make rule-table")
        #expect(written.filter { !lines.contains($0) } == [], "these lines are out of date: make rule-table")
    }

    // MARK: That these tests find what they look for

    private static let document = """
        # Rules
        ## A. First steps
        - **ESM-A1** (AWS) A failed unit is retried.
        - **ESM-A2** (AWS, observed) At most 1 + R times.
        - **ESM-A3** (fact of AWS) Something that AWS does.
        ## B. Last: steps
        - **ESM-B1** (Shardline) Then it is given up.
        """

    private static func table(_ source: String, _ test: String) throws -> RuleTable {
        try RuleTable(
            document: document, sources: [SourceTree.File(path: "Sources/X/Y.swift", text: source)],
            tests: [SourceTree.File(path: "Tests/Z.swift", text: test)])
    }

    private static let suite = """
        /// All of it (ESM-B1).
        @Suite struct ZTests {
            /// ESM-A2
            @Test func `ESM-A1 it is retried`() {
                check() // ESM-B1
            }
        }

        struct Helper {
            /// Answers so (ESM-B1).
            let answer = 1
        }
        """

    @Test func `each rule has the files and suites that cite it`() throws {
        let table = try Self.table("/// (ESM-A1, ESM-A2)\n// ESM-B1", Self.suite)
        #expect(table.gaps == [])
        #expect(table.markdown.contains("## A. First steps\n"))
        #expect(
            table.markdown.contains(
                "| [ESM-B1](EventSourceMappings.md#b-last-steps) | [Y](../../Sources/X/Y.swift) | [ZTests](../../Tests/Z.swift) |\n"
            ))
        #expect(table.markdown.contains("| [ESM-A3](EventSourceMappings.md#a-first-steps) | a fact of AWS |  |"))
    }

    @Test func `a rule that no file cites for itself is found`() throws {
        #expect(try Self.table("/// ESM-A1 to ESM-A2\n// ESM-B1", Self.suite).gaps.count == 2)
    }

    @Test(arguments: ["// ESM-B1", "/// ESM-A2", "ESM-A1 "])
    func `a rule that no test cites is found`(citation: String) throws {
        let test = Self.suite.replacing(citation, with: "")
        // The suite's comment and the helper's still cite the rule.
        #expect(try Self.table("// ESM-A1, ESM-A2, ESM-B1", test).gaps.count == 1)
    }
}

import Foundation
import Testing

/// Rules are cited by numbers that anybody can look up: each is in `Documentation/Rules`, and each there has a test.
@Suite struct RuleTests {
    /// The text files that may cite rules. This one, and what is fed to fuzzers or read as a store, cite nothing.
    private static func texts() throws -> [(path: String, text: String)] {
        let kinds = [".swift", ".md", ".txt", ".py", ".sh"]
        let roots = ["Sources", "Tests", "examples", "Benchmarks", "Documentation"]
        var paths = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
        for root in roots {
            let base = SourceTree.root.appending(path: root)
            guard FileManager.default.fileExists(atPath: base.path) else { continue }
            paths += try FileManager.default.subpathsOfDirectory(atPath: base.path).sorted()
                .filter { path in kinds.contains { path.hasSuffix($0) } }
                .map { "\(root)/\($0)" }
        }
        return try paths.filter { path in
            !["/Corpus/", "/Fixtures/", "/.build/", "HouseRulesTests/RuleTests.swift"].contains { path.contains($0) }
        }.map { ($0, try SourceTree.text($0)) }
    }

    @Test func `the documents state each rule once, in the document of its family`() throws {
        let book = try RuleBook()
        #expect(book.breaches == [])
        #expect(book.rules.count > 100)
    }

    @Test func `every rule that is cited is in the documents`() throws {
        let book = try RuleBook()
        let texts = try Self.texts()
        #expect(texts.count > 400)
        #expect(texts.flatMap { book.unknown(in: $0.text, path: $0.path) } == [])
    }

    @Test func `every rule of the documents is cited by a test, or is a fact of AWS`() throws {
        // Real clients are driven by Python.
        let tests = try Self.texts().filter { text in
            text.path.hasPrefix("Tests/") && [".swift", ".py"].contains { text.path.hasSuffix($0) }
        }
        #expect(try RuleBook().uncited(by: tests.map(\.text)) == [])
    }

    @Test func `no rule is cited without its family`() throws {
        let files = try SourceTree.files(below: "Sources", "Tests", "examples", "Benchmarks")
            .filter { !$0.path.hasSuffix("HouseRulesTests/RuleTests.swift") && !$0.path.hasSuffix("RuleBook.swift") }
        #expect(files.flatMap { BareCitation.all(in: $0) } == [])
    }

    private static func file(_ text: String) -> SourceTree.File {
        SourceTree.File(path: "f", text: text)
    }

    // MARK: That these tests find what they look for

    private static let document = """
        # Rules
        - **ESM-A1** (AWS) A failed unit is retried.
        - **ESM-A2** (AWS, observed) At most 1 + R times.
        - **ESM-A3** (Shardline) Then it is given up.
        - **ESM-B1** (fact of AWS) Something that AWS does.
        """

    @Test(arguments: [
        "/// Pauses (ESM-A9).", "/// ESM-A1 to ESM-A9", "/// (ESM-A1 to ESM-B1)", "/// (ESM-A3 to ESM-A1)",
        "// (ESM-A)",
        "see `ESM-X`", "/// STORE-A1", "/// API-A1", "return \"ESM-A21\"",
    ])
    func `a rule that is not there is found`(line: String) throws {
        let book = try RuleBook(Self.document, family: "ESM")
        #expect(book.unknown(in: "\n" + line, path: "f").map(\.line) == [2])
    }

    @Test func `citations that can be looked up are accepted`() throws {
        let book = try RuleBook(Self.document, family: "ESM")
        let text = """
            /// A unit that failed (ESM-A1, ESM-A2; ESM-A1 to ESM-A3) is given up (ESM-A3).
            @Test func `ESM-B1 what AWS does`() {
            with a prefix, `ESM-` or `API-`, and ESM-…
            """
        #expect(book.unknown(in: text, path: "f") == [])
        #expect(book.cited(in: text) == ["ESM-A1", "ESM-A2", "ESM-A3", "ESM-B1"])
    }

    @Test func `a rule without a test is found, a fact of AWS needs none`() throws {
        let book = try RuleBook(Self.document, family: "ESM")
        #expect(book.uncited(by: ["/// ESM-A1", "func `ESM-A3 …`"]) == ["ESM-A2"])
        #expect(book.uncited(by: ["/// ESM-A1 to ESM-A3"]) == [])
    }

    @Test(arguments: [
        "- **ESM-A1** (AWS) The same number again.", "- **STORE-J1** Another family's.",
        "- **ESM-12** (AWS) No letter.",
    ])
    func `a document that states a rule wrongly is found`(line: String) throws {
        #expect(try RuleBook(Self.document + "\n" + line, family: "ESM").breaches.map(\.line) == [6])
    }

    @Test(arguments: [
        "    /// It jumps (C4).", "// R1, R2, R3.", "/// F6: what is deleted", "    x() // see A9", "/// (R-4)",
        "/// R19b",
        "/// That is the case for section 9.", "/// (row 25 of the crash points)", "/// What rows 9, 10 and 15 say.",
        "/// (invariant 3)", "/// store-design says so.", "/// As DESIGN.md has it.", "/* C4 */", "/// (ESM-R5 to R8)",
        "@Test func `a commit is passed (J8)`() {", "fail(\"lost with the power (C4)\")",
    ])
    func `a citation without its family is found`(line: String) {
        #expect(Set(BareCitation.all(in: Self.file("import A\n" + line)).map(\.line)) == [2])
    }

    @Test(arguments: [
        "/// LZ4, MD5, CRC-32C, UTF-8, SHA256, 64 KiB, R = 3, U+0080, 16.5, x86_64", "let F6 = C4(1) + \"A9\"",
        "/// Base64 (RFC 4648, section 4).", "/// (ESM-R5 to ESM-R8, API-R-4)", "/// Rows of one transaction.",
        "let a = `F6`",
        "/// `Documentation/Rules/Store.md`", "/// #A1, /B2 and c.D3", "/// A document in S3.",
    ])
    func `what is no citation is left alone`(line: String) {
        #expect(BareCitation.all(in: Self.file(line)) == [])
    }
}

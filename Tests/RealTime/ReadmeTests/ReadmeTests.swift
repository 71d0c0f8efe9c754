import Foundation
import TestSupport
import Testing

/// Everything that the README shows is compiled or run.
@Suite struct ReadmeTests {
    @Test func `every block is of a kind that a test looks at`() throws {
        // The one of bash needs the server and a client of AWS: ReadmeClientTests runs it.
        let readme = try Readme()
        #expect(Set(readme.blocks.map(\.language)).isSubset(of: ["swift", "sh", "bash", "text"]))
        #expect(readme.blocks("swift").count >= 5)
        #expect(readme.blocks("sh").count >= 3)
    }

    /// Indentation differs, and a test keeps its store in a directory of its own.
    private static func lines(_ text: String) -> [String] {
        text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
            .map { $0.replacing("at: directory + \"/flights\"", with: "at: \"flights\"") }
    }

    private static func compiled(_ name: String) throws -> [String] {
        lines(
            try String(
                contentsOf: Readme.root.appending(path: "Tests/RealTime/ReadmeTests/\(name).swift"), encoding: .utf8))
    }

    /// The lines of a block that are code, and those that import.
    private static func parts(_ block: Readme.Block) -> (code: String, imports: Set<String>) {
        let all = lines(block.text)
        let imports = all.filter { $0.hasPrefix("import ") }
        return (all.filter { !$0.hasPrefix("import ") }.joined(separator: "\n"), Set(imports))
    }

    @Test(arguments: [
        ("FirstMapping", "SecondProcess"), ("FirstMapping", "AsService"), ("TestingMappings", "InVirtualTime"),
    ])
    func `a page's program is one that is compiled and run here`(page: String, name: String) throws {
        let path = "Sources/Shardline/Shardline.docc/\(page).md"
        let text = try String(contentsOf: Readme.root.appending(path: path), encoding: .utf8)
        let file = try Self.compiled(name)
        let imports = Set(file.filter { $0.hasPrefix("import ") }).subtracting(["import UnixSignals"])
        let shown = Readme(text: text).blocks("swift").map(Self.parts)
        #expect(shown.contains { $0.imports == imports && file.joined(separator: "\n").contains($0.code) })
    }

    @Test func `every block of the page about reading and operating is compiled and run here`() throws {
        let path = "Sources/Shardline/Shardline.docc/ReadingAndOperating.md"
        let text = try String(contentsOf: Readme.root.appending(path: path), encoding: .utf8)
        let files = try ["ReadingAndOperating", "KeptProducer"].map { try Self.compiled($0).joined(separator: "\n") }
        let blocks = Readme(text: text).blocks("swift").filter { !$0.text.contains("SegmentStore.open") }.map(
            Self.parts)
        #expect(blocks.count >= 8)
        for block in blocks { #expect(files.contains { $0.contains(block.code) }, "\(block.code)") }
    }

    /// Expects so many blocks in a page of the documentation, all of them in the file of its name here.
    private static func expectCompiled(_ page: String, blocks count: Int) throws {
        let path = "Sources/Shardline/Shardline.docc/\(page).md"
        let text = try String(contentsOf: Readme.root.appending(path: path), encoding: .utf8)
        let file = try compiled(page).joined(separator: "\n")
        let blocks = Readme(text: text).blocks("swift").map(parts)
        #expect(blocks.count == count)
        for block in blocks { #expect(file.contains(block.code), "\(block.code)") }
    }

    @Test func `every block of the page about resharding is compiled and run here`() throws {
        try Self.expectCompiled("Resharding", blocks: 2)
    }

    @Test func `every block of the page about filters is compiled and run here`() throws {
        try Self.expectCompiled("FilteringRecords", blocks: 1)
    }

    @Test func `every block of the page about tumbling windows is compiled and run here`() throws {
        try Self.expectCompiled("TumblingWindows", blocks: 2)
    }

    @Test func `every Swift block is part of a file that is compiled and run here`() throws {
        let files = try ["QuickStart", "AsService"].map(Self.compiled)
        var imports: [Int: Set<String>] = [:]
        for block in try Readme().blocks("swift") where !block.text.contains(".package(") {
            let (code, shown) = Self.parts(block)
            let place = files.firstIndex { $0.joined(separator: "\n").contains(code) }
            guard let place else {
                Issue.record("\(block) is not in a file that is compiled")
                continue
            }
            imports[place, default: []].formUnion(shown)
        }
        // The files import what the README shows and no more, so the reader can compile the blocks as they stand.
        for (place, file) in files.enumerated() {
            let needed = Set(file.filter { $0.hasPrefix("import ") }).subtracting(["import UnixSignals"])
            #expect(imports[place] == needed)
        }
    }

    @Test func `the dependency's line is one that a package may have`() async throws {
        let line = try #require(try Readme().blocks("swift").first { $0.text.contains(".package(") }).text
        let folder = TestDirectory()
        try """
        // swift-tools-version: 6.2
        import PackageDescription

        let package = Package(
            name: "user",
            dependencies: [
                \(line)
            ],
            targets: [
                .executableTarget(name: "user", dependencies: [.product(name: "Shardline", package: "shardline")])
            ])
        """.write(to: folder.url("Package.swift"), atomically: true, encoding: .utf8)
        let end = try await BuiltProgram(path: "/usr/bin/env").run(
            ["swift", "package", "--package-path", folder.path, "dump-package"])
        #expect(end.status == 0, "\(end.errors)")
        let dumped = try JSONSerialization.jsonObject(with: Data(end.output.utf8)) as? [String: Any]
        #expect((dumped?["dependencies"] as? [Any])?.count == 1)
        #expect(end.output.contains("shardline"))
    }

    @Test(.timeLimit(.minutes(2))) func `the commands do what the README says`() async throws {
        let folder = TestDirectory()
        let script = try Readme().blocks("sh").map(\.text).joined(separator: "\n")
        try ("set -e\n" + script + "\n").write(to: folder.url("quick-start.sh"), atomically: true, encoding: .utf8)
        let programs = URL(filePath: BuiltProgram.shardline.path).deletingLastPathComponent().path
        let end = try await BuiltProgram(path: "/bin/sh").run(
            ["quick-start.sh"],
            environment: ["PATH": programs + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")],
            directory: folder.path)
        #expect(end.status == 0, "\(end.errors)")
        // What tail shows of the stream, what the function says, and what the dead-letter stream holds.
        #expect(end.output.contains(#"{"customer":"eva","total":7}"#), "\(end.output)")
        // The keys of the example go to more than one shard.
        #expect(Set(end.output.matches(of: /shardId-\d{12}/).map { String($0.output) }).count > 1, "\(end.output)")
        #expect(end.errors.contains("ada spends 12"), "\(end.errors)")
        #expect(end.errors.contains("ada spends 30"), "\(end.errors)")
        #expect(end.output.contains(Data("this is no JSON".utf8).base64EncodedString()), "\(end.output)")
    }

    @Test func `the files that the README names are there`() throws {
        let text = try String(contentsOf: Readme.root.appending(path: "README.md"), encoding: .utf8)
        let links = text.matches(of: #/\]\(([^):#]+)\)/#).map { String($0.1) }
        #expect(!links.isEmpty)
        for link in links {
            #expect(FileManager.default.fileExists(atPath: Readme.root.appending(path: link).path), "\(link)")
        }
    }
}

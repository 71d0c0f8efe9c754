import Foundation
import Testing

/// What is written in two places must be the same in both.
@Suite struct PackageTests {
    static func makefilePackages() throws -> Set<String> {
        let line = try #require(
            try SourceTree.text("Makefile").split(separator: "\n").first { $0.hasPrefix("PACKAGES = ") })
        return Set(line.dropFirst("PACKAGES = ".count).split(separator: " ").map(String.init))
    }

    @Test func `README and Makefile name the same Debian packages`() throws {
        let pattern = #/\b(?:lib[a-z0-9.+-]+-dev|zlib1g-dev|python3)\b/#
        let named = Set(try SourceTree.text("README.md").matches(of: pattern).map { String($0.output) })
        #expect(named == (try Self.makefilePackages()))
    }

    @Test func `the Makefile installs what the package links`() throws {
        let providers = try SourceTree.text("Package.swift").matches(of: #/\.apt\(\["([^"]+)"\]\)/#).map {
            String($0.1)
        }
        #expect(!providers.isEmpty)
        #expect(Set(providers).isSubset(of: try Self.makefilePackages()))
    }

    /// Where every product of a package stands under a trait that is off, the package is not even fetched.
    @Test func `what only the server uses is fetched with its trait alone`() throws {
        let manifest = try SourceTree.text("Package.swift")
        let list = try #require(manifest.split(separator: "// The trait Server.\n").last)
        let packages = list.prefix { $0 != "]" }.matches(of: #/url: "[^"]+\/([\w-]+)"/#).map { String($0.1) }
        #expect(packages.count == 9)
        for package in packages {
            #expect(manifest.contains("\"\(package)\")"), "\(package) is used")
            for line in manifest.split(separator: "\n") where line.contains("\"\(package)\"") {
                #expect(line.contains("ofServer("), "\(line)")
                #expect(!line.contains("package: \"\(package)\""), "\(line)")
            }
        }
        #expect(manifest.contains("condition: .when(traits: [\"Server\"]))"))
        #expect(manifest.contains(".default(enabledTraits: [\"Tools\"])"))
    }

    @Test func `README begins with the two commands`() throws {
        let beginning = try SourceTree.text("README.md").split(separator: "\n").prefix(8).joined(separator: "\n")
        #expect(beginning.contains("make demo"))
        #expect(beginning.contains("make test"))
    }

    @Test func `the continuous integration runs the tests, then the style`() throws {
        let lines = try SourceTree.text(".ci/run").split(separator: "\n")
        let tests = try #require(lines.firstIndex(of: "make test"))
        let style = try #require(lines.firstIndex(of: "make lint"))
        #expect(tests < style)
    }

    /// It is not built here, as all of it would be built again with other flags.
    @Test func `what the fuzzer's package builds is there`() throws {
        let package = try SourceTree.text("Tests/Support/Fuzz/Package.swift")
        let targets = package.matches(of: #/name: "(\w+)",[^()]*?sources: \[([^\]]*)\]/#)
        #expect(Set(targets.map { String($0.1) }).isSuperset(of: ["SegmentStorage", "OwnerSocket", "Fuzz"]))
        for target in targets {
            let folder = target.1 == "Fuzz" ? "Tests" : "Sources/\(target.1)"
            for source in String(target.2).matches(of: #/"([^"]+)"/#) {
                let path = SourceTree.root.appending(path: "\(folder)/\(source.1)").path
                #expect(FileManager.default.fileExists(atPath: path), "\(folder)/\(source.1)")
            }
        }
    }

    @Test func `comments and strings are not taken for code`() {
        let text = """
            let a = "Task { }" // Task {
            /* Task { /* nested */ */ let b = #"a "quoted" \\"#
            let c = \"\"\"
              Task {
              \"\"\"
            """
        let code = SourceTree.parts(of: text).code
        #expect(!code.contains("Task"))
        #expect(code.contains("let a = ") && code.contains("let b = ") && code.contains("let c = "))
        #expect(code.split(separator: "\n", omittingEmptySubsequences: false).count == 5)
        let all = SourceTree.parts(of: text)
        #expect(
            all.comments.split(separator: " ") == [
                "//", "Task", "{\n/*", "Task", "{", "/*", "nested", "*/", "*/\n\n\n",
            ])
        #expect(all.strings.hasPrefix("\"Task { }\"\n#\"a \"quoted\""))
        #expect(SourceTree.parts(of: "a = \"b \\\n c\" // d").code == "a = \n ")
    }
}

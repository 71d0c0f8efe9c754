#if Server
import Foundation
import TestSupport
import Testing

/// Unmodified clients of AWS on `shardline serve`: boto3, the aws CLI, async-kinesis, aws-kinesis-agg, curl. What they do
/// stands in Tests/RealClients, in Python; here its files are run, each with servers of its own.
@Suite(.serialized, .timeLimit(.minutes(10))) struct RealClientTests {
    private static let folder = "\(PackageFolder.path)/Tests/RealClients"

    /// The files with tests.
    static let files =
        (try? FileManager.default.contentsOfDirectory(atPath: folder))?
        .filter { $0.hasPrefix("test_") && $0.hasSuffix(".py") }.sorted() ?? []

    @Test func `there are tests with real clients`() {
        #expect(Self.files.count > 10)
    }

    @Test(arguments: files)
    func `clients of AWS get what Kinesis would give them`(file: String) async throws {
        let end = try await BuiltProgram(path: "\(Self.folder)/run.sh").run(
            [file, "-q"], environment: ["SHARDLINE_PROGRAM": BuiltProgram.shardline.path])
        // The script's code for clients that can't be installed on this machine.
        guard end.status != 75 else {
            let reason = end.errors.trimmingCharacters(in: .whitespacesAndNewlines)
            // That a case was cancelled is not shown; this line is, by Tests/run.sh at its end too.
            print("➜ \(file): SKIPPED \(reason)")
            try Test.cancel("\(reason)")
        }
        for line in end.lines where line.hasPrefix("SKIPPED") || line.hasPrefix("XFAIL") { print("➜ \(file): \(line)") }
        for failure in PytestFailures(end.output).texts { Issue.record("\(failure)") }
        #expect(end.status == 0, "\(end.output.suffix(4000))\(end.errors.suffix(2000))")
    }
}

/// What pytest says of each test that failed.
struct PytestFailures {
    /// The name of a test, and where and why it failed.
    private(set) var texts: [String] = []

    init(_ output: String) {
        var isInside = false
        for line in output.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("=====") {
                isInside = line.contains(" FAILURES ") || line.contains(" ERRORS ")
            } else if isInside, line.hasPrefix("_____") {
                texts.append(line.trimmingCharacters(in: CharacterSet(charactersIn: "_ ")))
            } else if isInside, let last = texts.indices.last {
                texts[last] += "\n\(line)"
            }
        }
    }
}

@Suite struct PytestFailuresTests {
    @Test func `each failure is one text`() {
        let output = """
            ..F.
            =========== FAILURES ===========
            ________ test_a_b ________
            test_x.py:3: in test_a_b
            E   assert 1 == 2
            _________ test_c[json] _________
            E   no
            ======= short test summary info =======
            FAILED test_x.py::test_a_b - assert 1 == 2
            """
        #expect(
            PytestFailures(output).texts == [
                "test_a_b\ntest_x.py:3: in test_a_b\nE   assert 1 == 2", "test_c[json]\nE   no",
            ])
        #expect(PytestFailures("....\n4 passed").texts == [])
    }
}
#endif

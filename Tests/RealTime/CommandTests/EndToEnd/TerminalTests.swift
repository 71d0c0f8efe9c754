import Foundation
import TestSupport
import Testing

/// What a terminal gets that a command runs in: nothing that moves the cursor, sets the title or turns text round, wherever it
/// comes from. In a real terminal of the system, as the command asks for one.
@Suite(.timeLimit(.minutes(2))) struct TerminalTests {
    /// Clears the screen, sets the title (ended by BEL and by U+009C), and writes backwards.
    private static let hostile = "\u{1B}[2Jevil\u{1B}]0;title\u{7}\u{9B}31m\u{9D}0;x\u{9C}\u{202E}txt.exe\u{7F}\u{2028}"

    /// What the command writes to its terminal.
    private static func inTerminal(_ arguments: [String], _ folder: TestDirectory) async throws -> String {
        try await Terminal.run(arguments, in: folder).output
    }

    /// The characters that are not shown, but for the ends of lines and the two of the status line.
    private static func forbidden(in output: String) -> [Unicode.Scalar] {
        output.replacing("\r\u{1B}[K", with: "").unicodeScalars.filter { scalar in
            switch scalar.properties.generalCategory {
            case .control: scalar != "\n" && scalar != "\r"
            case .format, .lineSeparator, .paragraphSeparator: true
            default: false
            }
        }
    }

    /// A store whose records, keys, errors and failure documents are hostile, and a function that is.
    private static func prepared() async throws -> TestDirectory {
        let folder = TestDirectory()
        let function = """
            import json, sys
            words = json.loads(r'\(Self.json(hostile))')
            for line in sys.stdin:
                print("says", words, file=sys.stderr)
                print(json.dumps({"errorMessage": "boom " + words, "errorType": words}), flush=True)
            """
        try Data(function.utf8).write(to: folder.url("function.py"))
        _ = try await BadInputTests.shardline(["stream", "create", "s", "--shards", "1"], folder)
        let line = "{\"k\":\(Self.json(hostile)),\"data\":\"\(hostile.filter { !$0.isNewline && $0 >= " " })\"}\n"
        let put = try await BadInputTests.shardline(["put", "s", "--key-field", "k"], folder, input: line)
        #expect(put.status == 0, "\(put.errors)")
        return folder
    }

    private static func json(_ text: String) -> String {
        "\""
            + text.utf16.map { unit in
                "\\u" + String(repeating: "0", count: 4 - String(unit, radix: 16).count) + String(unit, radix: 16)
            }.joined() + "\""
    }

    @Test func `a terminal gets nothing that it would do`() async throws {
        let folder = try await Self.prepared()
        let consume = [
            "consume", "s", "--mapping", "m", "--max-retries", "0", "--until-caught-up", "--exec",
            "python3 \(folder.path("function.py"))",
        ]
        var outputs: [(what: String, text: String)] = [("consume", try await Self.inTerminal(consume, folder))]
        #expect(outputs[0].text.contains("says") && outputs[0].text.contains("boom"), "\(outputs[0].text)")
        for arguments in [
            ["tail", "s"], ["tail", "s", "--json"], ["tail", "s.m.failed"], ["tail", "s.m.failed", "--json"],
            ["stream", "list"], ["stream", "describe", "s"], ["mapping", "list"], ["mapping", "describe", "s", "m"],
            ["mapping", "describe", "s", "m", "--json"], ["stream", "describe", Self.hostile], [Self.hostile],
            ["put", Self.hostile], ["tail", "s", "--from", Self.hostile], ["put", "s", folder.path(Self.hostile)],
        ] { outputs.append((arguments.joined(separator: " "), try await Self.inTerminal(arguments, folder))) }
        for (what, text) in outputs {
            #expect(Self.forbidden(in: text) == [], "\(what.unicodeScalars.map(\.value)): \(text.debugDescription)")
            #expect(!text.isEmpty)
        }
        #expect(outputs[1].text.contains("evil") && outputs[1].text.contains("\\x1B[2J"), "\(outputs[1].text)")
        #expect(outputs[2].text.contains("\"partitionKey\":\"\\u001b[2Jevil"), "\(outputs[2].text)")
        #expect(outputs[3].text.contains("boom") && outputs[3].text.contains("\\u{202E}"), "\(outputs[3].text)")
    }

    @Test func `a shard that fails tells its error without what a terminal would do`() async throws {
        let folder = try await Self.prepared()
        let consumer = try RunningCommand(
            [
                "consume", "s", "--mapping", "m", "--max-retries", "-1", "--exec",
                "python3 \(folder.path("function.py"))",
            ], store: folder.path("store"))
        #expect(try await consumer.wait { $0.errors.contains("warning: the function failed") })
        for arguments in [
            ["mapping", "describe", "s", "m"], ["mapping", "describe", "s", "m", "--json"], ["mapping", "list"],
        ] {
            let text = try await Self.inTerminal(arguments, folder)
            #expect(Self.forbidden(in: text) == [], "\(text.debugDescription)")
            #expect(text.contains("boom") || arguments[1] == "list", "\(text)")
        }
        consumer.signal(SIGINT)
        _ = try await consumer.end()
    }

    @Test(arguments: [1, 2, 5, 20, 39, 200])
    func `a narrow terminal gets its help and messages, too`(columns: Int) async throws {
        let folder = TestDirectory()
        let program = BuiltProgram.shardline.path
        let commands = ["help consume", "mapping --help", "stream create", "stream list --shrads", "--version"]
        try await sideBySide(commands.count) { number in
            let command = commands[number]
            let end = try await Terminal.run(
                command: ["sh", "-c", "stty cols \(columns); exec '\(program)' \(command)"], in: folder)
            #expect([0, 64].contains(end.status) && !end.output.contains("rash"), "\(command): \(end.output)")
            let named = try await BuiltProgram.shardline.run(
                command.split(separator: " ").map(String.init), environment: ["COLUMNS": "\(columns)"])
            #expect([0, 64].contains(named.status) && !named.errors.contains("rash"), "\(command): \(named.errors)")
        }
    }

    @Test func `a dumb terminal gets no line that is drawn again`() async throws {
        let folder = TestDirectory()
        _ = try await BadInputTests.shardline(["stream", "create", "s"], folder)
        try Data("a\nb\n".utf8).write(to: folder.url("lines"))
        for (terminal, isRedrawn) in [("dumb", false), ("xterm", true)] {
            let end = try await Terminal.run(
                ["put", "s", "--key", "k", folder.path("lines")], in: folder, environment: ["TERM": terminal])
            #expect(end.status == 0 && end.output.contains("put 2 records"), "\(end.output)")
            #expect(end.output.contains("\u{1B}") == isRedrawn, "\(end.output.debugDescription)")
        }
    }

    @Test func `data of a record are never said, its key where it fails`() async throws {
        let folder = TestDirectory()
        _ = try await BadInputTests.shardline(["stream", "create", "s", "--shards", "1"], folder)
        let put = try await BadInputTests.shardline(
            ["put", "s", "--key", "thekey"], folder, input: "thedata\nthedata\n")
        let end = try await BadInputTests.shardline(
            [
                "consume", "s", "--mapping", "m", "--max-retries", "0", "--until-caught-up", "--verbose", "--exec",
                #"while read -r line; do echo '{"errorMessage":"boom"}'; done"#,
            ], folder)
        #expect(end.errors.contains("boom"), "\(end.errors)")
        #expect(!put.errors.contains("thekey"))
        // The warning of the batch, and those of its two records that are given up.
        #expect(end.errors.components(separatedBy: "key 'thekey'").count == 4, "\(end.errors)")
        for text in [put.errors, end.errors] {
            #expect(!text.contains("thedata"))
            #expect(!text.contains(Data("thedata".utf8).base64EncodedString()))
        }
    }
}

import Foundation
import TestSupport
import Testing

/// Functions that answer in their own way, or can't be started at all, as an operator meets them.
@Suite(.timeLimit(.minutes(2))) struct FunctionEndToEndTests {
    private static func prepared() async throws -> TestDirectory {
        let folder = TestDirectory()
        _ = try await BadInputTests.shardline(["stream", "create", "s", "--shards", "1"], folder)
        _ = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "a\nb\n")
        return folder
    }

    private static func consume(_ function: String, _ more: [String], _ folder: TestDirectory) async throws
        -> BuiltProgram.End
    {
        try await BadInputTests.shardline(
            [
                "consume", "s", "--mapping", "m", "--until-caught-up", "--fail-on-given-up", "--max-retries", "0",
                "--exec", function,
            ] + more, folder)
    }

    @Test(arguments: [
        (#"{"level":"info"}"#, "standard error"),
        (#"{"errorMessage":null,"errorType":"java.lang.NullPointerException"}"#, "java.lang.NullPointerException"),
        (#"{"permanent":true}"#, "a permanent error without a message"),
        ("started", "no JSON"),
    ]) func `what is no answer, or an error, never acknowledges records (ESM-R19b)`(
        answer: String, words: String
    ) async throws {
        let folder = try await Self.prepared()
        let end = try await Self.consume("while read -r l; do echo '\(answer)'; done", [], folder)
        #expect(end.status == 3, "\(end.errors)")
        #expect(end.output.contains("delivered      0 records"), "\(end.output)")
        #expect(end.errors.contains(words), "\(end.errors)")
    }

    @Test func `a command gets the user records of aggregates where it asks for them (ESM-S40, API-V-6)`() async throws
    {
        let folder = TestDirectory()
        _ = try await BadInputTests.shardline(["stream", "create", "s", "--shards", "1"], folder)
        let aggregate = "84mawgoBYQoBYhoHCAAaA29uZRoHCAEaA3R3b3iWYm5LVHUOB/z+tFjoo34="
        _ = try await BadInputTests.shardline(
            ["put", "s", "--records"], folder, input: "{\"partitionKey\":\"a\",\"data\":\"\(aggregate)\"}\n")
        let function = "while read -r l; do echo \"$l\" >> '\(folder.path)/events'; echo '{}'; done"
        let end = try await Self.consume(function, ["--deaggregate"], folder)
        #expect(end.status == 0, "\(end.errors)")
        #expect(end.output.contains("delivered      1 record"), "\(end.output)")
        let events = try String(contentsOfFile: folder.path + "/events", encoding: .utf8)
        for part in ["\"data\":\"b25l\"", "\"data\":\"dHdv\"", "\"subSequenceNumber\":1,"] {
            #expect(events.contains(part), "\(events)")
        }
        let described = try await BadInputTests.shardline(["mapping", "describe", "s", "m"], folder)
        #expect(described.output.contains("--deaggregate"), "\(described.output)")
        let tail = try await BadInputTests.shardline(["tail", "s", "--deaggregate", "--raw"], folder)
        #expect(tail.output == "onetwo")
    }

    @Test func `records that no filter matches never reach the command, and are counted (ESM-F1, ESM-F5)`() async throws
    {
        let folder = TestDirectory()
        _ = try await BadInputTests.shardline(["stream", "create", "s", "--shards", "1"], folder)
        let lines = ["{\"type\":\"order\"}", "no JSON", "{\"type\":\"refund\"}", "{\"type\": \"order\", \"n\": 2}"]
        _ = try await BadInputTests.shardline(
            ["put", "s", "--key", "k"], folder, input: lines.map { $0 + "\n" }.joined())
        // The data as they were put, in base64.
        let function = "while read -r l; do echo \"$l\" >> '\(folder.path)/events'; echo '{}'; done"
        let end = try await Self.consume(
            function, ["--filter", #"{"data":{"type":["order"]}}"#, "--filter", #"{"partitionKey":["other"]}"#], folder)
        #expect(end.status == 0, "\(end.errors)")
        #expect(end.output.contains("delivered      2 records"), "\(end.output)")
        #expect(end.output.contains("filtered out   2 records"), "\(end.output)")
        let events = try String(contentsOfFile: folder.path + "/events", encoding: .utf8)
        for (index, line) in lines.enumerated() {
            let data = "\"data\":\"\(Data(line.utf8).base64EncodedString())\""
            #expect(events.contains(data) == [0, 3].contains(index), "\(events)")
        }
        // Nothing of it is left, and the settings are shown.
        let described = try await BadInputTests.shardline(["mapping", "describe", "s", "m"], folder)
        #expect(
            described.output.contains(#/--filter +\{"data":\{"type":\["order"\]\}\}\n/#), "\(described.output)")
        let again = try await Self.consume(function, ["--json"], folder)
        #expect(again.output.contains("\"polled\":0") && again.output.contains("\"filteredOut\":0"), "\(again.output)")
    }

    @Test func `a command is told of the invocation where it asks for that, and of nothing else (ESM-E1, ESM-E13)`()
        async throws
    {
        let function = { (folder: TestDirectory) in
            "while read -r l; do echo \"$l\" >> '\(folder.path)/events'; echo '{}'; done"
        }
        let before = Date().timeIntervalSince1970 * 1000
        let folder = try await Self.prepared()
        let end = try await Self.consume(function(folder), ["--tell-invocation", "--timeout", "100s"], folder)
        #expect(end.status == 0, "\(end.errors)")
        let text = try String(contentsOfFile: folder.path + "/events", encoding: .utf8)
        let event = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(Set(event.keys) == ["Records", "invocation"])
        let invocation = try #require(event["invocation"] as? [String: Any])
        #expect(UUID(uuidString: invocation["requestId"] as? String ?? "") != nil)
        let deadline = try #require(invocation["deadlineMs"] as? Double)
        #expect(deadline >= (before + 100_000).rounded(.down))
        #expect(deadline <= Date().timeIntervalSince1970 * 1000 + 100_000)
        let silent = try await Self.prepared()
        #expect(try await Self.consume(function(silent), [], silent).status == 0)
        let plain = try String(contentsOfFile: silent.path + "/events", encoding: .utf8)
        #expect(!plain.contains("invocation"))
    }

    @Test func `processes that are kept ready are there before the first batch (ESM-R22)`() async throws {
        let folder = try await Self.prepared()
        let function = "echo $$ >> '\(folder.path)/started'; while read -r l; do echo '{}'; done"
        let end = try await Self.consume(function, ["--warm", "2", "--concurrency", "2"], folder)
        #expect(end.status == 0 && end.output.contains("delivered      2 records"), "\(end)")
        // A second one may not have come so far when all was done.
        let started = try String(contentsOfFile: folder.path + "/started", encoding: .utf8)
        #expect((1...2).contains(started.split(separator: "\n").count))
        for (more, part) in [
            (["--warm", "3", "--concurrency", "2"], "--warm 3 (allowed: 0 to 2, which is --concurrency)"),
            (["--warm", "-1", "--concurrency", "2"], "--warm -1 (allowed: 0 to 2"),
        ] {
            let refused = try await Self.consume(function, more, folder)
            #expect(refused.status == 64 && refused.errors.contains(part), "\(refused)")
        }
    }

    /// ESM-A6 is for functions that were not reached.
    @Test func `an exit code of the shell after the batch was read is a failed batch`() async throws {
        let folder = try await Self.prepared()
        let end = try await Self.consume("read -r l; echo \"$l\" >/dev/null; nothing-of-that-name", [], folder)
        #expect(end.status == 3, "\(end.errors)")
        #expect(end.output.contains("given up       2 records"), "\(end.output)")
        #expect(!end.errors.contains("before it had read anything"), "\(end.errors)")
    }

    /// The last batch failed and its records are gone: nothing of it is left to be done.
    @Test(arguments: ["--on-failure=none", "--on-failure=dead-letter-stream"])
    func `what was given up is not unfinished`(destination: String) async throws {
        let folder = try await Self.prepared()
        let end = try await Self.consume(
            "while read -r l; do echo '{\"errorMessage\":\"down\"}'; done", [destination, "--json"], folder)
        #expect(end.status == 3, "\(end.errors)")
        #expect(end.output.contains("\"givenUp\":2") && end.output.contains("\"unfinished\":[]"), "\(end.output)")
    }

    @Test func `any JSON is an answer where that is asked for, with one warning (ESM-R3)`() async throws {
        let folder = try await Self.prepared()
        let function = #"while read -r l; do echo '{"level":"info"}'; done"#
        let end = try await Self.consume(function, ["--accept-any-json", "--batch-size", "1"], folder)
        #expect(end.status == 0, "\(end.errors)")
        #expect(end.errors.components(separatedBy: "'level' only").count == 2, "\(end.errors)")
        let bench = ["bench", "--records", "50", "--size", "50", "--shards", "1", "--data", folder.path]
        #expect(try await BuiltProgram.shardline.run(bench + ["--exec", function]).status == 1)
        #expect(try await BuiltProgram.shardline.run(bench + ["--exec", function, "--accept-any-json"]).status == 0)
    }

    /// ESM-A6: nothing is said against the records, so none is given up, and the next run has all of them.
    @Test(arguments: [
        ("python3 missing.py", "missing.py"), ("true && ./forbidden.sh", "forbidden.sh"),
        ("true; ./interpreter.sh", "interpreter.sh"),
        ("read_nothing() { return 7; }; read_nothing", "exit code 7"),
    ]) func `a function that can't be started ends a job after three tries`(
        function: String, words: String
    ) async throws {
        let folder = try await Self.prepared()
        try Data("#!/bin/sh\n".utf8).write(to: folder.url("forbidden.sh"))
        try Data("#!/nope/nope\n".utf8).write(to: folder.url("interpreter.sh"))
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o755], ofItemAtPath: folder.path("interpreter.sh"))
        var end = try await Self.consume("cd '\(folder.path)'; echo start >&2; \(function)", [], folder)
        #expect(end.status == 69, "\(end.errors)")
        #expect(end.errors.components(separatedBy: "]: start\n").count == 4, "\(end.errors)")
        let last = end.errors.split(separator: "\n").last ?? ""
        #expect(last.contains("can't be started, also after several tries") && last.contains(words), "\(end.errors)")
        end = try await Self.consume("while read -r l; do echo; done", [], folder)
        #expect(end.status == 0 && end.output.contains("delivered      2 records"), "\(end.output)")
    }

    @Test(arguments: ["missing.sh", "forbidden.sh", "directory"]) func `a program that is not there is named at once`(
        name: String
    ) async throws {
        let folder = try await Self.prepared()
        try Data("#!/bin/sh\n".utf8).write(to: folder.url("forbidden.sh"))
        try FileManager.default.createDirectory(at: folder.url("directory"), withIntermediateDirectories: false)
        let end = try await Self.consume(folder.path(name), [], folder)
        #expect(end.status == 64 && end.errors.contains("not there or not executable"), "\(end.errors)")
    }

    @Test func `a service goes on trying, and says so`() async throws {
        let folder = try await Self.prepared()
        let consumer = try RunningCommand(
            ["consume", "s", "--mapping", "m", "--exec", "exec '\(folder.path("later.sh"))'"],
            store: folder.path("store"))
        #expect(try await consumer.wait { $0.errors.contains("could not be reached") && $0.errors.contains("try 4") })
        try Data("#!/bin/sh\nwhile read -r l; do echo got it >&2; echo; done\n".utf8).write(to: folder.url("new"))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.path("new"))
        try FileManager.default.moveItem(at: folder.url("new"), to: folder.url("later.sh"))
        #expect(try await consumer.wait { $0.errors.contains("got it") })
        consumer.signal(SIGINT)
        #expect(try await consumer.end() == 0)
    }
}

import Foundation
import TestSupport
import Testing

/// Several processes on one store, as in two terminals.
@Suite(.serialized) struct TwoProcessTests {
    static let function = """
        import base64, json, sys
        for line in sys.stdin:
            for record in json.loads(line)["Records"]:
                data = base64.b64decode(record["kinesis"]["data"]).decode()
                if data == "poison":
                    raise ValueError("a poisoned record")
                print("got", data, file=sys.stderr)
            print("{}", flush=True)
        """

    /// A store with a stream `s`, and the function in a file.
    static func prepared(shards: Int = 2) async throws -> TestDirectory {
        let folder = TestDirectory()
        try Data(function.utf8).write(to: folder.url("function.py"))
        let end = try await BadInputTests.shardline(["stream", "create", "s", "--shards", "\(shards)"], folder)
        #expect(end.status == 0)
        return folder
    }

    static func consume(_ folder: TestDirectory, _ more: [String] = []) throws -> RunningCommand {
        try RunningCommand(
            ["consume", "s", "--mapping", "m", "--exec", "python3 \(folder.path("function.py"))"] + more,
            store: folder.path("store"))
    }

    @Test func `an owner that does not answer is named, and that it does not`() async throws {
        let folder = try await Self.prepared()
        // As a process that was stopped: it has the lock, and nobody listens at its socket.
        let descriptor = open(folder.path("store") + "/lock", O_RDWR)
        defer { close(descriptor) }
        #expect(flock(descriptor, LOCK_EX) == 0)
        let number = Array("\(getpid())\n".utf8)
        #expect(
            pwrite(descriptor, number, number.count, 0) == number.count
                && ftruncate(descriptor, off_t(number.count)) == 0)
        let end = try await BadInputTests.shardline(["stream", "list"], folder)
        #expect(end.status == 69)
        #expect(end.errors.contains("in use by process \(getpid())"), "\(end.errors)")
        #expect(end.errors.contains("others work on it through that one, which does not answer"), "\(end.errors)")
    }

    @Test func `one terminal puts, the other consumes, and a poisoned record blocks nothing`() async throws {
        let folder = try await Self.prepared()
        let consumer = try Self.consume(folder, ["--max-retries", "0"])
        #expect(try await consumer.wait { $0.errors.contains("begins at trim-horizon") })
        let put = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "a\nb\npoison\nc\nd\n")
        #expect(put.status == 0)
        #expect(try await consumer.wait { $0.errors.contains("got d\n") })
        let got = consumer.errors.split(separator: "\n").compactMap { $0.split(separator: "got ").last }
        #expect(Set(got.map(String.init)).isSuperset(of: ["a", "b", "c", "d"]))
        let failed = try await BadInputTests.shardline(["tail", "s.m.failed"], folder)
        #expect(failed.lines.count == 1)
        #expect(failed.output.contains("a poisoned record"))
        #expect(failed.output.contains(Data("poison".utf8).base64EncodedString()))
        // While it runs, the mapping is seen and can't be deleted; a second owner is refused.
        let mappings = try await BadInputTests.shardline(["mapping", "list", "--json"], folder)
        #expect(mappings.output.contains("\"state\":\"running\""))
        #expect(try await BadInputTests.shardline(["mapping", "delete", "s", "m"], folder).status == 69)
        let delete = try await BadInputTests.shardline(["stream", "delete", "s"], folder)
        #expect(delete.status == 69 && delete.errors.contains("--force"), "\(delete.errors)")
        let second = try await BadInputTests.shardline(["consume", "s", "--mapping", "n", "--exec", "cat"], folder)
        #expect(second.status == 69)
        #expect(second.errors.contains("put, tail, stream and mapping work"))
        #expect(second.errors.contains("all mappings of the store"))
        #expect(second.errors.filter { $0 == "\n" }.count == 1, "\(second.errors)")
        consumer.signal(SIGINT)
        #expect(try await consumer.end() == 0)
        #expect(consumer.output.contains("delivered      4 records"))
        #expect(consumer.output.contains("given up       1 record, in the stream s.m.failed"))
        #expect(consumer.errors.contains("created the stream 's.m.failed', which takes the records that are given up"))
        let gone = try await BadInputTests.shardline(["stream", "delete", "s"], folder)
        #expect(gone.errors.contains("with 5 records and the mapping 'm'; what was given up stays in 's.m.failed'"))
    }

    @Test func `an answer with unknown members only is warned of once`() async throws {
        let folder = try await Self.prepared(shards: 1)
        _ = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "a\nb\nc\n")
        let end = try await BadInputTests.shardline(
            [
                "consume", "s", "--mapping", "m", "--batch-size", "1", "--until-caught-up", "--accept-any-json",
                "--exec",
                #"while read -r l; do echo '{"batchItemFailure":[],"x":1}'; done"#,
            ], folder)
        #expect(end.status == 0 && end.output.contains("delivered      3 records"))
        #expect(end.errors.components(separatedBy: "'batchItemFailure', 'x' only").count == 2, "\(end.errors)")
    }

    @Test func `an answer that is no object is warned of once, and null and an empty line are not`() async throws {
        let folder = try await Self.prepared(shards: 1)
        for (answer, warnings) in [(#""failed""#, 1), ("false", 1), ("[]", 0), ("null", 0), ("", 0)] {
            _ = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "a\nb\n")
            let end = try await BadInputTests.shardline(
                [
                    "consume", "s", "--mapping", "m", "--batch-size", "1", "--until-caught-up", "--accept-any-json",
                    "--exec",
                    "while read -r l; do echo '\(answer)'; done",
                ], folder)
            #expect(end.status == 0 && end.output.contains("delivered      2 records"), "\(end.errors)")
            #expect(
                end.errors.components(separatedBy: "means nothing here").count == 1 + warnings,
                "\(answer): \(end.errors)")
        }
    }

    @Test func `a shard that is stuck shows from a second terminal, with the settings in force`() async throws {
        let folder = try await Self.prepared(shards: 1)
        _ = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "a\npoison\nb\n")
        let job = try Self.consume(folder, ["--until-caught-up", "--max-retries", "0"])
        #expect(try await job.end() == 0)
        _ = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "poison\n")
        let consumer = try Self.consume(folder, ["--max-retries", "-1"])
        #expect(try await consumer.wait { $0.errors.contains("warning: the function failed with record") })
        #expect(!consumer.errors.contains("rule="))
        let list = try await BadInputTests.shardline(["mapping", "list"], folder)
        #expect(list.output.contains("failing"), "\(list.output)")
        let describe = try await BadInputTests.shardline(["mapping", "describe", "s", "m"], folder)
        #expect(describe.output.contains("--max-retries   no limit"), "\(describe.output)")
        #expect(describe.output.contains("failed attempt") && describe.output.contains("ValueError: a poisoned record"))
        consumer.signal(SIGINT)
        #expect(try await consumer.end() == 0)
        let after = try await BadInputTests.shardline(["mapping", "describe", "s", "m", "--json"], folder)
        #expect(after.output.contains("\"maximumRetryAttempts\":-1") && after.output.contains("\"phase\":null"))
    }

    @Test func `a job ends when it has caught up, and goes on where it was`() async throws {
        let folder = try await Self.prepared()
        _ = try await BadInputTests.shardline(["put", "s"], folder, input: (0..<250).map { "\($0)\n" }.joined())
        let job = try Self.consume(folder, ["--until-caught-up", "--json"])
        #expect(try await job.end() == 0)
        let summary = try #require(JSONSerialization.jsonObject(with: Data(job.output.utf8)) as? [String: Any])
        #expect(summary["delivered"] as? Int == 250)
        _ = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "poison\nx\n")
        let again = try Self.consume(
            folder, ["--until-caught-up", "--json", "--max-retries", "0", "--fail-on-given-up"])
        #expect(try await again.end() == 3)
        #expect(again.errors.contains("resumes where it was, 2 records to go"))
        let rest = try #require(JSONSerialization.jsonObject(with: Data(again.output.utf8)) as? [String: Any])
        #expect(rest["delivered"] as? Int == 1)
        #expect(rest["givenUp"] as? Int == 1)
    }

    @Test func `a put that owns the store gives it up to a consumer and goes on`() async throws {
        let folder = try await Self.prepared()
        let put = try RunningCommand(["put", "s", "--key", "k", "--json"], store: folder.path("store"))
        try put.type("one\n")
        #expect(try await put.wait { $0.output.contains("\"line\":1") })
        let consumer = try Self.consume(folder)
        #expect(try await consumer.wait { $0.errors.contains("got one\n") })
        try put.type("two\n")
        #expect(try await consumer.wait { $0.errors.contains("got two\n") })
        #expect(put.output.contains("\"line\":2"))
        try put.endInput()
        #expect(try await put.end() == 0)
        consumer.signal(SIGTERM)
        #expect(try await consumer.end() == 0)
    }

    @Test func `forty puts at the same time all put their records, each once`() async throws {
        let folder = try await Self.prepared()
        let ends = try await withThrowingTaskGroup(of: BuiltProgram.End.self) { group in
            for put in 0..<40 {
                group.addTask {
                    let lines = (0..<20).map { "\(put) \($0)\n" }.joined()
                    return try await BadInputTests.shardline(["put", "s", "--key", "k\(put)"], folder, input: lines)
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        for end in ends where end.status != 0 { Issue.record("\(end.status): \(end.errors)") }
        let there = try await BadInputTests.shardline(["tail", "s"], folder).lines
        #expect(there.count == 800)
        #expect(Set(there).count == 800)
    }

    @Test func `a consumer gets the store in the midst of many short puts`() async throws {
        let folder = try await Self.prepared()
        let stays = try RunningCommand(["put", "s", "--key", "k"], store: folder.path("store"))
        try stays.type("first\n")
        try await withThrowingTaskGroup(of: Int32.self) { group in
            for put in 0..<10 {
                group.addTask {
                    try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "\(put)\n").status
                }
            }
            let consumer = try Self.consume(folder)
            #expect(try await consumer.wait { $0.errors.contains("begins at") }, "\(consumer.errors)")
            for try await status in group { #expect(status == 0) }
            #expect(try await consumer.wait { $0.errors.contains("got first\n") })
            consumer.signal(SIGINT)
            #expect(try await consumer.end() == 0)
        }
        try stays.endInput()
        #expect(try await stays.end() == 0)
    }

    @Test func `a tail that follows outlives the owner of its store`() async throws {
        let folder = try await Self.prepared()
        let consumer = try Self.consume(folder)
        #expect(try await consumer.wait { $0.errors.contains("begins at") })
        let tail = try RunningCommand(["tail", "s", "--follow"], store: folder.path("store"))
        _ = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "one\n")
        #expect(try await tail.wait { $0.output.contains("one\n") })
        consumer.signal(SIGINT)
        #expect(try await consumer.end() == 0)
        _ = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "two\n")
        #expect(try await tail.wait { $0.output.contains("two\n") })
        tail.signal(SIGINT)
        #expect(try await tail.end() == 0)
        #expect(tail.output.split(separator: "\n").count == 2)
    }

    @Test func `when the owner dies, put ends with what was acknowledged`() async throws {
        let folder = try await Self.prepared()
        let consumer = try Self.consume(folder)
        #expect(try await consumer.wait { $0.errors.contains("begins at") })
        let put = try RunningCommand(["put", "s", "--key", "k", "--json"], store: folder.path("store"))
        try put.type("one\ntwo\n")
        #expect(try await put.wait { $0.output.contains("\"line\":2") })
        consumer.signal(SIGKILL)
        _ = try await consumer.end()
        try put.type("three\n")
        #expect(try await put.end() == 69)
        #expect(
            put.errors.contains(
                "the last one is stdin:2; nothing is in doubt: stdin:3 and what follows was not put"), "\(put.errors)")
        #expect(try await BadInputTests.shardline(["tail", "s", "--json"], folder).lines.count == 2)
    }

    @Test func `what is typed is put at once, and an interrupted put says how far it came`() async throws {
        let folder = try await Self.prepared()
        let put = try RunningCommand(["put", "s", "--key", "k", "--json"], store: folder.path("store"))
        try put.type("one\n")
        #expect(try await put.wait { $0.output.contains("\"line\":1") })
        put.signal(SIGINT)
        #expect(try await put.end() == 1)
        #expect(put.errors.contains("interrupted; 1 record was acknowledged, the last one is stdin:1"))
    }

    @Test func `an interruption waits for the running batch at most the grace time, a second one not at all`()
        async throws
    {
        let folder = try await Self.prepared(shards: 1)
        _ = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "x\n")
        let command = ["consume", "s", "--mapping", "m", "--exec"]
        let slow = try RunningCommand(
            command + ["while read -r l; do echo begun >&2; sleep 1; echo; done"], store: folder.path("store"))
        #expect(try await slow.wait { $0.errors.contains("begun") })
        slow.signal(SIGINT)
        #expect(try await slow.end() == 0)
        #expect(slow.output.contains("delivered      1 record "))
        _ = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "y\n")
        let hanging = "read -r l; echo begun >&2; sleep 100"
        let patient = try RunningCommand(
            command + [hanging, "--grace", "200ms", "--max-retries", "-1"], store: folder.path("store"))
        #expect(try await patient.wait { $0.errors.contains("begun") })
        patient.signal(SIGINT)
        _ = try await patient.end()
        #expect(patient.output.contains("delivered      0 records"))
        let hurried = try RunningCommand(command + [hanging, "--grace", "60s"], store: folder.path("store"))
        #expect(try await hurried.wait { $0.errors.contains("begun") })
        hurried.signal(SIGINT)
        #expect(try await hurried.wait { $0.errors.contains("Ctrl-C again") })
        hurried.signal(SIGINT)
        #expect(try await hurried.end() == 130)
    }

    @Test(arguments: ["consume", "tail"]) func `an idle owner whose store has failed ends by itself`(
        command: String
    ) async throws {
        let folder = try await Self.prepared()
        // Nothing may grow beyond a kilobyte once the store is open: the next write fails permanently.
        let idle =
            try command == "consume"
            ? Self.consume(folder) : RunningCommand(["tail", "s", "--follow"], store: folder.path("store"))
        try Data().write(to: folder.url("in"))
        let socket = folder.path("store/owner.sock")
        #expect(
            try await idle.wait {
                ($0.errors.contains("begins at") || command == "tail") && FileManager.default.fileExists(atPath: socket)
            })
        let limited = try await BuiltProgram(path: "/usr/bin/prlimit").run([
            "--pid", "\(idle.processID)", "--fsize=1000",
        ])
        #expect(limited.status == 0, "\(limited.errors)")
        let put = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "x\n")
        // The mark that the owner itself writes may fail first; then the store is free again.
        #expect(put.status != 0 || !idle.isRunning)
        #expect(try await idle.end() == 74)
        #expect(idle.errors.contains("until it is opened again"), "\(idle.errors)")
        #expect(try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "y\n").status == 0)
    }

    @Test func `a second interruption ends what the function has started too`() async throws {
        let folder = try await Self.prepared(shards: 1)
        _ = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "x\n")
        let function = "read -r l; sleep 1000 & echo \"begun $! .\" >&2; wait"
        let consumer = try RunningCommand(
            ["consume", "s", "--mapping", "m", "--exec", function], store: folder.path("store"))
        #expect(try await consumer.wait { $0.errors.contains("begun") && $0.errors.contains(" .\n") })
        let words = consumer.errors.split(whereSeparator: \.isWhitespace)
        let left = try #require(words.firstIndex(of: "begun").flatMap { Int32(words[$0 + 1]) })
        #expect(kill(left, 0) == 0)
        consumer.signal(SIGINT)
        #expect(try await consumer.wait { $0.errors.contains("Ctrl-C again") })
        consumer.signal(SIGINT)
        #expect(try await consumer.end() == 130)
        // Killed, it may still be on the list until somebody has waited for it.
        let isGone = try await consumer.wait { _ in
            let state = try? String(contentsOfFile: "/proc/\(left)/stat", encoding: .utf8)
            return state == nil || state!.contains(") Z ")
        }
        #expect(isGone)
    }

    @Test func `a mapping that runs can be moved back, and its records come again`() async throws {
        let folder = try await Self.prepared()
        let consumer = try Self.consume(folder)
        _ = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "one\n")
        #expect(try await consumer.wait { $0.errors.contains("got one\n") })
        // The function speaks before it answers, so its checkpoint may not be there yet; and a seek lets what is invoked come
        // again in any case.
        var seek: BuiltProgram.End
        repeat {
            seek = try await BadInputTests.shardline(["mapping", "seek", "s", "m", "--to", "trim-horizon"], folder)
        } while seek.errors.contains("it was there already") && consumer.isRunning
        #expect(seek.status == 0)
        #expect(seek.errors.contains("moved the mapping 'm' of 's': 1 record comes again"), "\(seek.errors)")
        #expect(seek.output.contains("IS DONE UP TO"))
        #expect(try await consumer.wait { $0.errors.components(separatedBy: "got one\n").count >= 3 })
        consumer.signal(SIGINT)
        #expect(try await consumer.end() == 0)
    }
}

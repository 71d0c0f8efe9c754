import Foundation
import TestSupport
import Testing

/// Whatever is wrong is said in one line, with what is allowed; nothing is lost and nothing crashes.
@Suite struct BadInputTests {
    /// A store with a stream `a` whose records have at most 1,024 bytes.
    static func store() async throws -> TestDirectory {
        let folder = TestDirectory()
        let end = try await shardline(["stream", "create", "a", "--max-record-size", "1KiB"], folder)
        #expect(end.status == 0)
        return folder
    }

    static func shardline(_ arguments: [String], _ folder: TestDirectory, input: String = "") async throws
        -> BuiltProgram.End
    {
        try await BuiltProgram.shardline.run(
            arguments, input: input, environment: ["SHARDLINE_DATA": folder.path("store")])
    }

    /// Command lines, how they end, and what is said.
    private static let wrong: [(arguments: [String], status: Int32, part: String)] = [
        (["put", "nosuch", "--key", "k"], 1, "nosuch"),
        (["tail", "nosuch"], 1, "nosuch"),
        (["stream", "describe", "nosuch"], 1, "nosuch"),
        (["stream", "delete", "nosuch"], 1, "nosuch"),
        (["consume", "nosuch", "--mapping", "m", "--exec", "cat"], 1, "nosuch"),
        (["mapping", "describe", "a", "nosuch"], 1, "nosuch"),
        (["mapping", "seek", "a", "nosuch", "--to", "latest"], 1, "nosuch"),
        (["mapping", "delete", "a", "nosuch"], 1, "nosuch"),
        (["mapping", "keys", "a", "nosuch"], 1, "nosuch"),
        (["mapping", "keys", "nosuch", "m"], 1, "nosuch"),
        (["mapping", "park", "a", "nosuch", "--key", "k"], 1, "nosuch"),
        (["mapping", "park", "a", "m"], 64, "--key"),
        (["mapping", "park", "a", "m", "--key", ""], 64, "1 to 256"),
        (["mapping", "discard", "a", "nosuch", "--all"], 1, "nosuch"),
        (["mapping", "discard", "a", "m"], 64, "(allowed: --all, or some of --key, --group, --error-type"),
        (["redrive", "a", "nosuch", "--all"], 1, "nosuch"),
        (["redrive", "a", "m"], 64, "(allowed: --all, or some of --key, --group, --error-type"),
        (["redrive", "a", "m", "--dry-run"], 64, "which parked keys are meant"),
        (["redrive", "a", "m", "--all", "--key", "k"], 64, "can't be meant together"),
        (["redrive", "a", "m", "--parked-before", "soon"], 64, "a time is 2026-01-31T08:30:00Z, an age"),
        (["stream", "create", "a"], 1, "exists already"),
        (["tail", "a", "--shard", "7"], 1, "shardId-000000000007"),
        (["put", "a", "--key", ""], 64, "1 to 256"),
        (["put", "a", "--key", String(repeating: "k", count: 257)], 64, "at most 256"),
        (["put", "a", "--rate", "0"], 64, "above 0"),
        (["put", "a", "--rate", "-5"], 64, "above 0"),
        (["put", "a", "--key", "k", "--key-field", "f"], 64, "only one of"),
        (["put", "a", "--key", "k", "/does/not/exist"], 74, "/does/not/exist"),
        (["put", "a", "--key", "k", "/"], 74, "directory"),
        (
            [
                "consume", "a", "--mapping", "m", "--exec", "cat", "--from", "2099-01-01T00:00:00Z", "--on-failure",
                "none",
            ],
            64, "in the future"
        ),
        (
            [
                "consume", "a", "--mapping", "m", "--exec", "cat", "--on-failure", "file:/dev/null",
            ],
            74, "no regular file"
        ),
        (["tail", "a", "--from", "2099-01-01T00:00:00Z"], 64, "in the future"),
        (["put"], 64, "<name>"),
        (["nosuch"], 64, "nosuch"),
        (["stream", "create", "b", "--shards", "0"], 64, "1 to 10000"),
        (["stream", "create", "b", "--shards", "-1"], 64, "1 to 10000"),
        (["stream", "create", "b", "--retention", "-1d"], 64, "such as 500ms"),
        (["tail", "a", "--limit", "-1"], 64, "at least 1"),
        (["consume", "a", "--mapping", "m", "--exec", "cat", "--batch-size", "-1"], 64, "--batch-size -1"),
        (["consume", "a", "--mapping", "m", "--exec", "cat", "--concurrency", "-1"], 64, "--concurrency -1"),
        // What was typed is named, however far beyond all numbers it is.
        (
            ["stream", "create", "b", "--retention", "99999999999999999d"], 64,
            "99999999999999999d (allowed: 1s to 365d)"
        ),
        (
            ["stream", "create", "b", "--max-record-size", "99999999999999999999MiB"], 64,
            "99999999999999999999MiB (allowed: 1 to 10485760 bytes)"
        ),
        (
            ["bench", "--size", "99999999999999999999MiB"], 64,
            "size 99999999999999999999MiB (allowed: 24 to 1048576)"
        ),
        (["bench", "--subscribe"], 64, "give its --endpoint URL"),
        (["bench", "--server-pid", "1"], 64, "give its --endpoint URL"),
        (
            ["bench", "--endpoint", "http://h", "--mappings", "1", "--durability", "synced", "--floor"], 64,
            "leave out --mappings, --durability, --floor"
        ),
        (
            ["bench", "--endpoint", "http://h", "--exec", "cat", "--data", "d", "--call-time", "0"], 64,
            "leave out --call-time, --exec, --data"
        ),
        (
            ["bench", "--endpoint", "http://h", "--consumer-batch", "1", "--parallelization-factor", "1"], 64,
            "leave out --consumer-batch, --parallelization-factor"
        ),
        (["bench", "--endpoint", "http://h", "--server-pid", "0"], 64, "--server-pid 0"),
        (
            ["consume", "a", "--mapping", "m", "--exec", "cat", "--timeout", "99999999999999999999d"], 64,
            "--timeout 99999999999999999999d (allowed: 1ms to 1d)"
        ),
        (["stream", "create", "b", "--shards", "many"], 64, "many"),
        (["stream", "create", "b c", "--retention", "400d"], 64, "365d"),
        (["stream", "create", "b", "--retention", "soon"], 64, "such as 500ms"),
        (["stream", "create", "b", "--max-record-size", "11MiB"], 64, "10485760"),
        (["tail", "a", "--from", "yesterday"], 64, "trim-horizon"),
        (["tail", "a", "--from", "17"], 64, "--shard"),
        (["tail", "a", "--from", "2999-01-01"], 64, "in the future"),
        (["mapping", "seek", "a", "m", "--to", "2999-01-01"], 64, "a time that has passed"),
        (["mapping", "seek", "a", "m", "--to", "17"], 64, "--shard"),
        (["help", "mapping", "bogus"], 64, "there are list, describe, update, disable, enable, seek, delete"),
        (["help", "bogus"], 64, "no command 'shardline bogus'; there are stream, put"),
        (["help", "put", "bogus"], 64, "no commands below it"),
        (["consume", "a", "--mapping", "m", "--exec", "/does/not/exist --now"], 64, "/does/not/exist"),
        (["consume", "a", "--mapping", "m", "--exec", "no-such-program"], 64, "no-such-program"),
        (["consume", "a", "--mapping", "m", "--exec", " "], 64, "--exec is empty"),
        (["consume", "a", "--mapping", "m m", "--exec", "cat"], 64, "mapping name 'm m'"),
        (
            ["consume", "a", "--mapping", "m", "--exec", "cat", "--batch-size", "0", "--grace", "2h"], 64,
            "--batch-size 0"
        ),
        (["consume", "a", "--mapping", "m", "--exec", "cat", "--batch-window", "301s"], 64, "0s to 5m"),
        (["consume", "a", "--mapping", "m", "--exec", "cat", "--max-retries", "-2"], 64, "-1 for no limit"),
        (
            ["consume", "a", "--mapping", "m", "--exec", "cat", "--max-age", "59s"], 64,
            "--max-age 59s (allowed: 1m to 7d, or -1 for no limit)"
        ),
        (["consume", "a", "--mapping", "m", "--exec", "cat", "--timeout", "0"], 64, "--timeout 0 (allowed"),
        (["consume", "a", "--mapping", "m", "--exec", "cat", "--concurrency", "0"], 64, "--concurrency 0"),
        (["consume", "a", "--mapping", "m", "--exec", "cat", "--on-failure", "stream:a"], 64, "source itself"),
        (["consume", "a", "--mapping", "m", "--exec", "cat", "--on-failure", "queue:x"], 64, "file:PATH"),
    ]

    @Test func `one line says what is wrong`() async throws {
        // Nothing may come of any of them, so a store serves many; no two of them work on one at a time.
        try await sideBySide(2) { lane in
            let folder = try await Self.store()
            for index in stride(from: lane, to: Self.wrong.count, by: 2) {
                let (arguments, status, part) = Self.wrong[index]
                let end = try await Self.shardline(arguments, folder, input: "x\n")
                #expect(end.status == status, "\(arguments)")
                #expect(end.output.isEmpty, "\(arguments)")
                #expect(end.errors.hasPrefix("shardline: "), "\(arguments)")
                #expect(end.errors.contains(part), "\(arguments): \(end.errors)")
                #expect(end.errors.filter { $0 == "\n" }.count == 1, "\(arguments): \(end.errors)")
            }
            // Nothing was done: no other stream (a dead-letter stream for one), no mapping, no record.
            let streams = try await Self.shardline(["stream", "list", "--json"], folder)
            #expect(streams.lines.count == 1)
            #expect(streams.output.contains("\"recordCount\":0"))
            #expect(try await Self.shardline(["mapping", "list", "--json"], folder).output.isEmpty)
        }
    }

    @Test func `a stream is made only if it isn't there where that is asked for`() async throws {
        let folder = try await Self.store()
        let end = try await Self.shardline(["stream", "create", "a", "--shards", "3", "--if-not-exists"], folder)
        #expect(end.status == 0)
        #expect(
            end.errors
                == "shardline: warning: the stream 'a' was created with 1 shard, not 3; it stays as it is\n"
                + "shardline: the stream 'a' exists already and stays as it is: 1 shard, records are kept for 1d\n")
        let other = try await Self.shardline(["stream", "create", "b", "--shards", "3", "--if-not-exists"], folder)
        #expect(other.status == 0 && other.errors.contains("created the stream 'b': 3 shards"))
        #expect(try await Self.shardline(["help", "stream", "create"], folder).status == 0)
    }

    @Test func `no file of the store takes failure documents, whatever path leads to it`() async throws {
        let folder = try await Self.store()
        try FileManager.default.createSymbolicLink(
            atPath: folder.path("link"), withDestinationPath: folder.path("store"))
        let metadata = folder.path("store/metadata.sqlite")
        let before = try Data(contentsOf: URL(filePath: metadata))
        for path in [metadata, folder.path("store/../link/metadata.sqlite"), folder.path("link/segments/new.jsonl")] {
            let end = try await Self.shardline(
                ["consume", "a", "--mapping", "m", "--exec", "cat", "--on-failure", "file:\(path)"], folder)
            #expect(end.status == 64)
            #expect(end.errors.contains("store's own directory"), "\(end.errors)")
            #expect(end.errors.filter { $0 == "\n" }.count == 1, "\(end.errors)")
        }
        #expect(try Data(contentsOf: URL(filePath: metadata)) == before)
        // Beside it, under a name that begins as the store's does.
        let end = try await Self.shardline(
            [
                "consume", "a", "--mapping", "m", "--exec", "cat", "--until-caught-up", "--on-failure",
                "file:\(folder.path("store.jsonl"))",
            ], folder)
        #expect(end.status == 0, "\(end.errors)")
    }

    @Test func `a pipe is no place for failure documents`() async throws {
        let folder = try await Self.store()
        let command = "consume a --mapping m --until-caught-up --exec cat --on-failure file:/dev/stdout"
        let end = try await BuiltProgram(path: "/bin/sh").run(
            ["-c", "'\(BuiltProgram.shardline.path)' \(command) | cat"],
            environment: ["SHARDLINE_DATA": folder.path("store")])
        #expect(end.errors.contains("/dev/stdout is no regular file"), "\(end.errors)")
        #expect(end.errors.filter { $0 == "\n" }.count == 1, "\(end.errors)")
    }

    @Test(
        arguments: [
            (#"put a --key "$(printf 'a\377')""#, "the key is not UTF-8"),
            (#"put a --key="$(printf 'a\377')""#, "the key is not UTF-8"),
            (#"put a --key k "$(printf 'file\377')""#, "argument 5 is not UTF-8"),
        ])
    func `an argument that is no UTF-8 is refused and nothing else taken in its place`(command: String, part: String)
        async throws
    {
        let folder = try await Self.store()
        let end = try await BuiltProgram(path: "/bin/sh").run(
            ["-c", "'\(BuiltProgram.shardline.path)' \(command)"], input: "x\n",
            environment: ["SHARDLINE_DATA": folder.path("store")])
        #expect(end.status == 64)
        #expect(end.errors.contains(part) && end.errors.filter { $0 == "\n" }.count == 1, "\(end.errors)")
        #expect(try await Self.shardline(["tail", "a"], folder).output.isEmpty)
    }

    @Test func `without a store the command says how to name or make one`() async throws {
        let folder = TestDirectory()
        let none = try await BuiltProgram.shardline.run(["stream", "list"], environment: ["SHARDLINE_DATA": ""])
        #expect(none.status == 64)
        #expect(none.errors.contains("--data DIR"))
        let empty = try await Self.shardline(["put", "a", "--key", "k"], folder, input: "x\n")
        #expect(empty.status == 74)
        #expect(empty.errors.contains("shardline stream create"))
        #expect(!FileManager.default.fileExists(atPath: folder.path("store")))
    }

    @Test func `a directory that can't be used is named`() async throws {
        let folder = TestDirectory()
        try Data("mine".utf8).write(to: folder.url("file"))
        for path in ["\(folder.path)/file", "\(folder.path)/not/there", folder.path] {
            let end = try await BuiltProgram.shardline.run(["--data", path, "stream", "create", "a"])
            #expect(end.status == 74)
            #expect(end.errors.contains(path) && end.errors.filter { $0 == "\n" }.count == 1, "\(end.errors)")
        }
        guard geteuid() != 0 else { return }
        chmod(folder.path, 0o500)
        defer { chmod(folder.path, 0o700) }
        let end = try await Self.shardline(["stream", "create", "a"], folder)
        #expect(end.status == 74)
        #expect(end.errors.contains("ermission"))
    }

    @Test func `too few descriptors are said in one line, as an error of the system`() async throws {
        try await sideBySide(2) { lane in
            let folder = try await Self.store()
            for limit in stride(from: 7 + lane, through: 24, by: 2) {
                let end = try await BuiltProgram(path: "/bin/sh").run(
                    ["-c", "ulimit -n \(limit); exec '\(BuiltProgram.shardline.path)' put a --key k"], input: "x\n",
                    environment: ["SHARDLINE_DATA": folder.path("store")])
                #expect(end.status == 74, "\(limit): \(end.status): \(end.errors)")
                #expect(
                    !end.errors.contains("--help") && !end.errors.contains("StartFailure"), "\(limit): \(end.errors)")
                #expect(
                    end.errors.contains("files open at once") || end.errors.contains("Too many open files"),
                    "\(limit): \(end.errors)")
            }
        }
    }

    @Test func `standard descriptors that are closed are never those of a store's file`() async throws {
        let folder = try await Self.store()
        let script = """
            "$0" tail a --follow <&- >&- 2>&- & tail=$!
            until [ -S "$SHARDLINE_DATA/owner.sock" ]; do sleep 0.02; done
            readlink /proc/$tail/fd/0 /proc/$tail/fd/1 /proc/$tail/fd/2
            kill -9 $tail
            """
        let end = try await BuiltProgram(path: "/bin/sh").run(
            ["-c", script, BuiltProgram.shardline.path], environment: ["SHARDLINE_DATA": folder.path("store")])
        #expect(end.lines == ["/dev/null", "/dev/null", "/dev/null"])
    }

    @Test func `malformed lines are named and the others are put`() async throws {
        let folder = try await Self.store()
        try Data(
            "{\"k\":\"1\"}\n{\"k\":\n{\"j\":1}\n{\"k\":\"\"}\n{\"k\":\"\(String(repeating: "x", count: 1100))\"}\n{\"k\":6}"
                .utf8
        )
        .write(to: folder.url("in"))
        let file = folder.path("in")
        let end = try await Self.shardline(["put", "a", file, "--key-field", "k", "--json"], folder)
        #expect(end.status == 65)
        #expect(end.lines.count == 2)
        #expect(end.lines.first?.hasPrefix("{\"line\":1,") == true)
        #expect(end.lines.last?.hasPrefix("{\"line\":6,") == true)
        for line in 2...5 { #expect(end.errors.contains("shardline: \(file):\(line): ")) }
        let strict = try await Self.shardline(["put", "a", file, "--key-field", "k", "--strict"], folder)
        #expect(strict.status == 65)
        #expect(strict.errors.contains("\(file):2: ") && strict.errors.contains("1 record was acknowledged"))
        let read = try await Self.shardline(["tail", "a", "--json"], folder)
        #expect(read.lines.count == 3)
    }

    @Test(
        arguments: [
            ("k,v\ra,1\rb,2\r", 0, 2, "put 2 records"), ("\u{FEFF}\"k\",\"v\"\r\na,1\r\n\r\n", 0, 1, "put 1 record"),
            ("k,v\n", 0, 0, "put 0 records"), ("", 65, 0, "the file is empty"),
            ("k,v,k\na,1,b\n", 65, 0, "(the columns 1, 3)"),
            ("k,v\na\nb,2\n", 65, 1, "stdin:2: the row has 1 field"),
            ("k,v\na,\"1\nb,2\n", 65, 1, "stdin:2: a quoted field"),
            ("k,v\na,1\rb,2\n", 65, 0, "stdin:2: field 2 has a carriage return"),
        ])
    func `CSV ends in records, or in an error with its line`(
        input: String, status: Int32, records: Int, part: String
    ) async throws {
        let folder = try await Self.store()
        let end = try await Self.shardline(["put", "a", "--key-column", "k"], folder, input: input)
        #expect(end.status == status && end.errors.contains(part), "\(end.errors)")
        #expect(try await Self.shardline(["tail", "a", "--json"], folder).lines.count == records)
    }

    @Test func `a missing column is said with those that are there`() async throws {
        let folder = try await Self.store()
        let end = try await Self.shardline(["put", "a", "--key-column", "id"], folder, input: "x,y\n1,2\n")
        #expect(end.status == 65)
        #expect(end.errors.contains("stdin:1: the header has no column 'id', only x, y"))
    }

    @Test func `help has examples, and the version and completions are there`() async throws {
        let commands = [
            ["stream", "create"], ["stream", "list"], ["stream", "describe"], ["stream", "delete"], ["put"], ["tail"],
            ["consume"], ["mapping", "list"], ["mapping", "describe"], ["mapping", "seek"], ["mapping", "delete"],
        ]
        for command in commands {
            let end = try await BuiltProgram.shardline.run(command + ["--help"])
            #expect(end.status == 0 && end.output.contains("Example") && end.errors.isEmpty, "\(command)")
        }
        for shell in ["bash", "zsh", "fish"] {
            let end = try await BuiltProgram.shardline.run(["--generate-completion-script", shell])
            #expect(end.status == 0 && end.output.contains("consume"))
        }
        #expect(try await BuiltProgram.shardline.run(["--version"]).status == 0)
    }
}

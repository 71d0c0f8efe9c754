import Foundation
import TestSupport
import Testing

/// Commands whose standard input and output are pipes, closed, or something that can't be read.
@Suite(.timeLimit(.minutes(2))) struct PipeTests {
    private static func sh(_ script: String, _ folder: TestDirectory) async throws -> BuiltProgram.End {
        try await BuiltProgram(path: "/bin/sh").run(
            ["-c", script, BuiltProgram.shardline.path],
            environment: ["SHARDLINE_DATA": folder.path("store"), "T": folder.path]
        )
    }

    @Test(
        arguments: [
            ("\"$0\" put a --key k <&-", "stdin can't be read: it is closed"),
            ("\"$0\" put a - --key k <&-", "stdin can't be read: it is closed"),
            ("\"$0\" put a --key k 0>\"$T/x\"", "open for writing alone"),
            ("\"$0\" put a --key k <.", "stdin is a directory"),
            ("echo two | \"$0\" put a --key k --json >&-", "standard output can't be written: it is closed"),
            ("\"$0\" tail a >&-", "standard output can't be written: it is closed"),
            ("\"$0\" tail a --json >&-", "standard output can't be written: it is closed"),
            ("\"$0\" stream list >&-", "standard output can't be written: it is closed"),
            ("\"$0\" stream describe a --json >&-", "standard output can't be written: it is closed"),
            ("\"$0\" tail a 1<\"$T/empty\"", "open for reading alone"),
            // A completion script that was cut off would be sourced as if it were whole.
            ("\"$0\" help put >/dev/full", "standard output can't be written: No space left on device"),
            ("\"$0\" --version >&-", "standard output can't be written: it is closed"),
            ("\"$0\" --generate-completion-script bash >/dev/full", "No space left on device"),
        ])
    func `an input or output that is closed is an error`(script: String, part: String) async throws {
        let folder = try await BadInputTests.store()
        _ = try await BadInputTests.shardline(["put", "a", "--key", "k"], folder, input: "one\n")
        try Data().write(to: folder.url("empty"))
        let end = try await Self.sh(script, folder)
        #expect(end.status == 74, "\(end.errors)")
        #expect(end.errors.contains(part), "\(end.errors)")
        #expect(!end.errors.contains("0 records"))
    }

    @Test func `an empty input and an output that is not needed are none`() async throws {
        let folder = try await BadInputTests.store()
        let nothing = try await Self.sh("\"$0\" put a --key k </dev/null", folder)
        #expect(nothing.status == 0 && nothing.errors.contains("put 0 records"), "\(nothing.errors)")
        let unused = try await Self.sh("echo one | \"$0\" put a --key k >&-", folder)
        #expect(unused.status == 0, "\(unused.errors)")
    }

    @Test(
        arguments: [
            (["tail", "a"], false), (["tail", "a", "--follow"], true), (["tail", "a", "--raw", "--follow"], false),
            (["put", "a", "--key", "k", "--json"], false),
            (
                [
                    "consume", "a", "--mapping", "m", "--until-caught-up", "--exec",
                    "while read -r l; do echo '{}'; done",
                ],
                false
            ),
        ] as [([String], Bool)])
    func `a standard output that nobody reads does not keep SIGTERM from ending the command`(
        arguments: [String], alsoErrors: Bool
    ) async throws {
        let folder = try await BadInputTests.store()
        _ = try await BadInputTests.shardline(["put", "a", "--key", "k"], folder, input: "one\ntwo\n")
        let pipe = folder.path("pipe")
        try #require(mkfifo(pipe, 0o600) == 0)
        // Open for both, so that opening waits for nobody, and full from the beginning.
        let end = open(pipe, O_RDWR | O_NONBLOCK | O_CLOEXEC)
        defer { close(end) }
        let filling = [UInt8](repeating: 0x2E, count: 4096)
        while write(end, filling, filling.count) > 0 {}
        let command = try SpawnedProcess(
            BuiltProgram.shardline.path, arguments, input: nil, output: pipe,
            errors: alsoErrors ? pipe : folder.path("errors"),
            environment: ProcessInfo.processInfo.environment.merging(["SHARDLINE_DATA": folder.path("store")]) { $1 })
        if arguments[0] == "put" { try command.write("three\n") }
        // Until it has something to write, which its own thread does.
        for _ in 0..<3000 where !Self.threads(of: command.pid).contains("shardline-out") {
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(Self.threads(of: command.pid).contains("shardline-out"))
        kill(command.pid, SIGTERM)
        for _ in 0..<2000 where command.end(waits: false) == nil { try await Task.sleep(for: .milliseconds(10)) }
        #expect(command.end(waits: false) == 1)
        guard !alsoErrors else { return }
        let errors = try String(contentsOf: folder.url("errors"), encoding: .utf8)
        #expect(errors.contains("interrupted while nobody read standard output"), "\(errors)")
    }

    private static func threads(of process: pid_t) -> [String] {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task")) ?? []
        return tasks.compactMap { try? String(contentsOfFile: "/proc/\(process)/task/\($0)/comm", encoding: .utf8) }
            .map { $0.trimmingCharacters(in: .newlines) }
    }

    @Test func `a copy through a pipe follows what comes`() async throws {
        let folder = try await BadInputTests.store()
        _ = try await BadInputTests.shardline(["stream", "create", "b", "--shards", "3"], folder)
        let script = """
            ("$0" tail a --follow --json & echo $! > "$T/tail"; wait $!) | "$0" put b --records & copy=$!
            for i in 1 2 3 4 5; do printf "line $i\\n" | "$0" put a --key "key $i" 2>/dev/null; done
            until [ "$("$0" tail b | wc -l)" = 5 ]; do sleep 0.05; done
            kill $(cat "$T/tail"); wait $copy
            "$0" tail b --json
            """
        let end = try await Self.sh(script, folder)
        #expect(end.status == 0, "\(end.errors)")
        #expect(end.errors.contains("put 5 records into 'b'"), "\(end.errors)")
        for number in 1...5 {
            let data = Data("line \(number)".utf8).base64EncodedString()
            #expect(
                end.lines.contains { $0.contains("\"key \(number)\"") && $0.hasSuffix("\"data\":\"\(data)\"}") },
                "\(end.output)")
        }
    }

    @Test func `what json prints as a time is a position, and so is an age with a sign`() async throws {
        let folder = try await BadInputTests.store()
        _ = try await BadInputTests.shardline(["put", "a", "--key", "k"], folder, input: "one\ntwo\nthree\n")
        let all = try await BadInputTests.shardline(["tail", "a", "--json"], folder)
        let time = try #require(all.lines.first?.firstMatch(of: #/"approximateArrivalTimestamp":([0-9.]+)/#)?.1)
        for from in [
            ["--from", String(time)], ["--from=\(time)"], ["--from", "-5m"], ["--from=-5m"], ["--from", "-1d"],
        ] {
            let end = try await BadInputTests.shardline(["tail", "a", "--json"] + from, folder)
            #expect(end.status == 0 && end.lines == all.lines, "\(from): \(end.errors)")
        }
        let ok = "while read -r l; do echo '{}'; done"
        let consume = try await BadInputTests.shardline(
            ["consume", "a", "--mapping", "m", "--from", "-2h", "--until-caught-up", "--exec", ok], folder)
        #expect(consume.status == 0, "\(consume.errors)")
        for to in [["--to", "-90s"], ["--to=-1h"], ["--to", String(time)]] {
            let end = try await BadInputTests.shardline(["mapping", "seek", "a", "m"] + to, folder)
            #expect(end.status == 0, "\(to): \(end.errors)")
        }
        for (from, part) in [
            ("1769848200", "a time in seconds since 1970 has a decimal point, as 1769848200.0"),
            ("99999999999.0", "in the future"), ("-5", "a position is"), ("--follow", "a position is"),
        ] {
            let end = try await BadInputTests.shardline(["tail", "a", "--from", from], folder)
            #expect(end.status == 64 && end.errors.contains(part), "\(from): \(end.errors)")
        }
    }
}

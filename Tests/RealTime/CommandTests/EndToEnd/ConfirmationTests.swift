import Foundation
import TestSupport
import Testing

/// What can't be taken back is asked for on a terminal, and nowhere else.
@Suite(.timeLimit(.minutes(2))) struct ConfirmationTests {
    /// A stream `s` with three records, and a mapping `m` that has done two of them.
    private static func prepared() async throws -> TestDirectory {
        let folder = TestDirectory()
        let consume = [
            "consume", "s", "--mapping", "m", "--until-caught-up", "--exec", "while read -r l; do echo; done",
        ]
        for (arguments, input) in [
            (["stream", "create", "s"], ""), (["put", "s", "--key", "k"], "a\nb\n"), (consume, ""),
            (["put", "s", "--key", "k"], "c\n"),
        ] {
            let end = try await BadInputTests.shardline(arguments, folder, input: input)
            #expect(end.status == 0, "\(end.errors)")
        }
        return folder
    }

    private static func streams(_ folder: TestDirectory) async throws -> [String] {
        try await BadInputTests.shardline(["stream", "list", "--json"], folder).lines
    }

    private static func mappings(_ folder: TestDirectory) async throws -> [String] {
        // The oldest record's age grows meanwhile.
        try await BadInputTests.shardline(["mapping", "list", "--json"], folder).lines
            .map { $0.replacing(#/"oldestAgeMilliseconds":\d+/#, with: "") }
    }

    @Test func `only a yes deletes a stream, and what would go is said before`() async throws {
        let folder = try await Self.prepared()
        for (answer, said) in [
            ("n\n", "nothing was deleted"), ("\n", "nothing was deleted"), ("yess\n", "nothing was deleted"),
            (Terminal.endOfInput, "no answer; nothing was deleted"),
            (Terminal.interrupt, "interrupted; nothing was deleted"),
        ] {
            let end = try await Terminal.run(["stream", "delete", "s"], answering: answer, in: folder)
            #expect(end.status == 1, "\(answer.debugDescription): \(end.output)")
            #expect(end.output.contains(said), "\(end.output)")
            #expect(
                end.output.contains("delete the stream 's' with 3 records and the mapping 'm', permanently? [y/N]"),
                "\(end.output)")
            #expect(try await Self.streams(folder).count == 2)
            #expect(try await Self.mappings(folder).count == 1)
        }
        let end = try await Terminal.run(["stream", "delete", "s"], answering: " YES \n", in: folder)
        #expect(end.status == 0 && end.output.contains("deleted the stream 's'"), "\(end.output)")
        #expect(try await Self.streams(folder).count == 1)
    }

    @Test(arguments: ["--yes", "-y"])
    func `nothing is asked where it was answered before`(option: String) async throws {
        let folder = try await Self.prepared()
        for command in [
            ["mapping", "seek", "s", "m", "--to", "latest"], ["mapping", "delete", "s", "m"],
            ["stream", "delete", "s"],
        ] {
            let end = try await Terminal.run(command + [option], in: folder)
            #expect(end.status == 0 && !end.output.contains("[y/N]"), "\(end.output)")
        }
        #expect(try await Self.streams(folder).count == 1)
    }

    @Test func `a script is not asked: input or messages are no terminal`() async throws {
        let folder = try await Self.prepared()
        let program = "'\(BuiltProgram.shardline.path)'"
        var end = try await Terminal.run(
            command: ["sh", "-c", "\(program) mapping seek s m --to latest </dev/null"], in: folder)
        #expect(end.status == 0 && end.output.contains("1 record is skipped"), "\(end.output)")
        end = try await Terminal.run(
            command: ["sh", "-c", "\(program) mapping delete s m 2>'\(folder.path("log"))'"], in: folder)
        #expect(end.status == 0, "\(end.output)")
        end = try await BadInputTests.shardline(["stream", "delete", "s"], folder)
        #expect(end.status == 0, "\(end.errors)")
        #expect(try await Self.streams(folder).count == 1)
    }

    @Test func `only a yes deletes a mapping`() async throws {
        let folder = try await Self.prepared()
        for answer in ["no\n", Terminal.endOfInput, Terminal.interrupt] {
            let end = try await Terminal.run(["mapping", "delete", "s", "m"], answering: answer, in: folder)
            #expect(end.status == 1 && end.output.contains("nothing was deleted"), "\(end.output)")
            #expect(try await Self.mappings(folder).count == 1)
        }
        let end = try await Terminal.run(["mapping", "delete", "s", "m"], answering: "y\n", in: folder)
        #expect(end.status == 0 && end.output.contains("deleted the mapping 'm' of 's'"), "\(end.output)")
        #expect(try await Self.mappings(folder).isEmpty)
    }

    @Test func `a seek is asked for where records would be skipped, and a dry run moves nothing`() async throws {
        let folder = try await Self.prepared()
        let before = try await Self.mappings(folder)
        let ahead = ["mapping", "seek", "s", "m", "--to", "latest"]
        let dry = try await BadInputTests.shardline(ahead + ["--dry-run"], folder)
        #expect(dry.status == 0)
        #expect(
            dry.errors == "shardline: would move the mapping 'm' of 's': 1 record is skipped; nothing was changed\n",
            "\(dry.errors)")
        #expect(dry.lines.count == 2 && dry.lines[0].contains("WOULD BE DONE UP TO"), "\(dry.output)")
        #expect(dry.lines.last?.hasSuffix("1 record is skipped") == true, "\(dry.output)")
        for answer in ["n\n", Terminal.endOfInput, Terminal.interrupt] {
            let end = try await Terminal.run(ahead, answering: answer, in: folder)
            #expect(end.status == 1 && end.output.contains("nothing was moved"), "\(end.output)")
            #expect(end.output.contains("move the mapping 'm' of 's'? 1 record is skipped, and"), "\(end.output)")
        }
        #expect(try await Self.mappings(folder) == before)
        // Nothing is lost by going back, so nothing is asked.
        let back = try await Terminal.run(["mapping", "seek", "s", "m", "--to", "trim-horizon"], in: folder)
        #expect(back.status == 0 && back.output.contains("2 records come again"), "\(back.output)")
        let moved = try await Terminal.run(ahead, answering: "y\n", in: folder)
        #expect(moved.status == 0 && moved.output.contains("3 records are skipped"), "\(moved.output)")
    }

    @Test func `a question that nobody answers keeps nobody from the store`() async throws {
        let folder = try await Self.prepared()
        // While it waits for its answer, the same terminal's script works on the store.
        let script = """
            import os, pty, subprocess, sys
            program = sys.argv[1]
            child, terminal = pty.fork()
            if child == 0:
                os.execv(program, [program, "stream", "delete", "s"])
            output = b""
            while b"[y/N]" not in output:
                output += os.read(terminal, 4096)
            check = subprocess.run([program, "check", os.environ["SHARDLINE_DATA"]], capture_output=True)
            os.write(terminal, b"n\\n")
            os.waitpid(child, 0)
            sys.exit(check.returncode)
            """
        let end = try await BuiltProgram(path: "/usr/bin/env").run(
            ["timeout", "60", "python3", "-c", script, BuiltProgram.shardline.path],
            environment: ["SHARDLINE_DATA": folder.path("store")])
        #expect(end.status == 0, "\(end.errors)")
    }
}

import Foundation
import Synchronization
import TestSupport
import Testing

@testable import ShardlineCLI

/// Child processes as functions: real ones, run by the shell.
@Suite(.timeLimit(.minutes(1))) struct ProcessPoolTests {
    /// What the children said on standard error, and what the pool warned of.
    final class Heard: Sendable {
        private let lines = Mutex<[String]>([])
        var all: [String] { lines.withLock { $0 } }
        func add(_ line: String) { lines.withLock { $0.append(line) } }
    }

    static func withPool(
        _ command: String, heard: Heard = Heard(), longestAnswer: Int = 6 << 20,
        longestErrorLine: Int = ErrorLines.longest,
        _ body: (ProcessPool) async throws -> Void
    ) async throws {
        let pool = ProcessPool { number in
            ProcessWorker.Settings(
                command: command, environment: [("SHARDLINE_WORKER", "\(number)")], longestAnswer: longestAnswer,
                longestErrorLine: longestErrorLine, passOn: { heard.add(String(decoding: $0, as: UTF8.self)) },
                warn: { heard.add("warning: \($0)") })
        }
        do {
            try await body(pool)
            await pool.stop(grace: .seconds(2))
        } catch {
            await pool.stop(grace: .seconds(2))
            throw error
        }
    }

    static func ask(_ pool: ProcessPool, _ line: String) async throws -> String {
        try await pool.exchange(Array(line.utf8)) { String(decoding: $0, as: UTF8.self) }
    }

    /// What a child has left behind must not work on beside the child that gets the same records again.
    @Test(.timeLimit(.minutes(1))) func `what a child has started ends with it, however it ended`() async throws {
        let folder = TestDirectory()
        let file = folder.url("left")
        // The first child leaves somebody behind and ends; its own end of the pipe is held open by nobody else.
        let command = """
            if [ -e '\(file.path)' ]; then read -r line; echo again; else \
            sleep 1000 >/dev/null 2>&1 </dev/null & echo $! > '\(file.path)'; fi
            """
        try await Self.withPool(command) { pool async throws in
            await #expect(throws: ProcessFailure.self) { try await Self.ask(pool, "a") }
            #expect(try await Self.ask(pool, "a") == "again")
            let left = try #require(Int32(String(contentsOf: file, encoding: .utf8).dropLast()))
            #expect(await Self.hasEnded(left))
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `the end of a child is noticed though what it has started holds its output open`()
        async throws
    {
        try await Self.withPool("sleep 1000 & read -r line; echo last words >&2; exit 3") { pool async throws in
            await #expect(throws: ProcessFailure.ended(.exited(3), lastWords: "last words")) {
                try await Self.ask(pool, "a")
            }
        }
        // What it answered before counts, however soon after it the end was.
        for line in ["a", "b", "c"] {
            // Each with a child of its own: one that is about to end may still be handed the next event.
            try await Self.withPool("sleep 1000 & read -r line; echo \"$line\"") { pool async throws in
                #expect(try await Self.ask(pool, line) == line)
            }
        }
    }

    @Test func `one child answers one event after the other`() async throws {
        try await Self.withPool("while read -r line; do echo \"$$ $line\"; done") { pool async throws in
            let first = try await Self.ask(pool, "a").split(separator: " ")
            let second = try await Self.ask(pool, "b").split(separator: " ")
            #expect(first[0] == second[0])
            #expect([first[1], second[1]] == ["a", "b"])
        }
    }

    /// Each child answers only when both have an event, so that nothing here depends on how fast they are.
    @Test(.timeLimit(.minutes(1))) func `events at the same time meet different children`() async throws {
        let meeting = TestDirectory()
        let command = """
            while read -r line; do touch '\(meeting.path)'/$SHARDLINE_WORKER; \
            until [ -e '\(meeting.path)/1' ] && [ -e '\(meeting.path)/2' ]; do sleep 0.01; done; \
            echo $SHARDLINE_WORKER; done
            """
        try await Self.withPool(command) { pool async throws in
            async let one = Self.ask(pool, "a")
            async let two = Self.ask(pool, "b")
            let answers = try await [one, two]
            #expect(Set(answers) == ["1", "2"])
        }
    }

    @Test func `a large event and a large answer pass through`() async throws {
        try await Self.withPool("cat") { pool async throws in
            let line = String(repeating: "0123456789", count: 500_000)
            #expect(try await Self.ask(pool, line) == line)
        }
    }

    @Test func `a child that ends is a failed invocation and is started again`() async throws {
        let command =
            "while read -r line; do case $line in die) echo last words >&2; exit 3;; kill) kill -9 $$;; *) echo \"$line\";; esac; done"
        try await Self.withPool(command) { pool async throws in
            await #expect(throws: ProcessFailure.ended(.exited(3), lastWords: "last words")) {
                try await Self.ask(pool, "die")
            }
            #expect(try await Self.ask(pool, "a") == "a")
            await #expect(throws: ProcessFailure.ended(.signalled(9), lastWords: "")) {
                try await Self.ask(pool, "kill")
            }
            #expect(try await Self.ask(pool, "b") == "b")
        }
    }

    @Test func `a child that ended between two events costs none of them`() async throws {
        try await Self.withPool("read -r line; echo \"$line\"") { pool async throws in
            for line in ["a", "b", "c"] {
                #expect(try await Self.ask(pool, line) == line)
                // It ends right after its answer; whichever is faster, the next event meets a living one.
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    @Test func `a command that does not exist does not reach the function (ESM-A6)`() async throws {
        try await Self.withPool("/does/not/exist --now") { pool async throws in
            let error = await #expect(throws: ProcessFailure.self) { try await Self.ask(pool, "a") }
            guard case .notStarted(let reason) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(reason.contains("/does/not/exist"))
        }
    }

    /// Each place has its tries, so that many at once don't use them up in a moment.
    @Test func `that a function can't be started is known after three tries, if it never was (ESM-A6)`() async throws {
        try await Self.withPool("exit 7") { pool async throws in
            for count in 1...4 {
                await #expect(throws: ProcessFailure.self) { try await Self.ask(pool, "a") }
                #expect((pool.startFailure != nil) == (count >= 3))
            }
            await pool.waitForStartFailure()
        }
        let folder = TestDirectory()
        let file = folder.path("once")
        let command = "[ -e '\(file)' ] && exit 7; read -r line; touch '\(file)'; echo \"$line\""
        try await Self.withPool(command) { pool async throws in
            #expect(try await Self.ask(pool, "a") == "a")
            for _ in 1...6 { await #expect(throws: ProcessFailure.self) { try await Self.ask(pool, "b") } }
            #expect(pool.startFailure == nil)
            for _ in 7...8 { await #expect(throws: ProcessFailure.self) { try await Self.ask(pool, "b") } }
            #expect(pool.startFailure != nil)
        }
    }

    /// It has been invoked: whatever it did for the event counts as a try.
    @Test(arguments: [126, 127]) func `an exit code like the shell's, after the event was read, is a failed batch`(
        code: Int32
    ) async throws {
        for (count, tries) in [(1, 4), (70_000, 1)] {
            try await Self.withPool("read -r line; echo gone >&2; exit \(code)") { pool async throws in
                for _ in 0..<tries {
                    await #expect(throws: ProcessFailure.ended(.exited(code), lastWords: "gone")) {
                        try await Self.ask(pool, String(repeating: "x", count: count))
                    }
                }
                #expect(pool.startFailure == nil)
            }
        }
    }

    @Test func `an exit code like the shell's, after answers, is the function's own failure`() async throws {
        try await Self.withPool("read -r line; echo ok; read -r line; exit 127") { pool async throws in
            _ = try await Self.ask(pool, "a")
            await #expect(throws: ProcessFailure.ended(.exited(127), lastWords: "")) { try await Self.ask(pool, "b") }
        }
    }

    @Test func `a cancelled invocation ends its child with all that it started (ESM-R17)`() async throws {
        let folder = TestDirectory()
        let file = folder.path("ids")
        let command =
            "sleep 100 & echo $! > \(file); read -r line; case $line in hang) sleep 100;; *) echo done;; esac"
        try await Self.withPool(command) { pool async throws in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { _ = try await Self.ask(pool, "hang") }
                while (try? String(contentsOfFile: file, encoding: .utf8))?.contains("\n") != true {
                    try await Task.sleep(for: .milliseconds(5))
                }
                group.cancelAll()
                await #expect(throws: CancellationError.self) { try await group.next() }
            }
            let background = try #require(pid_t(try String(contentsOfFile: file, encoding: .utf8).dropLast()))
            #expect(await Self.hasEnded(background))
            #expect(try await Self.ask(pool, "go on") == "done")
        }
    }

    /// The lane goes on when it is certain that nothing of the invocation does (ESM-R17): without waiting for it here.
    @Test(arguments: [
        "setsid sleep 1000 &", "(setsid sleep 1000 &);", "sleep 1000 | cat &", "nohup sleep 1000 >/dev/null 2>&1 &",
        "python3 -c 'import os,time\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\nos.closerange(0, 64)\nwhile True: time.sleep(1)';",
    ]) func `a cancelled invocation leaves nothing behind that it has started, however it hides`(
        background: String
    ) async throws {
        let token = "token-\(UUID().uuidString)"
        let command = "export TOKEN=\(token); \(background) read -r line; [ \"$line\" = go ] && echo done || sleep 1000"
        try await Self.withPool(command) { pool async throws in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { _ = try await Self.ask(pool, "hang") }
                // The shell and what it hides, at the least.
                while Self.processes(with: token).count < 2 { try await Task.sleep(for: .milliseconds(5)) }
                group.cancelAll()
                await #expect(throws: CancellationError.self) { try await group.next() }
            }
            #expect(Self.processes(with: token) == [])
            #expect(try await Self.ask(pool, "go") == "done")
        }
        #expect(Self.processes(with: token) == [])
    }

    /// The processes that have this in their environment.
    static func processes(with text: String) -> [pid_t] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.filter { id in
            id != getpid()
                && (try? Data(contentsOf: URL(filePath: "/proc/\(id)/environ")))?.range(of: Data(text.utf8)) != nil
        }
    }

    @Test func `a child whose guard was killed is replaced, and nothing of it is left`() async throws {
        let token = "token-\(UUID().uuidString)"
        let command = "export TOKEN=\(token); setsid sleep 1000 & while read -r line; do echo $PPID; done"
        try await Self.withPool(command) { pool async throws in
            let guardian = try #require(pid_t(try await Self.ask(pool, "a")))
            let before = Self.processes(with: token)
            #expect(kill(guardian, SIGKILL) == 0)
            // Its end may be noticed before or with the next event, which the child may still answer.
            var next: pid_t?
            while next == nil || next == guardian { next = pid_t((try? await Self.ask(pool, "b")) ?? "") }
            #expect(Set(Self.processes(with: token)).isDisjoint(with: before))
        }
    }

    // A process whose parent has ended is reaped by the process that adopts it; a zombie has ended too.
    static func hasEnded(_ id: pid_t) async -> Bool {
        for _ in 0..<400 {
            let status = (try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8)) ?? ""
            if status.isEmpty || status.contains(") Z ") { return true }
            try? await Task.sleep(for: .milliseconds(5))
        }
        return false
    }

    @Test func `a task that is cancelled already never waits for an answer`() async throws {
        try await Self.withPool("sleep 100") { pool async throws in
            await withTaskGroup(of: Void.self) { group in
                group.cancelAll()
                group.addTask { await #expect(throws: CancellationError.self) { try await Self.ask(pool, "a") } }
            }
        }
    }

    @Test func `more than one line for an event is no answer`() async throws {
        try await Self.withPool("while read -r line; do printf '%s\\ntwice\\n' \"$line\"; done") { pool async throws in
            await #expect(throws: ProcessFailure.outOfStep) { try await Self.ask(pool, "a") }
        }
    }

    @Test func `an answer to an event that was not read is none`() async throws {
        try await Self.withPool("echo early; sleep 100") { pool async throws in
            await #expect(throws: ProcessFailure.outOfStep) {
                try await Self.ask(pool, String(repeating: "x", count: 1 << 20))
            }
        }
    }

    /// It counts as no try (ESM-A4): nothing is said against the records.
    @Test(arguments: [("exec python3 /no/script.py", "/no/script.py"), ("exit 3", "exit code 3")])
    func `a process that ends before it has read anything of an event was not reached`(
        command: String, words: String
    ) async throws {
        for count in [1, 200_000] {
            try await Self.withPool(command) { pool async throws in
                for _ in 0..<2 {
                    do {
                        _ = try await Self.ask(pool, String(repeating: "x", count: count))
                        Issue.record("it answered")
                    } catch ProcessFailure.notStarted(let reason) {
                        #expect(reason.contains(words), "\(reason)")
                    }
                }
            }
        }
        // Having read a part of it, it has failed.
        try await Self.withPool("head -c 1 >/dev/null; exit 3") { pool async throws in
            await #expect(throws: ProcessFailure.ended(.exited(3), lastWords: "")) { try await Self.ask(pool, "abc") }
        }
    }

    /// A line that was written before the event was read would be one ahead of every answer that follows.
    @Test(arguments: [
        "echo; while read -r line; do echo \"$line\"; done",
        "echo early; sleep 0.05; while read -r line; do echo x; done",
        "echo", "echo; sleep 100",
    ])
    func `what a child writes when it starts answers nothing`(command: String) async throws {
        try await Self.withPool(command) { pool async throws in
            for event in ["a", "b"] {
                await #expect(throws: ProcessFailure.outOfStep) { try await Self.ask(pool, event) }
            }
        }
    }

    @Test func `two lines for an event, one after the other, are no answer`() async throws {
        let command = "while read -r line; do echo; echo \"$line\"; done"
        try await Self.withPool(command) { pool async throws in
            for event in ["a", "b", "c"] {
                await #expect(throws: ProcessFailure.outOfStep) { try await Self.ask(pool, event) }
            }
        }
    }

    /// Events and answers longer than a pipe; readers that take a byte, a line, or whatever is there; one that closes
    /// its input.
    @Test(arguments: [
        "while read -r line; do echo \"${#line}\"; done",
        "exec python3 -uc 'import sys\nfor line in sys.stdin: print(len(line) - 1)'",
        "exec python3 -uc 'import os\nwhile True:\n  n = 0\n  while True:\n    b = os.read(0, 7)\n    n += len(b)\n    if b[-1:] == b\"\\n\": break\n  print(n - 1)'",
        "read -r line; exec 0<&-; sleep 0.05; echo \"${#line}\"",
    ])
    func `a child that reads in its own way is given its event whole`(command: String) async throws {
        for count in [1, 70_000] {
            try await Self.withPool(command) { pool async throws in
                for _ in 0..<2 {
                    #expect(try await Self.ask(pool, String(repeating: "x", count: count)) == "\(count)")
                    if command.contains("0<&-") { break }
                }
            }
        }
    }

    @Test func `a line that answers no event starts the child again`() async throws {
        let heard = Heard()
        let command = "while read -r line; do echo \"$$\"; sleep 0.05; case $line in stray) echo stray;; esac; done"
        try await Self.withPool(command, heard: heard) { pool async throws in
            let first = try await Self.ask(pool, "stray")
            while heard.all.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
            #expect(heard.all.count == 1 && heard.all[0].hasPrefix("warning: "), "\(heard.all)")
            #expect(heard.all[0].contains("a second line for one event") && heard.all[0].contains(": 'stray'"))
            #expect(try await Self.ask(pool, "a") != first)
        }
    }

    @Test func `an answer that can't be read starts the child again (ESM-R19)`() async throws {
        struct Nonsense: Error {}
        try await Self.withPool("while read -r line; do echo \"$$\"; done") { pool async throws in
            let first = try await Self.ask(pool, "a")
            await #expect(throws: Nonsense.self) {
                try await pool.exchange(Array("b".utf8)) { _ in throw Nonsense() }
            }
            #expect(try await Self.ask(pool, "c") != first)
        }
    }

    @Test func `an answer without end is cut off`() async throws {
        try await Self.withPool("read -r line; exec cat /dev/zero", longestAnswer: 100_000) { pool async throws in
            await #expect(throws: ProcessFailure.answerTooLong(limit: 100_000)) { try await Self.ask(pool, "a") }
        }
    }

    @Test func `a child that closes its output can't answer any more`() async throws {
        try await Self.withPool("read -r line; exec >&-; sleep 100") { pool async throws in
            await #expect(throws: ProcessFailure.closedOutput) { try await Self.ask(pool, "a") }
        }
    }

    @Test func `standard error is passed on, also without an event and without an end`() async throws {
        let heard = Heard()
        try await Self.withPool("echo hello >&2; read -r line; echo \"$line\"; printf bye >&2", heard: heard) {
            pool async throws in
            #expect(try await Self.ask(pool, "a") == "a")
            while heard.all.count < 2 { try await Task.sleep(for: .milliseconds(5)) }
            #expect(heard.all == ["hello", "bye"])
        }
    }

    @Test func `children get three file descriptors and no more`() async throws {
        // Files of this process that are not close-on-exec: each would be a leak.
        let mine = (0..<5).map { _ in open("/dev/null", O_RDONLY) }
        defer { for descriptor in mine { close(descriptor) } }
        try await Self.withPool("read -r line; exec ls -m /proc/self/fd") { pool async throws in
            async let first = Self.ask(pool, "a")
            async let second = Self.ask(pool, "b")
            let answers = try await [first, second]
            // The fourth is the folder that `ls` reads.
            #expect(answers == ["0, 1, 2, 3", "0, 1, 2, 3"])
        }
    }

    @Test func `a child's signals are as at login`() async throws {
        signal(SIGPIPE, SIG_IGN)
        try await Self.withPool("read -r line; grep -E 'SigBlk|SigIgn' /proc/self/status | tr '\\n\\t' '  '; echo") {
            pool async throws in
            let words = try await Self.ask(pool, "a").split(separator: " ")
            let masks = words.compactMap { UInt64($0, radix: 16) }
            #expect(masks.count == 2)
            // 32 and 33 are the C library's own, which no program can set.
            #expect(masks.allSatisfy { $0 & 0x7FFF_FFFF == 0 })
        }
    }

    @Test func `stopping lets a child finish, then ends it`() async throws {
        let folder = TestDirectory()
        let file = folder.path("done")
        try await Self.withPool("while read -r line; do echo \"$line\"; done; echo finished > \(file)") {
            pool async throws in
            #expect(try await Self.ask(pool, "a") == "a")
            await pool.stop(grace: .seconds(5))
            #expect(try String(contentsOfFile: file, encoding: .utf8) == "finished\n")
        }
        try await Self.withPool("trap '' TERM; read -r line; echo $$; while :; do sleep 1; done") {
            pool async throws in
            let id = try #require(pid_t(try await Self.ask(pool, "a")))
            await pool.stop(grace: .milliseconds(100))
            #expect(await Self.hasEnded(id))
        }
    }

    @Test func `Python works as the README shows it`() async throws {
        let program = """
            import sys, json
            for line in sys.stdin:
                event = json.loads(line)
                print(json.dumps({"batchItemFailures": [], "seen": len(event["Records"])}), flush=True)
            """
        let folder = TestDirectory()
        let file = folder.url("function.py")
        try Data(program.utf8).write(to: file)
        try await Self.withPool("python3 \(file.path)") { pool async throws in
            #expect(try await Self.ask(pool, #"{"Records": [1, 2]}"#) == #"{"batchItemFailures": [], "seen": 2}"#)
        }
    }
}

import Foundation
import TestSupport
import Testing

/// No process of a function does anything once its owner is gone, and a new owner hands out nothing before that (ESM-R17).
@Suite(.timeLimit(.minutes(2))) struct FunctionOutlivesOwnerTests {
    /// Writes its number to the end of a file, again and again.
    private static let writer = """
        import os, sys, time
        file = os.open(sys.argv[1], os.O_APPEND | os.O_WRONLY | os.O_CREAT)
        if len(sys.argv) > 2:
            if os.fork(): os._exit(0)
            os.setsid()
            if os.fork(): os._exit(0)
            os.dup2(file, 200)
            os.closerange(0, 200)
            file = 200
        while True:
            os.write(file, b"%d\\n" % os.getpid())
            time.sleep(0.0002)
        """

    /// What a function does with the writer, WRITE.
    static let ways = [
        "WRITE", "sh -c 'WRITE; true'; true", "WRITE | cat", "cat /dev/zero | WRITE", "WRITE & sleep 1000",
        "setsid WRITE & sleep 1000", "(setsid WRITE &); sleep 1000", "nohup WRITE >/dev/null 2>&1 & sleep 1000",
        "WRITE hidden; sleep 1000", "trap '' TERM HUP INT; WRITE",
    ]

    private struct Trial {
        let folder: TestDirectory
        var log: String { folder.path("log") }
        var lines: [Substring] {
            ((try? String(contentsOfFile: log, encoding: .utf8)) ?? "").split(separator: "\n")
        }

        init() async throws {
            folder = TestDirectory()
            try Data(FunctionOutlivesOwnerTests.writer.utf8).write(to: folder.url("writer.py"))
            #expect(try await shardline(["stream", "create", "s", "--shards", "1"]).status == 0)
            #expect(try await shardline(["put", "s", "--key", "k"], input: "a\n").status == 0)
        }

        func shardline(_ arguments: [String], input: String = "") async throws -> BuiltProgram.End {
            try await BuiltProgram.shardline.run(
                arguments, input: input, environment: ["SHARDLINE_DATA": folder.path("store")])
        }

        func start(_ way: String) async throws -> SpawnedProcess {
            let write = "python3 \(folder.path("writer.py")) \(log)"
            let function = "read -r l; \(way.replacing("WRITE", with: write))"
            let owner = try SpawnedProcess(
                BuiltProgram.shardline.path, ["consume", "s", "--mapping", "m", "--exec", function], input: "/dev/null",
                output: folder.path("output"), errors: folder.path("errors"),
                environment: ProcessInfo.processInfo.environment.merging(["SHARDLINE_DATA": folder.path("store")]) {
                    $1
                })
            try await wait { lines.count > 3 }
            return owner
        }

        func wait(_ condition: () -> Bool) async throws {
            let deadline = ContinuousClock.now + .seconds(60)
            while !condition(), ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(10)) }
            let errors = (try? String(contentsOf: folder.url("errors"), encoding: .utf8)) ?? ""
            #expect(condition(), "the owner said: \(errors)")
        }

        /// The next owner's function says that it is there, and no more; returns what the owner said.
        func succeed() async throws -> String {
            let end = try await shardline([
                "consume", "s", "--mapping", "m", "--until-caught-up", "--exec",
                "while read -r l; do echo new >> '\(log)'; echo; done",
            ])
            #expect(end.status == 0, "\(end.errors)")
            return end.errors
        }

        /// Nothing of the old function comes after the first line of the new one, now or later.
        func judge() throws {
            let lines = lines
            let new = try #require(lines.firstIndex(of: "new"))
            #expect(lines[new...].allSatisfy { $0 == "new" }, "\(lines.count - new) lines after it")
            for id in Set(lines.compactMap { pid_t($0) }) {
                #expect(FunctionOutlivesOwnerTests.isEnded(id), "\(id)")
            }
        }
    }

    private static func children(of id: pid_t) -> [pid_t] {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(id)/task")) ?? []
        return tasks.flatMap { task in
            ((try? String(contentsOfFile: "/proc/\(id)/task/\(task)/children", encoding: .utf8)) ?? "")
                .split(separator: " ").compactMap { pid_t($0) }
        }
    }

    /// The fork server and the guards of an owner.
    private static func guards(of owner: pid_t) -> [pid_t] {
        func named(_ id: pid_t) -> [pid_t] {
            let name = try? String(contentsOfFile: "/proc/\(id)/comm", encoding: .utf8)
            return name == "function-guard\n" ? [id] + children(of: id).flatMap(named) : []
        }
        return children(of: owner).flatMap(named)
    }

    @Test(arguments: ways) func `an owner that is killed takes with it what its function has started`(
        way: String
    ) async throws {
        let trial = try await Trial()
        let owner = try await trial.start(way)
        kill(owner.pid, SIGKILL)
        _ = owner.end(waits: true)
        _ = try await trial.succeed()
        try trial.judge()
    }

    /// The Swift runtime takes them for crashes of its own: it prints a backtrace, and lets the process go on.
    @Test(arguments: [SIGSEGV, SIGABRT, SIGQUIT, SIGTRAP])
    func `a signal that was sent ends an owner at once, with what its function has started`(signal: Int32) async throws
    {
        let trial = try await Trial()
        let owner = try await trial.start("WRITE | cat")
        kill(owner.pid, signal)
        try await trial.wait { Self.isEnded(owner.pid) }
        kill(owner.pid, SIGKILL)
        _ = owner.end(waits: true)
        _ = try await trial.succeed()
        try trial.judge()
    }

    private static func isEnded(_ id: pid_t) -> Bool {
        let state = (try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8)) ?? ""
        return state.isEmpty || state.contains(") Z ")
    }

    /// By pkill -9, or the system when memory is short: then it is the new owner that finds them.
    @Test(arguments: ["WRITE | cat", "setsid WRITE & sleep 1000", "WRITE hidden; sleep 1000"])
    func `a new owner ends what is left where the guards were killed, too`(
        way: String
    ) async throws {
        let trial = try await Trial()
        let owner = try await trial.start(way)
        let all = [owner.pid] + Self.guards(of: owner.pid)
        #expect(all.count == 3, "\(all)")
        for id in all { kill(id, SIGSTOP) }
        for id in all { kill(id, SIGKILL) }
        _ = owner.end(waits: true)
        _ = try await trial.succeed()
        try trial.judge()
    }

    @Test func `a guard that is killed with its owner leaves its work to the fork server`() async throws {
        let trial = try await Trial()
        let owner = try await trial.start("setsid WRITE & sleep 1000")
        let guards = Self.guards(of: owner.pid)
        #expect(guards.count == 2)
        for id in [owner.pid, guards[1]] { kill(id, SIGSTOP) }
        for id in [owner.pid, guards[1]] { kill(id, SIGKILL) }
        _ = owner.end(waits: true)
        _ = try await trial.succeed()
        try trial.judge()
    }

    /// A guard that stands still stands for a process that can't be killed yet.
    @Test func `as long as something of the old function may live a new owner waits and says for what`() async throws {
        let trial = try await Trial()
        let owner = try await trial.start("WRITE")
        let guards = Self.guards(of: owner.pid)
        for id in guards { kill(id, SIGSTOP) }
        kill(owner.pid, SIGKILL)
        _ = owner.end(waits: true)
        let next = try SpawnedProcess(
            BuiltProgram.shardline.path,
            [
                "consume", "s", "--mapping", "m", "--until-caught-up", "--exec",
                "while read -r l; do echo new >> '\(trial.log)'; echo; done",
            ], input: "/dev/null", output: trial.folder.path("output2"), errors: trial.folder.path("errors2"),
            environment: ProcessInfo.processInfo.environment.merging(["SHARDLINE_DATA": trial.folder.path("store")]) {
                $1
            })
        func errors() -> String { (try? String(contentsOf: trial.folder.url("errors2"), encoding: .utf8)) ?? "" }
        try await trial.wait { errors().contains("waiting for the end of what the owner before has started: process ") }
        #expect(errors().contains("(sh -c read -r l; python3 "), "\(errors())")
        // Others are not kept waiting.
        #expect(try await trial.shardline(["put", "s", "--key", "k"], input: "b\n").status == 0)
        #expect(!trial.lines.contains("new"))
        for id in guards { kill(id, SIGCONT) }
        #expect(next.end(waits: true) == 0, "\(errors())")
        try trial.judge()
    }

    /// Names by which people kill what they have started.
    @Test func `guards do not show the command's name`() async throws {
        let trial = try await Trial()
        let owner = try await trial.start("WRITE")
        for id in Self.guards(of: owner.pid) {
            let line = try String(contentsOfFile: "/proc/\(id)/cmdline", encoding: .utf8)
            #expect(line.hasPrefix("function-guard: ") && !line.contains("shardline"), "\(line)")
        }
        kill(owner.pid, SIGINT)
        #expect(owner.end(waits: true) == 0)
        #expect(Self.children(of: owner.pid) == [])
        _ = try await trial.succeed()
        try trial.judge()
    }
}

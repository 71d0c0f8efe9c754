import Foundation
import TestSupport
import Testing

/// A command that finds the store's owner stopped (Ctrl-Z) says so, and what to do.
@Suite(.timeLimit(.minutes(2))) struct StoppedOwnerTests {
    private static func owner(_ folder: TestDirectory) async throws -> RunningCommand {
        let consumer = try TwoProcessTests.consume(folder)
        #expect(try await consumer.wait { $0.errors.contains("begins at trim-horizon") })
        return consumer
    }

    @Test func `every command says that the owner is stopped, and how to continue it`() async throws {
        let folder = try await TwoProcessTests.prepared()
        let consumer = try await Self.owner(folder)
        consumer.signal(SIGSTOP)
        let owner = consumer.processID
        let commands = [
            ["backup", folder.path("store"), folder.path("copy")], ["put", "s", "--key", "k"], ["tail", "s"],
            ["tail", "s", "--follow"], ["stream", "list"], ["stream", "describe", "s"], ["mapping", "list"],
            ["mapping", "describe", "s", "m"], ["mapping", "seek", "s", "m", "--to", "latest"],
            ["consume", "s", "--mapping", "n", "--exec", "cat"], ["check", folder.path("store")],
            ["repair", folder.path("store")],
        ]
        await withTaskGroup(of: Void.self) { group in
            for command in commands {
                group.addTask {
                    let end = try? await BadInputTests.shardline(command, folder, input: "a\n")
                    let text = (end?.errors ?? "") + (end?.output ?? "")
                    #expect(end?.status == (command[0] == "check" ? 1 : 69), "\(command): \(text)")
                    #expect(
                        text.contains("process \(owner), which is stopped: continue it with `fg`"),
                        "\(command): \(text)")
                    #expect(text.contains("`kill -CONT \(owner)`"), "\(command): \(text)")
                }
            }
        }
        consumer.signal(SIGCONT)
        let end = try await BadInputTests.shardline(["stream", "list", "--json"], folder)
        #expect(end.status == 0 && end.output.contains("\"recordCount\":0"), "\(end.output) \(end.errors)")
        consumer.signal(SIGINT)
        #expect(try await consumer.end() == 0)
    }

    @Test func `an owner that is continued in time is waited for`() async throws {
        let folder = try await TwoProcessTests.prepared()
        let consumer = try await Self.owner(folder)
        consumer.signal(SIGSTOP)
        let put = try RunningCommand(["put", "s", "--key", "k"], store: folder.path("store"))
        try put.type("a\n")
        try put.endInput()
        let backup = try RunningCommand(
            ["backup", folder.path("store"), folder.path("copy")], store: folder.path("store"))
        try await Task.sleep(for: .seconds(1))
        #expect(put.isRunning && backup.isRunning)
        consumer.signal(SIGCONT)
        #expect(try await put.end() == 0, "\(put.errors)")
        #expect(try await backup.end() == 0, "\(backup.errors)")
        #expect(try await consumer.wait { $0.errors.contains("got a\n") })
        consumer.signal(SIGINT)
        #expect(try await consumer.end() == 0)
    }

    @Test func `who waits for an answer is told that the owner was stopped meanwhile, and goes on with it`()
        async throws
    {
        let folder = try await TwoProcessTests.prepared()
        let consumer = try await Self.owner(folder)
        let tail = try RunningCommand(["tail", "s", "--follow"], store: folder.path("store"))
        let put = try RunningCommand(["put", "s", "--key", "k"], store: folder.path("store"))
        try put.type("a\n")
        #expect(try await tail.wait { $0.output.hasSuffix("a\n") })
        consumer.signal(SIGSTOP)
        try put.type("b\n")
        for waiting in [tail, put] {
            #expect(
                try await waiting.wait {
                    $0.errors.contains(
                        "waiting: process \(consumer.processID), which has the store open, is stopped: continue it")
                }, "\(waiting.errors)")
        }
        consumer.signal(SIGCONT)
        try put.endInput()
        #expect(try await put.end() == 0, "\(put.errors)")
        #expect(try await tail.wait { $0.output.hasSuffix("b\n") })
        tail.signal(SIGINT)
        _ = try await tail.end()
        consumer.signal(SIGINT)
        #expect(try await consumer.end() == 0)
    }
}

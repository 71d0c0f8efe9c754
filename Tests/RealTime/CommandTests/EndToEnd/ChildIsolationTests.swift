import Foundation
import TestSupport
import Testing

/// What a process gets that the command starts: its three pipes, and nothing of the store.
@Suite(.timeLimit(.minutes(2))) struct ChildIsolationTests {
    /// Says on standard error where each of its descriptors leads.
    private static let function = """
        import os, sys
        for line in sys.stdin:
            for number in sorted(map(int, os.listdir("/proc/self/fd"))):
                try:
                    print("descriptor", number, os.readlink("/proc/self/fd/%d" % number), file=sys.stderr)
                except OSError:
                    pass
            print("{}", flush=True)
        """

    private static func descriptors(in errors: String) -> [Substring] {
        errors.split(separator: "\n").compactMap { line in
            line.range(of: "descriptor ").map { line[$0.upperBound...] }
        }
    }

    private static func prepared() async throws -> TestDirectory {
        let folder = TestDirectory()
        try Data(function.utf8).write(to: folder.url("function.py"))
        return folder
    }

    @Test func `a function of consume has three pipes, and the command's environment with four names more`()
        async throws
    {
        let folder = try await Self.prepared()
        _ = try await BadInputTests.shardline(["stream", "create", "s"], folder)
        _ = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "a\n")
        func consume(_ command: String, _ mapping: String) async throws -> BuiltProgram.End {
            try await BadInputTests.shardline(
                ["consume", "s", "--mapping", mapping, "--until-caught-up", "--exec", command], folder)
        }
        var end = try await consume("python3 \(folder.path("function.py"))", "m")
        #expect(end.status == 0, "\(end.errors)")
        let descriptors = Self.descriptors(in: end.errors)
        #expect(descriptors.count == 3 && descriptors.allSatisfy { $0.contains(" pipe:[") }, "\(descriptors)")

        end = try await consume("while read -r line; do tr '\\0' '\\n' < /proc/self/environ >&2; echo; done", "n")
        let names = Set(
            end.errors.split(separator: "\n").compactMap { line in
                line.split(separator: "]: ").last?.split(separator: "=").first.map(String.init)
            })
        let own = Set(ProcessInfo.processInfo.environment.keys).union(["SHARDLINE_DATA", "PWD", "OLDPWD"])
        #expect(
            names.filter { $0.hasPrefix("SHARDLINE_") }.sorted() == [
                "SHARDLINE_DATA", "SHARDLINE_MAPPING", "SHARDLINE_OWNER", "SHARDLINE_STREAM",
                "SHARDLINE_STREAM_ID",
            ])
        #expect(own.isSuperset(of: names.filter { !$0.contains(" ") && !$0.hasPrefix("SHARDLINE_") }), "\(names)")
    }

    @Test func `a function of bench has three pipes`() async throws {
        let folder = try await Self.prepared()
        let end = try await BuiltProgram.shardline.run([
            "bench", "--records", "200", "--size", "50", "--shards", "1", "--data", folder.path, "--exec",
            "python3 \(folder.path("function.py"))",
        ])
        #expect(end.status == 0, "\(end.errors)")
        let descriptors = Self.descriptors(in: end.errors)
        #expect(descriptors.count >= 3 && descriptors.count % 3 == 0)
        #expect(descriptors.allSatisfy { $0.contains(" pipe:[") }, "\(descriptors)")
    }

    /// The store's files, SQLite's and the sockets, as the system sees them in a process that owns a store and has a client.
    @Test func `every descriptor of a store's owner closes by itself in what the process starts`() async throws {
        let folder = TestDirectory()
        _ = try await BadInputTests.shardline(["stream", "create", "s"], folder)
        let owner = try RunningCommand(
            ["consume", "s", "--mapping", "m", "--exec", "while read -r line; do echo; done"],
            store: folder.path("store"))
        #expect(try await owner.wait { $0.errors.contains("begins at") })
        let client = try RunningCommand(["tail", "s", "--follow"], store: folder.path("store"))
        _ = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "hello\n")
        #expect(try await client.wait { $0.output.contains("hello") })
        for process in [owner, client] {
            let open = try Self.openFiles(of: process.processID)
            #expect(open.contains { $0.target.hasPrefix("socket:[") })
            let lasting = open.filter { $0.number > 2 && !$0.closesByItself }
            #expect(lasting.isEmpty, "\(lasting)")
        }
        let names = Set(try Self.openFiles(of: owner.processID).map { $0.target.split(separator: "/").last ?? "" })
        // Or the test would look at nothing.
        #expect(names.isSuperset(of: ["lock", "metadata.sqlite", "metadata.sqlite-wal"]), "\(names)")
        #expect(names.contains { $0.hasSuffix(".journal") })
        client.signal(SIGINT)
        owner.signal(SIGINT)
        #expect(try await owner.end() == 0)
    }

    private static func openFiles(
        of process: pid_t
    ) throws -> [(number: Int, target: String, closesByItself: Bool)] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").compactMap { name in
            // Closed since the list was made: then it is none.
            guard let number = Int(name),
                let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/fd/\(name)"),
                let info = try? String(contentsOfFile: "/proc/\(process)/fdinfo/\(name)", encoding: .utf8),
                let line = info.split(separator: "\n").first(where: { $0.hasPrefix("flags:") }),
                let flags = Int(line.dropFirst(6).filter { !$0.isWhitespace }, radix: 8)
            else { return nil }
            return (number, target, flags & 0o2_000_000 != 0)
        }
    }
}

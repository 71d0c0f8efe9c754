import Foundation
import StreamModel
import TestSupport
import Testing

@testable import ShardlineCLI

/// Child processes that are there before the first event (ESM-R22): real ones, run by the shell.
@Suite(.timeLimit(.minutes(1))) struct KeptReadyTests {
    /// A command whose processes write their numbers into a file when they start.
    private static func command(_ folder: TestDirectory, _ rest: String) -> String {
        "echo $$ >> '\(folder.path)/started'; \(rest)"
    }

    private static let answering = "while read -r line; do echo \"$$ $line\"; done"

    private static func started(_ folder: TestDirectory) -> [Substring] {
        let text = (try? String(contentsOf: folder.url("started"), encoding: .utf8)) ?? ""
        return text.hasSuffix("\n") ? text.split(separator: "\n") : []
    }

    @Test func `processes are started before there is an event, and take the first ones (ESM-R22)`() async throws {
        let folder = TestDirectory()
        try await ProcessPoolTests.withPool(Self.command(folder, Self.answering)) { pool async throws in
            pool.keepReady(2)
            await eventually { Self.started(folder).count == 2 }
            let first = try await ProcessPoolTests.ask(pool, "a").split(separator: " ")
            async let one = ProcessPoolTests.ask(pool, "b")
            async let two = ProcessPoolTests.ask(pool, "c")
            let answers = try await [one, two].map { $0.split(separator: " ") }
            let ready = Set(Self.started(folder))
            for answer in [first] + answers { #expect(ready.contains(answer[0])) }
            #expect(ready.count == 2)
        }
    }

    @Test func `one that ends without an event is started again, with a warning (ESM-R22)`() async throws {
        let (folder, heard) = (TestDirectory(), ProcessPoolTests.Heard())
        try await ProcessPoolTests.withPool(Self.command(folder, Self.answering), heard: heard) { pool async throws in
            pool.keepReady(1)
            await eventually { Self.started(folder).count == 1 }
            kill(try #require(pid_t(Self.started(folder)[0])), SIGKILL)
            await eventually { Self.started(folder).count == 2 }
            let answer = try await ProcessPoolTests.ask(pool, "a")
            #expect(answer == "\(Self.started(folder)[1]) a")
        }
        let warnings = heard.all.filter { $0.contains("while it had no event; it is started again in ") }
        #expect(warnings.count == 1 && warnings[0].contains("was ended by signal 9"), "\(heard.all)")
    }

    @Test func `an event does not wait for the pause of a process that is kept ready (ESM-R22)`() async throws {
        let folder = TestDirectory()
        // Each ends at once but for the one that finds the file.
        let command = Self.command(
            folder, "[ -e '\(folder.path)/mended' ] || exit 3; \(Self.answering)")
        try await ProcessPoolTests.withPool(command) { pool async throws in
            pool.keepReady(1)
            // The third end is followed by a pause of two seconds.
            await eventually { Self.started(folder).count == 3 }
            #expect(FileManager.default.createFile(atPath: folder.path("mended"), contents: nil))
            let answer = try await ProcessPoolTests.ask(pool, "a")
            #expect(answer.hasSuffix(" a"))
            #expect(Self.started(folder).count == 4)
        }
    }

    @Test func `the pauses double from half a second to a minute, until an event is answered (ESM-R22)`() {
        var pauses = RestartPauses()
        let doubled = [0.5, 1, 2, 4, 8, 16, 32, 60, 60].map { Duration.seconds($0) }
        #expect((0..<9).map { _ in pauses.next() } == doubled)
        pauses.reset()
        #expect(pauses.next() == .milliseconds(500))
    }

    @Test func `what is written before an event answers nothing (ESM-R19b, ESM-R22)`() async throws {
        let (folder, heard) = (TestDirectory(), ProcessPoolTests.Heard())
        let command = Self.command(
            folder, "[ -e '\(folder.path)/quiet' ] || { touch '\(folder.path)/quiet'; echo ready; }; \(Self.answering)")
        try await ProcessPoolTests.withPool(command, heard: heard) { pool async throws in
            pool.keepReady(1)
            await eventually { heard.all.contains { $0.contains("a line before it had an event") } }
            let answer = try await ProcessPoolTests.ask(pool, "a")
            #expect(answer.hasSuffix(" a"))
        }
        #expect(heard.all.contains { $0.contains("'ready'") }, "\(heard.all)")
    }

    @Test func `a pool with processes that have had no event ends (ESM-R22)`() async throws {
        let folder = TestDirectory()
        try await ProcessPoolTests.withPool(Self.command(folder, Self.answering)) { pool async throws in
            pool.keepReady(3)
            await eventually { Self.started(folder).count == 3 }
        }
        for id in Self.started(folder) { #expect(kill(try #require(pid_t(id)), 0) != 0) }
    }
}

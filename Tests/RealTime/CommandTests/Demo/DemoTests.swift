import Foundation
import TestSupport
import Testing

/// The main job by the command, killed in the middle, against an answer that was found without it.
@Suite(.timeLimit(.minutes(5))) struct DemoTests {
    /// What the tests look at in `--json`.
    struct Summary: Decodable {
        struct Run: Decodable, Equatable {
            var tailnum: String
            var longest: Int
        }
        struct Kill: Decodable {
            var invocationsBegun: Int
            var linesInStream: Int
            var redelivered: Int
            var alreadyInResults: Int
        }
        var records: Int
        var recordsPerShard: [Int]
        var isolated: Int
        var isolatedPerShard: [Int]
        var aircraft: Int
        var longestLateRuns: [Run]
        var batches: [String: Int]
        var invocations: Int
        var retries: Int
        var splits: Int
        var kill: Kill?
        var isRight: Bool
    }

    /// Runs the demo on these lines and compares what it says and writes with the plain answer.
    @discardableResult
    private func demo(on lines: [String], _ options: String...) async throws -> Summary {
        let folder = TestDirectory()
        try FlightLines.real.write(lines, to: folder.path("lines.csv"))
        let end = try await BuiltProgram.shardline.run(
            [
                "demo", "--input", folder.path("lines.csv"), "--directory", folder.path("demo"), "--results",
                folder.path("results.csv"), "--json",
            ] + options)
        try #require(end.status == 0, "\(end.errors)\(end.output)")
        let summary = try JSONDecoder().decode(Summary.self, from: Data(end.output.utf8))

        let answer = PlainAnswer(lines)
        #expect(summary.records == lines.count)
        #expect(summary.isolated == answer.bad)
        #expect(summary.aircraft == answer.longest.count)
        #expect(summary.retries == 0)
        #expect(summary.isRight)
        let written = try String(contentsOf: folder.url("results.csv"), encoding: .utf8)
        #expect(written.split(separator: "\n").map(String.init) == answer.resultLines)
        if let first = summary.longestLateRuns.first {
            #expect(first.longest == answer.longest.values.max())
            #expect(answer.longest[first.tailnum] == first.longest)
        }
        return summary
    }

    @Test func `the month comes to the known answer, with a kill in the middle`() async throws {
        let summary = try await demo(on: FlightLines.real.lines)
        #expect(summary.records == 27_004)
        #expect(summary.recordsPerShard == [6_643, 6_234, 6_833, 7_294])
        #expect(summary.isolated == 521)
        #expect(summary.isolatedPerShard == [87, 77, 106, 251])
        #expect(summary.aircraft == 3_141)
        #expect(summary.longestLateRuns.first == Summary.Run(tailnum: "N14573", longest: 12))
        let kill = try #require(summary.kill)
        #expect(kill.redelivered > 0)
        #expect(kill.alreadyInResults <= kill.redelivered)
        #expect(kill.linesInStream <= 27_004)
        #expect(summary.batches["size", default: 0] > 0)
        // A busy machine has no pause in which a batch waits without effect; the last ones wait for nothing.
        #expect(["window", "caughtUp"].contains { summary.batches[$0, default: 0] > 0 })
    }

    @Test func `a full backlog costs 2,316 invocations (ESM-X2, ESM-X11)`() async throws {
        let summary = try await demo(on: FlightLines.real.lines, "--put-first", "--no-kill")
        #expect(summary.invocations == 461 + 433 + 537 + 885)
        #expect(summary.kill == nil)
        // With no retries every invocation is of a fresh batch or of one of the two halves of a split.
        #expect(summary.invocations == summary.batches.values.reduce(0, +) + 2 * summary.splits)
    }

    @Test func `a shuffled file comes to the answer of its own order`() async throws {
        var numbers = SeededRandom(3)
        let ordered = Array(FlightLines.real.lines.prefix(6_000))
        let lines = ordered.shuffled(using: &numbers)
        try await demo(on: lines)
        #expect(PlainAnswer(lines).longest != PlainAnswer(ordered).longest)
    }

    // Whether the work on so few records goes on long enough for the kill depends on the machine.

    @Test func `without bad records nothing is isolated or split`() async throws {
        let summary = try await demo(on: FlightLines.real.lines.prefix(3_000).filter { !PlainAnswer.isBad($0) })
        #expect(summary.isolated == 0)
        #expect(summary.splits == 0)
    }

    @Test func `with only bad records all are isolated`() async throws {
        let summary = try await demo(on: FlightLines.real.lines.filter(PlainAnswer.isBad))
        #expect(summary.records == 521)
        #expect(summary.isolatedPerShard == [87, 77, 106, 251])
        #expect(summary.longestLateRuns == [])
    }

    @Test func `a finished demo is not run again in its directory`() async throws {
        let folder = TestDirectory()
        try FlightLines.real.write(FlightLines.real.lines.prefix(50), to: folder.path("lines.csv"))
        let arguments = ["demo", "--input", folder.path("lines.csv"), "--directory", folder.path("demo"), "--no-kill"]
        let first = try await BuiltProgram.shardline.run(arguments)
        #expect(first.status == 0, "\(first.errors)")
        #expect(first.output.contains("50 records ("))
        let second = try await BuiltProgram.shardline.run(arguments)
        #expect(second.status == 64)
        #expect(second.errors.contains("holds a finished demo"))
        #expect(second.errors.split(separator: "\n").count == 1)
    }

    @Test func `a directory with the work on another file is refused`() async throws {
        let folder = TestDirectory()
        try FlightLines.real.write(FlightLines.real.lines.prefix(300), to: folder.path("first.csv"))
        try FlightLines.real.write(FlightLines.real.lines.dropFirst(1_000).prefix(300), to: folder.path("other.csv"))
        let begun = try await BuiltProgram.shardline.run(
            ["demo-worker", "--input", folder.path("first.csv"), "--directory", folder.path("demo")])
        #expect(begun.status == 0, "\(begun.errors)")
        let other = try await BuiltProgram.shardline.run(
            ["demo-worker", "--input", folder.path("other.csv"), "--directory", folder.path("demo")])
        #expect(other.status != 0)
        #expect(other.errors.contains("another file"))
    }

    @Test(arguments: [
        ("year,month\n2013,1\n", "no column tailnum, dep_time, dep_delay"), ("", "is empty"),
    ])
    func `a file of another form is refused in one line`(content: String, problem: String) async throws {
        let folder = TestDirectory()
        try content.write(toFile: folder.path("lines.csv"), atomically: true, encoding: .utf8)
        let end = try await BuiltProgram.shardline.run(["demo", "--input", folder.path("lines.csv")])
        #expect(end.status == 64)
        #expect(end.errors.contains(problem))
        #expect(end.errors.split(separator: "\n").count == 1)
    }

    @Test func `a file that is not there is named`() async throws {
        let end = try await BuiltProgram.shardline.run(["demo", "--input", "/nowhere/flights.csv"])
        #expect(end.status == 74)
        #expect(end.errors.contains("/nowhere/flights.csv"))
    }
}

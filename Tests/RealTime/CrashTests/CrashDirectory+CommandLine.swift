import CrashChild
import Foundation
import Glibc
import StreamModel
import TestSupport

extension CrashDirectory {
    /// Who is killed in a round through the command line.
    private enum Victim: CaseIterable { case consume, put, both }

    /// Makes the stream of the rounds through the command line.
    mutating func createStream() throws {
        let command = try shardline(["stream", "create", "a", "--shards", "4"], name: "create")
        let end = command.endByItself()
        guard end == .exited(0) else { throw failure(["stream create ended with \(end): \(command.errors())"]) }
    }

    private mutating func shardline(_ arguments: [String], name: String, reports: String? = nil) throws -> ChildProcess
    {
        try ChildProcess(
            "shardline", arguments, files: nextFiles(name), reports: reports,
            environment: ["SHARDLINE_DATA": storePath].merging(powerLoss?.environment ?? [:]) { path, _ in path })
    }

    /// One round through the command line: `consume` with a function outside Swift in one process, `put` in another;
    /// one of them or both are killed.
    mutating func commandLineRound(_ round: Int, using random: inout SeededRandom) throws {
        let lines = writeInput(round, using: &random)
        let input = "\(path)/input"
        guard lines.write(to: input) else { throw failure(["can't write \(input)"]) }
        let reportFile = nextFiles("function") + ".reports"
        var putArguments = ["put", "a", input, "--key-field", "key", "--json"]
        if random.chance(70) { putArguments += ["--rate", "\(Int.random(in: 1000...8000, using: &random))"] }
        let consumeArguments = [
            "consume", "a", "--mapping", "m", "--exec",
            "\(ChildProcess.binaries)/CrashChild answer \(reportFile)", "--batch-size", "40", "--batch-window", "3ms",
            "--max-retries=-1",
        ]
        let putsFirst = random.chance(30)
        let pause = UInt32.random(in: 0...60_000, using: &random)
        var put: ChildProcess?
        if putsFirst {
            put = try shardline(putArguments, name: "put")
            usleep(pause)
        }
        let consume = try shardline(consumeArguments, name: "consume", reports: reportFile)
        if !putsFirst { usleep(pause) }
        let putting = try put ?? shardline(putArguments, name: "put")
        let victim = Victim.allCases.randomElement(using: &random)!
        let moment = KillMoment.random(using: &random)
        switch victim {
        case .both:
            consume.wait(for: moment)
            putting.signal(SIGKILL)
            consume.endByForce()
            putting.endByForce()
        case .consume:
            consume.kill(at: moment)
            let end = putting.endByItself()
            // 69: the owner is gone; what is in doubt is said. 0: it was done before, or has the store itself.
            guard end == .exited(0) || end == .exited(69) && putting.errors().contains("in doubt") else {
                throw failure(["after the death of consume, put ended with \(end): \(putting.errors())"])
            }
        case .put:
            putting.kill(at: moment)
            try end(consume, orderly: random.chance(50))
        }
        note(
            "round \(round): \(victim) killed \(moment), put \(putsFirst ? "before" : "after") consume by \(pause) µs; "
                + "consume \(describe(consume)), \(consume.lineCount()) reports; put \(describe(putting)), "
                + "\(putting.lineCount()) of \(lines.count) acknowledged")
        ledger.note(try acknowledgements(of: putting, lines: lines))
        ledger.note(consume.reports())
        if let end = consume.end, ![.killed(by: SIGKILL), .killed(by: SIGINT), .exited(0)].contains(end) {
            throw failure(["consume ended with \(end): \(consume.errors())"])
        }
        try losePower(using: &random)
        try audit(thenClose: random.chance(50))
        try losePower(using: &random)
    }

    private func end(_ consume: ChildProcess, orderly: Bool) throws {
        usleep(20_000)
        guard orderly else { return consume.endByForce() }
        // Before it has heard of signals an interruption simply ends it.
        consume.signal(SIGINT)
        let end = consume.endByItself()
        guard end == .exited(0) || end == .killed(by: SIGINT) else {
            throw failure(["interrupted, consume ended with \(end): \(consume.errors())"])
        }
    }

    /// The lines of one `put`, all of one producer.
    private func writeInput(_ round: Int, using random: inout SeededRandom) -> [[UInt8]] {
        var counters: [String: Int] = [:]
        return (0..<400).map { call in
            let key = "k\(Int.random(in: 0..<12, using: &random))"
            let counter = counters[key] ?? 0
            counters[key] = counter + 1
            let length = random.chance(95) ? Int.random(in: 0...200, using: &random) : 20_000
            return Stamp(producer: "r\(round)", key: key, counter: counter, call: call, size: 1, index: 0)
                .data(filler: [UInt8](repeating: UInt8(ascii: "y"), count: length))
        }
    }

    private struct Acknowledgement: Decodable {
        var line: Int
        var shardId: String
        var sequenceNumber: String
    }

    private func acknowledgements(of put: ChildProcess, lines: [[UInt8]]) throws -> [Report] {
        try put.lines().map { line in
            guard let said = try? JSONDecoder().decode(Acknowledgement.self, from: Data(line.utf8)),
                let number = KinesisSequenceNumber(said.sequenceNumber), ShardID(said.shardId) == number.shard,
                lines.indices.contains(said.line - 1)
            else { throw failure(["put --json wrote '\(line)'"]) }
            return .acknowledged(
                Place("a", number.shard.number, number.sequenceNumber.rawValue),
                checksum: Stamp.checksum(lines[said.line - 1]))
        }
    }
}

extension [[UInt8]] {
    /// Writes the lines into a file.
    fileprivate func write(to path: String) -> Bool {
        let bytes = [UInt8](joined(separator: [0x0A])) + [0x0A]
        return FileManager.default.createFile(atPath: path, contents: Data(bytes))
    }
}

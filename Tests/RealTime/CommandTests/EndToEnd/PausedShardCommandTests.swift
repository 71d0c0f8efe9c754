import Foundation
import TestSupport
import Testing

/// Paused shards, the breaker and returned records as an operator meets them (ESM-N3, ESM-N4, ESM-O2).
@Suite(.timeLimit(.minutes(2))) struct PausedShardCommandTests {
    private let folder = TestDirectory()

    private func shardline(_ line: String, _ more: [String] = [], input: String = "") async throws -> BuiltProgram.End {
        try await BadInputTests.shardline(line.split(separator: " ").map(String.init) + more, folder, input: input)
    }

    /// Writes the function: it fails for texts that begin with "bad" unless it is mended, and returns each text in
    /// capitals.
    private func writeFunction(isMended: Bool) throws {
        let bad = isMended ? "False" : "text.startswith('bad')"
        try """
        import base64, json, sys
        for line in sys.stdin:
            made, error = [], None
            for record in json.loads(line)["Records"]:
                text = base64.b64decode(record["kinesis"]["data"]).decode()
                if \(bad):
                    error = {"errorType": "ValueError", "errorMessage": "can't take " + text}
                made.append({"partitionKey": record["kinesis"]["partitionKey"],
                             "data": base64.b64encode((text.upper() + '\\n').encode()).decode(),
                             "sequenceNumber": record["kinesis"]["sequenceNumber"]})
            print(json.dumps(error or {"records": made}), flush=True)
        """.write(to: folder.url("f.py"), atomically: true, encoding: .utf8)
    }

    private func consume(_ options: String) async throws -> BuiltProgram.End {
        try await shardline(
            "consume orders --mapping m --until-caught-up --max-retries 0 \(options) --exec",
            ["python3 '\(folder.path("f.py"))'"])
    }

    private func made() async throws -> [String] {
        try await shardline("tail made --from trim-horizon --raw").lines
    }

    @Test func `a paused shard is told with its record, and goes on once it is resumed`() async throws {
        #expect(try await shardline("stream create orders --shards 1").status == 0)
        #expect(try await shardline("stream create made --shards 1").status == 0)
        try writeFunction(isMended: false)
        _ = try await shardline("put orders --key ada", input: "one\nbad two\nthree\n")
        var end = try await consume("--when-exhausted pause-shard --on-success made")
        #expect(end.status == 1 && end.errors.contains("is paused since"), "\(end.errors)")
        #expect(try await made() == ["ONE"])
        end = try await shardline("mapping describe orders m")
        #expect(end.output.contains("paused     shardId-000000000000 since"), "\(end.output)")
        #expect(end.output.contains("key 'ada'") && end.output.contains("can't take bad two"), "\(end.output)")
        #expect(end.output.contains("`shardline mapping resume orders m` lets it go on"), "\(end.output)")
        end = try await shardline("mapping describe orders m --json")
        #expect(end.output.contains(#""pausedShards":[{"shardId":"shardId-000000000000""#), "\(end.output)")
        end = try await shardline("mapping resume orders m --dry-run")
        #expect(end.status == 0 && end.errors.contains("would ask to try these records again"), "\(end.errors)")
        end = try await shardline("mapping resume orders m --shard 7")
        #expect(end.status == 1 && end.errors.contains("shardId-000000000007"), "\(end.errors)")
        // Unmended, it is paused again.
        end = try await shardline("mapping resume orders m --shard 0")
        #expect(end.status == 0 && end.errors.contains("no process runs it"), "\(end.errors)")
        end = try await consume("--when-exhausted pause-shard --on-success made")
        #expect(end.status == 1, "\(end.errors)")
        try writeFunction(isMended: true)
        end = try await shardline("mapping resume orders m --reason", ["deployed 1.4"])
        #expect(end.status == 0, "\(end.errors)")
        end = try await consume("--when-exhausted pause-shard --on-success made")
        #expect(end.status == 0, "\(end.errors)")
        #expect(try await made() == ["ONE", "BAD TWO", "THREE"])
        end = try await shardline("mapping resume orders m")
        #expect(end.status == 0 && end.errors.contains("no shard"), "\(end.errors)")
    }

    @Test func `a record that paused its shard can be given up`() async throws {
        #expect(try await shardline("stream create orders --shards 1").status == 0)
        #expect(try await shardline("stream create made --shards 1").status == 0)
        try writeFunction(isMended: false)
        _ = try await shardline("put orders --key ada", input: "one\nbad two\nthree\n")
        _ = try await consume("--when-exhausted pause-shard --on-success made")
        #expect(try await shardline("mapping resume orders m --give-up").status == 0)
        let end = try await consume("--when-exhausted pause-shard --on-success made")
        #expect(end.status == 0, "\(end.errors)")
        let failed = try await shardline("tail orders.m.failed --from trim-horizon --raw")
        #expect(failed.lines.count == 1 && failed.output.contains("can't take bad two"), "\(failed.output)")
    }

    @Test(arguments: [
        ("--on-success nowhere", "successStream (--on-success) 'nowhere'"),
        ("--on-success orders", "any stream but the source itself"),
        ("--breaker 0", "--breaker 0 (allowed: 1 to 99 percent"),
        ("--when-exhausted later", "give-up, park-key or pause-shard"),
    ])
    func `settings that can't be are refused with what is allowed`(options: String, words: String) async throws {
        #expect(try await shardline("stream create orders --shards 1").status == 0)
        let end = try await consume(options)
        #expect(end.status != 0 && end.errors.contains(words.split(separator: ",")[0]), "\(end.errors)")
    }
}

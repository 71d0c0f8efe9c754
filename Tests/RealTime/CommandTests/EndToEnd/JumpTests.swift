import Foundation
import TestSupport
import Testing

/// A store that was restored, whose numbers have jumped, as an operator sees it; and numbers of elsewhere.
@Suite(.serialized, .timeLimit(.minutes(1))) struct JumpTests {
    private func shardline(_ arguments: [String], _ folder: TestDirectory, input: String = "") async throws
        -> BuiltProgram.End
    {
        let end = try await BadInputTests.shardline(arguments, folder, input: input)
        #expect(end.status == 0, "\(arguments): \(end.errors)")
        return end
    }

    private static func json(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test func `after two restores every count is one of records`() async throws {
        let folder = TestDirectory()
        let store = folder.path("store")
        _ = try await shardline(["stream", "create", "s"], folder)
        _ = try await shardline(["put", "s", "--key", "k"], folder, input: "a\nb\nc\n")
        let consume = [
            "consume", "s", "--mapping", "m", "--until-caught-up", "--exec", "while read -r l; do echo '{}'; done",
        ]
        _ = try await shardline(consume, folder)
        for (round, lines) in ["d\ne\n", "f\n"].enumerated() {
            _ = try await shardline(["backup", store, folder.path("backup \(round)")], folder)
            try FileManager.default.removeItem(atPath: store)
            _ = try await shardline(["restore", folder.path("backup \(round)"), store], folder)
            _ = try await shardline(["put", "s", "--key", "k"], folder, input: lines)
        }
        let lists = try await shardline(["stream", "list", "--json"], folder).lines
        let list = try Self.json(#require(lists.first { $0.contains(#""streamName":"s""#) }))
        #expect(list["recordCount"] as? Int == 6)
        #expect(((list["shards"] as? [[String: Any]])?.first)?["recordCount"] as? Int == 6)
        #expect(try await shardline(["stream", "describe", "s"], folder).output.contains("records       6,"))
        let mappings = try await shardline(["mapping", "list", "--json"], folder).output
        #expect(try Self.json(mappings)["recordsBehind"] as? Int == 3, "\(mappings)")
        let mapping = try Self.json(await shardline(["mapping", "describe", "s", "m", "--json"], folder).output)
        #expect(((mapping["shards"] as? [[String: Any]])?.first)?["recordsBehind"] as? Int == 3, "\(mapping)")
        var seek = try await shardline(["mapping", "seek", "s", "m", "--to", "trim-horizon"], folder)
        #expect(seek.output.contains("3 records come again"), "\(seek.output)")
        seek = try await shardline(["mapping", "seek", "s", "m", "--to", "latest"], folder)
        #expect(seek.output.contains("6 records are skipped"), "\(seek.output)")
        seek = try await shardline(["mapping", "seek", "s", "m", "--to", "trim-horizon"], folder)
        #expect(seek.output.contains("6 records come again"), "\(seek.output)")
        let end = try await shardline(consume, folder)
        #expect(end.errors.contains("6 records to go"), "\(end.errors)")
        #expect(end.output.contains("delivered      6 records"), "\(end.output)")
        let delete = try await shardline(["stream", "delete", "s"], folder)
        #expect(delete.errors.contains("with 6 records"), "\(delete.errors)")
    }

    /// Where numbers have jumped after the record that was done last, also with no record after it.
    @Test func `a mapping that is done up to a number that no record has shows the last record before it`()
        async throws
    {
        let folder = TestDirectory()
        let store = folder.path("store")
        _ = try await shardline(["stream", "create", "s", "--shards", "1"], folder)
        _ = try await shardline(["put", "s", "--key", "k"], folder, input: "a\nb\nc\n")
        _ = try await shardline(
            [
                "consume", "s", "--mapping", "m", "--until-caught-up", "--exec", "while read -r l; do echo '{}'; done",
            ], folder)
        func describe() async throws -> (number: String?, behind: Int?, text: String) {
            let json = try Self.json(await shardline(["mapping", "describe", "s", "m", "--json"], folder).output)
            let shard = (json["shards"] as? [[String: Any]])?.first
            let text = try await shardline(["mapping", "describe", "s", "m"], folder).output
            return (shard?["sequenceNumber"] as? String, shard?["recordsBehind"] as? Int, text)
        }
        let last = try #require(try await describe().number)
        _ = try await shardline(["backup", store, folder.path("backup")], folder)
        try FileManager.default.removeItem(atPath: store)
        _ = try await shardline(["restore", folder.path("backup"), store], folder)
        let seek = ["mapping", "seek", "s", "m", "--shard", "0", "--to"]
        for behind in [0, 1] {
            let plan = try await shardline(seek + ["9", "--dry-run"], folder)
            #expect(plan.output.components(separatedBy: last).count == 3, "\(plan.output)")
            _ = try await shardline(seek + ["9"], folder)
            let seen = try await describe()
            #expect(seen.number == last && seen.behind == behind && seen.text.contains(last), "\(seen)")
            _ = try await shardline(["put", "s", "--key", "k"], folder, input: "d\n")
        }
    }

    @Test func `a sequence number of another stream, or of a deleted one, is no place to read or to seek to`()
        async throws
    {
        let folder = TestDirectory()
        func number(of stream: String) async throws -> String {
            let line = try await shardline(["tail", stream, "--json", "--limit", "1"], folder).output
            return try #require(try Self.json(line)["sequenceNumber"] as? String)
        }
        for stream in ["s", "t"] {
            _ = try await shardline(["stream", "create", stream], folder)
            _ = try await shardline(["put", stream, "--key", "k"], folder, input: "\(stream)\n")
        }
        let exec = ["--exec", "while read -r l; do echo '{}'; done", "--until-caught-up"]
        _ = try await shardline(["consume", "s", "--mapping", "m"] + exec, folder)
        let old = try await number(of: "s")
        let other = try await number(of: "t")
        #expect(try await shardline(["tail", "s", "--from", old], folder).output.hasSuffix("s\n"))
        func expectRefused(_ number: String, _ words: String) async throws {
            for arguments in [
                ["tail", "s", "--from", number], ["tail", "s", "--follow", "--from", number],
                ["mapping", "seek", "s", "m", "--to", number],
                ["consume", "s", "--mapping", "n", "--from", number] + exec,
            ] {
                let end = try await BadInputTests.shardline(arguments, folder)
                #expect(end.status == 64, "\(arguments): \(end.errors)")
                #expect(end.errors.contains(words) && end.output.isEmpty, "\(arguments): \(end.errors)")
                #expect(end.errors.split(separator: "\n").count == 1, "\(end.errors)")
            }
        }
        try await expectRefused(other, "of the stream 't'")
        _ = try await shardline(["stream", "delete", "s"], folder)
        _ = try await shardline(["stream", "create", "s"], folder)
        _ = try await shardline(["put", "s", "--key", "k"], folder, input: "new\n")
        _ = try await shardline(["consume", "s", "--mapping", "m"] + exec, folder)
        try await expectRefused(old, "no longer there")
        for arguments in [
            ["tail", "s", "--from", "9", "--shard", "0"], ["mapping", "seek", "s", "m", "--to", "9", "--shard", "0"],
            ["consume", "s", "--mapping", "n", "--from", "9"] + exec,
        ] {
            let end = try await BadInputTests.shardline(arguments, folder)
            #expect(end.status == 64, "\(arguments): \(end.errors)")
        }
    }
}

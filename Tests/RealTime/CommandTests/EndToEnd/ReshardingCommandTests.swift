import Foundation
import TestSupport
import Testing

/// `stream split`, `stream merge` and `stream scale`, as an operator types them.
@Suite(.serialized, .timeLimit(.minutes(1))) struct ReshardingCommandTests {
    private func shardline(_ line: String, _ folder: TestDirectory) async throws -> BuiltProgram.End {
        try await BadInputTests.shardline(line.split(separator: " ").map(String.init), folder)
    }

    /// The numbers of the open shards.
    private func open(_ folder: TestDirectory) async throws -> [Int] {
        let end = try await shardline("stream describe s --json", folder)
        let stream = try JSONSerialization.jsonObject(with: Data(end.output.utf8)) as? [String: Any]
        let shards = stream?["shards"] as? [[String: Any]] ?? []
        return shards.filter { $0["isOpen"] as? Bool == true }.compactMap {
            ($0["shardId"] as? String).flatMap { Int($0.suffix(12)) }
        }
    }

    @Test func `shards are split, merged and scaled, and a dry run changes nothing`() async throws {
        let folder = TestDirectory()
        #expect(try await shardline("stream create s", folder).status == 0)
        var end = try await shardline("stream split s 0 --dry-run", folder)
        #expect(end.status == 0 && end.output.isEmpty && end.errors.contains("would split"), "\(end.errors)")
        #expect(try await open(folder) == [0])
        end = try await shardline("stream split s 0", folder)
        #expect(end.status == 0 && end.errors.contains("2 shards are open"), "\(end.errors)")
        end = try await shardline("stream split s shardId-000000000001 --at 7", folder)
        #expect(end.status == 0, "\(end.errors)")
        #expect(try await open(folder) == [2, 3, 4])
        end = try await shardline("stream merge s 4 3", folder)
        #expect(end.status == 0 && end.errors.contains(": merged"), "\(end.errors)")
        #expect(try await open(folder) == [2, 5])
        end = try await shardline("stream scale s 8 --json", folder)
        let report = try JSONSerialization.jsonObject(with: Data(end.output.utf8)) as? [String: Any]
        #expect(end.status == 0 && report?["openShardCount"] as? Int == 8)
        #expect((report?["closedShardIds"] as? [String])?.count == 2)
        end = try await shardline("stream scale s 8", folder)
        #expect(end.status == 0 && end.errors.contains("nothing changes"), "\(end.errors)")
        #expect(try await open(folder) == Array(6...13))
    }

    @Test func `what is not possible is refused with the reason`() async throws {
        let folder = TestDirectory()
        #expect(try await shardline("stream create s --shards 3", folder).status == 0)
        #expect(try await shardline("stream split s 1", folder).status == 0)
        for (line, status, part) in [
            ("stream split s 1", 1, "was split or merged already; its children are shardId-000000000003, "),
            ("stream split s 9", 1, "the stream 's' has no shardId-000000000009"),
            ("stream split t 0", 1, "there is no stream 't'"),
            ("stream split s 0 --at 1", 64, "can't be split at the hash key 1 (allowed: 2 to "),
            ("stream split s 0 --at -1", 64, "a hash key is a number from 0 to "),
            ("stream split s x", 64, "a shard is named 3 or shardId-000000000003"),
            ("stream merge s 0 2", 64, "are no neighbours"),
            ("stream merge s 0 0", 64, "can't be merged with itself"),
            ("stream merge s 0", 64, ""),
            ("stream scale s 0", 64, "(allowed: 1 to 10000)"),
            ("stream scale s 10001 --dry-run", 64, "(allowed: 1 to 10000)"),
            ("stream split s 1 --dry-run", 1, "was split or merged already"),
            ("stream merge s 0 2 --dry-run", 64, "are no neighbours"),
            ("stream scale s 10000", 64, "a stream has at most 10000 shards, closed ones included"),
            ("stream scale s many", 64, ""),
        ] as [(String, Int32, String)] {
            let end = try await shardline(line, folder)
            #expect(end.status == status && end.output.isEmpty, "\(line): \(end.status)")
            #expect(part.isEmpty || end.errors.contains(part), "\(line): \(end.errors)")
        }
        #expect(try await open(folder) == [0, 2, 3, 4])
    }

    @Test func `a stream is scaled under a mapping that runs elsewhere, which goes on with the new shards`()
        async throws
    {
        let folder = try await TwoProcessTests.prepared(shards: 1)
        let consumer = try TwoProcessTests.consume(folder)
        #expect(try await consumer.wait { $0.errors.contains("begins at trim-horizon") })
        for (count, text) in [(5, "after five"), (2, "after two"), (1, "after one")] {
            let end = try await shardline("stream scale s \(count)", folder)
            #expect(end.status == 0, "\(end.errors)")
            let put = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: text + "\n")
            #expect(put.status == 0)
            #expect(try await consumer.wait { $0.errors.contains("got \(text)\n") })
        }
        #expect(try await open(folder).count == 1)
        consumer.signal(SIGINT)
        #expect(try await consumer.end() == 0)
    }
}

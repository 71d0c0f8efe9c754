import Foundation
import ShardlineTesting
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import ShardlineCLI

/// `stream update`, as an operator types it.
@Suite(.serialized, .timeLimit(.minutes(1))) struct StreamUpdateTests {
    private func shardline(_ arguments: [String], _ folder: TestDirectory) async throws -> BuiltProgram.End {
        try await BadInputTests.shardline(arguments, folder)
    }

    private func retention(_ folder: TestDirectory) async throws -> Int? {
        let end = try await shardline(["stream", "describe", "s", "--json"], folder)
        let stream = try JSONSerialization.jsonObject(with: Data(end.output.utf8)) as? [String: Any]
        return stream?["retentionPeriodSeconds"] as? Int
    }

    @Test func `a shorter retention says what it removes before it does, and a longer one what it does not`()
        async throws
    {
        let folder = TestDirectory()
        _ = try await shardline(["stream", "create", "s"], folder)
        let put = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "a\nb\nc\n")
        #expect(put.status == 0)
        var end = try await shardline(["stream", "update", "s", "--retention", "24h"], folder)
        #expect(end.status == 0 && end.errors.contains("keeps records for 1d already"), "\(end.errors)")
        end = try await shardline(["stream", "update", "s", "--retention", "7d"], folder)
        #expect(end.status == 0 && end.errors.contains("was changed from 1d to 7d"), "\(end.errors)")
        #expect(end.errors.contains("what has expired before stays removed"))
        #expect(try await retention(folder) == 604_800)
        end = try await shardline(["stream", "update", "s", "--retention", "1h", "--dry-run"], folder)
        #expect(end.status == 0 && end.errors.contains("would change from 7d to 1h"), "\(end.errors)")
        #expect(try await retention(folder) == 604_800)
        end = try await shardline(["stream", "update", "s", "--retention", "1h"], folder)
        #expect(end.status == 0 && end.errors.contains("no record is older than that"), "\(end.errors)")
        for wrong in ["0", "-5", "999ms", "366d", "soon"] {
            end = try await shardline(["stream", "update", "s", "--retention", wrong], folder)
            #expect(end.status == 64 && end.output.isEmpty, "\(wrong): \(end.errors)")
        }
        end = try await shardline(["stream", "update", "t", "--retention", "1h"], folder)
        #expect(end.status == 1 && end.errors.contains("there is no stream 't'"), "\(end.status) \(end.errors)")
        #expect(try await retention(folder) == 3_600)
    }

    @Test func `another record size is said, with the retention or alone`() async throws {
        let folder = TestDirectory()
        _ = try await shardline(["stream", "create", "s", "--max-record-size", "1KiB"], folder)
        func size() async throws -> Int? {
            let end = try await shardline(["stream", "describe", "s", "--json"], folder)
            let stream = try JSONSerialization.jsonObject(with: Data(end.output.utf8)) as? [String: Any]
            return stream?["maximumRecordSize"] as? Int
        }
        var end = try await shardline(["stream", "update", "s", "--max-record-size", "2KiB", "--dry-run"], folder)
        #expect(end.status == 0 && end.errors.contains("would change from 1,024 to 2,048 bytes"), "\(end.errors)")
        #expect(try await size() == 1_024)
        end = try await shardline(["stream", "update", "s", "--max-record-size", "2KiB"], folder)
        #expect(end.status == 0 && end.errors.contains("was changed from 1,024 to 2,048 bytes"), "\(end.errors)")
        #expect(try await size() == 2_048)
        end = try await shardline(
            ["stream", "update", "s", "--max-record-size", "2KiB", "--retention", "7d"], folder)
        #expect(end.status == 0 && end.errors.contains("takes records of 2,048 bytes already"), "\(end.errors)")
        #expect(end.errors.contains("was changed from 1d to 7d"))
        for wrong in [["--max-record-size", "0"], ["--max-record-size", "11MiB"], []] {
            end = try await shardline(["stream", "update", "s"] + wrong, folder)
            #expect(end.status == 64 && end.output.isEmpty, "\(wrong): \(end.status) \(end.errors)")
        }
        #expect(try await size() == 2_048)
    }

    @Test func `what is removed is counted, with the time in which it arrived`() async throws {
        let time = VirtualTime()
        let store = InMemoryStore(timeSource: time)
        let before = try await store.createStream("s", settings: StreamSettings(shards: 2))
        let first = time.wallTime
        try await store.stream("s").put("a", partitionKey: "k1")
        time.advance(by: .seconds(60))
        try await store.stream("s").put(contentsOf: (0..<9).map { NewRecord("b", partitionKey: "k\($0)") })
        time.advance(by: .seconds(3_600))
        try await store.stream("s").put("c", partitionKey: "k1")
        func loss(_ retention: Duration) async throws -> RetentionLoss {
            try await RetentionLoss(of: try await store.describeStream("s"), under: retention, in: store)
        }
        let some = try await loss(.seconds(3_600))
        #expect(some.records == 10 && some.oldest == first)
        #expect(some.cutoff == first + .seconds(60) + .milliseconds(1))
        #expect(
            some.words(isDone: false)
                == "the retention of the stream 's' would change from 1d to 1h: this removes 10 records: all that arrived before \(some.cutoff), the oldest at \(first)"
        )
        #expect(
            some.words(isDone: true).hasSuffix(
                "was changed from 1d to 1h; 10 records were removed: all that arrived before \(some.cutoff), the oldest at \(first)"
            ))
        #expect(some.parts.count == 2 && some.parts.reduce(0) { $0 + $1.records } == 10)
        #expect(
            some.linesByShard
                == some.parts.map {
                    "\($0.shard): \($0.records) records, the oldest arrived at \($0.oldest?.description ?? "-")"
                })
        let one = try await loss(.seconds(3_601))
        #expect(one.records == 1 && one.parts.count == 1 && one.linesByShard.first?.contains(": 1 record, ") == true)
        #expect(try await loss(.seconds(3_661)).removesAnything == false)
        #expect(try await loss(.seconds(1)).records == 10)
        let longer = try await loss(.seconds(172_800))
        #expect(
            !longer.removesAnything && longer.words(isDone: false).contains("what has expired before stays removed"))
        // Nothing of it changed anything.
        #expect(try await store.describeStream("s").retention == before.retention)
    }
}

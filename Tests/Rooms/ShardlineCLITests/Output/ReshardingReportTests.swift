import DataFormats
import EventSource
import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

@testable import ShardlineCLI

/// What `stream split`, `merge` and `scale` say.
@Suite struct ReshardingReportTests {
    private func stream(shards: Int) async throws -> RecordStream {
        let store = InMemoryStore(timeSource: VirtualTime())
        try await store.createStream("s", shards: shards)
        return store.stream("s")
    }

    private func id(_ number: Int) -> String { "\(ShardID(UInt32(number)))" }

    @Test func `a plan and what was done name the same shards`() async throws {
        let stream = try await stream(shards: 1)
        for count in [2, 1, 64, 6, 5] {
            let before = try await stream.describe()
            let plan = ReshardingReport(try ReshardingPlan(scaling: before, to: count), of: before)
            let done = ReshardingReport(try await stream.updateShardCount(to: count))
            #expect(plan.closed == done.closed && plan.opened == done.opened)
            #expect(plan.passing == done.passing && plan.openCount == count && done.openCount == count)
            #expect(plan.isPlan && !done.isPlan)
        }
    }

    @Test func `a line says which shards, and how many there are`() async throws {
        let stream = try await stream(shards: 1)
        let split = ReshardingReport(try await stream.splitShard(ShardID(0)))
        #expect(split.words == "split \(id(0)) of 's' into \(id(1)) and \(id(2)); 2 shards are open")
        let before = try await stream.describe()
        let plan = ReshardingReport(try ReshardingPlan(merging: ShardID(2), ShardID(1), of: before), of: before)
        #expect(
            plan.words
                == "would merge \(id(1)) and \(id(2)) of 's' into \(id(3)); 1 shard would be open; nothing was changed")
        let merge = ReshardingReport(try await stream.mergeShards(ShardID(2), ShardID(1)))
        #expect(merge.words == "merged \(id(1)) and \(id(2)) of 's' into \(id(3)); 1 shard is open")
        let many = ReshardingReport(try await stream.updateShardCount(to: 64))
        #expect(many.words == "split \(id(3)) of 's' into 64 shards (\(id(4)) to \(id(67))); 64 shards are open")
        let few = ReshardingReport(try await stream.updateShardCount(to: 2))
        #expect(
            few.words
                == "replaced 64 shards (\(id(4)) to \(id(67))) of 's' by \(id(128)) and \(id(129)), with 60 shards in between that take no record; 2 shards are open"
        )
        let none = ReshardingReport(try await stream.updateShardCount(to: 2))
        #expect(
            none.words == "the hash keys of the stream 's' are divided evenly among 2 shards already: nothing changes")
    }

    @Test func `for programs there is an object`() async throws {
        let stream = try await stream(shards: 2)
        let report = ReshardingReport(try await stream.mergeShards(ShardID(0), ShardID(1)))
        #expect(
            String(decoding: report.json.bytes, as: UTF8.self)
                == #"{"streamName":"s","isDryRun":false,"closedShardIds":["shardId-000000000000","shardId-000000000001"],"openedShards":[{"shardId":"shardId-000000000002","hashKeyRange":{"startingHashKey":"0","endingHashKey":"340282366920938463463374607431768211455"}}],"passingShardCount":0,"openShardCount":1}"#
        )
    }

    @Test func `hash keys are read`() throws {
        #expect(try HashKey.argument("0") == HashKey(0))
        #expect(try HashKey.argument("340282366920938463463374607431768211455") == HashKey(.max))
        for wrong in ["", "-1", "340282366920938463463374607431768211456", "0x1", "1.5"] {
            #expect(throws: ArgumentProblem.self) { try HashKey.argument(wrong) }
        }
    }
}

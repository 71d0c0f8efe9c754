import DataFormats
import EventSource
import StreamModel
import StreamStorage

/// What a split, a merge or a change of the shard count has done, or would do.
struct ReshardingReport: Equatable, Sendable {
    /// A shard that is opened.
    struct NewShard: Equatable, Sendable {
        var id: ShardID
        var range: HashKeyRange
    }

    let stream: String
    let isPlan: Bool
    /// The shards that are closed, by number.
    let closed: [ShardID]
    /// The shards that are opened, in the order of their hash keys.
    let opened: [NewShard]
    /// How many shards are opened and closed at once.
    let passing: Int
    /// How many shards are open afterwards.
    let openCount: Int

    init(_ result: ReshardingResult) {
        stream = result.stream.name
        isPlan = false
        closed = result.closed
        let ranges = Dictionary(uniqueKeysWithValues: result.stream.shards.map { ($0.id, $0.hashKeyRange) })
        opened = result.opened.compactMap { id in ranges[id].map { NewShard(id: id, range: $0) } }
        passing = result.passing
        openCount = result.stream.openShards.count
    }

    init(_ plan: ReshardingPlan, of stream: StreamDescription) {
        self.stream = stream.name
        isPlan = true
        closed = plan.closed
        opened = plan.opened.map { NewShard(id: $0.id, range: $0.range) }
        passing = plan.passing
        openCount = plan.openCount
    }

    /// How many shards a line names.
    private static let named = 4

    private static func list(_ shards: [ShardID]) -> String {
        guard shards.count > 1 else { return shards.map(\.description).joined() }
        if shards.count <= named {
            return shards.dropLast().map(\.description).joined(separator: ", ") + " and \(shards[shards.count - 1])"
        }
        return "\(Readable.count(shards.count, "shard")) (\(shards.min()!) to \(shards.max()!))"
    }

    /// One line for the operator.
    var words: String {
        guard !closed.isEmpty else {
            return
                "the hash keys of the stream '\(stream)' are divided evenly among \(Readable.count(openCount, "shard")) already: nothing changes"
        }
        let (would, did, into) =
            closed.count == 1
            ? ("split", "split", "into")
            : closed.count == 2 && opened.count == 1 ? ("merge", "merged", "into") : ("replace", "replaced", "by")
        var text = "\(isPlan ? "would \(would)" : did) \(Self.list(closed)) of '\(stream)'"
        text += " \(into) \(Self.list(opened.map(\.id)))"
        if passing > 0 {
            text +=
                ", with \(Readable.count(passing, "shard")) in between that \(passing == 1 ? "takes" : "take") no record"
        }
        text += "; \(Readable.count(openCount, "shard")) \(isPlan ? "would be" : openCount == 1 ? "is" : "are") open"
        return isPlan ? text + "; nothing was changed" : text
    }

    /// For programs, with Kinesis' names where it has them.
    var json: JSONWriter {
        var writer = JSONWriter()
        writer.object { report in
            report.member("streamName", stream)
            report.member("isDryRun", isPlan)
            report.name("closedShardIds")
            report.array { list in for shard in closed { list.string(shard.description) } }
            report.name("openedShards")
            report.array { list in
                for shard in opened {
                    list.object { member in
                        member.member("shardId", shard.id.description)
                        member.name("hashKeyRange")
                        member.object { range in
                            range.member("startingHashKey", shard.range.first.description)
                            range.member("endingHashKey", shard.range.last.description)
                        }
                    }
                }
            }
            report.member("passingShardCount", passing)
            report.member("openShardCount", openCount)
        }
        return writer
    }
}

import ArgumentParser
import DataFormats
import EventSource
import StreamModel
import StreamStorage

/// `shardline stream list`
struct StreamListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the streams of the store.",
        discussion: """
            SHARDS are the open ones, RECORDS those that are kept, KEPT FOR the retention, MADE when the stream was created.

            Example:
              shardline stream list --data ./data
            """)

    @Flag(help: "Print one line for each stream, a JSON object.")
    var json = false

    @OptionGroup var store: StoreOptions

    func run() async throws {
        let streams = try await withStore(store) { try await $0.listStreams() }
        if json {
            for stream in streams { try Output.standard.write(json: stream.json.bytes + [UInt8(ascii: "\n")]) }
            return
        }
        var table = Table([
            ("STREAM", .left), ("SHARDS", .right), ("RECORDS", .right), ("KEPT FOR", .right), ("MADE", .left),
        ])
        for stream in streams {
            table.add([
                stream.name, Readable.number(stream.shards.count { $0.closedAt == nil }),
                Readable.number(stream.recordCount), Readable.duration(stream.retention), stream.createdAt.description,
            ])
        }
        for line in table.lines { try Output.standard.line(line) }
    }
}

extension StreamDescription {
    /// Records that are retained.
    var recordCount: Int { shards.reduce(0) { $0 + $1.recordCount } }

    /// For programs, with Kinesis' names where it has them.
    var json: JSONWriter {
        var writer = JSONWriter()
        writer.object { stream in
            stream.member("streamName", name)
            stream.member("streamId", id.description)
            stream.name("streamCreationTimestamp")
            stream.seconds(ofMilliseconds: createdAt.milliseconds)
            stream.name("retentionPeriodSeconds")
            stream.seconds(ofMilliseconds: retention.wholeMilliseconds)
            stream.member("maximumRecordSize", maximumRecordSize)
            stream.member("isFailureStream", isFailureStream)
            stream.member("openShardCount", shards.count { $0.closedAt == nil })
            stream.member("recordCount", recordCount)
            stream.name("shards")
            stream.array { list in for shard in shards { shard.write(to: &list) } }
        }
        return writer
    }
}

extension ShardDescription {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { shard in
            shard.member("shardId", id.description)
            shard.name("parentShardIds")
            shard.array { list in for parent in parents { list.string(parent.description) } }
            shard.name("hashKeyRange")
            shard.object { range in
                range.member("startingHashKey", hashKeyRange.first.description)
                range.member("endingHashKey", hashKeyRange.last.description)
            }
            shard.member("isOpen", closedAt == nil)
            shard.member("recordCount", recordCount)
        }
    }
}

import ArgumentParser
import EventSource
import StreamModel
import StreamStorage

/// `shardline mapping list`
struct MappingListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the mappings of a stream, or of all streams.",
        discussion: """
            Examples:
              shardline mapping list
              shardline mapping list clicks --json
            """)

    @Argument(help: "Only mappings of this stream.")
    var stream: String?

    @Flag(help: "One JSON object a mapping and line.")
    var json = false

    @OptionGroup var store: StoreOptions

    func run() async throws {
        let mappings = try await withStore(store) { store in
            if let stream { _ = try await store.describeStream(stream) }
            var mappings: [(MappingDescription, [MappingProgress])] = []
            for mapping in try await store.listMappings(of: stream) {
                mappings.append((mapping, try await MappingProgress.all(of: mapping, in: store)))
            }
            return mappings
        }
        if json {
            for (mapping, progress) in mappings {
                try Output.standard.write(mapping.json(progress) + [UInt8(ascii: "\n")])
            }
            return
        }
        var table = Table([
            ("STREAM", .left), ("MAPPING", .left), ("STATE", .left), ("BEHIND", .right), ("MADE", .left),
        ])
        for (mapping, progress) in mappings {
            table.add([
                mapping.key.stream, mapping.key.name, mapping.isClaimed ? "running" : "stopped",
                Readable.number(progress.reduce(0) { $0 + $1.behind }), mapping.createdAt.description,
            ])
        }
        for line in table.lines { try Output.standard.line(line) }
    }
}

extension MappingDescription {
    /// For programs.
    func json(_ progress: [MappingProgress]) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { mapping in
            mapping.member("streamName", key.stream)
            mapping.member("mapping", key.name)
            mapping.member("state", isClaimed ? "running" : "stopped")
            mapping.name("creationTimestamp")
            mapping.seconds(ofMilliseconds: createdAt.milliseconds)
            mapping.member("recordsBehind", Int(clamping: progress.reduce(0) { $0 + $1.behind }))
            mapping.name("shards")
            mapping.array { list in
                for shard in progress {
                    list.object { entry in
                        entry.member("shardId", shard.shard.description)
                        entry.member("sequenceNumber", shard.checkpoint?.description)
                        entry.member("recordsBehind", Int(clamping: shard.behind))
                        entry.member("isShardEnd", shard.isShardEnd)
                        entry.member("attempts", shard.attempts)
                    }
                }
            }
            mapping.name("settings")
            mapping.raw(configuration.isEmpty ? Array("null".utf8) : configuration)
        }
        return writer.bytes
    }
}

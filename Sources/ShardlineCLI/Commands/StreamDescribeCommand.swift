import ArgumentParser
import DataFormats
import EventSource
import StreamModel
import StreamStorage

/// `shardline stream describe`
struct StreamDescribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe", abstract: "Show a stream and its shards.",
        discussion: """
            RECORDS are those that are kept. A shard takes the records whose key's hash is from FIRST HASH KEY on, up to that \
            of the next shard. A closed shard takes no more records; it is listed until they have expired.

            Example:
              shardline stream describe clicks
            """)

    @Argument(help: "The stream's name.")
    var name: String

    @Flag(help: "Print one JSON object instead of the tables.")
    var json = false

    @OptionGroup var store: StoreOptions

    func run() async throws {
        let stream = try await withStore(store) { try await $0.describeStream(name) }
        if json { return try Output.standard.write(json: stream.json.bytes + [UInt8(ascii: "\n")]) }
        for line in Self.lines(of: stream) { try Output.standard.line(line) }
    }

    static func lines(of stream: StreamDescription) -> [String] {
        var table = Table([("SHARD", .left), ("STATE", .left), ("RECORDS", .right), ("FIRST HASH KEY", .right)])
        for shard in stream.shards {
            table.add([
                shard.id.description, shard.closedAt == nil ? "open" : "closed", Readable.number(shard.recordCount),
                shard.hashKeyRange.first.description,
            ])
        }
        return [
            "stream        \(stream.name)\(stream.isFailureStream ? " (takes records that were given up)" : "")",
            "id            \(stream.id)",
            "made          \(stream.createdAt)",
            "records       \(Readable.number(stream.recordCount)), kept for \(Readable.duration(stream.retention))",
            "record size   at most \(Readable.number(stream.maximumRecordSize)) bytes of data",
            "",
        ] + table.lines
    }
}

import ArgumentParser
import EventSource
import StreamModel
import StreamStorage

/// `shardline stream delete`
struct StreamDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete a stream with all its records and mappings, for good.",
        discussion: """
            The streams that took what its mappings have given up stay. While a mapping of the stream runs it is not \
            deleted; with --force it is, and what runs ends with an error.

            Example:
              shardline stream delete clicks
            """)

    @Argument(help: "The stream's name.")
    var name: String

    @Flag(help: "Delete it also while a mapping of it runs.")
    var force = false

    @OptionGroup var store: StoreOptions

    func run() async throws {
        let report = try await withStore(store) { store in
            let stream = try await store.describeStream(name)
            let mappings = try await store.listMappings(of: name)
            if !force, let running = mappings.first(where: \.isClaimed) {
                throw CommandFailure(
                    .busy,
                    "the mapping '\(running.key.name)' of '\(name)' is running: end its process first, or delete the stream under it with --force"
                )
            }
            let others = Set(try await store.listStreams().map(\.name)).subtracting([name])
            try await store.deleteStream(name)
            return Self.report(of: stream, mappings, others: others)
        }
        Output.error.say(report)
    }

    /// What went with the stream, and what stays.
    static func report(
        of stream: StreamDescription, _ mappings: [MappingDescription], others: Set<String>
    ) -> String {
        var text =
            "deleted the stream '\(stream.name)' with \(Readable.count(stream.recordCount, "record"))"
        if mappings.isEmpty {
            text += "; it had no mappings"
        } else {
            text += " and the \(mappings.count == 1 ? "mapping" : "mappings") "
            text += mappings.map { "'\($0.key.name)'" }.joined(separator: ", ")
        }
        let kept = Set(
            mappings.compactMap { mapping in
                (try? EventSourceMapping.Configuration(json: mapping.configuration))?
                    .failureStream(of: stream.name, mapping: mapping.key.name)
            }
        ).intersection(others)
        if !kept.isEmpty {
            text += "; what was given up stays in \(kept.sorted().map { "'\($0)'" }.joined(separator: ", "))"
        }
        return text
    }
}

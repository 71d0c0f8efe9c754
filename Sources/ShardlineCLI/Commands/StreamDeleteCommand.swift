import ArgumentParser
import EventSource
import StreamModel
import StreamStorage

/// `shardline stream delete`
struct StreamDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete a stream with all its records and mappings, permanently.",
        discussion: """
            The streams that hold what its mappings have given up stay. While a mapping of the stream runs, or a running \
            mapping gives up to it, the stream is not deleted; with --force it is, and that mapping ends with an error.

            On a terminal it says what goes and asks first. --yes answers that; where there is no terminal, as in a \
            script, nothing is asked.

            Examples:
              shardline stream delete clicks
              shardline stream delete clicks --yes
            """)

    @Argument(help: "The stream's name.")
    var name: String

    @Flag(help: "Delete it also while a running mapping reads it or gives up to it.")
    var force = false

    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        var asked: StreamDescription?
        let confirmation = Confirmation(confirmation)
        if confirmation.isNeeded {
            let (stream, mappings) = try await withStore(store) { try await found(in: $0) }
            asked = stream
            try await confirmation.confirm(
                "delete the stream \(Self.content(of: stream, mappings)), permanently?",
                otherwise: "nothing was deleted")
        }
        let report = try await withStore(store) { [asked] store in
            let (stream, mappings) = try await found(in: store)
            guard asked == nil || asked?.id == stream.id else {
                throw CommandFailure(
                    .failed, "the stream '\(name)' is another one than it was at the question; nothing was deleted")
            }
            let others = Set(try await store.listStreams().map(\.name)).subtracting([name])
            do { try await store.deleteStream(name, force: force) } catch let error as ShardlineError
                where error.code == .mappingBusy
            { throw Self.busy(error) }
            return Self.report(of: stream, mappings, others: others)
        }
        Output.error.say(report)
    }

    /// The stream and its mappings. Throws where one of them runs and the stream may not be deleted under it.
    private func found(in store: some StoreEngine) async throws -> (StreamDescription, [MappingDescription]) {
        let stream = try await store.describeStream(name)
        let mappings = try await store.listMappings(of: name)
        // The store refuses it too; nobody is to be asked without effect.
        if !force, let running = mappings.first(where: \.isClaimed) { throw Self.busy(.isRunning(running.key)) }
        return (stream, mappings)
    }

    private static func busy(_ error: ShardlineError) -> CommandFailure {
        CommandFailure(.busy, "\(error.message) (--force)")
    }

    /// The stream with what goes together with it.
    static func content(of stream: StreamDescription, _ mappings: [MappingDescription]) -> String {
        let records = "'\(stream.name)' with \(Readable.count(stream.recordCount, "record"))"
        if mappings.isEmpty { return records }
        return
            "\(records) and the \(mappings.count == 1 ? "mapping" : "mappings") "
            + mappings.map { "'\($0.key.name)'" }.joined(separator: ", ")
    }

    /// What went with the stream, and what stays.
    static func report(
        of stream: StreamDescription, _ mappings: [MappingDescription], others: Set<String>
    ) -> String {
        var text = "deleted the stream \(content(of: stream, mappings))"
        if mappings.isEmpty { text += "; it had no mappings" }
        let kept = Set(
            mappings.compactMap { mapping in
                (try? StoredSettings(json: mapping.configuration))?.failureStream(of: mapping.key)
            }
        ).intersection(others)
        if !kept.isEmpty {
            text += "; what was given up stays in \(kept.sorted().map { "'\($0)'" }.joined(separator: ", "))"
        }
        return text
    }
}

import ArgumentParser
import DataFormats
import EventSource
import StreamModel
import StreamStorage

/// The options of commands that split and merge shards.
struct ReshardingOptions: ParsableArguments {
    @Flag(help: "Say which shards would be closed and opened, and change nothing.")
    var dryRun = false

    @Flag(help: "Print one JSON object: the shards that were closed, and those that were opened.")
    var json = false

    /// Changes the stream's shards, or with `--dry-run` only says what that would be.
    func run(
        _ name: String, _ options: StoreOptions,
        plan: @Sendable (StreamDescription) throws -> ReshardingPlan,
        change: @Sendable (RecordStream) async throws -> ReshardingResult
    ) async throws {
        let report = try await withStore(options) { store in
            guard dryRun else {
                return ReshardingReport(try await change(store.stream(name)))
            }
            let stream = try await store.describeStream(name)
            return ReshardingReport(try plan(stream), of: stream)
        }
        if json { try Output.standard.write(json: report.json.bytes + [UInt8(ascii: "\n")]) }
        Output.error.say(report.words)
    }
}

#if Server
import DataFormats
import StreamModel
import Synchronization
import ThroughputBench

/// A bench of a server of the Kinesis API: a stream is made there, written, read and deleted.
package struct EndpointBench: Sendable {
    /// How the server is measured.
    package struct Settings: Sendable {
        /// Whether bodies are CBOR; otherwise JSON.
        package var usesCBOR = false
        /// Whether records are read by SubscribeToShard; otherwise by GetRecords.
        package var subscribes = false
        /// The server's process, whose processor time is reported; nil: none is.
        package var server: Int32?
        /// The stream's name, which must be of no stream there.
        package var stream: String

        package init(stream: String) { self.stream = stream }
    }

    /// The most records of a PutRecords.
    package static let maximumBatch = 500

    private let bench: BenchSettings
    private let settings: Settings
    private let transport: any Transport
    private let client: KinesisClient
    private let stream: EndpointStream
    /// Whether there may be a stream to delete.
    private let isMade = Flag()

    private final class Flag: Sendable {
        let value = Atomic(false)
    }

    /// Throws `invalidArgument` with every value outside its limits.
    package init(
        _ bench: BenchSettings, _ settings: Settings, transport: any Transport, timeSource: any TimeSource
    ) throws {
        try Self.validate(bench)
        self.bench = bench
        self.settings = settings
        self.transport = transport
        client = KinesisClient(
            format: settings.usesCBOR ? .cbor : .json, transport: transport, timeSource: timeSource)
        stream = EndpointStream(client: client, name: settings.stream, shards: bench.shards)
    }

    /// Throws `invalidArgument` with every value that no bench of a server can have.
    package static func validate(_ bench: BenchSettings, size: String? = nil) throws {
        try bench.validate(size: size)
        guard bench.batch <= maximumBatch else {
            throw ShardlineError(
                .invalidArgument, "--batch \(bench.batch) (allowed with --endpoint: 1 to \(maximumBatch))")
        }
    }

    /// How many connections a run needs at once. Readers that ask share them; a subscription holds one.
    package static func connections(_ bench: BenchSettings, subscribes: Bool) -> Int {
        (subscribes ? bench.shards : min(bench.shards, 32)) + bench.producers + 4
    }

    /// Makes the stream, runs, and returns the report. Call ``end()`` afterwards, however it ended.
    ///
    /// - Parameter endpoint: the server's URL, for the report.
    package func run(at endpoint: String, _ progress: BenchProgress = BenchProgress()) async throws -> BenchReport {
        var stream = stream
        isMade.value.store(true, ordering: .relaxed)
        do {
            try await stream.create()
        } catch {
            isMade.value.store(Task.isCancelled, ordering: .relaxed)
            throw error
        }
        if settings.subscribes { stream.consumer = try await stream.registerConsumer() }
        var report = try await ReadingRun(bench, of: stream, server: settings.server).run(progress)
        report.endpoint = endpoint
        report.reader = settings.subscribes ? "SubscribeToShard" : "GetRecords"
        report.retries = client.retries.count
        report.durability = "the server's"
        return report
    }

    /// Deletes the stream and closes the connections; returns why the stream was not deleted, where it was made.
    package func end() async -> String? {
        var failure: String?
        if isMade.value.load(ordering: .relaxed) {
            do {
                try await stream.delete()
            } catch {
                failure = "\(error)"
            }
        }
        try? await transport.close()
        return failure
    }
}
#endif

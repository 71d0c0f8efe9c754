#if Server
import DiskAccess
import EndpointBench
import StreamModel
import ThroughputBench

/// One run of `bench --endpoint`: a stream of its own on the server, and a bar that shows how far it is.
struct EndpointBenchRunner: Sendable {
    let bench: BenchSettings
    let endpoint: EndpointURL
    let settings: EndpointBench.Settings
    /// Signs requests; nil: they bear a signature that nobody has computed.
    let key: RequestSigner.Key?
    let region: String

    /// Runs, and deletes the stream.
    func run() async throws -> BenchReport {
        let timeSource = SystemTimeSource()
        let transport = HTTPTransport(
            endpoint, signer: RequestSigner(key: key, region: region, timeSource: timeSource),
            connections: EndpointBench.connections(bench, subscribes: settings.subscribes))
        let run = try EndpointBench(bench, settings, transport: transport, timeSource: timeSource)
        let result: Result<BenchReport, any Error>
        do {
            result = .success(
                try await BenchRunner.running(bench.records) { try await run.run(at: endpoint.text, $0) })
        } catch {
            result = .failure(error)
        }
        if let failure = await run.end() {
            Output.error.say("the stream '\(settings.stream)' was not deleted: \(failure)")
        }
        return try result.get()
    }

    /// A name that no stream has.
    static func streamName() -> String {
        let digits = String(UInt32.random(in: 0...UInt32.max), radix: 16)
        return "bench-" + String(repeating: "0", count: 8 - digits.utf8.count) + digits
    }
}
#endif

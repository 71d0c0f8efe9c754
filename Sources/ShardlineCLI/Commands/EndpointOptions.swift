import ArgumentParser
import Foundation
import StreamModel
import ThroughputBench

#if Server
import EndpointBench
#endif

/// The options of `bench` for a server of the Kinesis API.
struct EndpointOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Measure this server of the Kinesis API in place of a store of this process, such as http://127.0.0.1:4567.",
            valueName: "url"))
    var endpoint: String?

    @Flag(help: "With --endpoint: bodies in CBOR 1.1. Default: in JSON 1.1.")
    var cbor = false

    @Flag(help: "With --endpoint: records are pushed by SubscribeToShard. Default: readers ask by GetRecords.")
    var subscribe = false

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "With --endpoint: the server's process on this machine; its CPU time is reported.", valueName: "pid"),
        transform: Amounts.wholeNumber)
    var serverPid: Int?

    /// - Parameter others: options that were given and say something about a store of this process.
    func validate(beside others: [String]) throws {
        guard endpoint != nil else {
            guard !cbor, !subscribe, serverPid == nil else {
                throw ValidationError("--cbor, --subscribe and --server-pid are for a server; give its --endpoint URL")
            }
            return
        }
        guard others.isEmpty else {
            throw ValidationError(
                "with --endpoint the store is the server's, and no mapping consumes; leave out \(others.joined(separator: ", "))"
            )
        }
        if let serverPid {
            guard serverPid > 0, serverPid <= Int(Int32.max) else {
                throw ValidationError("--server-pid \(serverPid) (allowed: the number of a process)")
            }
        }
    }

    /// Throws what is wrong with an endpoint and with settings for it; nothing without one.
    func validate(_ settings: BenchSettings) throws {
        guard let endpoint else { return }
        #if Server
        _ = try EndpointURL(endpoint)
        try EndpointBench.validate(settings)
        #else
        throw CommandFailure(
            .usage,
            "--endpoint \(endpoint): this shardline was built without what speaks HTTP; in its source folder, `make install` builds and installs one that has it"
        )
        #endif
    }

    /// Runs once.
    func report(_ bench: BenchSettings) async throws -> BenchReport {
        #if Server
        var settings = EndpointBench.Settings(stream: EndpointBenchRunner.streamName())
        settings.usesCBOR = cbor
        settings.subscribes = subscribe
        settings.server = serverPid.map(Int32.init)
        let variables = ProcessInfo.processInfo.environment.filter { !$0.value.isEmpty }
        var key: RequestSigner.Key?
        if let id = variables["AWS_ACCESS_KEY_ID"], let secret = variables["AWS_SECRET_ACCESS_KEY"] {
            key = RequestSigner.Key(id: id, secret: secret, sessionToken: variables["AWS_SESSION_TOKEN"])
        }
        return try await EndpointBenchRunner(
            bench: bench, endpoint: EndpointURL(endpoint ?? ""), settings: settings, key: key,
            region: variables["AWS_REGION"] ?? variables["AWS_DEFAULT_REGION"] ?? "us-east-1"
        ).run()
        #else
        try validate(bench)
        throw CancellationError()
        #endif
    }
}

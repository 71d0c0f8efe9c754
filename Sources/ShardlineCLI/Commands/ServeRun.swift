#if Server
import Configuration
import DiskAccess
import Foundation
import KinesisServer
import Logging
import Metrics
import ServiceLifecycle

/// Runs a server on the store of a command, until it is interrupted.
struct ServeRun {
    let options: ServeOptions
    let store: StoreOptions
    var output = Output.standard
    var errors = Output.error

    func run() async throws {
        // All that can be wrong is said before a store is opened or made.
        let path = options.config
        var file: (path: String, values: [(name: String, value: String)])?
        if let path { file = (path, try await SettingsFile.read(path)) }
        let configuration = try await ServeSettings(
            options: options.given,
            environment: EnvironmentVariablesProvider(
                environmentVariables: ProcessInfo.processInfo.environment.filter { !$1.isEmpty }),
            file: file
        ).configuration()
        let interruption = Interruption.ofProcess
        let metrics = PrometheusMetrics()
        MetricsSystem.bootstrap(metrics)
        ProcessUsage.raiseOpenFileLimit()
        let logger = store.logger
        try await withStore(store, as: .owner, mayCreate: true) { engine in
            let server = KinesisServer(store: engine, configuration: configuration, metrics: metrics, logger: logger)
            let group = ServiceGroup(services: [server], logger: quiet(logger))
            try await withThrowingTaskGroup(of: Bool.self) { tasks in
                tasks.addTask {
                    try await group.run()
                    return true
                }
                tasks.addTask { [output] in
                    // What keeps it from listening is thrown by the group.
                    guard let endpoints = try? await server.endpoints() else { return false }
                    try Self.greet(endpoints, configuration, output)
                    return false
                }
                tasks.addTask { [errors] in
                    await interruption.wait()
                    guard interruption.isInterrupted else { return false }
                    errors.say("ending when running requests are done; Ctrl-C again ends at once")
                    await group.triggerGracefulShutdown()
                    return false
                }
                defer { tasks.cancelAll() }
                while let isOver = try await tasks.next(), !isOver {}
            }
        }
    }

    /// The group's own messages are those of a library.
    private func quiet(_ logger: Logger) -> Logger {
        var logger = logger
        logger.logLevel = max(logger.logLevel, .error)
        return logger
    }

    /// Prints where clients find the server: as soon as it listens, and only then (API-P-10).
    private static func greet(
        _ endpoints: [KinesisServer.Endpoint], _ configuration: KinesisServer.Configuration, _ output: Output
    ) throws {
        for endpoint in endpoints { try output.line("listening on \(endpoint.url)") }
        guard let first = endpoints.first else { return }
        try output.line("export AWS_ENDPOINT_URL_KINESIS=\(first.url)")
        try output.line("export AWS_REGION=\(configuration.region) AWS_DEFAULT_REGION=\(configuration.region)")
        // With keys of its own the server knows no others.
        if configuration.credentials == nil {
            try output.line("export AWS_ACCESS_KEY_ID=shardline AWS_SECRET_ACCESS_KEY=shardline")
        }
    }
}
#endif

import Logging
import ServiceLifecycle
import Shardline
import UnixSignals

/// The service of the page "Reading and operating from Swift".
func keepProducer(on store: SegmentStore, enqueue: (Producer) async throws -> Void) async throws {
    let producer = try await Producer(to: store.stream("orders"))
    let services = ServiceGroup(
        configuration: .init(
            services: [store, producer], gracefulShutdownSignals: [.sigint, .sigterm], logger: Logger(label: "orders")))
    async let running: Void = services.run()
    try await enqueue(producer)
    await services.triggerGracefulShutdown()
    try await running
}

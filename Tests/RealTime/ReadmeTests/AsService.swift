import Logging
import ServiceLifecycle
import Shardline
// For `.sigint`: in a package without the upcoming feature MemberImportVisibility ServiceLifecycle brings it.
import UnixSignals

/// The README's service.
func runAsService(_ store: SegmentStore, _ delays: EventSourceMapping) async throws {
    let services = ServiceGroup(
        configuration: .init(
            services: [store, delays], gracefulShutdownSignals: [.sigint, .sigterm],
            logger: Logger(label: "flights")))
    try await services.run()
}

import DiskAccess
import Logging
import SegmentStorage
import StreamModel

extension SegmentStore {
    /// As a store is opened below the room StoreAccess: nobody is asked for it.
    static func open(
        at path: String, configuration: Configuration = Configuration(),
        timeSource: any TimeSource = SystemTimeSource(), logger: Logger = Logger(label: "shardline.store")
    ) async throws -> SegmentStore {
        try await openIfFree(at: path, configuration: configuration, timeSource: timeSource, logger: logger)
    }
}

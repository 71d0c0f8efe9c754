import DiskAccess

extension SegmentStore {
    /// What the store has done since it was opened, and what it takes on the disk now.
    ///
    /// Looks at the directory, so it is for reports, not for a loop. Throws `notAccessible` where it can't be read.
    public func statistics() async throws -> StoreStatistics {
        let parts = parts
        return try await BlockingThreads.shared.run {
            var statistics = parts.counters.statistics
            statistics.syncs = parts.ring.syncs
            statistics.liveJournalBytes = parts.ring.liveBytes
            statistics.reservedJournalBytes = parts.ring.bytesInUse + parts.ring.bytesFree - statistics.liveJournalBytes
            try describing("measuring the store '\(parts.directory)'") {
                statistics.segmentBytes = try parts.size(in: parts.directory + "/" + StoreLayout.segmentFolder) { _ in
                    true
                }
                statistics.metadataBytes = try parts.size(in: parts.directory) { $0.hasPrefix("metadata.sqlite") }
            }
            return statistics
        }
    }
}

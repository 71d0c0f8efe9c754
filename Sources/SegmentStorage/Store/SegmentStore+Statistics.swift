import DiskAccess

extension SegmentStore {
    /// What the store has done since it was opened, and the space that it takes on the disk now.
    ///
    /// Lists the directory, so it is for reports, not for a loop. Throws `notAccessible` where the directory can't be
    /// read.
    public func statistics() async throws -> StoreStatistics {
        let core = core
        return try await BlockingThreads.shared.run {
            var statistics = core.counters.statistics
            statistics.syncs = core.ring.syncs
            statistics.liveJournalBytes = core.ring.liveBytes
            statistics.reservedJournalBytes = core.ring.bytesInUse + core.ring.bytesFree - statistics.liveJournalBytes
            try describing("measuring the store '\(core.directory)'") {
                statistics.segmentBytes = try core.size(in: core.directory + "/" + StoreLayout.segmentFolder) { _ in
                    true
                }
                statistics.metadataBytes = try core.size(in: core.directory) { $0.hasPrefix(StoreLayout.metadataFile) }
            }
            return statistics
        }
    }
}

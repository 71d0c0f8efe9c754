extension EventSourceMapping.Configuration {
    /// The settings for a lane.
    package func laneSettings(
        hasDestination: Bool, payload: LaneCore.PayloadMeasure?, filter: RecordFilter?
    ) -> LaneCore.Settings {
        var settings = LaneCore.Settings()
        settings.batchSize = batchSize
        settings.batchWindow = batchWindow
        settings.parallelizationFactor = parallelizationFactor
        settings.tumblingWindow = tumblingWindow
        settings.maximumUnsavedUnits = maximumUncheckpointedBatches
        settings.maximumRetryAttempts = maximumRetryAttempts
        settings.maximumRecordAge = maximumRecordAge
        settings.parksKeys = whenExhausted == .parkKey
        settings.pausesShard = whenExhausted == .pauseShard
        settings.maximumParkedRecordsPerKey = maximumParkedRecordsPerKey
        settings.maximumParkedRecords = maximumParkedRecords
        settings.bisectsOnError = bisectOnError
        settings.reportsFailures = reportsBatchItemFailures
        settings.hasDestination = hasDestination
        settings.payload = payload
        settings.filter = filter
        settings.backOff.first = backOff.first
        settings.backOff.longest = backOff.longest
        return settings
    }

    /// The filters, compiled; nil if there are none. Throws `invalidArgument` if one is not valid.
    ///
    /// - Parameter source: the stream that the records are from.
    package func recordFilter(of source: RecordFilter.Source) throws -> RecordFilter? {
        guard !filters.isEmpty else { return nil }
        return try RecordFilter(patterns: filters.map(\.json), source: source)
    }
}

extension EventSourceMapping.Configuration {
    /// The settings for a lane.
    package func laneSettings(hasDestination: Bool, payload: LaneCore.PayloadMeasure?) -> LaneCore.Settings {
        var settings = LaneCore.Settings()
        settings.batchSize = batchSize
        settings.batchWindow = batchWindow
        settings.parallelizationFactor = parallelizationFactor
        settings.maximumRetryAttempts = maximumRetryAttempts
        settings.maximumRecordAge = maximumRecordAge
        settings.bisectsOnError = bisectOnError
        settings.reportsFailures = reportsBatchItemFailures
        settings.hasDestination = hasDestination
        settings.payload = payload
        settings.backOff.first = backOff.first
        settings.backOff.longest = backOff.longest
        return settings
    }
}

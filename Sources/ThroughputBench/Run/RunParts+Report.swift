import DiskAccess

extension BenchRun.Parts {
    /// With ``BenchSettings/consumesFromHalf``: returns when half of the records were put.
    func waitForHalf() async throws {
        guard settings.consumesFromHalf else { return }
        while progress.acknowledgedCount < settings.records / 2 {
            try await clock.sleep(until: clock.now + 1_000_000)
        }
    }

    /// What every run reports.
    ///
    /// - Parameter readers: how many have read all records.
    func report(readers: Int, processorSeconds: Double, _ usage: ProcessUsage) -> BenchReport {
        let seconds = max(Double(max(progress.lastDeliveryTime, progress.lastPutTime)) / 1e9, 1e-9)
        var report = BenchReport()
        report.records = settings.records
        report.recordBytes = workload.size
        report.shards = settings.shards
        report.producers = settings.producers
        report.batch = settings.batch
        report.rate = settings.rate
        report.putRecordsPerS = Double(progress.acknowledgedCount) / max(Double(progress.lastPutTime) / 1e9, 1e-9)
        report.consumedRecordsPerS = Double(progress.deliveredCount / readers) / seconds
        report.mbPerS = report.consumedRecordsPerS * Double(report.recordBytes) / 1e6
        report.putAckMs = acknowledgements.summary
        report.latencyMs = latencies.summary
        report.cpuUsPerRecord = processorSeconds / Double(settings.records) * 1e6
        report.ordered = [.order, .wrongShard].allSatisfy { findings.count(of: $0) == 0 }
        report.lost = findings.count(of: .lost)
        report.duplicates = findings.count(of: .duplicate)
        report.peakRssBytes = usage.peakResidentBytes
        report.seconds = seconds
        report.violations = findings.first.map(\.description)
        return report
    }
}

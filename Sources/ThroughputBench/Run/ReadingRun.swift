import DiskAccess
import StreamModel

/// One run on an empty stream that another process serves: producers put, one reader a shard takes, and every record is
/// judged.
package struct ReadingRun: Sendable {
    private let settings: BenchSettings
    private let stream: any MeasuredStream
    private let server: Int32?

    /// - Parameters:
    ///   - stream: an empty stream with the settings' number of shards.
    ///   - server: the process whose processor time is reported; nil: none.
    package init(_ settings: BenchSettings, of stream: any MeasuredStream, server: Int32? = nil) throws {
        try settings.validate()
        self.settings = settings
        self.stream = stream
        self.server = server
    }

    /// Runs, and returns the report. A log that loses or reorders records is not an error here: the report says so. Throws
    /// the stream's errors.
    package func run(_ progress: BenchProgress = BenchProgress()) async throws -> BenchReport {
        let workload = Workload(settings.data, shards: settings.shards)
        let findings = Findings()
        let ledgers = (0..<settings.shards).map { ShardLedger(shard: ShardID(UInt32($0)), findings: findings) }
        let serverBefore = try serverSeconds()
        ProcessUsage.forgetPeak()
        let before = ProcessUsage.now
        let stream = stream
        let parts = BenchRun.Parts(
            settings: settings, workload: workload, put: { try await stream.put($0) },
            clock: RunClock(stream.timeSource), progress: progress, findings: findings, ledgers: [ledgers])
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for shard in 0..<settings.shards {
                group.addTask {
                    try await read(ShardID(UInt32(shard)), parts)
                    return false
                }
            }
            group.addTask {
                try await produce(parts)
                return true
            }
            while let isOver = try await group.next() {
                if isOver { group.cancelAll() }
            }
        }
        try Task.checkCancellation()
        let after = ProcessUsage.now
        let serverAfter = try serverSeconds()
        for ledger in ledgers { ledger.finish() }
        var report = parts.report(
            readers: 1, processorSeconds: after.processorSeconds - before.processorSeconds, after)
        if let serverBefore, let serverAfter {
            report.serverCpuS = serverAfter - serverBefore
            report.serverCpuUsPerRecord = (serverAfter - serverBefore) / Double(settings.records) * 1e6
        }
        return report
    }

    private func serverSeconds() throws -> Double? {
        guard let server else { return nil }
        guard let seconds = ProcessUsage.processorSeconds(of: server) else {
            throw ShardlineError(
                .invalidArgument, "--server-pid \(server): there is no such process (allowed: that of the server)")
        }
        return seconds
    }

    /// Returns when the task is cancelled.
    private func read(_ shard: ShardID, _ parts: BenchRun.Parts) async throws {
        do {
            try await parts.waitForHalf()
            var function = JudgingFunction(shard, of: parts, for: 0)
            try await stream.read(shard) { function.receive($0) }
            // Its end was noticed before the last record came.
            try Task.checkCancellation()
            throw ShardlineError(.readFailed, "\(shard) has ended, although nobody has closed it")
        } catch  where Task.isCancelled {
            return
        }
    }

    /// Returns when all records are read, or when none has come for the settings' patience.
    private func produce(_ parts: BenchRun.Parts) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<settings.producers {
                group.addTask {
                    var producer = BenchProducer(number, of: parts)
                    try await producer.run()
                }
            }
            for try await _ in group {}
        }
        var seen = parts.progress.deliveredCount
        var since = parts.clock.now
        while parts.progress.deliveredCount < settings.records {
            let now = parts.clock.now
            if parts.progress.deliveredCount != seen {
                seen = parts.progress.deliveredCount
                since = now
            }
            guard now - since <= settings.patience.nanoseconds else { return }
            try await parts.clock.sleep(until: now + 2_000_000)
        }
    }
}

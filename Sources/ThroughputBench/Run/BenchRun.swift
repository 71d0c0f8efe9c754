import DiskAccess
import EventSource
import Logging
import StreamModel
import StreamStorage

/// One run of a bench on an empty store: producers put, a mapping consumes, and every delivered record is judged.
package struct BenchRun: Sendable {
    /// The state that the parts of a run share.
    struct Parts: Sendable {
        let settings: BenchSettings
        let workload: Workload
        /// Puts records; one receipt for each record, in their order.
        let put: @Sendable ([NewRecord]) async throws -> [PutReceipt]
        let clock: RunClock
        let progress: BenchProgress
        let findings: Findings
        /// For each mapping, the ledger of each shard.
        let ledgers: [[ShardLedger]]
        let acknowledgements = Latencies()
        let latencies = Latencies()
        /// The health of the user's function.
        let health = FunctionHealth()

        func judge(of shard: ShardID, for mapping: Int) -> ShardJudge {
            ShardJudge(
                shard: shard, workload: workload, producers: workload.isGiven ? 1 : settings.producers,
                findings: findings, ledger: ledgers[mapping][Int(shard.number)])
        }
    }

    /// The name of the stream that a run creates.
    package static let stream = "bench"
    /// The name of the mapping that a run creates.
    package static let mapping = "bench"

    private let settings: BenchSettings
    private let store: any StoreEngine
    private let function: (any OutsideFunction)?
    private let logger: Logger

    /// - Parameters:
    ///   - store: where the run creates its stream and its mapping.
    ///   - function: consumes the records; nil: only the judge does.
    package init(
        _ settings: BenchSettings, on store: any StoreEngine, function: (any OutsideFunction)? = nil,
        logger: Logger = Logger(label: "shardline.bench")
    ) throws {
        try settings.validate()
        self.settings = settings
        self.store = store
        self.function = function
        self.logger = logger
    }

    /// Runs, and returns the report. The caller adds the figures of the disk.
    ///
    /// A log that loses or reorders records is not an error here: the report says so. Throws the store's errors.
    package func run(_ progress: BenchProgress = BenchProgress()) async throws -> BenchReport {
        let workload = Workload(settings.data, shards: settings.shards)
        try await store.createStream(Self.stream, shards: settings.shards)
        let findings = Findings()
        let stream = store.stream(Self.stream)
        ProcessUsage.forgetPeak()
        let before = ProcessUsage.now
        let parts = Parts(
            settings: settings, workload: workload, put: { try await stream.put(contentsOf: $0) },
            clock: RunClock(store.timeSource), progress: progress, findings: findings,
            ledgers: (0..<settings.mappings).map { _ in
                (0..<settings.shards).map { ShardLedger(shard: ShardID(UInt32($0)), findings: findings) }
            })
        var mappings: [EventSourceMapping] = []
        var functions: [JudgedFunction] = []
        for number in 0..<settings.mappings {
            let made = try await mapping(number, of: stream, for: parts)
            mappings.append(made.mapping)
            if let function = made.function { functions.append(function) }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for mapping in mappings { group.addTask { try await consume(mapping, parts) } }
            group.addTask { [mappings] in try await produce(parts, then: mappings) }
            for try await _ in group {}
        }
        let after = ProcessUsage.now
        for function in functions { function.finish() }
        let unfinished = parts.health.isHopeless ? max(0, total - handled(parts, mappings)) : 0
        // After a run that was stopped, missing records prove nothing.
        if unfinished == 0 { for ledger in parts.ledgers.joined() { ledger.finish() } }
        return report(
            parts, mappings, unfinished: unfinished,
            processorSeconds: after.processorSeconds - before.processorSeconds, after)
    }

    private func mapping(
        _ number: Int, of stream: RecordStream, for parts: Parts
    ) async throws -> (mapping: EventSourceMapping, function: JudgedFunction?) {
        let name = number == 0 ? Self.mapping : "\(Self.mapping)-\(number + 1)"
        var configuration = EventSourceMapping.Configuration()
        if let size = settings.consumerBatch { configuration.batchSize = size }
        configuration.parallelizationFactor = settings.parallelizationFactor
        if let function {
            configuration.backOff = .init(first: settings.retryPause, longest: max(settings.retryPause, .seconds(1)))
            let judged = JudgedFunction(
                function, of: parts, for: number, reportsFailures: configuration.reportsBatchItemFailures)
            let mapping = try await EventSourceMapping(
                name, from: stream, configuration: configuration, logger: logger, outsideFunction: judged)
            return (mapping, judged)
        }
        let mapping = try await EventSourceMapping(
            name, from: stream, configuration: configuration, logger: logger
        ) { shard in JudgingFunction(shard, of: parts, for: number) }
        return (mapping, nil)
    }

    /// The records that all mappings have to handle, in total.
    private var total: Int { settings.records * settings.mappings }

    /// Records that are done or given up. The bench's own function gives up none.
    private func handled(_ parts: Parts, _ mappings: [EventSourceMapping]) -> Int {
        let done = parts.progress.deliveredCount
        return function == nil ? done : mappings.reduce(done) { $0 + $1.statistics.givenUp }
    }

    private func consume(_ mapping: EventSourceMapping, _ parts: Parts) async throws {
        try await parts.waitForHalf()
        try await mapping.run(until: .stopped)
    }

    private func produce(_ parts: Parts, then mappings: [EventSourceMapping]) async throws {
        // However it ends, the mappings must be stopped, or they would be waited for forever.
        defer {
            let grace: Duration? = parts.health.isHopeless ? .zero : nil
            for mapping in mappings { mapping.triggerGracefulShutdown(grace: grace) }
        }
        try await put(parts)
        var seen = (handled: 0, invocations: 0)
        var since = parts.clock.now
        while !parts.health.isHopeless {
            let now = (handled: handled(parts, mappings), invocations: parts.health.endedCount)
            guard now.handled < total else { break }
            if now != seen { since = parts.clock.now }
            seen = now
            if parts.clock.now - since > settings.patience.nanoseconds {
                parts.health.nothingHappens(for: settings.patience)
                break
            }
            try await parts.clock.sleep(until: parts.clock.now + 2_000_000)
        }
    }

    /// Returns when everything is put, or when putting more is pointless.
    private func put(_ parts: Parts) async throws {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<settings.producers {
                group.addTask {
                    var producer = BenchProducer(number, of: parts)
                    try await producer.run()
                    return true
                }
            }
            group.addTask {
                await parts.health.waitUntilHopeless()
                return false
            }
            var left = settings.producers
            while left > 0, try await group.next() == true { left -= 1 }
            // Cancels the other side: the wait for the function's health, or the producers.
            group.cancelAll()
        }
        try Task.checkCancellation()
    }

    private func report(
        _ parts: Parts, _ mappings: [EventSourceMapping], unfinished: Int, processorSeconds: Double,
        _ usage: ProcessUsage
    ) -> BenchReport {
        let statistics = mappings.map(\.statistics)
        var report = parts.report(readers: mappings.count, processorSeconds: processorSeconds, usage)
        report.consumerBatch = mappings[0].configuration.batchSize
        report.parallelizationFactor = settings.parallelizationFactor
        report.mappings = mappings.count
        report.invocations = statistics.reduce(0) { $0 + $1.invocations }
        report.failedInvocations = statistics.reduce(0) { $0 + $1.errors }
        report.givenUp = statistics.reduce(0) { $0 + $1.givenUp }
        report.unfinished = unfinished
        report.functionError = parts.health.failure
        return report
    }
}

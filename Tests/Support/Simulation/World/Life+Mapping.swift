import EventSource
import SegmentStorage
import ShardlineTesting
import StreamModel
import StreamStorage

extension Life {
    func makeMapping(_ name: String) async throws -> EventSourceMapping {
        let settings = world.history.settings
        var configuration = EventSourceMapping.Configuration()
        configuration.batchSize = settings.batchSize
        configuration.batchWindow = .milliseconds(settings.batchWindow)
        // At the end what paused a shard is given up, which other lanes would try again.
        let factor = world.nextFactor(of: name, staysSame: isFinal && settings.pausesShards)
        configuration.parallelizationFactor = factor
        if !settings.droppedKeys.isEmpty {
            let keys = settings.droppedKeys.sorted().map { "\"\($0)\"" }.joined(separator: ",")
            configuration.filters = [FilterPattern("{\"partitionKey\":[{\"anything-but\":[\(keys)]}]}")]
        }
        configuration.maximumRetryAttempts = settings.retries
        if settings.parksKeys { configuration.whenExhausted = .parkKey }
        if settings.pausesShards { configuration.whenExhausted = .pauseShard }
        configuration.bisectOnError = settings.bisects
        configuration.reportsBatchItemFailures = settings.reports
        configuration.concurrency = settings.concurrency
        configuration.backOff = .init(first: .milliseconds(10), longest: .milliseconds(100))
        configuration.functionTimeout = .milliseconds(200)
        configuration.shutdownGrace = .milliseconds(100)
        var destination: FileDestination?
        if name == World.allMappings[1] {
            let file = FileDestination(path: World.destination, fileSystem: world.disk, threads: world.threads)
            try await file.open()
            destination = file
        }
        guard settings.tumblingWindow > 0 else {
            return try await EventSourceMapping(
                name, from: store.stream(World.stream), configuration: configuration, destination: destination,
                logger: world.logger, seed: world.history.seed, workers: settings.workers
            ) { [self] batch, context in
                var state: [UInt64]?
                try await handle(batch, context, factor: factor, state: &state)
            }
        }
        configuration.tumblingWindow = .milliseconds(settings.tumblingWindow)
        return try await EventSourceMapping(
            name, from: store.stream(World.stream), configuration: configuration, destination: destination,
            logger: world.logger, seed: world.history.seed, workers: settings.workers, windowState: [UInt64]()
        ) { [self] batch, state, context in
            var covered: [UInt64]? = state
            defer { state = covered ?? state }
            try await handle(batch, context, factor: 1, state: &covered)
        } windowEnd: { [self] state, window, context in
            try endWindow(window, state, context)
        }
    }

    private func endWindow(_ window: TumblingWindow, _ state: [UInt64], _ context: InvocationContext) throws {
        let shard = Judge.Shard(world.judge.streamOfPuts, Int(context.shard.number))
        let bounds = window.start.milliseconds..<window.end.milliseconds
        world.tell { $0.ends(bounds, of: context.mapping, shard, state: state) }
        // Where it may be tried often enough, the first call fails.
        if world.history.settings.retries == 2, context.attempt == 1 { throw Refusal(record: 0) }
        world.tell { $0.ended(bounds, of: context.mapping, shard) }
    }

    /// The function: what it does with a record follows from the record's number.
    ///
    /// With windows, `state` has the records that the window covers, and gets those that it does.
    private func handle(
        _ batch: RecordBatch, _ context: InvocationContext, factor: Int, state: inout [UInt64]?
    ) async throws {
        let name = context.mapping
        // Nobody recreates the stream before the runs on the old one have ended.
        let shard = Judge.Shard(world.judge.streamOfPuts, Int(context.shard.number))
        let items = batch.compactMap(Records.item)
        guard items.count == batch.count else { return world.fail("\(name) got data of \(shard) that nobody put") }
        let checkpoint = try await store.describeMapping(MappingID(stream: World.stream, name: name)).checkpoints
            .first { $0.shard == context.shard }
        let position = checkpoint?.position.rawValue ?? 0
        try checkPause(of: name, checkpoint)
        if world.history.settings.addsRecords { try addRecords(for: batch, items, context) }
        // Which factor is in force at this moment the function can't know.
        let lanes = world.history.changesFactor ? 0 : factor
        let isRedrive = context.isRedrive
        if isRedrive {
            world.tell { $0.redrives(name, shard, items) }
        } else {
            world.tell { $0.invoked(name, shard, with: items, checkpoint: position, factor: lanes) }
        }
        if let state, let window = context.window {
            let bounds = window.start.milliseconds..<window.end.milliseconds
            world.tell { $0.invoked(name, shard, with: items, state: state, in: bounds) }
        }
        var did: [UInt64] = []
        // What a function that fails leaves in its state counts for nothing (ESM-T7).
        var spoilt: [UInt64] = []
        guard let first = items.first?.sequence, let last = items.last?.sequence else { return }
        let unit = Judge.Unit(shard, first, last)
        if !isRedrive { world.tell { $0.attempts(name, unit, attempt: context.attempt) } }
        let keys = Set(items.map(\.key))
        defer {
            world.tell { $0.invocationEnded(name, shard, keys, did: did, isRedrive: isRedrive) }
            if state != nil {
                world.tell { $0.windowCovers(did, of: name, shard) }
                state?.append(contentsOf: did.isEmpty ? spoilt : did)
            }
        }
        for (record, item) in zip(batch, items) {
            spoilt = did + [item.sequence]
            switch Records.behaviour(of: item.id) {
            case .works: break
            case .fails(let times):
                guard isTried(name, item.id, atMost: times) else { break }
                did = []
                if !isRedrive { world.tell { $0.attemptFailed(name, unit, attempt: context.attempt) } }
                throw Refusal(record: item.id)
            case .reports(let times):
                guard isTried(name, item.id, atMost: times) else { break }
                if !world.history.settings.reports { did = [] }
                throw BatchFailure(from: record, because: Refusal(record: item.id))
            case .permanent: throw PermanentFailure(record, because: Refusal(record: item.id))
            case .slow(let milliseconds):
                guard isTried(name, item.id, atMost: 1) else { break }
                do {
                    try await world.time.sleep(until: world.time.monotonicTime + .milliseconds(milliseconds))
                } catch {
                    did = []
                    throw error
                }
            case .fatal(let times):
                guard isTried(name, item.id, atMost: times) else { break }
                did = []
                world.die(.killed)
                throw CancellationError()
            }
            did.append(item.sequence)
        }
        spoilt = did
        // A call that ends after its time limit counts as failed.
        if state != nil, Task.isCancelled { did = [] }
    }

    private struct Refusal: Error { let record: UInt64 }

    /// Whether this is one of the record's first `times` tries, and counts it.
    private func isTried(_ mapping: String, _ id: UInt64, atMost times: Int) -> Bool {
        let tries = world.tries["\(mapping)-\(id)", default: 0]
        world.tries["\(mapping)-\(id)"] = tries + 1
        return tries < times
    }
}

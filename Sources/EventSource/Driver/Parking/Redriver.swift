import Logging
import StreamModel
import StreamStorage

/// Hands the records of released keys back to the function, one pass after the other, while a session lasts (ESM-N2).
///
/// A pass is a run of a mapping of its own, `redrive`, on the parking stream, with the batching, retries and limits of the
/// mapping whose records they are. It reads the records of the keys that were released when it began. The shards that park
/// the keys store how far it is, and stop parking a key when nothing of it waits.
struct Redriver: Sendable {
    static let name = "redrive"

    let mapping: EventSourceMapping
    let session: MappingSession
    let tell: @Sendable (ShardID, ParkedKeyAction) -> Void
    /// Told when a pass begins and ends.
    let isBusy: @Sendable (Bool) -> Void

    private var parking: ParkingStream {
        ParkingStream(mapping: session.key, store: session.store, logger: session.logger)
    }

    /// Redrives until the session redrives nothing any more.
    func run() async {
        var failures = 0
        // Passes of which the store has not everything, as they were told to end, or a shard has no driver at the moment.
        var unsettled: [Pass] = []
        while await session.redrives.next() {
            isBusy(true)
            do {
                try await passes(&unsettled)
                failures = 0
                isBusy(false)
            } catch is CancellationError {
                isBusy(false)
            } catch {
                isBusy(false)
                failures += 1
                session.logger.error("released records can't be redriven, try \(failures): \(error)")
                if (error as? ShardlineError)?.code == .streamNotFound { try? await parking.ensure() }
                let pause = min(Duration.milliseconds(100) * (1 << min(failures, 20)), .seconds(10))
                try? await session.timeSource.sleep(until: session.timeSource.monotonicTime + pause)
                session.redrives.raise()
            }
        }
    }

    /// A pass that has ended.
    private struct Pass {
        let function: RedriveFunction
        /// Whether it has read everything.
        let isWhole: Bool
        /// Why it has not.
        var failure: (any Error)?

        /// What is to be stored of a key that the store still has as released by this pass; empty: nothing.
        func end(of key: ParkedKey) -> [ParkedKeyAction] {
            isWhole ? function.end(of: key) : function.progress(of: key)
        }
    }

    private func passes(_ unsettled: inout [Pass]) async throws {
        while true {
            var left: [Pass] = []
            for pass in unsettled where try await !settle(pass) { left.append(pass) }
            unsettled = left
            // Of keys whose shard has no driver nobody could store what is done.
            let released = try await released().filter { key in
                session.redrives.mayRedrive(key.shard) && !left.contains { !$0.end(of: key).isEmpty }
            }
            guard !released.isEmpty, let pass = try await pass(released) else { return }
            unsettled.append(pass)
            if let failure = pass.failure { throw failure }
            guard pass.isWhole else { return }
        }
    }

    private func released() async throws -> [ParkedKey] {
        // Looked for after each commit that parks or unparks, when most keys are at rest.
        try await parking.keys { ParkedKey.isReleased($0.value) ?? true }.filter { $0.released > $0.done }
    }

    /// Redrives what is released of these keys; nil if no pass may run.
    private func pass(_ released: [ParkedKey]) async throws -> Pass? {
        let settings = session.settings.value
        let function = RedriveFunction(
            mapping, settings, streamID: session.streamID, released: released,
            pace: settings.configuration.redriveRate.map { Pace(rate: $0, timeSource: session.timeSource) }, tell: tell)
        var configuration = settings.configuration
        // The records were filtered when they were parked, and their ages are those of the parking stream.
        configuration.filters = []
        configuration.maximumRecordAge = nil
        configuration.whenExhausted = .giveUp
        configuration.breaker = nil
        // A batch is one second's records at most, so that a stop doesn't wait for long.
        if let rate = configuration.redriveRate { configuration.batchSize = min(configuration.batchSize, rate) }
        configuration.successStream = nil
        configuration.failureDestination = .none
        let stream = session.store.stream(parking.name)
        let pass = try await EventSourceMapping(
            Self.name, from: stream, startingAt: .trimHorizon, configuration: configuration,
            destination: RedriveFailures(function: function), logger: session.logger, source: .redrive(function),
            seed: mapping.seed &+ 1, workers: mapping.workers, owner: mapping.owner,
            permits: .redrive(of: session.permits))
        try await seek(pass.mapping, to: released, in: try await stream.describe())
        guard session.redrives.begins(pass, function) else { return nil }
        defer { session.redrives.ended() }
        session.logger.info("redriving the records of \(released.count) released keys")
        do {
            try await pass.run(until: .caughtUp)
        } catch {
            // What it has come to is stored before the next one.
            return Pass(function: function, isWhole: false, failure: error)
        }
        return Pass(function: function, isWhole: !session.redrives.isCutShort)
    }

    /// Lets the pass begin with the first record that any of the keys waits for.
    private func seek(_ pass: StreamMapping, to released: [ParkedKey], in stream: StreamDescription) async throws {
        var firsts: [ShardID: SequenceNumber] = [:]
        for key in released {
            guard let place = key.place, stream.shards.contains(where: { $0.id == place.shard }) else {
                try await pass.seek(to: .trimHorizon)
                return
            }
            firsts[place.shard] = min(firsts[place.shard] ?? .max, place.number)
        }
        let checkpoints = try await pass.describe().checkpoints
        // Parents come before their children.
        var isBehind: Set<ShardID> = []
        for shard in stream.shards.sorted(by: { $0.id < $1.id }) {
            if shard.parents.contains(where: { firsts[$0] != nil || isBehind.contains($0) }) {
                isBehind.insert(shard.id)
            }
            if isBehind.contains(shard.id) {
                // What came after a split or a merge of the parking stream.
                try await pass.seek(to: .trimHorizon, shard: shard.id)
            } else if let first = firsts[shard.id] {
                // The attempts of a batch during which the process ended go on (ESM-A9), where it is not passed over.
                let progress = try checkpoints.first { $0.shard == shard.id }.map { try ShardProgress($0) }
                if let progress, !progress.notes.isEmpty, progress.isBefore(first) { continue }
                // A stream that was deleted, and made again, may not have the place.
                try await pass.seek(to: .afterSequenceNumber(min(first.previous, shard.tip)), shard: shard.id)
            } else {
                try await pass.seek(to: .latest, shard: shard.id)
            }
        }
    }

    /// Waits until the store has what a pass has come to. A shard may have handed its keys to its children meanwhile, which
    /// are told then. False where a shard has no driver that could be told.
    private func settle(_ pass: Pass) async throws -> Bool {
        while session.redrives.allows {
            try Task.checkCancellation()
            let changes = session.redrives.changes
            var told: [ShardID: [ParkedKeyAction]] = [:]
            var isLeft = false
            for key in try await released() {
                let actions = pass.end(of: key)
                guard !actions.isEmpty else { continue }
                if session.redrives.isDriven(key.shard) {
                    told[key.shard, default: []] += actions
                } else {
                    isLeft = true
                }
            }
            guard !told.isEmpty else { return !isLeft }
            for (shard, actions) in told.sorted(by: { $0.key < $1.key }) {
                for action in actions { tell(shard, action) }
                tell(shard, .storeProgress)
            }
            await session.redrives.change(after: changes)
        }
        return false
    }
}

extension ShardProgress {
    /// Whether no lane is done with this number, or a later one.
    fileprivate func isBefore(_ number: SequenceNumber) -> Bool {
        position < number && earlier.isEmpty && lanes.allSatisfy { $0 < number }
    }
}

import DiskAccess
import EventSource
import SegmentStorage
import StoreSteps
import ShardlineTesting
import StreamModel
import StreamStorage
import TestSupport

/// One life of the process: the store's threads, producers, callers and mappings, and the director who does to them what
/// the history says.
final class Life: @unchecked Sendable {
    // Touched by the thread that holds the scheduler's baton.

    enum Order: Sendable {
        case records(count: Int, bytes: Int, seed: UInt64)
        /// A producer is to end, and another one to begin: only then it hears that its stream is gone.
        case beginAnew
    }

    /// What the process lives for.
    enum Purpose {
        /// To go on with the history.
        case normal
        /// To work off what is there at the history's end.
        case final
        /// To be looked at.
        case audit
    }

    let stepped: SteppedStore
    unowned let world: World
    private let purpose: Purpose
    var isFinal: Bool { purpose == .final }
    private(set) var isDone = false
    private(set) var isEnding = false
    /// The store takes nothing more, or the history wants it opened again.
    var wantsReopening = false
    /// What each of the tasks is at, for the report of a life that does not end.
    var doing: [String: String] = [:]
    let producers = (0..<2).map { _ in Inbox<Order>() }
    private let callers = (0..<2).map { _ in Inbox<Order>() }
    private(set) var running: [String: EventSourceMapping] = [:]
    /// Mappings that are to be deleted when their run has ended.
    var deletions: Set<String> = []
    /// What is on its way of each who puts, and whose mapping is at something: before all of it has ended nobody makes
    /// the stream again, so that it is known to which of the two it goes.
    private(set) var underWay: [String: Int] = [:]
    /// Whether something was deleted in this life, so that calls may not find it.
    var hasDeleted = false
    /// Deletions of the stream that were begun, and that have ended: during one its mappings can't be claimed.
    var deletionsBegun = 0
    var deletionsEnded = 0
    var store: SegmentStore { stepped.store }

    init(_ stepped: SteppedStore, world: World, purpose: Purpose) {
        self.stepped = stepped
        self.world = world
        self.purpose = purpose
    }

    /// Where the mappings are, for the same report.
    var lanes: [String] {
        running.sorted { $0.key < $1.key }.flatMap { name, mapping in
            mapping.shardStates.map { "\(name) \($0.shard) \($0.phase) at \($0.checkpoint) of \($0.tip)" }
        }
    }

    // MARK: Threads

    /// The store's threads, each a loop over its steps.
    func startThreads() {
        let (stepped, scheduler, time) = (stepped, world.scheduler, world.time)
        scheduler.start("writer") {
            while true {
                switch stepped.write() {
                case .worked: scheduler.perhapsYield()
                case .idle(let pause):
                    scheduler.park(until: pause.map { time.monotonicTime + $0 }) { stepped.hasCalls }
                case .finished: return
                }
            }
        }
        scheduler.start("maintenance") {
            while true {
                // On a full disk there is news all the time, but no use in hurrying.
                let hadNews = stepped.hasMaintenance
                guard stepped.runMaintenance() else { return }
                let isStuck = hadNews && stepped.hasMaintenance
                scheduler.park(until: time.monotonicTime + .seconds(1)) { !isStuck && stepped.hasMaintenance }
            }
        }
    }

    // MARK: Tasks

    func run() async {
        if purpose == .audit {
            await audit(isAlone: true)
        } else {
            await live()
            doing["director"] = "closes the store"
            try? await store.close()
        }
        isDone = true
    }

    var goesOn: Bool { world.isAlive && !wantsReopening }

    private func live() async {
        do {
            let isThere = try await store.listStreams().contains { $0.name == World.stream }
            world.tell { $0.sawStream(isThere: isThere) }
            try await makeStream()
            await audit(isAlone: true)
        } catch {
            failed(error, "making the stream")
            return
        }
        doing["director"] = "directs"
        await withDiscardingTaskGroup { group in
            for (number, inbox) in producers.enumerated() {
                group.addTask { [self] in await produce(number, inbox) }
            }
            for (number, inbox) in callers.enumerated() { group.addTask { [self] in await call(number, inbox) } }
            for name in world.mappings { group.addTask { [self] in await consume(name) } }
            if !isFinal { group.addTask { [self] in await readAlong() } }
            if !isFinal { await direct() }
            for inbox in producers + callers { inbox.close() }
            // At the end of a history the mappings work off what is there, and end by themselves.
            guard !isFinal else { return }
            isEnding = true
            doing["director"] = "waits for the others"
            for name in world.mappings { running[name]?.triggerGracefulShutdown() }
        }
        guard isFinal, goesOn else { return }
        await audit(isAlone: true)
        for name in world.mappings { world.tell { $0.caughtUp(name) } }
    }

    /// Everything that the history still wants of this life.
    private func direct() async {
        while goesOn, !world.isOver {
            let item = world.history.items[world.next]
            world.next += 1
            world.scheduler.trace.note("step", "\(item.step)")
            await perform(item)
            await pause(milliseconds: Int(item.seed % 8))
        }
        // What was begun is given a moment, or no armed death would ever come.
        if goesOn { await pause(milliseconds: 300) }
    }

    private func perform(_ item: History.Item) async {
        switch item.step {
        case .enqueue(let producer, let count, let bytes):
            producers[producer].post(.records(count: count, bytes: bytes, seed: item.seed))
        case .put(let caller, let count, let bytes):
            callers[caller].post(.records(count: count, bytes: bytes, seed: item.seed))
        case .pause(let milliseconds): await pause(milliseconds: milliseconds)
        case .jump(let milliseconds): world.jump(by: milliseconds)
        case .audit: await audit(isAlone: false)
        case .split: await split(item.seed)
        case .merge: await merge(item.seed)
        case .scale(let count): await scale(to: count)
        case .seek(let mapping): await seek(World.allMappings[mapping])
        case .control(let mapping, let control): await self.control(World.allMappings[mapping], control)
        case .parkedKeys(let mapping, let step): await changeParkedKeys(World.allMappings[mapping], step)
        case .resume(let mapping, let givingUp): await resume(World.allMappings[mapping], givingUp: givingUp)
        case .attributes(let kind): await changeAttributes(kind)
        case .resize: await resize()
        case .deleteStream: await deleteStream(item.seed)
        case .deleteMapping(let mapping):
            guard mapping < world.mappings.count else { break }
            deletions.insert(World.allMappings[mapping])
            running[World.allMappings[mapping]]?.triggerGracefulShutdown()
        case .restart(let mapping): running[World.allMappings[mapping]]?.triggerGracefulShutdown()
        case .crash(let operations): world.arm(.powerCut, after: operations)
        case .kill(let operations): world.arm(.killed, after: operations)
        case .reopen: wantsReopening = true
        case .decay(let flips):
            world.decay(flips: flips)
            wantsReopening = true
        case .fault(let fault, let after, let times): world.add(fault, after: after, times: times)
        }
    }

    func pause(milliseconds: Int) async {
        try? await world.time.sleep(until: world.time.monotonicTime + .milliseconds(milliseconds))
    }

    /// Something was refused: as it may be where the disk was made to fail, and where the process ends.
    ///
    /// - Parameter deletions: ``deletionsEnded`` when a mapping was about to be claimed or deleted; nil: it was neither.
    func failed(_ error: any Error, _ what: String, deletions: Int? = nil) {
        guard world.isAlive else { return }
        if error is CancellationError, isEnding || wantsReopening { return }
        let notFound: [ShardlineError.Code] = [.streamNotFound, .shardNotFound, .mappingNotFound, .fenced]
        if hasDeleted, let error = error as? ShardlineError, notFound.contains(error.code) { return }
        // Nobody may claim what is about to be deleted: one deletion at least was under way since then.
        if let deletions, deletionsBegun > deletions, (error as? ShardlineError)?.code == .mappingBusy { return }
        guard world.faultsOfLife > 0 || (isEnding || wantsReopening) && (error as? ShardlineError)?.code == .closed
        else {
            return world.fail("\(what): \(error)")
        }
        if let error = error as? ShardlineError, [.storeFailed, .outcomeUnknown, .corrupt].contains(error.code) {
            wantsReopening = true
        }
    }

    // MARK: Producers

    private func newRecord(_ seed: inout SeededRandom, bytes: Int) -> (id: UInt64, record: NewRecord) {
        let id = world.nextRecord
        world.nextRecord += 1
        return (id, Records.record(id, key: "key-\(seed.below(6))", bytes: bytes))
    }

    /// What a receipt says about a record.
    private static func place(
        _ receipt: PutReceipt, id: UInt64, key: String, in stream: String
    ) -> (shard: Judge.Shard, item: Judge.Item) {
        (
            Judge.Shard(stream, Int(receipt.shard.number)),
            Judge.Item(
                sequence: receipt.sequenceNumber.rawValue, id: id, key: key,
                arrival: receipt.approximateArrivalTimestamp.milliseconds)
        )
    }

    /// Records of one producer are put in their order, many in a commit.
    private func produce(_ number: Int, _ inbox: Inbox<Order>) async {
        while goesOn, !isEnding {
            var put = 0
            world.tell {
                put = $0.willPut(
                    [], keys: [], into: $0.streamOfPuts, source: number, orders: [], isOneCommit: false,
                    at: world.time.wallTime.milliseconds)
            }
            let mine = put
            let keys = Keys()
            defer { underWay["producer \(number)"] = 0 }
            doing["producer \(number)"] = "produces"
            defer { doing["producer \(number)"] = nil }
            do {
                let isOver = try await store.stream(World.stream).withProducer(
                    onAcknowledged: { [self] acknowledgement in
                        let places = zip(acknowledgement.tags, acknowledgement.receipts).map {
                            Self.place(
                                $1, id: $0, key: keys[$0], in: world.judge.records[$0]?.stream ?? World.stream)
                        }
                        underWay["producer \(number)", default: 0] -= places.count
                        world.tell { $0.acknowledged(places, of: mine, all: false) }
                    },
                    { [self] producer in
                        while let order = await inbox.take() {
                            guard case .records(let count, let bytes, let seed) = order else { return false }
                            var random = SeededRandom(seed)
                            for _ in 0..<count {
                                let (id, record) = newRecord(&random, bytes: bytes)
                                keys[id] = record.partitionKey
                                underWay["producer \(number)", default: 0] += 1
                                world.tell {
                                    $0.willAdd(
                                        id, key: record.partitionKey, to: mine, stream: $0.streamOfPuts, source: number,
                                        order: world.sources.nextOrder(of: number))
                                }
                                try await producer.enqueue(record, tag: id)
                            }
                        }
                        return true
                    })
                world.tell { $0.producerEnded(mine, inDoubt: [], notWritten: []) }
                if isOver { return }
            } catch {
                if let left = (error as? ShardlineError)?.cause as? UnacknowledgedRecords {
                    world.tell { $0.producerEnded(mine, inDoubt: left.inDoubt, notWritten: left.notWritten) }
                } else {
                    world.tell { $0.unknown(mine) }
                }
                failed(error, "producer \(number)")
                await pause(milliseconds: 100)
            }
        }
    }

    /// Calls of one caller, one after the other; each is there whole or not at all.
    private func call(_ number: Int, _ inbox: Inbox<Order>) async {
        let source = 10 + number
        while let order = await inbox.take() {
            guard case .records(let count, let bytes, let seed) = order else { continue }
            var random = SeededRandom(seed)
            let records = (0..<count).map { _ in newRecord(&random, bytes: bytes) }
            var put = 0
            let stream = world.judge.streamOfPuts
            underWay["caller \(number)"] = 1
            defer { underWay["caller \(number)"] = 0 }
            world.tell { judge in
                put = judge.willPut(
                    records.map(\.id), keys: records.map(\.record.partitionKey), into: stream, source: source,
                    orders: records.map { _ in world.sources.nextOrder(of: source) }, isOneCommit: true,
                    at: world.time.wallTime.milliseconds)
            }
            doing["caller \(number)"] = "puts"
            defer { doing["caller \(number)"] = nil }
            do {
                let receipts = try await store.stream(World.stream).put(contentsOf: records.map(\.record))
                let places = zip(records, receipts).map {
                    Self.place($1, id: $0.id, key: $0.record.partitionKey, in: stream)
                }
                world.tell { $0.acknowledged(places, of: put, all: true) }
            } catch {
                if isInDoubt(error) {
                    world.tell { $0.unknown(put) }
                } else {
                    world.tell { $0.refused(put) }
                }
                failed(error, "caller \(number)")
            }
        }
    }

    // MARK: Mappings

    /// Sends a mapping back to the oldest record: all of it is to be done once more.
    private func seek(_ name: String) async {
        world.tell { judge in
            judge.willSeek(name)
            judge.forgetAttempts(of: name)
        }
        do {
            let id = MappingID(stream: World.stream, name: name)
            let before = try await store.describeMapping(id)
            _ = try await store.seekMapping(id, to: .trimHorizon, shard: nil)
            world.tell { $0.hasSought(name) }
            await moveCheckpoint(before)
        } catch let error as ShardlineError where error.code == .mappingNotFound {
            world.tell { $0.hasNotSought(name) }
        } catch {
            if !isInDoubt(error) { world.tell { $0.hasNotSought(name) } }
            failed(error, "seeking")
        }
    }

    /// A process whose claim was overtaken, and that has not noticed, tries to move a checkpoint, without effect
    /// (STORE-A3).
    private func moveCheckpoint(_ overtaken: MappingDescription) async {
        guard goesOn, let checkpoint = overtaken.checkpoints.first else { return }
        let move = CheckpointMove(mapping: overtaken.key, epoch: overtaken.epoch, checkpoint: checkpoint)
        // Any refusal will do: the mapping may be deleted, and the disk full.
        guard case .committed? = try? await store.commit([.checkpoint(move)]), !hasDeleted else { return }
        world.fail("\(overtaken.key.name) moved a checkpoint with the claim \(overtaken.epoch), which was overtaken")
    }

    private func consume(_ name: String) async {
        while goesOn, !isEnding {
            underWay["mapping \(name)"] = 1
            defer { underWay["mapping \(name)"] = 0 }
            let ended = deletionsEnded
            do {
                doing["mapping \(name)"] = "is made"
                defer { doing["mapping \(name)"] = nil }
                world.tell { $0.willMakeMapping(name) }
                let mapping = try await makeMapping(name)
                doing["mapping \(name)"] = "runs"
                world.tell { $0.madeMapping(name, on: $0.streamOfPuts) }
                running[name] = mapping
                world.tell { $0.beganRun(name) }
                if isFinal {
                    try await enableForGood(name)
                    if world.history.settings.parksKeys { await changeParkedKeys(name, .release) }
                }
                if isEnding || deletions.contains(name) { mapping.triggerGracefulShutdown() }
                try await mapping.run(until: isFinal ? .caughtUp : .stopped)
                // ESM-M9: what was read is accounted for.
                let (read, settled) = (mapping.statistics.polled, mapping.statistics.settled)
                if read != settled { world.fail("mapping \(name) has read \(read) records and settled \(settled)") }
                if isFinal { return }
            } catch let error as ShardlineError where error.code == .paused && isFinal {
                // What is left is to be worked off.
                await resume(name, givingUp: true)
            } catch {
                failed(error, "mapping \(name)", deletions: ended)
            }
            running[name] = nil
            if deletions.remove(name) != nil, goesOn, !isEnding { await deleteMapping(name) }
            underWay["mapping \(name)"] = 0
            await pause(milliseconds: 50)
        }
    }

}

/// The keys of records on their way.
final class Keys: @unchecked Sendable {
    private var keys: [UInt64: String] = [:]
    subscript(id: UInt64) -> String {
        get { keys[id] ?? "" }
        set { keys[id] = newValue }
    }
}

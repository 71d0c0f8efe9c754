import EventSource
import StreamModel
import StreamStorage

/// A shard with lanes and everything around it, played in virtual time in the order that a test chooses, over crashes.
/// It judges what the core does by the records' keys alone, and knows nothing of how lanes are chosen.
struct LanesWorld {
    /// What is wrong with the records at these places.
    var bad: Set<Int> = []
    /// Whether the function names the first bad record.
    var reports = false
    /// The places of the records that no filter matches.
    var dropped: Set<Int> = []
    /// The most records that one read of this store gives.
    var recordsOfOneRead = 1_000

    private(set) var core: ShardCore
    private(set) var settings: LaneCore.Settings
    private(set) var elapsed = Duration.zero

    /// The records' keys, by their places.
    private(set) var keys: [String] = []
    private var log = RecordBatch()
    private(set) var isClosed = false
    var trimmedThrough = SequenceNumber.zero

    /// The open invocations, by lane, and those that follow if they succeed.
    private(set) var open: [Int: LaneCore.Invocation] = [:]
    private var following: [Int: [LaneCore.Invocation]] = [:]
    /// Results that are told together with those of later calls.
    private var untold: [Int: [(number: Int, result: LaneCore.InvocationResult, added: [AddedRecord])]] = [:]
    /// Whether the next result of a lane is told at once; otherwise it may wait.
    var tellsAtOnce = true
    private var isStopping = false
    private(set) var openDeliveries: [Int: (giveUp: LaneCore.GiveUp, progress: ShardProgress)] = [:]
    private(set) var openCheckpoint: ShardProgress?
    private(set) var openRead: ShardCore.ReadOrder?
    private(set) var wake: MonotonicTime?
    private(set) var stops: [LaneCore.StopReason] = []

    /// What a crash leaves behind.
    private(set) var durable: ShardProgress
    /// The places that are done, and those of them that a checkpoint says are done.
    private(set) var settled: Set<Int> = []
    private(set) var kept: Set<Int> = []
    /// How often each place was sent to the function.
    private(set) var deliveries: [Int: Int] = [:]
    /// The units that the function got, in order of the calls.
    private(set) var calls: [[Int]] = []
    /// Those of them that were ordered together with the one before.
    private(set) var chained: [[Int]] = []
    private(set) var documents: [(places: [Int], condition: GiveUpCondition)] = []

    /// Whether the function adds a record for each that it gets (ESM-O1), and those that the store has.
    var adds = false
    private(set) var added: [Int] = []
    private var openAdded: [AddedRecord] = []

    /// Why the shard was paused before the current decision.
    private var pausedBefore: PausedShard?

    // Parked keys (ESM-N1).
    private(set) var openParking: ParkingOrder?
    /// The parking stream: the places of each key's records, in order.
    private(set) var aside: [String: [Int]] = [:]
    /// What the store has of parked keys.
    private(set) var parkedKeys: [String: ParkedKey] = [:]
    /// What was handed back, and is done.
    private(set) var redriven: [Int] = []
    /// What was discarded.
    private(set) var discarded: Set<Int> = []
    /// What the children of the closed shard got.
    private(set) var inherited: [ParkedKey]?
    private(set) var mostInFlight = 0
    private(set) var largestHeld = 0
    private(set) var crashes = 0
    /// The records between the ends of units that were noted when a process died: they may count as failed (ESM-A9).
    private(set) var crashedWith: Set<Int> = []
    /// What must never happen, and did.
    private(set) var violations: [String] = []

    init(_ settings: LaneCore.Settings) {
        self.settings = settings
        durable = ShardProgress(position: .zero)
        core = ShardCore(
            ShardCore.InitialState(durable), settings: settings, denseNumbers: true, jitterSeed: 1)
    }

    var now: Moment {
        Moment(monotonic: MonotonicTime(sinceOrigin: elapsed), wall: LaneWorld.beginning + elapsed)
    }
    var isAllDone: Bool { settled.union(dropped).count == keys.count && core.isIdle }
    /// The places that are in the parking stream, or were.
    var everAside: Set<Int> { Set(aside.values.joined()) }

    // MARK: - What the test does

    mutating func put(_ keys: [String], bytes: Int = 3) {
        guard !keys.isEmpty else { return }
        var chunk: [UInt8] = []
        var offsets: [UInt32] = []
        for key in keys {
            offsets.append(UInt32(chunk.count))
            RecordEncoding.append(NewRecord([UInt8](repeating: 65, count: bytes), partitionKey: key), to: &chunk)
        }
        offsets.append(UInt32(chunk.count))
        log.append(
            RecordRun(
                bytes: chunk, offsets: offsets, range: 0..<keys.count, shard: ShardID(0),
                shardCreationSecond: 1_700_000_000, firstSequence: SequenceNumber(UInt64(log.count + 1)),
                arrival: now.wall))
        self.keys += keys
        send([])
    }

    mutating func close() {
        isClosed = true
        send([])
    }

    mutating func start() {
        isStopping = false
        send([.start])
    }
    /// Calls that have not begun are not made any more.
    mutating func stop() {
        isStopping = true
        send([.stop])
    }
    mutating func change(_ settings: LaneCore.Settings) {
        self.settings = settings
        send([.settingsChanged(settings)])
    }

    /// The process dies, and another one goes on with these settings.
    mutating func crash(_ settings: LaneCore.Settings) {
        crashes += 1
        for entry in durable.notes {
            crashedWith.formUnion(Int(entry.note.first.rawValue) - 1..<Int(entry.note.last.rawValue))
        }
        self.settings = settings
        (open, openDeliveries, openCheckpoint, openRead, wake) = ([:], [:], nil, nil, nil)
        (following, untold, openParking, openAdded) = ([:], [:], nil, [])
        settled = kept.subtracting(everAside).union(redriven)
        core = ShardCore(
            ShardCore.InitialState(
                durable, notesAttempts: true, parkedKeys: parkedKeys.values.sorted { $0.partitionKey < $1.partitionKey }
            ),
            settings: settings, denseNumbers: true, jitterSeed: UInt64(crashes))
        start()
    }

    /// Ends the lane's invocation as the function would.
    mutating func answer(_ lane: Int) { answer(lane, result(of: open[lane]!)) }

    mutating func answer(_ lane: Int, _ result: LaneCore.InvocationResult) {
        guard let invocation = open.removeValue(forKey: lane) else { return }
        switch result {
        case .success: settle(places(invocation.unit.records))
        case .partial(let from, _): settle(places(invocation.unit.records).filter { $0 < Int(from.rawValue) - 1 })
        default: break
        }
        untold[lane, default: []].append((invocation.number, result, made(of: invocation.unit.records)))
        if case .success = result, let next = following[lane]?.first, isStopping || core.paused != nil {
            untold[lane]?.append((next.number, .notCalled, []))
            following[lane] = nil
        } else if case .success = result, let next = following[lane]?.first {
            following[lane]?.removeFirst()
            open[lane] = next
            judge(places(next.unit.records), lane: lane)
            guard tellsAtOnce else { return }
        } else {
            following[lane] = nil
        }
        let results = untold.removeValue(forKey: lane) ?? []
        send([
            results.count == 1
                ? .invocationEnded(results[0].number, results[0].result, added: results[0].added)
                : .invocationsEnded(results)
        ])
    }

    /// What the function adds for these records, done or not.
    private func made(of records: RecordBatch) -> [AddedRecord] {
        guard adds else { return [] }
        return records.map { record in
            AddedRecord(
                NewRecord("\(record.sequenceNumber.rawValue - 1)", partitionKey: record.partitionKey), to: "out",
                from: record.sequenceNumber)
        }
    }

    /// An operator resumes the shard (ESM-N3).
    mutating func resume(givingUp: Bool = false) {
        guard let paused = core.paused else { return }
        send([.resume(ResumeOrder([paused], givesUp: givingUp), request: nil)])
    }

    mutating func answerDelivery(_ lane: Int, takes: Bool = true) {
        guard let (giveUp, progress) = openDeliveries.removeValue(forKey: lane) else { return }
        guard takes else { return send([.destinationFailed("no room", takenThrough: nil, lane: lane)]) }
        let covered =
            giveUp.records.isEmpty
            ? Array(Int(giveUp.first.rawValue) - 1..<Int(giveUp.last.rawValue)) : places(giveUp.records)
        documents.append((covered, giveUp.condition))
        settle(covered)
        if settings.deliveryMovesCheckpoint { persist(progress.moved(past: giveUp, to: giveUp.last)) }
        send([.destinationTook(checkpointed: settings.deliveryMovesCheckpoint, lane: lane)])
    }

    /// The commit that parks records is durable, or failed.
    mutating func answerParking(takes: Bool = true) {
        guard let order = openParking else { return }
        openParking = nil
        guard takes else { return send([.parkingFailed("no room")]) }
        storeParking(order)
        let places = order.values.filter { $0.key != nil }.map { UTF8Key($0.partitionKey) }
        send([
            .parkingStored(
                Dictionary(
                    uniqueKeysWithValues: places.map {
                        ($0, ParkedKey.Place(shard: ShardID(0), number: SequenceNumber(1)))
                    }))
        ])
    }

    /// The commit is durable, and the process dies before it is told.
    mutating func storeParkingUntold() {
        guard let order = openParking else { return }
        openParking = nil
        storeParking(order)
    }

    private mutating func storeParking(_ order: ParkingOrder) {
        for entry in order.entries {
            for (record, place) in zip(entry.records, entry.places) {
                let (key, number) = (record.partitionKey, Int(record.sequenceNumber.rawValue) - 1)
                if everAside.contains(number) { violations.append("\(number) is parked twice") }
                if let last = aside[key]?.last, last >= number {
                    violations.append("\(number) is parked after \(last)")
                }
                aside[key, default: []].append(number)
                if aside[key]!.count != Int(place.order) { violations.append("\(number) has place \(place)") }
                for earlier in 0..<number where keys[earlier] == key {
                    if !settled.contains(earlier), !dropped.contains(earlier), !everAside.contains(earlier) {
                        violations.append("\(number) is parked before \(earlier)")
                    }
                }
            }
        }
        for value in order.values {
            // As a reader of the bytes would see it.
            let stored = value.key.map {
                StoredParkedKey(shard: ShardID(0), partitionKey: value.partitionKey, value: $0.encoded)
            }
            guard let stored else {
                parkedKeys[value.partitionKey] = nil
                continue
            }
            guard let key = try? ParkedKey(stored) else { return violations.append("\(stored) can't be read back") }
            parkedKeys[value.partitionKey] = key
        }
    }

    mutating func act(_ action: ParkedKeyAction) { send([.parkedKeys(action)]) }

    /// Hands back what is released of a key, as far as it succeeds, and tells the core of it if `tells`.
    mutating func redrive(_ key: String, tells: Bool = true) {
        guard let stored = parkedKeys[key], stored.released > stored.done else { return }
        for place in stored.done + 1...stored.released {
            let record = aside[key]![Int(place) - 1]
            for earlier in 0..<record where keys[earlier] == key {
                if !settled.contains(earlier), !discarded.contains(earlier) {
                    violations.append("\(record) is handed back before \(earlier) is done")
                }
            }
            guard !bad.contains(record) else {
                let cause = FailureCause(condition: .retryAttemptsExhausted, errorText: "again", attempts: 1)
                return act(.failedAgain(key, after: place - 1, next: nil, cause))
            }
            redriven.append(record)
            settled.insert(record)
        }
        if tells { act(.redriven([RedrivenKey(key, through: stored.released, next: nil)])) }
    }

    mutating func answerCheckpoint() {
        guard storeCheckpointUntold() else { return }
        send([.checkpointed])
    }

    /// The commit of the open checkpoint is durable, and the process may die before it is told.
    @discardableResult
    mutating func storeCheckpointUntold() -> Bool {
        guard let progress = openCheckpoint else { return false }
        openCheckpoint = nil
        for record in openAdded { store(record) }
        openAdded = []
        persist(progress)
        if adds {
            let given = Set(documents.flatMap(\.places))
            let missing = kept.subtracting(dropped).subtracting(everAside).subtracting(given).subtracting(added)
            if let missing = missing.min() { violations.append("what was made of \(missing) is not in the store") }
        }
        return true
    }

    private mutating func store(_ record: AddedRecord) {
        let place = Int(String(decoding: record.record.data, as: UTF8.self)) ?? -1
        if added.contains(place) { violations.append("what was made of \(place) is in the store twice") }
        if !settled.contains(place) {
            violations.append("what was made of \(place) is in the store, which is not done")
        }
        for earlier in added where earlier > place && keys[earlier] == keys[place] {
            violations.append("what was made of \(place) is in the store after that of \(earlier)")
        }
        added.append(place)
    }

    /// Answers calls and checkpoints, but moves no clock, until no call is open.
    mutating func answerCalls(atMost most: Int) {
        for _ in 0..<most {
            if openCheckpoint != nil { answerCheckpoint() }
            guard let lane = open.keys.min() else { return }
            answer(lane)
        }
    }

    /// Makes everything durable that is done.
    mutating func save() { while openCheckpoint != nil { answerCheckpoint() } }

    mutating func advance(by duration: Duration) {
        let target = elapsed + duration
        while let next = wake, next.sinceOrigin <= target, violations.isEmpty {
            elapsed = max(elapsed, next.sinceOrigin)
            wake = nil
            send([.tick])
        }
        elapsed = target
    }

    /// Answers everything in the order of the lanes until nothing is open and nothing is due.
    mutating func runToRest() {
        for _ in 0..<100_000 where violations.isEmpty {
            if openParking != nil {
                answerParking()
            } else if openCheckpoint != nil {
                answerCheckpoint()
            } else if let lane = openDeliveries.keys.min() {
                answerDelivery(lane)
            } else if let lane = open.keys.min() {
                answer(lane)
            } else if let next = wake {
                advance(by: max(next.sinceOrigin - elapsed, .zero))
            } else {
                return
            }
        }
        if violations.isEmpty { violations.append("no rest") }
    }

    // MARK: - What the environment does

    private mutating func send(_ events: [ShardCore.Event]) {
        var waiting = events
        while true {
            if waiting.isEmpty, let answer = readAnswer() { waiting.append(answer) }
            guard !waiting.isEmpty else { return }
            pausedBefore = core.paused
            let decisions = core.handle(waiting.removeFirst(), at: now)
            for step in decisions.trace {
                if case .gaveUp(let span) = step, !span.kept { violations.append("dropped \(span)") }
            }
            for action in decisions.actions { perform(action) }
            largestHeld = max(largestHeld, core.heldRecords)
        }
    }

    private mutating func perform(_ action: ShardCore.Action) {
        switch action {
        case .read(let order):
            openRead = order
        case .invokeAll(let calls):
            following[calls[0].lane] = Array(calls.dropFirst())
            chained += calls.dropFirst().map { places($0.unit.records) }
            perform(.invoke(calls[0]))
        case .invoke(let invocation):
            if open[invocation.lane] != nil { violations.append("lane \(invocation.lane) has two invocations") }
            open[invocation.lane] = invocation
            mostInFlight = max(mostInFlight, open.count)
            judge(places(invocation.unit.records), lane: invocation.lane)
        case .wait(let until): wake = until
        case .checkpoint(let progress):
            if openCheckpoint != nil { violations.append("two checkpoints are open") }
            openCheckpoint = progress
        case .checkpointAdding(let progress, let records):
            perform(.checkpoint(progress))
            openAdded = records
        case .handOver(let giveUp, let progress):
            if openDeliveries[giveUp.lane] != nil { violations.append("lane \(giveUp.lane) has two deliveries") }
            openDeliveries[giveUp.lane] = (giveUp, progress)
        case .stopped(let reason): stops.append(reason)
        case .park(let order):
            if openParking != nil { violations.append("two commits park records") }
            openParking = order
        case .redrive, .applied: break
        case .endShard(let progress, let keys):
            inherited = keys
            openCheckpoint = progress
        }
    }

    private mutating func judge(_ places: [Int], lane: Int) {
        calls.append(places)
        if let pausedBefore, pausedBefore == core.paused {
            violations.append("\(places) is sent while the shard is paused")
        }
        let unit = Set(places)
        for place in places {
            deliveries[place, default: 0] += 1
            if dropped.contains(place) { violations.append("\(place) is sent though no filter matches") }
            if settled.contains(place) { violations.append("\(place) is sent again though it is done") }
            for earlier in 0..<place where keys[earlier] == keys[place] {
                if !settled.contains(earlier), !unit.contains(earlier) {
                    violations.append("\(place) is sent before \(earlier) of its key is done")
                }
            }
            for (other, invocation) in open where other != lane {
                if self.places(invocation.unit.records).contains(where: { keys[$0] == keys[place] }) {
                    violations.append("the key of \(place) is in lanes \(lane) and \(other)")
                }
            }
        }
    }

    private func result(of invocation: LaneCore.Invocation) -> LaneCore.InvocationResult {
        guard let met = places(invocation.unit.records).first(where: bad.contains) else { return .success }
        return reports ? .fails(from: met) : .fails
    }

    private mutating func settle(_ places: [Int]) { settled.formUnion(places) }

    /// A checkpoint is durable: what it says must be so.
    private mutating func persist(_ progress: ShardProgress) {
        if progress.position < durable.position { violations.append("the checkpoint goes back") }
        // As a reader of the bytes would see it.
        let read = try? ShardProgress(
            ShardCheckpoint(
                shard: ShardID(0), position: progress.position, isShardEnd: progress.isShardEnd,
                state: progress.encodedState))
        guard let read else { return violations.append("\(progress) can't be read back") }
        durable = read
        let said = Set(keys.indices.filter { isDone($0, read) })
        if let wrong = said.subtracting(settled).subtracting(dropped).subtracting(everAside).min() {
            violations.append("the checkpoint says that \(wrong) is done, which it is not")
        }
        if let wrong = kept.subtracting(said).min() { violations.append("the checkpoint forgets \(wrong)") }
        kept = said
    }

    /// Whether a progress says that a record is done.
    private func isDone(_ place: Int, _ progress: ShardProgress) -> Bool {
        let number = SequenceNumber(UInt64(place + 1))
        if number <= progress.position { return true }
        return (progress.earlier + [LanePositions(progress.lanes)]).contains { lanes in
            guard !lanes.positions.isEmpty else { return false }
            return number <= lanes.positions[ShardCore.lane(ofKey: keys[place], factor: lanes.positions.count)]
        }
    }

    private func places(_ batch: RecordBatch) -> [Int] { batch.map { Int($0.sequenceNumber.rawValue) - 1 } }

    private mutating func readAnswer() -> ShardCore.Event? {
        guard let order = openRead else { return nil }
        var after = Int(order.after.rawValue)
        var expired: ClosedRange<SequenceNumber>?
        if after < Int(trimmedThrough.rawValue) {
            expired = SequenceNumber(UInt64(after + 1))...trimmedThrough
            after = Int(trimmedThrough.rawValue)
        }
        let end = min(log.count, after + min(order.maximumRecords, recordsOfOneRead))
        let atEnd = isClosed && end == log.count
        guard after < end || expired != nil || atEnd else { return nil }
        openRead = nil
        return .read(
            order.number,
            ReadResult(
                batch: log.extracting(after..<end), expired: expired, next: SequenceNumber(UInt64(end)),
                tip: SequenceNumber(UInt64(log.count)), endOfShard: atEnd ? [] : nil))
    }
}

import EventSource
import StreamModel
import StreamStorage

/// A shard and everything else around a lane, played synchronously in virtual time: its log, its clocks, the function,
/// the destination, the checkpoints. Records are numbered from 1, as a store does, and named by their place from 0.
struct LaneWorld {
    /// One invocation as the function saw it.
    struct Call: Equatable {
        let records: Range<Int>
        /// Since the world began.
        let at: Duration
        let attempt: Int
    }

    enum Taking {
        case takes(checkpointed: Bool)
        case fails(takenThrough: SequenceNumber? = nil)
        /// The test answers later.
        case later
    }

    static let beginning = Timestamp(milliseconds: 1_700_000_000_000)

    private(set) var lane: ShardCore
    /// What the function answers; nil: the test answers later, with ``answer(_:)``.
    var function: (LaneCore.Invocation) -> LaneCore.InvocationResult? = { _ in .success }
    /// What it returns for its tumbling window, with each result.
    var state: (LaneCore.Invocation) -> [UInt8]? = { _ in nil }
    /// Whether the store says which arrival times are still to come.
    var tellsArrivals = true
    var destination: (LaneCore.GiveUp) -> Taking = { _ in .takes(checkpointed: true) }
    var checkpointsAtOnce = true
    /// The most records that one read of this store gives.
    var recordsOfOneRead = Int.max

    private(set) var elapsed = Duration.zero
    /// The wall clock runs with the other one, plus this.
    var wallJump = Duration.zero
    private var log = RecordBatch()
    var isClosed = false
    /// Retention has removed everything up to here.
    var trimmedThrough = SequenceNumber.zero
    var lost: ClosedRange<SequenceNumber>?

    private(set) var openRead: ShardCore.ReadOrder?
    private(set) var openInvocation: LaneCore.Invocation?
    private(set) var openHandOver: (giveUp: LaneCore.GiveUp, progress: ShardProgress)?
    private(set) var openCheckpoint: ShardProgress?
    private(set) var wake: MonotonicTime?

    private(set) var calls: [Call] = []
    private(set) var documents: [LaneCore.GiveUp] = []
    private(set) var handOvers: [(records: ClosedRange<SequenceNumber>, at: Duration)] = []
    /// Durable checkpoints, in order.
    private(set) var checkpoints: [SequenceNumber] = []
    private(set) var notes: [AttemptNote] = []
    private(set) var trace: [LaneCore.TraceEvent] = []
    private(set) var stops: [LaneCore.StopReason] = []
    private(set) var reads: [ShardCore.ReadOrder] = []
    private(set) var largestHeld = 0
    /// What must never happen, and did.
    private(set) var violations: [String] = []
    private var settled: Set<Int> = []
    private var checkedThrough = 0
    /// What a crash would leave behind.
    private(set) var durable: ShardProgress
    private let settings: LaneCore.Settings

    init(
        _ settings: LaneCore.Settings, from beginning: ShardCore.InitialState = .init(position: .zero),
        seed: UInt64 = 1
    ) {
        lane = ShardCore(beginning, settings: settings, denseNumbers: true, jitterSeed: seed)
        self.settings = settings
        settled = Set(0..<Int(beginning.progress.position.rawValue))
        checkedThrough = settled.count
        if beginning.progress.position > .zero { checkpoints = [beginning.progress.position] }
        durable = beginning.progress
    }

    /// The world of the process that comes after a crash at this moment, with the same log and documents.
    func afterCrash() -> LaneWorld {
        var next = LaneWorld(
            settings,
            from: ShardCore.InitialState(durable, notesAttempts: true))
        next.function = function
        next.state = state
        next.tellsArrivals = tellsArrivals
        next.wallJump = wallJump
        next.destination = destination
        next.elapsed = elapsed
        next.log = log
        next.isClosed = isClosed
        next.documents = documents
        next.trimmedThrough = trimmedThrough
        return next
    }

    /// The records that the function had, in the order of the calls.
    var sent: [Range<Int>] { calls.map(\.records) }
    var counters: LaneCore.Counters { lane.counters }
    var now: Moment {
        Moment(monotonic: MonotonicTime(sinceOrigin: elapsed), wall: Self.beginning + elapsed + wallJump)
    }

    // MARK: - What the test does

    /// Puts `count` records that arrive now, or so long ago.
    mutating func put(_ count: Int = 1, bytes: Int = 1, age: Duration = .zero) {
        log.append(
            Self.run(count, bytes: bytes, first: log.count + 1, arrival: now.wall - age))
        answerRead()
    }

    /// Puts records at this moment, to which the clocks jump without a tick: what the lane is told first is the read.
    mutating func put(_ count: Int, at moment: Duration) {
        elapsed = moment
        put(count)
    }

    /// Puts records that were made before, for many worlds.
    mutating func put(_ batch: RecordBatch) {
        log.append(batch)
        answerRead()
    }

    static func run(_ count: Int, bytes: Int = 1, first: Int = 1, arrival: Timestamp = beginning) -> RecordRun {
        var chunk: [UInt8] = []
        var offsets: [UInt32] = []
        for _ in 0..<count {
            offsets.append(UInt32(chunk.count))
            RecordEncoding.append(NewRecord([UInt8](repeating: 65, count: bytes), partitionKey: "k"), to: &chunk)
        }
        offsets.append(UInt32(chunk.count))
        return RecordRun(
            bytes: chunk, offsets: offsets, range: 0..<count, shard: ShardID(0), shardCreationSecond: 1_700_000_000,
            firstSequence: SequenceNumber(UInt64(first)), arrival: arrival)
    }

    mutating func close() {
        isClosed = true
        answerRead()
    }

    mutating func send(_ event: ShardCore.Event) {
        var waiting = [event]
        while !waiting.isEmpty {
            let decisions = lane.handle(waiting.removeFirst(), at: now)
            for event in decisions.trace { note(event) }
            for action in decisions.actions { if let answer = perform(action) { waiting.append(answer) } }
            largestHeld = max(largestHeld, lane.heldRecords)
            if waiting.isEmpty, let answer = readAnswer() { waiting.append(answer) }
        }
    }

    /// Ends the invocation that is open.
    mutating func answer(_ result: LaneCore.InvocationResult) {
        guard let invocation = openInvocation else { return violations.append("no invocation is open") }
        openInvocation = nil
        settle(invocation, result)
        send(.invocationEnded(invocation.number, result, state: state(invocation)))
    }

    mutating func answerCheckpoint() {
        guard let open = openCheckpoint else { return violations.append("no checkpoint is open") }
        openCheckpoint = nil
        persist(open)
        send(.checkpointed)
    }

    mutating func answerHandOver(_ taking: Taking) {
        guard let (giveUp, progress) = openHandOver else { return violations.append("no hand-over is open") }
        openHandOver = nil
        if let event = taken(giveUp, progress, taking) { send(event) }
    }

    /// Moves both clocks, stopping wherever the lane asked to be woken.
    mutating func advance(by duration: Duration) {
        let target = elapsed + duration
        var ticks = 0
        while let next = wake, next.sinceOrigin <= target {
            // A lane that asks for the same moment again and again would keep the test for ever.
            ticks = next.sinceOrigin > elapsed ? 0 : ticks + 1
            if ticks > 100 { return violations.append("the lane asks to be woken at once, without end") }
            elapsed = max(elapsed, next.sinceOrigin)
            wake = nil
            send(.tick)
        }
        elapsed = target
    }

    /// Moves the clocks from wake to wake until the lane waits for nothing but records or the test.
    mutating func runToRest() {
        while let next = wake, violations.isEmpty { advance(by: max(next.sinceOrigin - elapsed, .zero)) }
    }

    // MARK: - What the lane's environment do

    private mutating func perform(_ action: ShardCore.Action) -> ShardCore.Event? {
        switch action {
        case .read(let order):
            if openRead != nil, order.waits, stops.isEmpty { violations.append("a second read is open") }
            openRead = order
            reads.append(order)
        case .invoke(let invocation):
            if openInvocation != nil { violations.append("a second invocation is open") }
            calls.append(
                Call(records: places(invocation.unit.records), at: elapsed, attempt: invocation.attempt))
            if let result = function(invocation) {
                settle(invocation, result)
                return .invocationEnded(invocation.number, result, state: state(invocation))
            }
            openInvocation = invocation
        case .invokeAll: violations.append("several calls in one")
        case .wait(let until): wake = until
        case .checkpoint(let progress):
            let position = progress.position
            if openCheckpoint != nil { violations.append("a second checkpoint is open") }
            let end = Int(position.rawValue)
            if checkedThrough < end {
                if !(checkedThrough..<end).allSatisfy(settled.contains) {
                    violations.append("the checkpoint at \(position) is past records that are not done")
                }
                checkedThrough = end
            }
            openCheckpoint = progress
            guard checkpointsAtOnce else { return nil }
            openCheckpoint = nil
            persist(progress)
            return .checkpointed
        case .handOver(let giveUp, let progress):
            handOvers.append((giveUp.first...giveUp.last, elapsed))
            return taken(giveUp, progress, destination(giveUp))
        case .park, .redrive, .applied, .endShard, .checkpointAdding: violations.append("a key is parked")
        case .stopped(let reason): stops.append(reason)
        }
        return nil
    }

    private mutating func taken(
        _ giveUp: LaneCore.GiveUp, _ progress: ShardProgress, _ taking: Taking
    ) -> ShardCore.Event? {
        switch taking {
        case .takes(let checkpointed):
            documents.append(giveUp)
            settled.formUnion(Int(giveUp.first.rawValue) - 1..<Int(giveUp.last.rawValue))
            if checkpointed, settings.deliveryMovesCheckpoint {
                persist(progress.moved(past: giveUp, to: giveUp.last))
            }
            return .destinationTook(
                checkpointed: checkpointed && settings.deliveryMovesCheckpoint, lane: giveUp.lane)
        case .fails(let through):
            if let through {
                settled.formUnion(Int(giveUp.first.rawValue) - 1..<Int(through.rawValue))
                persist(progress.moved(past: giveUp, to: through))
            }
            return .destinationFailed("no room", takenThrough: through, lane: giveUp.lane)
        case .later:
            openHandOver = (giveUp, progress)
            return nil
        }
    }

    private mutating func persist(_ progress: ShardProgress) {
        if progress.position < durable.position { violations.append("the checkpoint goes back") }
        for entry in progress.notes where !durable.notes.contains(entry) { notes.append(entry.note) }
        if progress.position > durable.position || progress.isShardEnd { checkpoints.append(progress.position) }
        durable = progress
    }

    private mutating func note(_ event: LaneCore.TraceEvent) {
        trace.append(event)
        if case .gaveUp(let span) = event, !span.kept {
            settled.formUnion(Int(span.first.rawValue) - 1..<Int(span.last.rawValue))
        }
    }

    private mutating func settle(_ invocation: LaneCore.Invocation, _ result: LaneCore.InvocationResult) {
        let records = places(invocation.unit.records)
        switch result {
        case .success: settled.formUnion(records)
        case .partial(let from, _):
            guard invocation.settings.reportsFailures else { return }
            settled.formUnion(records.lowerBound..<Int(from.rawValue) - 1)
        case .permanent(let bad?, _):
            settled.formUnion(records.lowerBound..<Int(bad.rawValue) - 1)
        default: break
        }
    }

    private func places(_ batch: RecordBatch) -> Range<Int> {
        guard !batch.isEmpty else { return 0..<0 }
        let first = Int(batch[0].sequenceNumber.rawValue) - 1
        return first..<first + batch.count
    }

    mutating func answerRead() {
        if let event = readAnswer() { send(event) }
    }

    private mutating func readAnswer() -> ShardCore.Event? {
        guard let order = openRead else { return nil }
        var after = Int(order.after.rawValue)
        let tip = log.count
        var expired: ClosedRange<SequenceNumber>?
        if after < Int(trimmedThrough.rawValue) {
            expired = SequenceNumber(UInt64(after + 1))...trimmedThrough
            after = Int(trimmedThrough.rawValue)
        }
        var end = min(tip, after + min(order.maximumRecords, recordsOfOneRead))
        var gap: ClosedRange<SequenceNumber>?
        if let lost, after < Int(lost.upperBound.rawValue) {
            if after + 1 >= Int(lost.lowerBound.rawValue) {
                gap = lost
                after = Int(lost.upperBound.rawValue)
                end = max(end, after)
            } else {
                end = min(end, Int(lost.lowerBound.rawValue) - 1)
            }
        }
        var batch = RecordBatch()
        if after < end { batch = log.extracting(after..<end) }
        var bytes = 0
        if let cut = batch.indices.first(where: { index in
            bytes += batch[index].dataByteCount
            return bytes >= order.maximumBytes
        }) {
            batch = batch.extracting(0..<cut + 1)
            end = after + cut + 1
        }
        let atEnd = isClosed && end == tip
        guard !batch.isEmpty || expired != nil || gap != nil || atEnd || !order.waits else { return nil }
        openRead = nil
        return .read(
            order.number,
            ReadResult(
                batch: batch, expired: expired, lost: gap, next: SequenceNumber(UInt64(max(after, end))),
                tip: SequenceNumber(UInt64(tip)), endOfShard: atEnd ? [] : nil,
                earliestNextArrival: tellsArrivals ? now.wall : nil))
    }
}

extension LaneCore.Settings {
    /// Settings of a test: no window, no jitter.
    static func test(
        batch: Int = 100, window: Duration = .zero, retries: Int? = 0, bisects: Bool = true, reports: Bool = true,
        destination: Bool = true, age: Duration? = nil
    ) -> LaneCore.Settings {
        var settings = LaneCore.Settings()
        settings.batchSize = batch
        settings.batchWindow = window
        settings.maximumRetryAttempts = retries
        settings.bisectsOnError = bisects
        settings.reportsFailures = reports
        settings.hasDestination = destination
        settings.maximumRecordAge = age
        settings.backOff.jitter = 1...1
        return settings
    }
}

extension LaneCore.InvocationResult {
    static let fails = LaneCore.InvocationResult.failed(LaneCore.FunctionFailure("boom", type: "Test"))

    /// Failed from the record at this place on.
    static func fails(from place: Int) -> LaneCore.InvocationResult {
        .partial(from: SequenceNumber(UInt64(place + 1)), LaneCore.FunctionFailure("boom"))
    }

    /// The record at this place, or some record, can never be handled.
    static func permanent(_ place: Int?) -> LaneCore.InvocationResult {
        .permanent(place.map { SequenceNumber(UInt64($0 + 1)) }, LaneCore.FunctionFailure("hopeless"))
    }
}

extension LaneCore.GiveUp {
    /// The places of its records, from 0.
    var places: Range<Int> { Int(first.rawValue) - 1..<Int(last.rawValue) }
}

extension ShardCore.InitialState {
    /// A shard with one lane.
    init(position: SequenceNumber, note: AttemptNote? = nil, notesAttempts: Bool = false) {
        self.init(
            ShardProgress(position: position, notes: note.map { [.init(lane: 0, $0)] } ?? []),
            notesAttempts: notesAttempts)
    }
}

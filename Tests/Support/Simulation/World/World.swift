import DiskAccess
import Logging
import SegmentStorage
import StoreSteps
import ShardlineTesting
import StreamModel
import StreamStorage
import TestSupport

/// One simulated run: a machine with a disk, clocks and a scheduler, and the process that lives on it again and again,
/// while a history is done to it and a judge looks on.
package final class World: @unchecked Sendable {
    // Touched by the thread that holds the scheduler's baton.

    /// How a run ended.
    package struct Outcome: Sendable {
        /// Which invariant was broken; nil: none.
        package var violation: String?
        /// The same for two runs of one history.
        package var hash: UInt64
        package var turns: Int
        package var trace: [String]
        package var acknowledged: Int
        package var invocations: Int
        package var lives: Int
        package var crashes: Int
        package var faults: Int
        /// Records that were promised and went with the power, as they may under `.interval`.
        package var lost: Int
    }

    /// How a process ends before its time.
    enum Death { case powerCut, killed }

    static let directory = "/store"
    static let destination = "/given-up.jsonl"
    static let stream = "s"
    /// The mappings: the first gives up to its dead-letter stream, the second to a file.
    static let allMappings = ["a", "b"]
    var mappings: [String] { Array(Self.allMappings.prefix(history.settings.mappings)) }

    let history: History
    let scheduler: Scheduler
    let time: VirtualTime
    let threads: BlockingThreads
    let logger: Logger
    private(set) var disk: MemoryFileSystem
    private(set) var metadata: ModelMetadata
    var judge: Judge
    var random: SeededRandom

    // The history.
    var next = 0
    var nextRecord: UInt64
    var tries: [String: Int] = [:]
    private var actions = 0
    /// Revisions that an attribute had, in their order.
    var attributeRevisions: [UInt64] = []
    /// How often each mapping was made.
    private var runs: [String: Int] = [:]
    var sources: Sources

    // The process that lives now.
    var life: Life?
    private(set) var lives = 0
    private(set) var crashes = 0
    private(set) var faultsDone = 0
    /// Faults of this life: errors are expected then.
    private(set) var faultsOfLife = 0
    private var death: Death?
    private var flips = 0
    /// Whether something of the store is damaged, so that it may refuse to serve it.
    private(set) var isDecayed = false
    private var isDead = false
    private var left: (disk: MemoryFileSystem, metadata: ModelMetadata)?
    /// A file of the journal was synced, or was to be: what is on the disk now is to be looked at.
    private var syncsJournal = false
    /// A sync of the journal failed in this life.
    private var failedToSync = false
    /// The store was not closed in order, so numbers may jump where it had an interval.
    private var endedInDisorder = true
    private var armed: [(death: Death, countdown: Int)] = []
    private var faults: [(fault: History.Fault, countdown: Int, times: Int)] = []

    /// Told of every moment before something on the disk changes; may be told to look at openings only.
    var recorder: (() -> Void)?

    package convenience init(_ history: History, keepsText: Bool = false) {
        self.init(
            history, disk: MemoryFileSystem(), metadata: ModelMetadata(),
            judge: Judge(retention: [Self.stream: Int64(history.settings.retention)]), keepsText: keepsText)
    }

    /// A machine that is found like this; `firstRecord` is the number that its next record gets.
    init(
        _ history: History, disk: MemoryFileSystem, metadata: ModelMetadata, judge: Judge, keepsText: Bool = false,
        firstRecord: UInt64 = 1
    ) {
        nextRecord = firstRecord
        sources = Sources(first: Int(firstRecord))
        self.history = history
        self.disk = disk
        self.metadata = metadata
        self.judge = judge
        self.judge.tellsExpired = history.tellsExpired
        self.judge.droppedKeys = history.settings.droppedKeys
        self.judge.parksKeys = history.settings.parksKeys
        self.judge.addsRecords = history.settings.addsRecords
        self.judge.clockGoesBack = history.setsClockBack
        time = VirtualTime()
        scheduler = Scheduler(seed: history.seed ^ 0x5C4E_D01E, time: time, keepsText: keepsText)
        random = SeededRandom(history.seed ^ 0x3017D)
        logger = Logger(label: "simulation", factory: { _ in SwiftLogNoOpLogHandler() })
        let scheduler = scheduler
        threads = BlockingThreads(handingTo: { job in scheduler.start("io", job) })
        scheduler.betweenTurns = { [weak self] in self?.lookAround() }
    }

    /// The number of the next control action.
    func nextAction() -> Int {
        actions += 1
        return actions
    }

    /// The parallelization factor of the next run of a mapping.
    func nextFactor(of mapping: String, staysSame: Bool) -> Int {
        defer { if !staysSame { runs[mapping, default: 0] += 1 } }
        return history.settings.factors[runs[mapping, default: 0] % history.settings.factors.count]
    }

    /// Tells the judge, unless the process is dead: then nobody heard it.
    func tell(_ body: (inout Judge) -> Void) {
        guard !isDead else { return }
        showClock()
        body(&judge)
    }

    private func showClock() {
        judge.clockShows(time.wallTime.milliseconds, monotonic: Int64(time.monotonicTime.sinceOrigin.wholeMilliseconds))
    }

    func fail(_ what: String) { tell { $0.fail(what) } }

    var isAlive: Bool { !isDead && judge.violation == nil }
    var isOver: Bool { next >= history.items.count }

    // MARK: The run

    /// Runs the history to its end, or to the first broken invariant.
    package func run() -> Outcome {
        var isFinal = false
        while judge.violation == nil {
            guard lives < 400 else {
                judge.fail("the process died 400 times")
                break
            }
            let isWhole = live(isFinal ? .final : .normal)
            if isWhole, faultsOfLife == 0 { decay() }
            flips = 0
            if isFinal && isWhole { break }
            if isOver { isFinal = true }
        }
        finish()
        if scheduler.strayJobs > 0 { judge.fail("\(scheduler.strayJobs) jobs ran outside the simulation") }
        return Outcome(
            violation: judge.violation, hash: scheduler.trace.hash, turns: scheduler.turns,
            trace: scheduler.trace.lines, acknowledged: judge.acknowledgedRecords, invocations: judge.invocations,
            lives: lives, crashes: crashes, faults: faultsDone, lost: judge.lostRecords)
    }

    /// The same, of a machine that nobody looks at afterwards.
    package func runAndForget() -> Outcome {
        defer { disk.forget() }
        return run()
    }

    /// Ends the simulation's threads.
    func finish() {
        scheduler.betweenTurns = nil
        scheduler.end()
    }

    /// Opens what is on the disk, once, and lets the judge look at all of it; the machine is of no use afterwards.
    func examine(whenOpened: () -> Void) {
        disk.recordOperations(false)
        disk.onOperation { [unowned self] in before($0) }
        metadata.onTransaction { [unowned self] in beforeTransaction() }
        judge.processEnded()
        lives += 1
        guard let stepped = open() else { return finish() }
        whenOpened()
        let life = Life(stepped, world: self, purpose: .audit)
        let root = Task(executorPreference: scheduler) { await life.run() }
        if scheduler.run(atMost: 100_000, until: { life.isDone }) != .done { judge.fail("an audit does not end") }
        root.cancel()
        disk.onOperation(nil)
        metadata.onTransaction(nil)
        finish()
    }

    func decay(flips: Int) { self.flips = flips }

    /// Flips bits of a store that was closed in order, one at a time: what is damaged is refused with a reason, never
    /// served, never left out in silence (STORE-I7).
    private func decay() {
        let files = disk.contents.filter { $0.key.hasPrefix(Self.directory) && !$0.value.isEmpty }
            .map { (path: $0.key, size: $0.value.count) }.sorted { $0.path < $1.path }
        guard !files.isEmpty else { return }
        for _ in 0..<flips where judge.violation == nil {
            let file = random.pick(files)
            let place = random.below(file.size)
            let copy = disk.copy()
            copy.flip(1 << UInt8(random.below(8)), in: file.path, at: place)
            scheduler.trace.note("decays", file.path, place)
            let world = World(history, disk: copy, metadata: metadata.copy(), judge: judge)
            world.isDecayed = true
            world.examine(whenOpened: {})
            copy.forget()
            if let violation = world.judge.violation {
                judge.fail("\(violation); after a bit of byte \(place) of \(file.path) flipped")
            }
        }
    }

    /// One process from its opening to its end; true where it lived as long as it wanted.
    private func live(_ purpose: Life.Purpose) -> Bool {
        lives += 1
        isDead = false
        death = nil
        left = nil
        faultsOfLife = 0
        if purpose == .final {
            faults = []
            armed = []
        }
        disk.recordOperations(false)
        disk.onOperation { [unowned self] in before($0) }
        metadata.onTransaction { [unowned self] in beforeTransaction() }
        defer { succeed() }
        guard let stepped = open() else { return false }
        let life = Life(stepped, world: self, purpose: purpose)
        self.life = life
        life.startThreads()
        let root = Task(executorPreference: scheduler) { await life.run() }
        var isCancelled = false
        let end = scheduler.run(atMost: 100_000) {
            if !isAlive, !isCancelled {
                isCancelled = true
                root.cancel()
                stepped.beginClosing()
            }
            return life.isDone && scheduler.threadsAtWork == 0
        }
        if end != .done, judge.violation == nil {
            isDead = false
            fail(
                "the process does not end: \(life.doing.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" })\(life.isDone ? ", threads wait" : "") \(life.lanes)"
            )
        }
        self.life = nil
        if !isDead, faultsOfLife == 0, end == .done {
            judge.isSynced()
            endedInDisorder = false
        }
        return !isDead
    }

    /// Opens the store; nil where that failed as it may.
    private func open() -> SteppedStore? {
        var environment = SteppedStore.Environment(fileSystem: disk, metadata: metadata, threads: threads)
        environment.ringFileSize = history.settings.ringFileSize
        environment.memtableSize = history.settings.memtableSize
        environment.sealFrom = UInt64(history.settings.sealFrom)
        environment.ownSegmentFrom = history.settings.ownSegmentFrom
        environment.journalLimit = 8 * history.settings.ringFileSize
        environment.cacheLimit = 4 << 10
        var configuration = SegmentStore.Configuration()
        // A process that opens a store may choose again.
        let interval = history.settings.interval.flatMap { lives > 1 && random.once(in: 5) ? nil : $0 }
        if let interval { configuration.durability = .interval(.milliseconds(interval)) }
        judge.willOpen(interval: interval.map(Int64.init), mayJump: history.settings.interval != nil && endedInDisorder)
        endedInDisorder = true
        var result: Result<SteppedStore, any Error>?
        let (time, logger) = (time, logger)
        scheduler.start("open") {
            result = Result {
                try SteppedStore.open(
                    at: Self.directory, configuration: configuration, timeSource: time, logger: logger,
                    environment: environment)
            }
        }
        guard scheduler.run(atMost: 1_000_000, until: { result != nil && scheduler.threadsAtWork == 0 }) == .done
        else {
            judge.fail("opening the store does not end")
            return nil
        }
        switch result! {
        case .success(let stepped):
            // What was found is made durable before anything of it is served (STORE-J9).
            if !isDead { judge.isSynced() }
            return stepped
        case .failure(let error):
            if isDecayed, isReport(of: error) { return nil }
            if !isDead, faultsOfLife == 0 { fail("the store can't be opened: \(error)") }
            // The process that opens it again has mended what was wrong.
            faults = []
            return nil
        }
    }

    /// Whether an error says that something is damaged.
    func isReport(of error: any Error) -> Bool {
        (error as? ShardlineError).map { [.corrupt, .newerFormat, .metadataOlderThanJournal].contains($0.code) }
            ?? false
    }

    /// The machine after the process: what the next one finds.
    private func succeed() {
        if !isDead {
            left = nil
            showClock()
        }
        // The disk may not have what the page cache went on to show.
        if failedToSync { judge.losesUnsynced(isTimely: false) }
        failedToSync = false
        syncsJournal = false
        let kept = left ?? (disk.copy(), metadata)
        disk.onOperation(nil)
        metadata.onTransaction(nil)
        // Tasks of a process that died wait for ever, and hold what they have of it.
        disk.forget()
        disk = kept.disk
        metadata = kept.metadata
        judge.processEnded()
    }

    // MARK: What happens to the machine

    /// Ends the process at this moment; what is done from now on reaches nothing.
    func die(_ death: Death) {
        guard isAlive else { return }
        // Retention may have gone by it, though nobody was told.
        showClock()
        lookAtJournal()
        crashes += 1
        scheduler.trace.note("dies", death == .killed ? "killed" : "power", crashes)
        armed = []
        switch death {
        case .killed:
            left = (disk.copy(), metadata.afterCrash(keepingCurrent: random.once(in: 2)))
        case .powerCut:
            let style = random.below(5)
            var chance = random
            let image = disk.afterCrash { _ in
                switch style {
                case 0, 1: false
                case 2: true
                case 3: chance.once(in: 2)
                default: !chance.once(in: 8)
                }
            }
            random = chance
            judge.losesUnsynced(isTimely: faultsOfLife == 0)
            left = (image, metadata.afterCrash(keepingCurrent: random.once(in: 2)))
        }
        isDead = true
    }

    func arm(_ death: Death, after operations: Int) { armed.append((death, operations)) }
    func add(_ fault: History.Fault, after operations: Int, times: Int) { faults.append((fault, operations, times)) }
    func jump(by milliseconds: Int) {
        // Retention may have gone by what the clock showed until now.
        showClock()
        time.setWallTime(time.wallTime + .milliseconds(milliseconds))
    }

    /// Asked before each operation on the disk, on the thread that makes it.
    private func before(_ operation: MemoryFileSystem.Operation) -> MemoryFileSystem.Fault? {
        if isDead { return .error(5) }
        // Documents are written under a lock, which nobody else may meet; so is the name of their file.
        if operation.path != Self.destination, operation.path != "/" { scheduler.perhapsYield() }
        if isDead { return .error(5) }
        lookAtJournal()
        if operation.kind == .synchronize, operation.path.contains("/journal/") { syncsJournal = true }
        scheduler.trace.note("disk", operation.path, operation.offset, operation.count)
        if operation.changesDisk {
            let isNothing = [.open, .createDirectory].contains(operation.kind) && disk.isThere(operation.path)
            if !isNothing { recorder?() }
            if isDue() { return .error(5) }
        }
        if history.settings.diskLies, operation.kind == .synchronize, operation.path.contains("/journal/") {
            return .lyingSync
        }
        return fault(for: operation)
    }

    private func beforeTransaction() -> MetadataError? {
        if isDead { return MetadataError(.failed, "the process is dead") }
        scheduler.perhapsYield()
        if isDead { return MetadataError(.failed, "the process is dead") }
        scheduler.trace.note("metadata")
        recorder?()
        if isDue() { return MetadataError(.failed, "the process is dead") }
        switch takeFault(where: { fault in
            fault.place == .metadata && [.noSpace, .writeError, .syncError].contains(fault.kind)
        })?.kind {
        case .noSpace: return MetadataError(.noSpace, "no space left")
        case nil: return nil
        default: return MetadataError(.failed, "input/output error")
        }
    }

    private func isDue() -> Bool {
        for index in armed.indices { armed[index].countdown -= 1 }
        guard let due = armed.first(where: { $0.countdown < 0 }) else { return false }
        die(due.death)
        return true
    }

    private func takeFault(where fits: (History.Fault) -> Bool) -> History.Fault? {
        for index in faults.indices where fits(faults[index].fault) {
            faults[index].countdown -= 1
            guard faults[index].countdown < 0 else { continue }
            faults[index].times -= 1
            let fault = faults[index].fault
            if faults[index].times == 0 { faults.remove(at: index) }
            faultsOfLife += 1
            faultsDone += 1
            scheduler.trace.note("fault", "\(fault)")
            return fault
        }
        return nil
    }

    private func fault(for operation: MemoryFileSystem.Operation) -> MemoryFileSystem.Fault? {
        let fault = takeFault { fault in
            fault.fits(operation, isNew: operation.kind == .open && !disk.isThere(operation.path))
        }
        if [.syncError, .lostSync].contains(fault?.kind), operation.path.contains("/journal/") { failedToSync = true }
        switch fault?.kind {
        case nil: return nil
        case .writeError, .syncError, .readError, .createError, .removeError: return .error(5)
        case .noSpace:
            guard operation.kind == .write, operation.count > 1, random.once(in: 2) else { return .error(28) }
            return .errorAfter(bytes: random.below(operation.count), 28)
        case .shortWrite, .shortRead: return .short(max(1, random.below(max(1, operation.count))))
        case .lostSync: return .lostSync(5, pattern: random.next())
        }
    }

    /// Whether a sync has left nothing of the journal to chance: then all that was promised is on the disk.
    private func lookAtJournal() {
        guard syncsJournal, judge.interval != nil, disk.isDurable(in: Self.directory + "/journal") else { return }
        syncsJournal = false
        judge.isSynced()
    }

    /// Between two turns: what must hold at every moment.
    private func lookAround() {
        guard isAlive, let life else { return }
        lookAtJournal()
        // One memtable is filled while another is flushed, and what is in the queue comes on top (STORE-M4).
        let bound = 4 * history.settings.memtableSize + (1 << 20)
        let used = life.stepped.unflushedBytes
        if used > bound { fail("\(used) bytes of records are in memory, more than \(bound) (STORE-M4)") }
    }
}

/// The counters of who puts records.
struct Sources {
    private let first: Int
    private var orders: [Int: Int] = [:]

    init(first: Int) { self.first = first }

    mutating func nextOrder(of source: Int) -> Int {
        defer { orders[source, default: first] += 1 }
        return orders[source, default: first]
    }
}

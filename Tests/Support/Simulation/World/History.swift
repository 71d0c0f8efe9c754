import TestSupport

/// What is done to a store in one simulated run, step by step: it follows from a seed, and stays a history when steps
/// are left out. Each step has its own seed, so that leaving one out changes no other.
package struct History: Sendable {
    package enum Step: Hashable, Sendable {
        /// A producer is given this many records.
        case enqueue(producer: Int, count: Int, bytes: Int)
        /// One call puts this many records, whole or not at all.
        case put(caller: Int, count: Int, bytes: Int)
        /// Nothing happens for this many milliseconds.
        case pause(Int)
        /// The wall clock jumps by this many milliseconds.
        case jump(Int)
        /// Everything is read and judged, beside all that goes on.
        case audit
        /// A shard is split, or two neighbours are merged.
        case split
        case merge
        /// The stream gets so many shards, by as many splits and merges as it takes, in one commit.
        case scale(Int)
        /// A mapping is stopped in order; it begins again after a while.
        case restart(mapping: Int)
        /// A mapping, running or not, is sent back to the oldest record.
        case seek(mapping: Int)
        /// A mapping is disabled, enabled or updated, running or not.
        case control(mapping: Int, Control)
        /// An operator parks a key of a mapping, or lets what waits of all parked keys be handed back.
        case parkedKeys(mapping: Int, ParkedStep)
        /// An operator lets all paused shards of a mapping go on, and gives up what paused them or not.
        case resume(mapping: Int, givingUp: Bool)
        /// Attributes of the store and of the stream are changed together.
        case attributes(AttributeStep)
        /// The stream's record size is changed.
        case resize
        /// Power is lost before the n-th operation on the disk from now on that changes something.
        case crash(after: Int)
        /// The process is killed: the disk keeps all that it was given.
        case kill(after: Int)
        /// The store is closed in order and opened again.
        case reopen
        /// The store is closed in order; this many times a bit of one of its files flips, is looked at, and flips back.
        case decay(flips: Int)
        /// The stream is deleted, with its mappings, while all goes on, and recreated.
        case deleteStream
        /// A mapping is stopped in order, deleted, and recreated.
        case deleteMapping(Int)
        /// This many operations from now on of this kind on such files go wrong, beginning with the n-th.
        case fault(Fault, after: Int, times: Int)
    }

    package enum Control: Hashable, Sendable {
        case disable, enable
        case update(batchSize: Int)
        /// The lanes change while they have work.
        case factor(Int)
        /// An action that is based on an earlier revision.
        case stale
    }

    package enum ParkedStep: Hashable, Sendable {
        case release
        case park(key: String)
    }

    package enum AttributeStep: Hashable, Sendable {
        case set, remove
        /// A change that is based on an earlier revision.
        case stale
    }

    package struct Fault: Hashable, Sendable {
        package enum Place: String, Sendable, CaseIterable { case journal, segments, metadata, folder, destination }
        package enum Kind: String, Sendable, CaseIterable {
            case writeError, noSpace, shortWrite, syncError, lostSync, readError, shortRead, createError, removeError
        }
        package var place: Place
        package var kind: Kind
    }

    package struct Item: Hashable, Sendable, CustomStringConvertible {
        package var step: Step
        package var seed: UInt64
        package var description: String { "\(step)" }
    }

    /// What holds for the whole run.
    package struct Settings: Hashable, Sendable {
        package var shards = 2
        package var retention = 30_000
        package var memtableSize = 8 << 10
        package var ringFileSize = 32 << 10
        package var sealFrom = 32 << 10
        package var ownSegmentFrom = 6 << 10
        package var batchSize = 5
        package var batchWindow = 0
        package var retries = 1
        /// The parallelization factor of one run of a mapping and of the next, by turns.
        package var factors = [1, 1]
        /// The length of the mappings' tumbling windows in milliseconds; 0: none.
        package var tumblingWindow = 0
        /// The keys whose records the mappings' filters drop.
        package var droppedKeys: Set<String> = []
        /// Whether a record that can't be done parks its key.
        package var parksKeys = false
        /// Whether it pauses its shard.
        package var pausesShards = false
        /// Whether the function adds a record for each that it gets to the commit of its unit.
        package var addsRecords = false
        package var bisects = true
        package var reports = true
        package var workers = 2
        package var concurrency: Int?
        /// Whether the disk only says that it has synced the journal: no store can live with that.
        package var diskLies = false
        /// How many of the two mappings there are.
        package var mappings = 2
        /// The store's durability: this many milliseconds; nil: each commit is synced.
        package var interval: Int?
    }

    package var seed: UInt64
    package var settings = Settings()
    package var items: [Item] = []

    /// The history of this seed.
    package init(seed: UInt64) {
        self.seed = seed
        var random = SeededRandom(seed)
        settings.shards = random.pick(1...3)
        settings.retention = random.pick([20_000, 60_000, 600_000])
        settings.memtableSize = random.pick([4, 8, 16]) << 10
        settings.ringFileSize = random.pick([16, 32, 64]) << 10
        settings.sealFrom = random.pick([16, 64]) << 10
        settings.ownSegmentFrom = random.pick([3, 8, 32]) << 10
        settings.batchSize = random.pick(1...12)
        settings.batchWindow = random.pick([0, 0, 50])
        settings.retries = random.pick(0...2)
        settings.bisects = !random.once(in: 4)
        settings.reports = !random.once(in: 4)
        settings.workers = random.pick(1...2)
        settings.concurrency = random.once(in: 3) ? 1 : nil
        var further = SeededRandom(seed ^ 0x1A7E_55EED)
        settings.interval = further.once(in: 4) ? further.pick([1, 20, 200, 2_000]) : nil
        var lanes = SeededRandom(seed ^ 0x1A9E_5)
        if lanes.once(in: 2) { settings.factors = [lanes.pick([1, 2, 3, 10]), lanes.pick([1, 2, 3, 10])] }
        var filters = SeededRandom(seed ^ 0xF117E5)
        if filters.once(in: 3) {
            settings.droppedKeys = Set((0..<filters.pick(1...5)).map { _ in "key-\(filters.below(6))" })
        }
        var windows = SeededRandom(seed ^ 0x71_3B11)
        if settings.factors == [1, 1], windows.once(in: 2) {
            settings.tumblingWindow = windows.pick([40, 300, 2_000])
        }
        let hasFaults = !random.once(in: 4)
        for _ in 0..<random.pick(8...40) {
            let step: Step
            switch random.below(hasFaults ? 100 : 80) {
            case 0..<22:
                step = .enqueue(
                    producer: random.below(2), count: random.pick(1...12), bytes: random.pick([20, 200, 900]))
            case 22..<42:
                step = .put(caller: random.below(2), count: random.pick(1...8), bytes: random.pick([20, 300, 2000]))
            case 42..<52: step = .pause(random.pick([1, 10, 100, 700, 2_500]))
            case 52..<55: step = .jump(random.pick([-4_000, -500, 1_000, 15_000]))
            case 55..<58: step = .audit
            case 58..<60: step = .seek(mapping: random.below(2))
            case 60..<62: step = .split
            case 62..<64: step = .merge
            case 64..<66: step = .scale(random.pick(1...6))
            case 66..<68: step = .restart(mapping: random.below(2))
            case 68..<76: step = .crash(after: random.pick([1, 3, 10, 40, 120]))
            case 76..<78: step = .kill(after: random.pick([1, 10, 60]))
            case 78: step = .reopen
            case 79: step = .decay(flips: random.pick(1...6))
            default:
                step = .fault(
                    Fault(place: random.pick(Fault.Place.allCases), kind: random.pick(Fault.Kind.allCases)),
                    after: random.pick([0, 1, 4, 20]), times: random.pick([1, 1, 3]))
            }
            items.append(Item(step: step, seed: random.next()))
        }
        if further.once(in: 3) { addDeletions(&further) }
        if further.once(in: 4) { addExpiry(&further) }
        var controls = SeededRandom(seed ^ 0xC0_117801)
        if controls.once(in: 3) { addControls(&controls) }
        var attributes = SeededRandom(seed ^ 0xA77_2188)
        if attributes.once(in: 4) { addAttributes(&attributes) }
        var sizes = SeededRandom(seed ^ 0x512E_5)
        if sizes.once(in: 4) { addSizes(&sizes) }
        var changes = SeededRandom(seed ^ 0xFAC_7025)
        if settings.tumblingWindow == 0, changes.once(in: 4) { addFactors(&changes) }
        var parking = SeededRandom(seed ^ 0x9A_2C1D)
        // Sent back, a mapping does not get what it has parked again, which the judge could not tell from a loss.
        if settings.tumblingWindow == 0, tellsExpired, parking.once(in: 2) { addParking(&parking) }
        var pauses = SeededRandom(seed ^ 0x9A05_ED)
        if !settings.parksKeys, tellsExpired, pauses.once(in: 2) { addPauses(&pauses) }
        var adding = SeededRandom(seed ^ 0xADD_ED)
        settings.addsRecords = tellsExpired && adding.once(in: 2)
        var losses = SeededRandom(seed ^ 0x1055_E5)
        if let interval = settings.interval, !losses.once(in: 4) { addLosses(&losses, after: interval) }
    }

    /// Power that is lost when nothing was put for so long that what was put before must have been synced.
    private mutating func addLosses(_ random: inout SeededRandom, after interval: Int) {
        let steps: [Step] = [
            .put(caller: 0, count: random.pick(1...4), bytes: 20), .pause(interval + random.pick([700, 1_500])),
            .crash(after: 1), .put(caller: 1, count: 1, bytes: 20), .pause(50),
        ]
        // Where the disk has not failed yet, all syncs have come when they were due.
        let place = random.once(in: 2) ? 0 : random.below(items.count + 1)
        insert(steps, at: place, &random)
    }

    private mutating func insert(_ steps: [Step], at place: Int, _ random: inout SeededRandom) {
        items.insert(contentsOf: steps.map { Item(step: $0, seed: random.next()) }, at: place)
    }

    /// Other parallelization factors, in the midst of it, some of which meet a crash.
    private mutating func addFactors(_ random: inout SeededRandom) {
        for _ in 0..<random.pick(1...4) {
            let mapping = random.below(2)
            var steps: [Step] = [
                .put(caller: random.below(2), count: random.pick(2...12), bytes: 20),
                .control(mapping: mapping, .factor(random.pick([1, 2, 3, 10]))),
            ]
            switch random.below(4) {
            case 0: steps.append(.crash(after: random.pick([1, 3, 10, 40])))
            case 1: steps.append(.restart(mapping: mapping))
            default: break
            }
            insert(steps, at: random.below(items.count + 1), &random)
        }
    }

    /// Lets some of these steps meet a crash, a kill or a restart of their mapping.
    private func disturb(_ steps: inout [Step], of mapping: Int, _ random: inout SeededRandom) {
        switch random.below(4) {
        case 0: steps.insert(.crash(after: random.pick([1, 3, 10, 40])), at: random.below(steps.count + 1))
        case 1: steps.insert(.kill(after: random.pick([1, 3, 10])), at: random.below(steps.count + 1))
        case 2: steps.append(.restart(mapping: mapping))
        default: break
        }
    }

    /// Keys that wait aside, and are released, in the midst of it, some of which meets a crash or the end of a shard.
    private mutating func addParking(_ random: inout SeededRandom) {
        settings.parksKeys = true
        for _ in 0..<random.pick(1...5) {
            let mapping = random.below(2)
            func step(_ step: ParkedStep) -> Step { .parkedKeys(mapping: mapping, step) }
            var steps: [Step]
            switch random.below(4) {
            case 0:
                steps = [
                    step(.park(key: "key-\(random.below(6))")), .pause(random.pick([1, 50, 300])), step(.release),
                ]
            case 1:
                steps = [
                    .pause(random.pick([50, 300])), random.pick([.split, .merge, .scale(random.pick(1...5))]),
                    step(.release),
                ]
            default: steps = [.pause(random.pick([10, 300])), step(.release), .pause(random.pick([1, 20, 100]))]
            }
            steps.insert(
                .put(caller: random.below(2), count: random.pick(2...12), bytes: 20), at: random.below(steps.count + 1))
            disturb(&steps, of: mapping, &random)
            insert(steps, at: random.below(items.count + 1), &random)
        }
    }

    /// Paused shards that go on, in the midst of it, some of which meets a crash.
    private mutating func addPauses(_ random: inout SeededRandom) {
        settings.pausesShards = true
        for _ in 0..<random.pick(3...8) {
            let mapping = random.below(2)
            var steps: [Step] = [
                .put(caller: random.below(2), count: random.pick(2...12), bytes: 20),
                .pause(random.pick([10, 100, 700])), .resume(mapping: mapping, givingUp: random.once(in: 2)),
            ]
            disturb(&steps, of: mapping, &random)
            insert(steps, at: random.below(items.count + 1), &random)
        }
    }

    /// Whether a mapping's factor changes while it runs.
    var changesFactor: Bool {
        items.contains { if case .control(_, .factor) = $0.step { true } else { false } }
    }

    /// Control actions in the midst of it, some of which meet a crash.
    private mutating func addControls(_ random: inout SeededRandom) {
        for _ in 0..<random.pick(1...4) {
            let mapping = random.below(2)
            func step(_ control: Control) -> Step { .control(mapping: mapping, control) }
            var steps: [Step]
            switch random.below(4) {
            case 0: steps = [step(.update(batchSize: random.pick(1...12))), step(.stale)]
            case 1: steps = [step(.disable), step(.stale), .pause(random.pick([1, 50, 300])), step(.enable)]
            case 2: steps = [step(.disable), step(.update(batchSize: random.pick(1...12))), .pause(100), step(.enable)]
            default: steps = [step(.disable), .restart(mapping: mapping), .pause(random.pick([50, 300]))]
            }
            switch random.below(4) {
            case 0: steps.insert(.crash(after: random.pick([1, 3, 10, 40])), at: random.below(steps.count + 1))
            case 1: steps.insert(.kill(after: random.pick([1, 3, 10])), at: random.below(steps.count + 1))
            default: break
            }
            insert(steps, at: random.below(items.count + 1), &random)
        }
    }

    /// Changes of attributes in the midst of it, some of which meet a crash, or the stream's deletion.
    private mutating func addAttributes(_ random: inout SeededRandom) {
        for _ in 0..<random.pick(1...4) {
            var steps: [Step] = [.attributes(random.once(in: 3) ? .remove : .set)]
            switch random.below(5) {
            case 0: steps.insert(.crash(after: random.pick([1, 3, 10, 40])), at: 0)
            case 1: steps.insert(.kill(after: random.pick([1, 3, 10])), at: 0)
            case 2: steps += [.attributes(.set), .attributes(.stale)]
            case 3: steps += [.reopen, .attributes(.stale)]
            default: break
            }
            insert(steps, at: random.below(items.count + 1), &random)
        }
    }

    /// Other record sizes in the midst of it, some of which meet a crash.
    private mutating func addSizes(_ random: inout SeededRandom) {
        for _ in 0..<random.pick(1...3) {
            var steps: [Step] = [.resize]
            switch random.below(4) {
            case 0: steps.insert(.crash(after: random.pick([1, 3, 10, 40])), at: 0)
            case 1: steps.insert(.kill(after: random.pick([1, 3, 10])), at: 0)
            case 2: steps += [.pause(1_500), .reopen]
            default: break
            }
            insert(steps, at: random.below(items.count + 1), &random)
        }
    }

    /// A retention that is over soon, and shards that are closed and removed in the midst of it.
    private mutating func addExpiry(_ random: inout SeededRandom) {
        settings.retention = random.pick([3_000, 6_000])
        for _ in 0..<random.pick(2...5) {
            let steps: [Step] = [
                random.pick([.split, .merge, .scale(random.pick(1...5))]),
                .pause(settings.retention / random.pick([2, 1])),
                .put(caller: random.below(2), count: random.pick(1...8), bytes: 20),
            ]
            insert(steps, at: random.below(items.count + 1), &random)
        }
    }

    /// Whether nothing keeps a mapping from what it has to tell: none is sent back, deleted or made again.
    var tellsExpired: Bool {
        items.allSatisfy { item in
            switch item.step {
            case .seek, .deleteStream, .deleteMapping: false
            default: true
            }
        }
    }

    /// Whether the wall clock is set back in the midst of it.
    var setsClockBack: Bool {
        items.contains { if case .jump(let milliseconds) = $0.step { milliseconds < 0 } else { false } }
    }

    /// Deletions in the midst of it, of which each second one meets a crash.
    private mutating func addDeletions(_ random: inout SeededRandom) {
        for _ in 0..<random.pick(1...3) {
            var steps: [Step] = [random.once(in: 2) ? .deleteStream : .deleteMapping(random.below(2))]
            switch random.below(4) {
            case 0: steps.insert(.crash(after: random.pick([1, 3, 10, 40])), at: 0)
            case 1: steps.insert(.kill(after: random.pick([1, 3, 10])), at: 0)
            default: break
            }
            insert(steps, at: random.below(items.count + 1), &random)
        }
    }

    /// The same history with these of its steps only.
    package func keeping(_ places: [Int]) -> History {
        var shorter = self
        shorter.items = places.map { items[$0] }
        return shorter
    }
}

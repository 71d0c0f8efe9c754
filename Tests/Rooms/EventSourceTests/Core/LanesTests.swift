import EventSource
import StreamModel
import StreamStorage
import Testing
import TestSupport

/// Several lanes in one shard (section K).
@Suite struct LanesTests {
    static func settings(_ factor: Int, batch: Int = 4, retries: Int? = 0, window: Duration = .zero)
        -> LaneCore.Settings
    {
        var settings = LaneCore.Settings.test(batch: batch, window: window, retries: retries, reports: false)
        settings.parallelizationFactor = factor
        settings.deliveryMovesCheckpoint = true
        return settings
    }

    /// One key of each lane.
    static func keys(_ factor: Int) -> [String] {
        (0..<factor).map { lane in
            (0...).lazy.map { "k\($0)" }.first { ShardCore.lane(ofKey: $0, factor: factor) == lane }!
        }
    }

    @Test(arguments: 1...10)
    func `ESM-S11 ESM-K1 as many batches are in flight as there are lanes, and no more`(factor: Int) {
        var world = LanesWorld(Self.settings(factor))
        let keys = Self.keys(factor)
        world.put((0..<40 * factor).map { keys[$0 % factor] })
        world.start()
        #expect(world.open.count == factor)
        world.runToRest()
        #expect(world.mostInFlight == factor && world.isAllDone && world.violations == [])
        #expect(world.calls.allSatisfy { $0.count <= 4 })
    }

    @Test func `ESM-K2 API-U-1 records without a key spread over the lanes by their numbers`() {
        var bytes: [UInt8] = []
        for number in 0..<1000 {
            RecordEncoding.append(
                NewRecord([], partitionKey: "", explicitHashKey: HashKey(UInt128(number))), to: &bytes)
        }
        let run = RecordRun(
            bytes: bytes, offsets: RecordEncoding.offsets(of: 1000, in: bytes.span)!, range: 0..<1000,
            shard: ShardID(0),
            shardCreationSecond: 1, firstSequence: SequenceNumber(1), arrival: Timestamp(milliseconds: 1000))
        var counts = [0, 0, 0]
        for index in 0..<1000 { counts[run.lane(of: index, factor: 3)] += 1 }
        #expect(counts.allSatisfy { $0 > 250 })
        // Fixed, as stored checkpoints depend on it.
        #expect((0..<5).map { run.lane(of: $0, factor: 10) } == [2, 6, 8, 1, 1])
    }

    @Test func `ESM-K2 the lane of a key is fixed`() {
        let known = ["": 2, "a": 5, "k1": 3, "käse": 0, "customer-4711": 2]
        for (key, lane) in known { #expect(ShardCore.lane(ofKey: key, factor: 10) == lane, "\(key)") }
    }

    @Test(arguments: 2...10)
    func `ESM-K2 keys spread over all lanes`(factor: Int) {
        var counts = Array(repeating: 0, count: factor)
        for key in 0..<10_000 { counts[ShardCore.lane(ofKey: "user-\(key)", factor: factor)] += 1 }
        #expect(counts.allSatisfy { abs($0 - 10_000 / factor) < 10_000 / factor / 5 })
    }

    @Test func `ESM-K3 a failing unit holds up its own lane only`() {
        var world = LanesWorld(Self.settings(3, retries: nil))
        let keys = Self.keys(3)
        world.put((0..<60).map { keys[$0 % 3] })
        world.bad = [1]
        world.start()
        world.answerCalls(atMost: 200)
        let done = Set(world.settled.map { $0 % 3 })
        #expect(world.settled.count == 40 && done == [0, 2] && world.violations == [])
        // The checkpoint stays before it, and what is done beyond is kept all the same (ESM-K4).
        #expect(world.durable.position == SequenceNumber(1) && world.kept.count == 40)
    }

    @Test func `ESM-K3 a lane that is stuck stops the shard at a bounded lead`() {
        var world = LanesWorld(Self.settings(2, batch: 10, retries: nil))
        let keys = Self.keys(2)
        world.put((0..<1_000).map { keys[$0 % 2] })
        world.bad = [0]
        world.start()
        world.answerCalls(atMost: 1_000)
        #expect(world.largestHeld <= 4 * 10 * 2)
        // The other lane got about as far as the stuck one's lead allows.
        #expect((40...100).contains(world.settled.count))
        #expect(world.violations == [])
    }

    @Test func `ESM-K4 after a crash nothing is sent again that a lane had done`() {
        var world = LanesWorld(Self.settings(2))
        let keys = Self.keys(2)
        world.put((0..<40).map { keys[$0 % 2] })
        world.start()
        for _ in 0..<5 {
            world.answer(1)
            world.save()
        }
        #expect(world.settled.count == 20 && world.durable.position == .zero)
        world.crash(world.settings)
        world.runToRest()
        #expect(world.isAllDone && world.violations == [])
        #expect((0..<40).filter { $0 % 2 == 1 }.allSatisfy { world.deliveries[$0] == 1 })
        #expect(world.core.counters.skipped == 20)
        #expect(world.core.counters.settled == world.core.counters.polled)
    }

    @Test func `ESM-K5 ESM-L4 a new factor waits until every unit that has begun is done`() {
        func settings(_ factor: Int) -> LaneCore.Settings {
            var settings = Self.settings(factor, batch: 2, retries: nil)
            settings.maximumChain = 1
            settings.bisectsOnError = false
            return settings
        }
        var world = LanesWorld(settings(2))
        let keys = Self.keys(2)
        world.put((0..<40).map { keys[$0 % 2] })
        world.bad = [1]
        world.start()
        world.change(settings(3))
        world.answerCalls(atMost: 100)
        // The failed unit of one lane keeps both from beginning a batch.
        let done = world.settled.count
        #expect(world.core.laneCount == 2 && world.open.isEmpty && world.core.heldRecords == 2 && done < 10)
        world.bad = []
        world.advance(by: .seconds(60))
        world.answer(1)
        #expect(world.core.laneCount == 2 && world.open.isEmpty)
        world.save()
        #expect(world.core.laneCount == 3 && !world.open.isEmpty)
        world.runToRest()
        #expect(world.isAllDone && world.violations == [])
        // Only what failed was sent again.
        #expect(world.deliveries.filter { $0.value > 1 }.keys.sorted() == [1, 3])
    }

    @Test func `ESM-K5 a factor that is taken back before it took effect changes no lane`() {
        var world = LanesWorld(Self.settings(2, batch: 2))
        let keys = Self.keys(2)
        world.put((0..<40).map { keys[$0 % 2] })
        world.start()
        world.change(Self.settings(10, batch: 2))
        world.change(Self.settings(2, batch: 2))
        world.runToRest()
        #expect(world.isAllDone && world.violations == [] && world.core.laneCount == 2 && world.durable.earlier == [])
    }

    @Test(arguments: [(1, 10), (10, 1)])
    func `ESM-K5 a factor changes at once where nothing is in work`(before: Int, after: Int) {
        var world = LanesWorld(Self.settings(before))
        world.start()
        world.save()
        world.change(Self.settings(after))
        world.save()
        #expect(world.core.laneCount == after)
        let keys = Self.keys(10)
        world.put((0..<100).map { keys[$0 % 10] })
        #expect(world.open.count == after)
        world.runToRest()
        #expect(world.isAllDone && world.violations == [])
    }

    @Test func `ESM-K5 ESM-L2 a factor that changes while the mapping is disabled waits for the units it had`() {
        var world = LanesWorld(Self.settings(2, batch: 2, retries: 5))
        let keys = Self.keys(2)
        world.put((0..<12).map { keys[$0 % 2] })
        world.bad = [0]
        world.start()
        world.stop()
        for lane in [0, 1] { world.answer(lane) }
        world.save()
        world.change(Self.settings(1, batch: 2, retries: 5))
        #expect(world.core.laneCount == 2)
        world.bad = []
        world.start()
        world.runToRest()
        #expect(world.isAllDone && world.violations == [] && world.core.laneCount == 1)
    }

    @Test func `ESM-K4 a state of another version, or one that is cut short, is refused`() throws {
        let shard = ShardID(0)
        let whole = ShardProgress(position: SequenceNumber(5), lanes: [SequenceNumber(5), SequenceNumber(9)])
        let state = whole.encodedState
        let checkpoint = ShardCheckpoint(shard: shard, position: whole.position, state: state)
        #expect(try ShardProgress(checkpoint) == whole)
        var others = (1..<state.count).map { Array(state[..<$0]) } + [state + [0]]
        for version: UInt8 in [0, 2] { others.append([version] + state.dropFirst()) }
        for other in others {
            #expect(throws: ShardlineError.self) {
                try ShardProgress(ShardCheckpoint(shard: shard, position: whole.position, state: other))
            }
        }
    }

    @Test(arguments: [(2, 5), (5, 2), (1, 10), (10, 1), (3, 4)])
    func `ESM-K5 with another factor nothing is sent again that the lanes of before had done`(before: Int, after: Int) {
        var world = LanesWorld(Self.settings(before))
        world.put((0..<60).map { "k\($0 % 7)" })
        world.start()
        for _ in 0..<6 {
            world.answer(world.open.keys.max()!)
            world.save()
        }
        let done = world.settled
        world.crash(Self.settings(after))
        world.runToRest()
        #expect(world.isAllDone && world.violations == [])
        #expect(done.allSatisfy { world.deliveries[$0] == 1 })
    }

    @Test func `ESM-H5 ESM-K1 a shard ends when all of its lanes are done`() {
        var world = LanesWorld(Self.settings(2))
        let keys = Self.keys(2)
        world.put([keys[0], keys[1]])
        world.close()
        world.start()
        world.answer(0)
        world.save()
        #expect(world.stops == [] && world.durable.isShardEnd == false)
        world.answer(1)
        world.save()
        #expect(world.stops == [.shardEnd] && world.durable.isShardEnd)
    }

    @Test func `ESM-B3 ESM-K2 each lane has a window of its own`() {
        var world = LanesWorld(Self.settings(2, window: .seconds(10)))
        let keys = Self.keys(2)
        world.start()
        world.put([keys[0]])
        world.advance(by: .seconds(4))
        world.put([keys[1]])
        world.advance(by: .seconds(6))
        #expect(world.calls == [[0]])
        world.advance(by: .seconds(4))
        #expect(world.calls == [[0], [1]])
    }

    @Test func `ESM-D9 ESM-K3 a destination that fails holds up the lane that needs it`() {
        var world = LanesWorld(Self.settings(2))
        let keys = Self.keys(2)
        world.put((0..<20).map { keys[$0 % 2] })
        world.bad = [0]
        world.start()
        for _ in 0..<100 where world.settled.count < 10 {
            for lane in world.openDeliveries.keys { world.answerDelivery(lane, takes: false) }
            if world.openCheckpoint != nil { world.answerCheckpoint() }
            if let lane = world.open.keys.max() { world.answer(lane) } else { world.advance(by: .seconds(1)) }
        }
        #expect(world.settled == Set((0..<20).filter { $0 % 2 == 1 }) && world.violations == [])
        world.runToRest()
        #expect(world.isAllDone && world.documents.map(\.places) == [[0]])
    }

    @Test func `ESM-G4 what expired before it was read is given up once, whichever lane it was of`() {
        var world = LanesWorld(Self.settings(3))
        world.put((0..<30).map { "k\($0)" })
        world.trimmedThrough = SequenceNumber(12)
        world.start()
        world.runToRest()
        #expect(world.documents.map(\.places) == [Array(0..<12)])
        #expect(world.documents.map(\.condition) == [.recordsExpired])
        #expect(world.isAllDone && world.violations == [])
    }

    @Test func `ESM-G4 ESM-K4 what a lane has not done when it expires is given up, though another lane is further`() {
        var world = LanesWorld(Self.settings(2))
        let keys = Self.keys(2)
        world.put((0..<40).map { keys[$0 % 2] })
        world.start()
        for _ in 0..<5 {
            world.answer(1)
            world.save()
        }
        world.trimmedThrough = SequenceNumber(8)
        world.crash(world.settings)
        world.runToRest()
        #expect(world.documents.map(\.places) == [Array(0..<8)])
        #expect(world.isAllDone && world.violations == [])
    }
}

/// Full batches that one task calls the function with, one after the other (ESM-B8, ESM-P9).
@Suite struct ChainTests {
    static func settings(_ chain: Int = 4, unsaved: Int = 8, batch: Int = 2, retries: Int? = 0) -> LaneCore.Settings {
        var settings = LanesTests.settings(1, batch: batch, retries: retries)
        settings.maximumChain = chain
        settings.maximumUnsavedUnits = unsaved
        settings.leadBytes = 1 << 20
        return settings
    }

    private static func world(_ settings: LaneCore.Settings, records: Int) -> LanesWorld {
        var world = LanesWorld(settings)
        world.put((0..<records).map { _ in "k" })
        world.tellsAtOnce = false
        world.start()
        return world
    }

    @Test func `ESM-B8 a backlog is called in chains of full batches, each like a call of its own`() {
        var world = Self.world(Self.settings(), records: 21)
        while !world.open.isEmpty {
            world.answer(0)
            if world.open.isEmpty { world.save() }
        }
        #expect(world.calls == stride(from: 0, to: 20, by: 2).map { [$0, $0 + 1] } + [[20]])
        #expect(world.core.counters.batches == [.size: 10, .window: 1])
        #expect(world.isAllDone && world.violations == [] && world.core.counters.checkpoints <= 4)
    }

    @Test func `ESM-P9 a chain ends where more units would be finished without a checkpoint than allowed`() {
        var world = Self.world(Self.settings(unsaved: 2), records: 40)
        while !world.open.isEmpty { world.answer(0) }
        #expect(world.settled.count == 6 && world.openCheckpoint != nil)
        world.save()
        #expect(!world.open.isEmpty)
    }

    @Test func `ESM-A1 after a failure the units of the chain wait, and are not cut again`() {
        var world = Self.world(Self.settings(), records: 8)
        world.bad = [2]
        world.runToRest()
        #expect(world.calls == [[0, 1], [2, 3], [2], [3], [4, 5], [6, 7]])
        #expect(world.documents.map(\.places) == [[2]] && world.violations == [] && world.isAllDone)
    }

    @Test func `ESM-A1 the halves of a unit are calls of their own`() {
        var world = Self.world(Self.settings(), records: 8)
        world.answer(0, .permanent(nil))
        world.runToRest()
        #expect(world.calls == [[0, 1], [0], [1], [2, 3], [4, 5], [6, 7]] && world.violations == [])
        #expect(!world.chained.contains([1]) && world.chained.contains([4, 5]))
    }

    @Test func `ESM-L3 a stop ends a chain after the call that runs`() {
        var world = Self.world(Self.settings(), records: 8)
        world.stop()
        world.answer(0)
        world.save()
        #expect(world.calls == [[0, 1]] && world.stops == [.asked] && world.violations == [])
        world.start()
        world.tellsAtOnce = true
        world.runToRest()
        #expect(world.isAllDone && world.violations == [])
    }

    @Test func `ESM-B4 a batch that the payload closes is not part of a chain`() {
        var settings = Self.settings(batch: 3)
        settings.payload = .rawBytes(limit: 5)
        var world = LanesWorld(settings)
        world.put((0..<6).map { _ in "k" }, bytes: 2)
        world.start()
        world.runToRest()
        #expect(world.calls == [[0, 1], [2, 3], [4, 5]] && world.violations == [])
    }

    @Test func `ESM-B5 a record over the payload limit is not called in a chain`() {
        var settings = Self.settings(batch: 1)
        settings.payload = .rawBytes(limit: 5)
        var world = LanesWorld(settings)
        for bytes in [2, 9, 2, 2] { world.put(["k"], bytes: bytes) }
        world.start()
        world.runToRest()
        #expect(world.calls == [[0], [2], [3]] && world.violations == [])
        #expect(world.documents.map(\.places) == [[1]] && world.documents.map(\.condition) == [.payloadSizeExceeded])
    }

    @Test func `ESM-K3 small records are read further ahead than large ones`() {
        for (bytes, most) in [(1, 40), (1 << 20, 8)] {
            var world = LanesWorld(Self.settings())
            world.recordsOfOneRead = 1
            world.put((0..<60).map { _ in "k" }, bytes: bytes)
            world.start()
            #expect(world.largestHeld <= most && world.largestHeld > most / 2, "\(bytes): \(world.largestHeld)")
        }
    }
}

/// Random histories of lanes: keys, bad records, answers in any order, crashes, other factors.
@Suite struct LanesHistoryTests {
    /// One history. Returns what was wrong.
    static func play(_ seed: UInt64) -> String? {
        var random = SeededRandom(seed)
        func settings() -> LaneCore.Settings {
            var settings = LanesTests.settings(
                random.pick([1, 2, 3, 10]), batch: random.pick([1, 2, 5]), retries: random.pick([0, 1]),
                window: random.once(in: 3) ? .milliseconds(100) : .zero)
            settings.bisectsOnError = true
            settings.reportsFailures = random.once(in: 2)
            settings.deliveryMovesCheckpoint = random.once(in: 2)
            settings.maximumUnsavedUnits = random.pick([1, 3])
            settings.maximumChain = random.pick([1, 4])
            settings.leadBytes = random.pick([0, 1 << 20])
            return settings
        }
        let first = settings()
        /// Others that can take over in the midst of it.
        func others() -> LaneCore.Settings {
            var next = settings()
            next.reportsFailures = first.reportsFailures
            next.deliveryMovesCheckpoint = first.deliveryMovesCheckpoint
            return next
        }
        var world = LanesWorld(first)
        world.reports = first.reportsFailures
        world.recordsOfOneRead = random.pick([1, 3, 100])
        let keys = random.pick(1...12)
        world.start()
        for _ in 0..<random.pick(10...120) where world.violations.isEmpty {
            world.tellsAtOnce = random.once(in: 2)
            switch random.below(12) {
            case 0, 1:
                let count = random.pick(1...10)
                let begin = world.keys.count
                for place in begin..<begin + count where random.once(in: 5) { world.bad.insert(place) }
                world.put((0..<count).map { _ in "k\(random.below(keys))" })
            case 2: world.advance(by: .milliseconds(random.pick(0...2_000)))
            case 3, 4: world.answerCheckpoint()
            case 5:
                if let lane = world.openDeliveries.keys.sorted().first {
                    world.answerDelivery(lane, takes: random.chance(70))
                }
            case 6 where random.once(in: 4):
                world.crash(others())
            case 6 where random.once(in: 3): world.change(others())
            case 7 where random.once(in: 4):
                world.stop()
                while !world.open.isEmpty || world.openCheckpoint != nil || !world.openDeliveries.isEmpty {
                    for lane in world.open.keys.sorted() { world.answer(lane) }
                    for lane in world.openDeliveries.keys.sorted() { world.answerDelivery(lane) }
                    world.answerCheckpoint()
                }
                world.start()
            default:
                let lanes = world.open.keys.sorted()
                if !lanes.isEmpty { world.answer(random.pick(lanes)) }
            }
        }
        world.tellsAtOnce = true
        if random.once(in: 2) { world.close() }
        world.runToRest()
        let given = Set(world.documents.flatMap(\.places))
        if let violation = world.violations.first { return violation }
        if !world.isAllDone { return "not all is done: \(world.settled.count) of \(world.keys.count)" }
        if !given.isSuperset(of: world.bad) || !given.isSubset(of: world.bad.union(world.crashedWith)) {
            return "given up \(given.sorted()), bad \(world.bad.sorted())"
        }
        if world.isClosed != world.stops.contains(.shardEnd) { return "the shard's end is missed" }
        if world.durable.position != SequenceNumber(UInt64(world.keys.count)) {
            return "the checkpoint is not at the end"
        }
        let counters = world.core.counters
        if counters.settled != counters.polled { return "the balance is wrong: \(counters)" }
        return nil
    }

    @Test func `ESM-K1 ESM-K2 ESM-K4 ESM-K5 ESM-P6 ESM-M9 in random histories lanes keep order and forget nothing`() {
        for seed in 0..<UInt64(400) {
            guard let wrong = Self.play(seed) else { continue }
            Issue.record("seed \(seed): \(wrong)")
            return
        }
    }
}

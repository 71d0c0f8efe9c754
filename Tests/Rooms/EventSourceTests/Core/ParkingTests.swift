import EventSource
import StreamModel
import StreamStorage
import Testing
import TestSupport

/// Keys that wait aside while others flow (ESM-N1, ESM-N2), as the decision core has it.
@Suite struct ParkingTests {
    static func settings(_ factor: Int = 1, batch: Int = 4, retries: Int? = 0) -> LaneCore.Settings {
        var settings = LanesTests.settings(factor, batch: batch, retries: retries)
        settings.parksKeys = true
        return settings
    }

    /// The places of the records that a key has among `count` records of `keys` in turn.
    static func places(_ key: Int, of keys: Int, _ count: Int) -> [Int] {
        Array(stride(from: key, to: count, by: keys))
    }

    @Test(arguments: [1, 2, 3, 10])
    func `ESM-N1 a record that fails permanently parks its key, and all others flow`(factor: Int) {
        var world = LanesWorld(Self.settings(factor))
        world.put((0..<90).map { "k\($0 % 9)" })
        world.bad = [13]
        world.start()
        world.runToRest()
        #expect(world.violations == [])
        #expect(world.aside == ["k4": Self.places(4, of: 9, 90).filter { $0 >= 13 }])
        #expect(world.settled == Set(0..<90).subtracting(world.everAside))
        #expect(world.documents.isEmpty && world.core.isIdle)
        // The checkpoint is past everything, as what waits is durable.
        #expect(world.durable.position == SequenceNumber(90))
        let key = world.parkedKeys["k4"]
        #expect(key?.recordCount == world.aside["k4"]?.count && key?.state == .parked)
        #expect(key?.cause?.condition == .retryAttemptsExhausted && key?.cause?.attempts == 1)
        #expect(world.core.counters.parked == world.everAside.count)
        #expect(world.core.counters.settled == world.core.counters.polled)
        // Later records wait behind it.
        world.put((0..<18).map { "k\($0 % 9)" })
        world.runToRest()
        #expect(world.violations == [] && world.aside["k4"]?.suffix(2) == [94, 103] && world.core.isIdle)
    }

    @Test func `ESM-N1 batches are filled with what is not parked`() {
        var world = LanesWorld(Self.settings(batch: 10))
        world.put(["bad"])
        world.bad = [0]
        world.start()
        world.runToRest()
        world.put((0..<40).map { $0 % 2 == 0 ? "bad" : "k\($0)" })
        world.runToRest()
        #expect(world.calls.dropFirst().map(\.count) == [10, 10])
        #expect(world.aside["bad"]?.count == 21 && world.violations == [])
    }

    @Test func `ESM-N1 without bisect the keys of the whole unit are parked`() {
        var settings = Self.settings(batch: 3)
        settings.bisectsOnError = false
        var world = LanesWorld(settings)
        world.put(["a", "b", "c", "a", "d", "c"])
        world.bad = [1]
        world.start()
        world.runToRest()
        #expect(world.aside == ["a": [0, 3], "b": [1], "c": [2, 5]] && world.settled == [4])
        #expect(world.violations == [])
    }

    @Test func `ESM-N1 the checkpoint waits for what is taken aside, and a failed write is repeated`() {
        var world = LanesWorld(Self.settings(batch: 2))
        world.put(["a", "b", "a", "b"])
        world.bad = [0]
        world.start()
        world.answerCalls(atMost: 20)
        world.save()
        #expect(world.openParking != nil && world.durable.position == .zero)
        world.answerParking(takes: false)
        world.save()
        #expect(world.openParking == nil && world.durable.position == .zero && world.wake != nil)
        world.runToRest()
        #expect(world.aside == ["a": [0, 2]] && world.durable.position == SequenceNumber(4))
        #expect(world.violations == [])
    }

    @Test(arguments: [false, true])
    func `ESM-N1 after a crash nothing is parked twice, lost or overtaken`(isStored: Bool) {
        var world = LanesWorld(Self.settings(2, batch: 2))
        world.put((0..<40).map { "k\($0 % 4)" })
        world.bad = [5]
        world.start()
        for _ in 0..<200 where world.openParking == nil { world.answerCalls(atMost: 1) }
        #expect(world.openParking != nil)
        if isStored { world.storeParkingUntold() }
        world.crash(world.settings)
        world.runToRest()
        #expect(world.violations == [] && world.core.isIdle)
        #expect(world.aside == ["k1": Self.places(1, of: 4, 40).filter { $0 >= 5 }])
        #expect(world.settled == Set(0..<40).subtracting(world.everAside))
        #expect(world.core.counters.settled == world.core.counters.polled)
    }

    @Test func `ESM-N2 a released key is handed back in order before later records, which then flow`() {
        var world = LanesWorld(Self.settings(2))
        world.put((0..<20).map { "k\($0 % 2)" })
        world.bad = [4]
        world.start()
        world.runToRest()
        let waiting = Self.places(0, of: 2, 20).filter { $0 >= 4 }
        #expect(world.aside == ["k0": waiting])
        world.bad = []
        world.act(.release(.all))
        world.answerParking()
        #expect(world.parkedKeys["k0"]?.state == .releasing)
        // What comes meanwhile waits behind.
        world.put(["k0", "k0"])
        world.runToRest()
        world.redrive("k0")
        world.runToRest()
        #expect(world.redriven == waiting && world.parkedKeys["k0"]?.recordCount == 2)
        world.redrive("k0")
        world.runToRest()
        #expect(world.redriven == waiting + [20, 21] && world.parkedKeys.isEmpty)
        world.put(["k0"])
        world.runToRest()
        #expect(world.calls.last == [22] && world.isAllDone && world.violations == [])
    }

    @Test func `ESM-N2 a record that fails again stops its key there`() {
        var world = LanesWorld(Self.settings())
        world.put((0..<6).map { _ in "k" })
        world.bad = [1, 3]
        world.start()
        world.runToRest()
        #expect(world.aside == ["k": [1, 2, 3, 4, 5]])
        world.bad = [3]
        world.act(.release(.all))
        world.runToRest()
        world.redrive("k")
        world.runToRest()
        let key = world.parkedKeys["k"]
        #expect(world.redriven == [1, 2] && key?.recordCount == 3 && key?.state == .parked)
        #expect(key?.failedReleases == 1 && key?.cause?.errorText == "again")
        world.bad = []
        world.act(.release(.all))
        world.runToRest()
        world.redrive("k")
        world.runToRest()
        #expect(world.redriven == [1, 2, 3, 4, 5] && world.parkedKeys.isEmpty && world.isAllDone)
        #expect(world.violations == [])
    }

    @Test func `ESM-N2 what was handed back before a crash that hid it is handed back again, and nothing is lost`() {
        var world = LanesWorld(Self.settings())
        world.put((0..<6).map { "k\($0 % 2)" })
        world.bad = [0]
        world.start()
        world.runToRest()
        world.bad = []
        world.act(.release(.all))
        world.runToRest()
        world.redrive("k0", tells: false)
        world.crash(world.settings)
        world.runToRest()
        #expect(world.parkedKeys["k0"]?.state == .releasing && world.core.isReleasing)
        world.redrive("k0")
        world.put(["k0"])
        world.runToRest()
        #expect(world.parkedKeys.isEmpty && world.isAllDone && world.violations == [])
    }

    private static let place = ParkedKey.Place(shard: ShardID(0), number: SequenceNumber(1))

    /// A world in which six records of `k` are released, and nothing of it is open.
    private func released() -> LanesWorld {
        var world = LanesWorld(Self.settings())
        world.put((0..<6).map { _ in "k" })
        world.bad = [0]
        world.start()
        world.runToRest()
        world.bad = []
        world.act(.release(.all))
        world.runToRest()
        #expect(world.parkedKeys["k"]?.released == 6)
        return world
    }

    @Test func `ESM-N2 how far a redrive is is stored at most each quarter of a second, and its end at once`() {
        var world = released()
        func done(_ place: UInt64) { world.act(.redriven([RedrivenKey("k", through: place, next: Self.place)])) }
        done(1)
        // The release was stored just now.
        #expect(world.openParking == nil && world.wake == world.now.monotonic + .milliseconds(250))
        world.advance(by: .milliseconds(249))
        done(3)
        #expect(world.openParking == nil)
        world.advance(by: .milliseconds(1))
        #expect(world.openParking != nil)
        world.answerParking()
        #expect(world.parkedKeys["k"]?.recordCount == 3)
        done(4)
        #expect(world.openParking == nil)
        done(6)
        #expect(world.openParking != nil)
        world.runToRest()
        #expect(world.parkedKeys.isEmpty && world.violations == [])
    }

    @Test func `ESM-N2 where storing takes long, the pauses are longer, and a stop waits for none`() {
        var world = released()
        func done(_ place: UInt64) { world.act(.redriven([RedrivenKey("k", through: place, next: Self.place)])) }
        done(1)
        world.advance(by: .milliseconds(250))
        world.advance(by: .milliseconds(100))
        world.answerParking()
        done(2)
        world.advance(by: .milliseconds(899))
        #expect(world.openParking == nil)
        world.advance(by: .milliseconds(1))
        #expect(world.openParking != nil)
        world.advance(by: .seconds(3))
        world.answerParking()
        done(3)
        world.advance(by: .milliseconds(1_999))
        #expect(world.openParking == nil)
        world.stop()
        #expect(world.openParking != nil)
        world.runToRest()
        #expect(world.parkedKeys["k"]?.recordCount == 3 && world.stops == [.asked] && world.violations == [])
    }

    @Test func `ESM-N13 a key that is parked by hand waits from its next record on`() {
        var world = LanesWorld(Self.settings(batch: 2))
        world.put(["a", "b", "a", "b", "a"])
        world.start()
        // A batch has the key's first record.
        world.act(.park(["a"], actor: "ops", reason: "refunds first"))
        #expect(world.openParking == nil)
        world.runToRest()
        #expect(world.settled == [0, 1, 3] && world.aside == ["a": [2, 4]] && world.violations == [])
        let key = world.parkedKeys["a"]
        #expect(key?.actor == "ops" && key?.reason == "refunds first" && key?.cause == nil)
        world.act(.release(ParkedKeySelection(keys: ["a"])))
        world.runToRest()
        world.redrive("a")
        world.runToRest()
        #expect(world.isAllDone && world.parkedKeys.isEmpty && world.violations == [])
    }

    @Test func `ESM-N2 discarded records are dropped, and the key's later ones flow`() {
        var world = LanesWorld(Self.settings())
        world.put(["a", "a", "b"])
        world.bad = [0]
        world.start()
        world.runToRest()
        #expect(world.aside == ["a": [0, 1]])
        world.act(.discard(ParkedKeySelection(keys: ["b"])))
        #expect(world.parkedKeys["a"]?.recordCount == 2)
        world.act(.discard(ParkedKeySelection(group: world.parkedKeys["a"]!.cause!.group)))
        world.runToRest()
        #expect(world.parkedKeys.isEmpty && world.core.parkedKeys.isEmpty)
    }

    /// A shard that parks at most three records of a key, and has more.
    private static func worldAtBound(records: Int) -> LanesWorld {
        var settings = Self.settings(batch: 2)
        settings.maximumParkedRecordsPerKey = 3
        var world = LanesWorld(settings)
        world.put((0..<records).map { "k\($0 % 2)" })
        world.bad = [0]
        world.recordsOfOneRead = 4
        world.start()
        world.runToRest()
        return world
    }

    @Test func `ESM-N1 at its bounds the shard waits, and goes on when keys are released or discarded`() {
        var world = Self.worldAtBound(records: 100)
        #expect((3...5).contains(world.aside["k0"]!.count) && world.core.heldRecords <= 4 * 2 + 4)
        #expect(!world.core.isIdle && world.violations == [])
        let before = world.settled.count
        world.act(.release(.all))
        for _ in 0..<100 where !world.isAllDone {
            world.runToRest()
            world.bad = []
            world.redrive("k0")
        }
        #expect(world.isAllDone && world.settled.count > before && world.violations == [])
    }

    @Test func `ESM-N1 ESM-H5 the children of a closed shard take its parked keys over`() {
        var world = LanesWorld(Self.settings(2))
        world.put((0..<12).map { "k\($0 % 3)" })
        world.bad = [0]
        world.start()
        world.close()
        world.runToRest()
        #expect(world.stops == [.shardEnd] && world.durable.isShardEnd)
        #expect(world.inherited?.map(\.partitionKey) == ["k0"] && world.inherited?.first?.recordCount == 4)
        #expect(world.violations == [])
        let child = world.inherited![0].inherited(by: ShardID(1))
        #expect(child.shard == ShardID(1) && child.through == .zero && child.recordCount == 4)
    }

    @Test func `ESM-N1 a stop waits until what was taken aside is durable`() {
        var world = LanesWorld(Self.settings(batch: 2))
        world.put(["a", "b", "a"])
        world.bad = [0]
        world.start()
        world.answerCalls(atMost: 20)
        #expect(world.openParking != nil)
        world.stop()
        world.save()
        #expect(world.stops == [])
        world.answerParking()
        world.runToRest()
        #expect(world.stops == [.asked] && world.violations == [])
    }

    @Test func `ESM-N14 failures of one kind are one group, whatever numbers and identifiers they name`() {
        func group(_ text: String?, _ type: String? = "DecodingError") -> FailureGroup {
            FailureGroup(condition: .retryAttemptsExhausted, errorType: type, errorText: text)
        }
        #expect(group("order 4711 has no total\nat line 3") == group("order 9 has no total"))
        #expect(group("user 7f3a-22 is gone") == group("user 81bc-90 is gone"))
        #expect(group("order 4711 has no total") != group("order 4711 has no owner"))
        #expect(group("x") != group("x", "TimeOut") && group(nil) != group("x"))
        #expect(FailureGroup(group("x").description) == group("x") && FailureGroup("xyz") == nil)
        // Fixed, as stored failures name it.
        #expect(group("order 4711 has no total").description == "67eb9b242de3b258")
    }

    @Test func `ESM-N1 a stop does not wait for room in the parking stream, and the next run parks what was left`() {
        var world = Self.worldAtBound(records: 40)
        #expect(!world.core.isIdle)
        world.stop()
        world.runToRest()
        #expect(world.stops == [.asked] && world.violations == [])
        var settings = world.settings
        settings.maximumParkedRecordsPerKey = 1_000
        world.crash(settings)
        world.runToRest()
        #expect(world.aside == ["k0": Self.places(0, of: 2, 40)] && world.core.isIdle && world.violations == [])
    }

    @Test(arguments: [false, true])
    func `ESM-N2 a key whose records are done flows again once the checkpoint has passed them, also by the next run`(
        crashes: Bool
    ) {
        var world = LanesWorld(Self.settings(batch: 1, retries: nil))
        world.start()
        world.act(.park(["a"], actor: "ops", reason: ""))
        world.answerParking()
        // The lane is held up in front of what is parked.
        world.bad = [0]
        world.put(["b", "a"])
        world.act(.release(.all))
        for _ in 0..<5 {
            world.answerParking()
            world.redrive("a")
        }
        #expect(world.redriven == [1] && world.parkedKeys["a"]?.recordCount == 0)
        world.bad = []
        if crashes { world.crash(world.settings) }
        world.runToRest()
        #expect(world.parkedKeys.isEmpty && world.core.parkedKeys.isEmpty && world.isAllDone)
        #expect(world.deliveries[1] == nil && world.violations == [])
        if crashes {
            // Nothing is left to do but to end the release.
            world.crash(world.settings)
            world.runToRest()
            #expect(world.parkedKeys.isEmpty)
        }
    }
}

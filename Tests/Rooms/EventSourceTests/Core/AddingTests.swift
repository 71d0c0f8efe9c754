import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import EventSource

/// Records that functions add to their units' commits (ESM-O1), as the decision core has it.
@Suite struct AddingTests {
    @Test(arguments: [1, 3, 10])
    func `ESM-O1 what a function adds is in the store once for each record that is done`(factor: Int) {
        var world = LanesWorld(LanesTests.settings(factor, batch: 4, retries: 0))
        world.adds = true
        world.put((0..<50).map { "k\($0 % 7)" })
        world.bad = [13]
        world.start()
        world.runToRest()
        #expect(world.violations == [] && world.added.sorted() == (0..<50).filter { $0 != 13 })
    }

    @Test(arguments: [false, true])
    func `ESM-O1 after a crash nothing is there twice or missing`(isStored: Bool) {
        var world = LanesWorld(LanesTests.settings(2, batch: 4, retries: 0))
        world.adds = true
        world.put((0..<40).map { "k\($0 % 7)" })
        world.start()
        for _ in 0..<3 { if let lane = world.open.keys.min() { world.answer(lane) } }
        #expect(world.openCheckpoint != nil)
        if isStored { world.storeCheckpointUntold() }
        world.crash(world.settings)
        world.runToRest()
        #expect(world.violations == [] && world.added.sorted() == Array(0..<40))
    }

    @Test func `ESM-O1 of a unit that fails in part only what was made of the part that is done is kept`() {
        var settings = LanesTests.settings(1, batch: 8, retries: 0)
        settings.bisectsOnError = false
        settings.reportsFailures = true
        var world = LanesWorld(settings)
        world.adds = true
        world.reports = true
        world.put((0..<8).map { "k\($0)" })
        world.bad = [5]
        world.start()
        world.runToRest()
        #expect(world.violations == [] && world.added == [0, 1, 2, 3, 4])
        #expect(world.documents.map(\.places) == [[5, 6, 7]])
    }

    @Test func `ESM-O1 what was made of a unit as a whole is kept only where all of it is done`() {
        var adding = LaneCore.Shared.Adding()
        let records = Records.batch(["a", "b", "c", "d"])
        let unit = LaneCore.Unit(id: 1, records: records, origin: .batch(.size))
        let made = [AddedRecord(NewRecord("a", partitionKey: "k"), to: "out")]
        adding.offer(made, of: unit)
        adding.accept(LaneCore.Unit(id: 2, records: records.extracting(0..<2), origin: .batch(.size)), lane: 0)
        #expect(adding.isEmpty)
        adding.accept(unit, lane: 0)
        #expect(!adding.isEmpty)
        // It waits for the checkpoint that moves past the unit, and none stops in the midst of it.
        let before = unit.first.previous
        #expect(adding.limit(unit.last.previous, lane: 0) == before && adding.limit(unit.last, lane: 0) == unit.last)
        #expect(adding.limit(unit.last.previous, lane: 1) == unit.last.previous)
        #expect(adding.take(ShardProgress(position: unit.last.previous), factor: 1).isEmpty)
        #expect(adding.take(ShardProgress(position: unit.last), factor: 1).count == 1)
        #expect(adding.isEmpty)
    }

    @Test func `ESM-O1 records that park their keys hold back what was made of later ones`() {
        var settings = ParkingTests.settings(1, batch: 2)
        settings.maximumUnsavedUnits = 8
        var world = LanesWorld(settings)
        world.adds = true
        world.put((0..<30).map { "k\($0 % 5)" })
        world.bad = [2]
        world.start()
        world.answerCalls(atMost: 40)
        world.save()
        #expect(world.openParking != nil)
        world.crash(settings)
        world.runToRest()
        #expect(world.violations == [])
        #expect(Set(world.added) == Set(0..<30).subtracting(world.everAside))
    }

    @Test func `ESM-O1 the end of a shard waits for what was added`() {
        var world = LanesWorld(LanesTests.settings(2, batch: 4, retries: 0))
        world.adds = true
        world.put((0..<10).map { "k\($0)" })
        world.start()
        world.close()
        world.runToRest()
        #expect(world.violations == [] && world.added.count == 10 && world.stops == [.shardEnd])
        #expect(world.durable.isShardEnd)
    }

    @Test func `ESM-O1 ESM-D9 a delivery does not wait for what other lanes add`() {
        var settings = LanesTests.settings(2, batch: 1, retries: 0)
        settings.maximumUnsavedUnits = 8
        var world = LanesWorld(settings)
        world.adds = true
        let keys = LanesTests.keys(2)
        world.put((0..<40).map { keys[$0 % 2] })
        world.bad = [0]
        world.start()
        world.answer(0)
        for _ in 0..<3 where world.openDeliveries.isEmpty {
            world.answer(1)
            world.answer(1)
            world.answerCheckpoint()
        }
        #expect(!world.openDeliveries.isEmpty)
        world.answerDelivery(0)
        world.runToRest()
        #expect(world.violations == [] && world.added.sorted() == Array(1..<40))
    }

    @Test func `ESM-O1 ESM-N2 what is made of several parked keys is stored with all of their values, also of many`() {
        var settings = ParkingTests.settings(1, batch: 100)
        settings.bisectsOnError = false
        var world = LanesWorld(settings)
        let count = Parking.mostValues + 100
        // In the order of their bytes.
        let keys = (0..<count).map { "k\(10_000 + $0)" }
        world.put(keys)
        world.bad = Set(0..<count)
        world.start()
        world.runToRest()
        #expect(world.parkedKeys.count == count)
        world.act(.release(.all))
        world.runToRest()
        func done(_ key: String, adding text: String? = nil) -> RedrivenKey {
            let added = text.map { AddedRecord(NewRecord($0, partitionKey: key), to: "out") }
            return RedrivenKey(key, through: 1, next: nil, added: added.map { [.init($0, order: 1)] } ?? [])
        }
        // The first one's commit is open while the others come.
        world.act(.redriven([done(keys[1])]))
        #expect(world.openParking != nil)
        world.act(.redriven(keys[2..<count - 1].map { done($0) }))
        world.act(.redriven([done(keys[0]), done(keys[count - 1], adding: "made of both")]))
        world.answerParking()
        let order = world.openParking
        #expect(order?.added.count == 1 && order!.values.count < count)
        let stored = Set((order?.values ?? []).map { UTF8Key($0.partitionKey) })
        #expect(stored.contains(UTF8Key(keys[0])) && stored.contains(UTF8Key(keys[count - 1])))
        world.runToRest()
        #expect(world.parkedKeys.isEmpty)
    }
}

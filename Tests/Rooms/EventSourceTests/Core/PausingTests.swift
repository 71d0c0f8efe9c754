import EventSource
import StreamModel
import StreamStorage
import TestSupport
import Testing

/// Shards that are paused until an operator acts (ESM-N3), as the decision core has it.
@Suite struct PausingTests {
    static func settings(_ factor: Int = 1, batch: Int = 4, retries: Int? = 0) -> LaneCore.Settings {
        var settings = LanesTests.settings(factor, batch: batch, retries: retries)
        settings.pausesShard = true
        return settings
    }

    @Test(arguments: [1, 3, 10])
    func `ESM-N3 a record that fails permanently pauses its shard, also over a crash, and a resume tries it again`(
        factor: Int
    ) {
        var world = LanesWorld(Self.settings(factor))
        world.put((0..<90).map { "k\($0 % 9)" })
        world.bad = [13]
        world.start()
        world.runToRest()
        #expect(world.violations == [] && world.documents.isEmpty && !world.settled.contains(13))
        let paused = world.core.paused
        #expect(paused?.sequenceNumber.sequenceNumber == SequenceNumber(14) && paused?.partitionKey == "k4")
        #expect(paused?.recordCount == 1 && paused?.cause.condition == .retryAttemptsExhausted)
        #expect(paused?.cause.attempts == 1 && world.durable.paused == paused)
        #expect(world.core.status == .paused(paused!))
        let calls = world.calls.count
        world.put(["k1", "k4"])
        world.advance(by: .seconds(3600))
        world.crash(world.settings)
        world.advance(by: .seconds(3600))
        world.runToRest()
        #expect(world.calls.count == calls && world.core.paused == paused && world.violations == [])
        world.bad = []
        world.resume()
        world.runToRest()
        #expect(world.isAllDone && world.violations == [] && world.durable.paused == nil)
        #expect(world.durable.position == SequenceNumber(92))
    }

    @Test(arguments: [1, 2, 10], [false, true])
    func `ESM-N3 a resume that gives up hands over exactly the records that paused the shard`(
        factor: Int, crashes: Bool
    ) {
        var settings = Self.settings(factor, batch: 5)
        settings.bisectsOnError = false
        var world = LanesWorld(settings)
        world.put((0..<60).map { "k\($0 % 6)" })
        world.bad = [22]
        world.start()
        world.runToRest()
        let failed = world.calls.last { $0.contains(22) }
        #expect(world.core.paused?.recordCount == failed?.count)
        if crashes { world.crash(settings) }
        let calls = world.calls.count
        world.resume(givingUp: true)
        world.runToRest()
        #expect(world.documents.map(\.places) == [failed])
        #expect(world.documents.map(\.condition) == [.retryAttemptsExhausted])
        #expect(!world.calls.dropFirst(calls).joined().contains(22))
        #expect(world.isAllDone && world.violations == [])
    }

    @Test(arguments: [0, 1, 2])
    func `ESM-N3 an order to give up is kept until the destination has the records`(steps: Int) {
        var settings = Self.settings(batch: 5)
        settings.bisectsOnError = false
        settings.deliveryMovesCheckpoint = steps != 1
        var world = LanesWorld(settings)
        world.put((0..<20).map { "k\($0 % 6)" })
        world.bad = [7]
        world.start()
        world.runToRest()
        let failed = world.calls.last { $0.contains(7) }!
        // The process before ended with the pause, and another one is told the order.
        if steps > 0 { world.crash(settings) }
        world.resume(givingUp: true)
        if steps == 2 { world.stop() } else { world.save() }
        world.crash(settings)
        #expect(world.core.paused?.first == SequenceNumber(UInt64(failed[0] + 1)))
        let calls = world.calls.count
        world.resume(givingUp: true)
        world.runToRest()
        #expect(world.documents.map(\.places) == [failed] && world.isAllDone && world.violations == [])
        #expect(world.durable.paused == nil && !world.calls.dropFirst(calls).joined().contains(7))
    }

    @Test func `ESM-N4 ESM-N3 what an operator gives up is no failure of the function, and parks no key`() {
        var world = LanesWorld(Self.settings(batch: 1))
        world.put(["a", "b", "a"])
        world.bad = [0]
        world.start()
        world.runToRest()
        var settings = world.settings
        settings.pausesShard = false
        settings.parksKeys = true
        world.change(settings)
        world.resume(givingUp: true)
        world.runToRest()
        #expect(world.documents.map(\.places) == [[0]] && world.aside.isEmpty && world.isAllDone)
        #expect(world.core.counters.exhausted == 0 && world.violations == [])
    }

    @Test func `ESM-N3 ESM-A9 attempts of other lanes that were not made do not count after a crash`() {
        var world = LanesWorld(Self.settings(2, batch: 1))
        let keys = LanesTests.keys(2)
        world.put([keys[0], keys[1]])
        world.bad = [0]
        world.start()
        world.crash(world.settings)
        world.runToRest()
        #expect(world.core.paused != nil)
        world.crash(world.settings)
        #expect(world.durable.notes.isEmpty)
        world.bad = []
        world.resume()
        world.runToRest()
        #expect(world.isAllDone && world.documents.isEmpty && world.violations == [])
    }

    @Test func `ESM-N3 a resume gives a record all its attempts again, and the shard is paused again after them`() {
        var world = LanesWorld(Self.settings(batch: 1, retries: 2))
        world.put(["a", "b"])
        world.bad = [0]
        world.start()
        world.runToRest()
        #expect(world.deliveries == [0: 3] && world.core.paused?.cause.attempts == 3)
        world.resume()
        world.runToRest()
        #expect(world.deliveries == [0: 6] && world.core.paused?.cause.attempts == 3 && world.violations == [])
    }

    @Test func `ESM-N3 an order does not mean a later pause`() {
        var world = LanesWorld(Self.settings())
        world.put(["a", "b"])
        world.bad = [0]
        world.start()
        world.runToRest()
        world.advance(by: .seconds(1))
        let (first, order) = (world.core.paused!, ResumeOrder([world.core.paused!], givesUp: true))
        world.resume()
        world.advance(by: .seconds(1))
        world.runToRest()
        let second = world.core.paused!
        #expect(order.contains(first) && second.since > first.since && !order.contains(second))
        #expect(!ResumeOrder(pauses: [ShardID(7): first.since], givesUp: false).contains(first))
    }

    @Test func `ESM-N3 what is on its way to the destination goes on in a paused shard`() {
        var settings = Self.settings(2, batch: 1)
        settings.maximumRecordAge = .seconds(60)
        var world = LanesWorld(settings)
        world.put((0..<8).map { "k\($0)" })
        world.bad = Set(0..<8)
        world.start()
        world.runToRest()
        #expect(world.core.paused != nil)
        // Age is judged when the shard goes on.
        world.advance(by: .seconds(120))
        #expect(world.documents.isEmpty)
        world.resume()
        world.runToRest()
        #expect(world.documents.allSatisfy { $0.condition == .recordAgeExceeded } && world.isAllDone)
        #expect(world.violations == [])
    }

    @Test func `ESM-N3 expired records of a paused shard are given up when it goes on`() {
        var world = LanesWorld(Self.settings())
        world.put((0..<8).map { "k\($0)" })
        world.bad = [2]
        world.start()
        world.runToRest()
        world.trimmedThrough = SequenceNumber(5)
        world.crash(world.settings)
        world.resume(givingUp: true)
        world.runToRest()
        #expect(world.violations == [] && world.isAllDone)
        #expect(world.documents.allSatisfy { $0.condition == .recordsExpired })
    }

    @Test func `ESM-N3 at random crashes, faults and resumes nothing is lost, sent while paused, or out of order`() {
        for seed in 0..<300 {
            var random = SeededRandom(UInt64(seed))
            var settings = Self.settings(
                [1, 2, 3, 10].randomElement(using: &random)!, batch: .random(in: 1...6, using: &random),
                retries: .random(in: 0...2, using: &random))
            settings.bisectsOnError = .random(using: &random)
            settings.deliveryMovesCheckpoint = .random(using: &random)
            var world = LanesWorld(settings)
            world.adds = true
            world.put((0..<60).map { _ in "k\(Int.random(in: 0..<8, using: &random))" })
            world.bad = Set((0..<6).map { _ in Int.random(in: 0..<60, using: &random) })
            world.start()
            for _ in 0..<80 {
                switch Int.random(in: 0..<12, using: &random) {
                case 0: world.crash(settings)
                case 1:
                    world.storeCheckpointUntold()
                    world.crash(settings)
                case 2: world.resume(givingUp: .random(using: &random))
                case 3: if let bad = world.bad.randomElement(using: &random) { world.bad.remove(bad) }
                case 4: world.advance(by: .seconds(2))
                case 5:
                    if let lane = world.openDeliveries.keys.min() {
                        world.answerDelivery(lane, takes: .random(using: &random))
                    }
                case 6, 7: world.answerCheckpoint()
                default: if let lane = world.open.keys.randomElement(using: &random) { world.answer(lane) }
                }
            }
            world.bad = []
            for _ in 0..<10 where !world.isAllDone {
                world.runToRest()
                world.resume()
            }
            #expect(
                world.violations == [] && world.isAllDone,
                "seed \(seed): \(world.violations) \(world.settled.count) \(String(describing: world.core.paused))")
            guard world.violations.isEmpty, world.isAllDone else { return }
        }
    }
}

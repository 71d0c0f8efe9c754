import DeliveryModel
import EventSource
import StreamModel
import Testing
import TestSupport

/// What a bad record costs (ESM-X11, ESM-X12).
@Suite struct BisectPriceTests {
    /// Runs one batch of `count` records whose bad ones make the function throw.
    static func run(
        _ log: RecordBatch, bad: [Int], retries: Int = 0, bisects: Bool = true, reports: Bool = false
    ) -> LaneWorld {
        var world = LaneWorld(.test(batch: log.count, retries: retries, bisects: bisects, reports: reports))
        // How many bad records there are before each place.
        var before = [0]
        let isBad = Set(bad)
        for place in 0..<log.count { before.append(before[place] + (isBad.contains(place) ? 1 : 0)) }
        world.function = { invocation in
            let first = Int(invocation.unit.first.rawValue) - 1
            guard before[first + invocation.unit.records.count] > before[first] else { return .success }
            return reports ? .fails(from: bad[before[first]]) : .fails
        }
        world.put(log)
        world.send(.start)
        world.runToRest()
        return world
    }

    static func modelled(_ count: Int, bad: Set<Int>) -> Int {
        var model = DeliveryModel(retries: 0, bisects: true, reports: false)
        model.deliver(0..<count) { $0.contains { bad.contains($0) } ? .fails : .success }
        return model.calls.count
    }

    struct Price: CustomTestStringConvertible {
        let count: Int
        let one: (min: Int, mean: Double, max: Int)
        let two: (min: Int, mean: Double, max: Int)
        let all: Int
        var testDescription: String { "\(count) records" }
    }

    static let prices = [
        Price(count: 2, one: (3, 3, 3), two: (3, 3, 3), all: 3),
        Price(count: 4, one: (5, 5, 5), two: (5, 6.3, 7), all: 7),
        Price(count: 8, one: (7, 7, 7), two: (7, 9.9, 11), all: 15),
        Price(count: 10, one: (7, 7.8, 9), two: (7, 11.3, 15), all: 19),
        Price(count: 16, one: (9, 9, 9), two: (9, 13.5, 15), all: 31),
        Price(count: 64, one: (13, 13, 13), two: (13, 21.2, 23), all: 127),
        Price(count: 100, one: (13, 14.4, 15), two: (15, 24.0, 27), all: 199),
        Price(count: 128, one: (15, 15, 15), two: (15, 25.1, 27), all: 255),
    ]

    @Test(arguments: prices)
    func `ESM-X11 the price of bad records is that of the table`(price: Price) {
        let log = RecordBatch([LaneWorld.run(price.count)])
        let one = (0..<price.count).map { Self.run(log, bad: [$0]).counters.invocations }
        Self.check(one, price.one)
        #expect(Self.run(log, bad: Array(0..<price.count)).counters.invocations == price.all)

        var two: [Int] = []
        for first in 0..<price.count {
            for second in first + 1..<price.count {
                let cost = Self.modelled(price.count, bad: [first, second])
                // The lane is compared with the model where that is cheap, and here and there where it isn't.
                if price.count <= 16 || (first + 7 * second) % 101 == 0 {
                    #expect(Self.run(log, bad: [first, second]).counters.invocations == cost)
                }
                two.append(cost)
            }
        }
        Self.check(two, price.two)
    }

    static func check(_ costs: [Int], _ expected: (min: Int, mean: Double, max: Int)) {
        #expect(costs.min() == expected.min)
        #expect(costs.max() == expected.max)
        let mean = Double(costs.reduce(0, +)) / Double(costs.count)
        #expect(abs(mean - expected.mean) <= 0.05 + 1e-9)
    }

    @Test func `ESM-X11 large batches`() {
        let thousand = RecordBatch([LaneWorld.run(1_000)])
        let costs = stride(from: 0, to: 1_000, by: 13).map { Self.run(thousand, bad: [$0]).counters.invocations }
        #expect(costs.min() == 19 && costs.max() == 21)
        let most = RecordBatch([LaneWorld.run(10_000)])
        #expect((27...29).contains(Self.run(most, bad: [4_711]).counters.invocations))
        #expect(Self.run(most, bad: Array(0..<10_000)).counters.invocations == 19_999)
    }

    @Test(arguments: 0...3, 1...12)
    func `ESM-X11 no number of bad records costs more than the bound`(retries: Int, count: Int) {
        let log = RecordBatch([LaneWorld.run(count)])
        let k = (0...4).first { 1 << $0 >= count }!
        var every = Exhaustive()
        while every.next() {
            let bad = every.subset(of: count, atMost: 2)
            let b = bad.count
            let world = Self.run(log, bad: bad, retries: retries)
            guard b > 0 else {
                #expect(world.counters.invocations == 1)
                continue
            }
            let j = b == 1 ? 0 : 1
            let bound = 1 + 2 * (b * (k - j) + (1 << j) - 1) + b * retries
            #expect(world.counters.invocations <= bound, "\(bad) of \(count), R \(retries)")
        }
    }

    @Test(arguments: 0...2, [(false, false), (false, true), (true, false), (true, true)])
    func `ESM-X12 the four strategies cost what the table says`(retries: Int, strategy: (Bool, Bool)) {
        let (bisects, reports) = strategy
        let count = 13
        let log = RecordBatch([LaneWorld.run(count)])
        let k = 4
        for place in 0..<count {
            let world = Self.run(log, bad: [place], retries: retries, bisects: bisects, reports: reports)
            let calls = world.counters.invocations
            let givenUp = world.documents.map(\.places)
            var deliveries = [Int](repeating: 0, count: count)
            for records in world.sent { for record in records { deliveries[record] += 1 } }
            let good = (0..<count).filter { $0 != place }
            switch strategy {
            case (false, false):
                #expect(calls == 1 + retries)
                #expect(givenUp == [0..<count])
                #expect(deliveries.allSatisfy { $0 == 1 + retries })
            case (false, true):
                #expect(calls == (place == 0 ? 1 + retries : 2 + retries))
                #expect(givenUp == [place..<count])
                #expect(good.filter { deliveries[$0] > 1 }.allSatisfy { $0 > place })
            case (true, false):
                #expect(calls <= 1 + 2 * k + retries)
                #expect(givenUp == [place..<place + 1])
                #expect(good.allSatisfy { deliveries[$0] <= k + 1 })
            case (true, true):
                #expect(calls == (place == 0 ? 3 : place == count - 1 ? 2 : 4) + retries)
                #expect(givenUp == [place..<place + 1])
                #expect(good.filter { deliveries[$0] > 1 }.allSatisfy { $0 > place && deliveries[$0] <= 3 })
            }
        }
    }

    @Test func `ESM-X2 the first half is the larger one and is done first`() {
        let world = Self.run(RecordBatch([LaneWorld.run(5)]), bad: [1])
        #expect(world.sent == [0..<5, 0..<3, 0..<2, 0..<1, 1..<2, 2..<3, 3..<5])
    }

    @Test func `ESM-X3 a split does not count as an attempt`() {
        let world = Self.run(RecordBatch([LaneWorld.run(2)]), bad: [0, 1], retries: 1)
        #expect(world.calls.map(\.attempt) == [1, 1, 2, 1, 2])
        #expect(world.counters.splits == 1)
        #expect(world.counters.retries == 2)
    }

    @Test func `ESM-X7 a reported first record is tried alone`() {
        let world = Self.run(RecordBatch([LaneWorld.run(8)]), bad: [0], reports: true)
        #expect(world.sent == [0..<8, 0..<1, 1..<8])
    }

    @Test func `ESM-R16 a report without progress is an attempt of the unit`() {
        let world = Self.run(RecordBatch([LaneWorld.run(4)]), bad: [0], retries: 2, bisects: false, reports: true)
        #expect(world.sent == [0..<4, 0..<4, 0..<4])
        #expect(world.calls.map(\.attempt) == [1, 2, 3])
        #expect(world.documents.map(\.places) == [0..<4])
    }

    @Test func `ESM-X4 a failure that did not reach the function splits nothing`() {
        var world = LaneWorld(.test(batch: 4, retries: 0))
        var tries = 0
        world.function = { _ in
            tries += 1
            return tries <= 3 ? .notReached(LaneCore.FunctionFailure("no permit")) : .success
        }
        world.put(4)
        world.send(.start)
        world.runToRest()
        #expect(world.sent == [0..<4, 0..<4, 0..<4, 0..<4])
        #expect(world.counters.splits == 0)
    }

    @Test func `ESM-X5 a failure of the whole unit splits it, with reports too`() {
        var world = LaneWorld(.test(batch: 4, reports: true))
        world.function = { $0.unit.records.contains { $0.sequenceNumber.rawValue == 2 } ? .fails : .success }
        world.put(4)
        world.send(.start)
        #expect(world.sent == [0..<4, 0..<2, 0..<1, 1..<2, 2..<4])
    }

    @Test(arguments: 1...7)
    func `ESM-X6 a report with progress cuts at the record, and the rest is no half`(bad: Int) {
        let world = Self.run(RecordBatch([LaneWorld.run(8)]), bad: [bad], retries: 1, reports: true)
        let isolated = bad == 7 ? [bad..<8, bad..<8] : [bad..<8, bad..<bad + 1, bad..<bad + 1, bad + 1..<8]
        #expect(world.sent == [0..<8] + isolated)
        #expect(world.calls[1].attempt == 1 && world.counters.splits == (bad == 7 ? 0 : 1))
    }

    @Test(arguments: [true, false])
    func `ESM-X8 after the isolated record the rest goes on as a unit, and gets no newer record`(recovers: Bool) {
        var world = LaneWorld(.test(batch: 4, retries: 0, reports: true))
        world.function = { _ in nil }
        world.put(3)
        world.send(.start)
        world.put(5)
        world.function = { invocation in
            recovers || invocation.unit.first != SequenceNumber(1) ? .success : .fails(from: 0)
        }
        world.answer(.fails(from: 0))
        #expect(world.sent == [0..<3, 0..<1, 1..<3, 3..<7, 7..<8])
        #expect(world.documents.map(\.places) == (recovers ? [] : [0..<1]))
    }

    @Test func `ESM-X10 without limits a bad record is isolated and blocks the lane`() {
        var world = LaneWorld(.test(batch: 4, retries: nil))
        world.function = { $0.unit.records.contains { $0.sequenceNumber.rawValue == 3 } ? .fails : .success }
        world.put(8)
        world.send(.start)
        world.advance(by: .seconds(3_600))
        #expect(world.sent.dropFirst(3).allSatisfy { $0 == 2..<3 })
        #expect(world.checkpoints.last == SequenceNumber(2))
        #expect(world.documents.isEmpty)
        #expect(world.lane.oldestHeldRecord?.number == SequenceNumber(3))
    }
}

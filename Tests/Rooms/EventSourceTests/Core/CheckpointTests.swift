import EventSource
import StreamModel
import Testing
import TestSupport

/// Where the checkpoint stands, and what a crash repeats (ESM-P6 to ESM-P9, ESM-H1).
@Suite struct CheckpointTests {
    @Test func `ESM-P8 the checkpoint moves with each finished part of a batch`() {
        var world = LaneWorld(.test(batch: 8))
        world.function = { $0.unit.records.count > 2 ? .fails : nil }
        world.put(8)
        world.send(.start)
        var positions: [UInt64] = []
        while world.openInvocation != nil {
            world.answer(.success)
            positions.append(world.checkpoints.last!.rawValue)
        }
        #expect(positions == [2, 4, 6, 8])
    }

    @Test func `ESM-P6 the checkpoint stays before a unit that is not done`() {
        var world = LaneWorld(.test(batch: 2, retries: nil, bisects: false))
        world.function = { $0.unit.first.rawValue == 3 ? .fails : .success }
        world.put(6)
        world.send(.start)
        world.advance(by: .seconds(1_000))
        #expect(world.checkpoints == [SequenceNumber(2)])
    }

    @Test func `ESM-P9 an invocation does not wait for one checkpoint, but for two`() {
        var world = LaneWorld(.test(batch: 1))
        world.checkpointsAtOnce = false
        world.put(4)
        world.send(.start)
        #expect(world.sent == [0..<1, 1..<2])
        world.answerCheckpoint()
        #expect(world.sent == [0..<1, 1..<2, 2..<3])
        #expect(world.openCheckpoint?.position == SequenceNumber(2))
        world.answerCheckpoint()
        world.answerCheckpoint()
        world.answerCheckpoint()
        #expect(world.sent.count == 4 && world.lane.isIdle)
        #expect(world.checkpoints == (1...4).map { SequenceNumber($0) })
    }

    @Test func `ESM-P9 in every order of answers at most one finished unit is not durable when the next begins`() {
        var every = Exhaustive()
        while every.next() {
            let bisects = every.flag()
            var world = LaneWorld(.test(batch: 2, bisects: bisects))
            world.checkpointsAtOnce = false
            world.function = { _ in nil }
            world.destination = { _ in .takes(checkpointed: false) }
            world.put(5)
            world.send(.start)
            let bad = every.pick(0...5)
            var finished: [Int] = []
            while world.openInvocation != nil || world.openCheckpoint != nil {
                let canBoth = world.openInvocation != nil && world.openCheckpoint != nil
                if world.openInvocation != nil, !canBoth || every.flag() {
                    let calls = world.calls.count
                    let records = world.sent.last!
                    let fails = records.contains(bad)
                    if !fails || !bisects || records.count == 1 { finished.append(records.upperBound) }
                    world.answer(fails ? .fails : .success)
                    guard world.calls.count > calls else { continue }
                    let durable = Int(world.checkpoints.last?.rawValue ?? 0)
                    guard finished.filter({ $0 > durable }).count <= 1 else {
                        Issue.record("\(finished) finished, durable to \(durable), and yet \(world.sent)")
                        return
                    }
                } else {
                    world.answerCheckpoint()
                }
            }
            guard world.violations.isEmpty, world.checkpoints.last == SequenceNumber(5), world.lane.isIdle else {
                Issue.record("\(world.violations), \(world.checkpoints), bad \(bad)")
                return
            }
        }
        #expect(every.rounds > 50)
    }

    @Test func `ESM-P7 after a crash at any moment everything not done is delivered again, from the checkpoint on`() {
        var every = Exhaustive()
        while every.next() {
            let batch = every.pick(1...4)
            let bisects = every.flag()
            let reports = every.flag()
            let bad = every.subset(of: 5, atMost: 2)
            let function = { (invocation: LaneCore.Invocation) -> LaneCore.InvocationResult? in
                let records = invocation.unit.records
                let met = bad.first { records.index(of: SequenceNumber(UInt64($0 + 1))) != nil }
                guard let met else { return .success }
                return reports ? .fails(from: met) : .fails
            }
            var world = LaneWorld(.test(batch: batch, bisects: bisects, reports: reports))
            world.checkpointsAtOnce = every.flag()
            world.function = { _ in nil }
            world.put(5)
            world.send(.start)
            for _ in 0..<every.pick(0...6) {
                if world.openCheckpoint != nil, every.flag() { world.answerCheckpoint() }
                guard let invocation = world.openInvocation else { break }
                world.answer(function(invocation)!)
            }
            var next = world.afterCrash()
            next.function = function
            let durable = Int(world.checkpoints.last?.rawValue ?? 0)
            next.send(.start)
            next.runToRest()
            let first = next.sent.first?.lowerBound
            let violations = world.violations + next.violations
            guard first == durable || durable == 5, violations.isEmpty, next.lane.isIdle,
                next.counters.succeeded + next.counters.destinationDelivered == 5 - durable,
                Set(next.documents.flatMap(\.places)).isSuperset(of: bad) || !bisects
            else {
                Issue.record("bad \(bad), durable \(durable): \(next.sent), \(violations)")
                return
            }
        }
        #expect(every.rounds > 1_000)
    }

    @Test func `ESM-H1 a closed shard is done when its last record is`() {
        var world = LaneWorld(.test(batch: 2, retries: nil))
        world.checkpointsAtOnce = false
        world.function = { _ in nil }
        world.put(2)
        world.close()
        world.send(.start)
        world.answer(.failed(LaneCore.FunctionFailure("x")))
        world.answer(.success)
        #expect(world.openCheckpoint?.isShardEnd == false)
        world.answerCheckpoint()
        world.answer(.success)
        #expect(world.openCheckpoint?.isShardEnd == true)
        #expect(world.stops == [])
        world.answerCheckpoint()
        #expect(world.stops == [.shardEnd])
        #expect(world.openRead == nil)
    }

    @Test func `ESM-H2 a closed shard without records is done at once`() {
        var world = LaneWorld(.test())
        world.close()
        world.send(.start)
        #expect(world.stops == [.shardEnd])
        #expect(world.calls.isEmpty)
        #expect(world.checkpoints.count == 1)
    }

    @Test func `ESM-H5 a bad record holds up the end of its shard`() {
        var world = LaneWorld(.test(retries: 1))
        world.function = { _ in .fails }
        world.put(1)
        world.close()
        world.send(.start)
        #expect(world.stops == [] && world.checkpoints == [])
        world.advance(by: .milliseconds(500))
        #expect(world.stops == [.shardEnd] && world.checkpoints.last == SequenceNumber(1))
    }

    @Test func `ESM-H1 a shard that ends with a record given up waits for the destination`() {
        var world = LaneWorld(.test())
        world.function = { _ in .fails }
        world.destination = { _ in .later }
        world.put(1)
        world.close()
        world.send(.start)
        #expect(world.openCheckpoint == nil && world.stops == [])
        world.answerHandOver(.takes(checkpointed: true))
        #expect(world.stops == [.shardEnd])
    }

    @Test func `ESM-M9 the balance holds after every event`() {
        var every = Exhaustive()
        while every.next() {
            var world = LaneWorld(.test(batch: 3, retries: 1, destination: every.flag()))
            world.function = { _ in nil }
            world.put(4)
            world.send(.start)
            for _ in 0..<5 {
                guard world.openInvocation != nil else { break }
                let place = Int(world.openInvocation!.unit.first.rawValue) - 1
                world.answer(every.pick([.success, .fails, .fails(from: place), .permanent(place)]))
                world.runToRest()
            }
            while world.openInvocation != nil {
                world.answer(.success)
                world.runToRest()
            }
            guard world.counters.settled == 4, world.counters.polled == 4, world.violations.isEmpty else {
                Issue.record("\(world.counters), \(world.violations)")
                return
            }
        }
        #expect(every.rounds > 1_000)
    }
}

import EventSource
import StreamModel
import Testing

/// Attempts, pauses and protection (section A).
@Suite struct BackOffTests {
    @Test(arguments: 0...3)
    func `ESM-A2 a unit is invoked once and as often again as there are retries`(retries: Int) {
        var world = LaneWorld(.test(retries: retries, bisects: false))
        world.function = { _ in .fails }
        world.put(3)
        world.send(.start)
        world.runToRest()
        #expect(world.calls.map(\.attempt) == Array(1...retries + 1))
        #expect(world.sent.allSatisfy { $0 == 0..<3 })
        #expect(world.documents.map(\.invocations) == [retries + 1])
        #expect(world.documents.map(\.condition) == [.retryAttemptsExhausted])
        #expect(world.documents.first?.response?.functionError == "Unhandled")
        #expect(world.documents.first?.failure == LaneCore.FunctionFailure("boom", type: "Test"))
        #expect(world.counters.retries == retries)
    }

    @Test func `ESM-A7 pauses double from half a second to a minute`() {
        var world = LaneWorld(.test(retries: nil))
        world.function = { _ in .fails }
        world.put(1)
        world.send(.start)
        world.advance(by: .seconds(240))
        let seconds: [Double] = [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 63.5, 123.5, 183.5]
        #expect(world.calls.map(\.at) == seconds.map { .seconds($0) })
    }

    @Test func `ESM-A7 each pause varies by a tenth, the same for the same seed`() {
        func pauses(seed: UInt64) -> [Double] {
            var settings = LaneCore.Settings.test(retries: 200)
            settings.backOff = LaneCore.BackOff()
            settings.backOff.longest = .milliseconds(500)
            var world = LaneWorld(settings, seed: seed)
            world.function = { _ in .fails }
            world.put(1)
            world.send(.start)
            world.runToRest()
            return zip(world.calls, world.calls.dropFirst()).map { ($1.at - $0.at) / .milliseconds(500) }
        }
        let first = pauses(seed: 7)
        #expect(first.count == 200)
        #expect(first.allSatisfy { $0 >= 0.899 && $0 <= 1.101 })
        #expect(first.min()! < 0.92 && first.max()! > 1.08)
        #expect(pauses(seed: 7) == first)
        #expect(pauses(seed: 8) != first)
    }

    @Test func `ESM-A1 nothing later is invoked before the retries are through`() {
        var world = LaneWorld(.test(batch: 1, retries: 2))
        world.function = { $0.unit.first.rawValue == 1 && $0.attempt < 3 ? .fails : .success }
        world.put(2)
        world.send(.start)
        world.runToRest()
        #expect(world.sent == [0..<1, 0..<1, 0..<1, 1..<2])
    }

    @Test func `ESM-A1 the other half waits until the retries of the first are through`() {
        var world = LaneWorld(.test(batch: 2, retries: 2, bisects: true))
        world.function = {
            $0.unit.first.rawValue == 1 && ($0.unit.records.count > 1 || $0.attempt < 3) ? .fails : .success
        }
        world.put(2)
        world.send(.start)
        world.runToRest()
        #expect(world.sent == [0..<2, 0..<1, 0..<1, 0..<1, 1..<2])
    }

    @Test func `ESM-A4 tries that don't reach the function don't count, and pause like failures`() {
        var world = LaneWorld(.test(retries: 0, bisects: true))
        var tries = 0
        world.function = { _ in
            tries += 1
            return tries <= 4 ? .notReached(LaneCore.FunctionFailure("no permit")) : .success
        }
        world.put(2)
        world.send(.start)
        world.runToRest()
        let seconds: [Double] = [0, 0.5, 1.5, 3.5, 7.5]
        #expect(world.calls == seconds.map { .init(records: 0..<2, at: .seconds($0), attempt: 1) })
        #expect(world.counters.notReached == 4)
        #expect(world.counters.invocations == 1)
        #expect(world.counters.errors == 0 && world.counters.splits == 0)
        #expect(world.documents.isEmpty)
    }

    @Test func `ESM-A6 a unit that could not reach the function goes as soon as it can`() {
        var world = LaneWorld(.test())
        var isReachable = false
        world.function = { _ in isReachable ? .success : .notReached(LaneCore.FunctionFailure("no permit")) }
        world.put(1)
        world.send(.start)
        world.advance(by: .seconds(100))
        isReachable = true
        world.send(.reachable)
        #expect(world.calls.last?.at == .seconds(100))
        #expect(world.counters.succeeded == 1)
    }

    @Test func `ESM-A8 a fresh unit does not wait`() {
        var world = LaneWorld(.test(batch: 8, retries: 3))
        world.function = { $0.unit.records.count > 1 ? .fails : .success }
        world.put(8)
        world.send(.start)
        #expect(world.calls.count == 15)
        #expect(world.calls.allSatisfy { $0.at == .zero })
    }

    @Test func `ESM-A8 fresh units wait once more than 200 records in a row have failed`() {
        var world = LaneWorld(.test(batch: 100, retries: 1, bisects: false))
        world.function = { _ in .fails }
        world.put(600)
        world.send(.start)
        world.runToRest()
        // Every batch is retried after half a second. With the third one 300 records have failed: from the fourth on
        // batches wait too, longer each time.
        let seconds: [Double] = [0, 0.5, 0.5, 1, 1, 1.5, 2, 2.5, 3.5, 4, 6, 6.5]
        #expect(world.calls.map(\.at) == seconds.map { .seconds($0) })
        #expect(world.trace.filter { $0.rule == "ESM-A8" }.count == 3)
    }

    @Test func `ESM-A8 exactly 200 failed records in a row do not slow the lane`() {
        var world = LaneWorld(.test(batch: 100, retries: 1, bisects: false))
        world.function = { $0.unit.first.rawValue <= 200 ? .fails : .success }
        world.put(400)
        world.send(.start)
        world.runToRest()
        #expect(world.calls.map(\.at) == [0, 0.5, 0.5, 1, 1, 1].map { .seconds($0) })
    }

    @Test func `ESM-A8 the bound is twice the batch size where that is more`() {
        var world = LaneWorld(.test(batch: 150, retries: 1, bisects: false))
        world.function = { _ in .fails }
        world.put(600)
        world.send(.start)
        world.runToRest()
        let seconds: [Double] = [0, 0.5, 0.5, 1, 1, 1.5, 2, 2.5]
        #expect(world.calls.map(\.at) == seconds.map { .seconds($0) })
    }

    @Test func `ESM-A8 one success ends the protection and the count begins again`() {
        var world = LaneWorld(.test(batch: 100, retries: 1, bisects: false))
        world.function = { (301...400).contains($0.unit.first.rawValue) ? .success : .fails }
        world.put(700)
        world.send(.start)
        world.runToRest()
        let starts = world.calls.filter { $0.attempt == 1 }.map(\.at)
        #expect(starts == [0, 0.5, 1, 2, 2, 2.5, 3].map { .seconds($0) })
    }

    @Test func `ESM-A8 the same records failing again in halves are counted once`() {
        var world = LaneWorld(.test(batch: 200, retries: 1))
        world.function = { _ in .fails }
        world.put(200)
        world.send(.start)
        world.runToRest()
        #expect(world.trace.allSatisfy { $0.rule != "ESM-A8" })
    }

    @Test func `ESM-A8 without retries nothing is protected`() {
        var world = LaneWorld(.test(batch: 100, retries: 0))
        world.function = { _ in .fails }
        world.put(1_000)
        world.send(.start)
        #expect(world.calls.allSatisfy { $0.at == .zero })
        #expect(world.counters.givenUp == 1_000)
    }

    @Test func `ESM-A8 permanent failures don't count`() {
        var world = LaneWorld(.test(batch: 100, retries: 3))
        world.function = { .permanent(Int($0.unit.first.rawValue) - 1) }
        world.put(1_000)
        world.send(.start)
        #expect(world.calls.count == 1_000)
        #expect(world.calls.allSatisfy { $0.at == .zero })
        #expect(world.documents.allSatisfy { $0.condition == .permanentFailure && $0.invocations == 1 })
    }

    @Test func `ESM-R20 an unnamed permanent failure is looked for by halving, with bisect off too`() {
        var world = LaneWorld(.test(retries: 3, bisects: false))
        world.function = { $0.unit.records.contains { $0.sequenceNumber.rawValue == 3 } ? .permanent(nil) : .success }
        world.put(4)
        world.send(.start)
        #expect(world.sent == [0..<4, 0..<2, 2..<4, 2..<3, 3..<4])
        #expect(world.documents.map(\.places) == [2..<3])
        #expect(world.elapsed == .zero)
    }

    @Test func `ESM-R14 a unit given up after reports has no function error`() {
        var world = LaneWorld(.test(bisects: false))
        world.function = { _ in .badReport(LaneCore.FunctionFailure("nonsense")) }
        world.put(2)
        world.send(.start)
        #expect(world.documents.map { $0.response?.functionError } == [String?.none])
        #expect(world.documents.first?.response != nil)
    }

    @Test func `ESM-R15 the rest after progress is a fresh unit`() {
        var world = LaneWorld(.test(retries: 3, bisects: false))
        world.function = { $0.unit.records.count == 3 ? .fails(from: 2) : .fails }
        world.put(3)
        world.send(.start)
        world.runToRest()
        #expect(world.sent == [0..<3, 2..<3, 2..<3, 2..<3, 2..<3])
        #expect(world.calls.map(\.attempt) == [1, 1, 2, 3, 4])
        #expect(world.documents.map(\.invocations) == [4])
        #expect(world.documents.map(\.count) == [1])
    }

    @Test func `ESM-R8 a record that is not in the unit makes the whole unit fail`() {
        for answer in [LaneCore.InvocationResult.fails(from: 77), .permanent(77)] {
            var world = LaneWorld(.test(bisects: false))
            world.function = { _ in answer }
            world.put(2)
            world.send(.start)
            #expect(world.documents.map(\.places) == [0..<2])
            #expect(world.documents.map(\.condition) == [.retryAttemptsExhausted])
            #expect(world.documents.map { $0.response?.functionError } == [String?.none])
        }
    }
}

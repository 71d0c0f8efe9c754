import DeliveryModel
import EventSource
import StreamModel
import Testing
import TestSupport

/// Every small case of failing records, judged by the independent model.
@Suite struct ExhaustiveFailureTests {
    /// How a record makes the function fail.
    enum Badness: CaseIterable {
        case throwing, reported, unusableReport, permanent, permanentUnnamed, throwingTwice
    }

    /// The function of a case: it stops at the first bad record of what it gets.
    struct Function {
        let bad: [Int: Badness]
        var times: [Int: Int] = [:]

        init(_ bad: [Int: Badness]) { self.bad = bad }

        mutating func answer(_ unit: Range<Int>) -> DeliveryModel.Answer {
            for place in unit {
                guard let badness = bad[place] else { continue }
                switch badness {
                case .throwing: return .fails
                case .reported: return .reports(place)
                case .unusableReport: return .reportsBadly
                case .permanent: return .permanent(place)
                case .permanentUnnamed: return .permanent(nil)
                case .throwingTwice:
                    times[place, default: 0] += 1
                    if times[place]! <= 2 { return .fails }
                }
            }
            return .success
        }
    }

    static func result(_ answer: DeliveryModel.Answer) -> LaneCore.InvocationResult {
        switch answer {
        case .success: .success
        case .fails: .fails
        case .reportsBadly: .badReport(LaneCore.FunctionFailure("no such record"))
        case .reports(let place): .fails(from: place)
        case .permanent(let place): .permanent(place)
        }
    }

    /// Plays one case against the model; what is wrong, in words.
    static func compare(
        _ log: RecordBatch, batch: Int, _ bad: [Int: Badness], retries: Int, bisects: Bool, reports: Bool
    ) -> String? {
        var model = DeliveryModel(retries: retries, bisects: bisects, reports: reports)
        var judge = Function(bad)
        for first in stride(from: 0, to: log.count, by: batch) {
            model.deliver(first..<min(first + batch, log.count)) { judge.answer($0) }
        }

        var function = Function(bad)
        var world = LaneWorld(.test(batch: batch, retries: retries, bisects: bisects, reports: reports))
        world.function = { invocation in
            let first = Int(invocation.unit.first.rawValue) - 1
            return result(function.answer(first..<first + invocation.unit.records.count))
        }
        world.put(log)
        world.send(.start)
        world.runToRest()

        let documents = world.documents.map {
            DeliveryModel.Document(
                records: $0.places, condition: $0.condition.rawValue, invocations: $0.invocations,
                functionError: $0.response?.functionError)
        }
        let checkpoints = world.checkpoints.map { Int($0.rawValue) }
        return world.sent != model.calls
            ? "calls \(world.sent), not \(model.calls)"
            : documents != model.documents
                ? "documents \(documents), not \(model.documents)"
                : checkpoints != model.done
                    ? "checkpoints \(checkpoints), not \(model.done)"
                    : !world.lane.isIdle || world.counters.polled != log.count
                        || world.counters.settled != log.count || world.counters.succeeded != model.succeeded.count
                        ? "the balance is wrong: \(world.counters)"
                        : world.violations.first
    }

    @Test(arguments: 1...8, Badness.allCases)
    func `ESM-A3 ESM-R10 ESM-R20 ESM-X1 every place of up to three bad records`(count: Int, badness: Badness) {
        let log = RecordBatch([LaneWorld.run(count)])
        var every = Exhaustive()
        while every.next() {
            let retries = every.pick(0...3)
            let bisects = every.flag()
            let reports = every.flag()
            let places = every.subset(of: count, atMost: 3)
            let bad = Dictionary(uniqueKeysWithValues: places.map { ($0, badness) })
            let wrong = Self.compare(log, batch: count, bad, retries: retries, bisects: bisects, reports: reports)
            if let wrong {
                Issue.record(
                    "\(count) records, bad \(places), R \(retries), bisect \(bisects), reports \(reports): \(wrong)")
                return
            }
        }
        let places = (0...3).reduce(0) { sum, bad in
            sum + (0..<bad).reduce(1) { $0 * (count - $1) / ($1 + 1) }
        }
        #expect(every.rounds == 4 * 2 * 2 * places + 1)
    }

    @Test(arguments: 2...5)
    func `ESM-A3 ESM-R10 ESM-R20 ESM-X1 every mixture of kinds of bad records`(count: Int) {
        let log = RecordBatch([LaneWorld.run(count)])
        var every = Exhaustive()
        while every.next() {
            let retries = every.pick(0...1)
            let bisects = every.flag()
            let reports = every.flag()
            let places = every.subset(of: count, atMost: 3)
            var bad: [Int: Badness] = [:]
            for place in places { bad[place] = every.pick(Badness.allCases) }
            let wrong = Self.compare(log, batch: count, bad, retries: retries, bisects: bisects, reports: reports)
            if let wrong {
                Issue.record(
                    "\(count) records, bad \(bad), R \(retries), bisect \(bisects), reports \(reports): \(wrong)")
                return
            }
        }
    }

    @Test(arguments: 1...4)
    func `ESM-B7 ESM-P1 ESM-B9 batches follow one another and are never mixed`(batch: Int) {
        let log = RecordBatch([LaneWorld.run(3), LaneWorld.run(4, first: 4)])
        var every = Exhaustive()
        while every.next() {
            let retries = every.pick(0...1)
            let bisects = every.flag()
            let reports = every.flag()
            let places = every.subset(of: log.count, atMost: 3)
            let badness = every.pick(Badness.allCases)
            let bad = Dictionary(uniqueKeysWithValues: places.map { ($0, badness) })
            let wrong = Self.compare(log, batch: batch, bad, retries: retries, bisects: bisects, reports: reports)
            if let wrong {
                Issue.record(
                    "batches of \(batch), bad \(bad), R \(retries), bisect \(bisects), reports \(reports): \(wrong)")
                return
            }
        }
    }
}

import DeliveryModel
import EventSource
import Foundation
import Testing

/// What one bad record costs, and two, wherever they are in their batches, with any number of lanes (ESM-X11, ESM-X12).
///
/// A sample of the places, from every size of a batch. With `SHARDLINE_BAD_RECORDS=all` (`make soak`) every place of one and
/// of two in a lane, and a thirteenth of those in two lanes.
@Suite struct BadRecordPlacesTests {
    static let takesAll = ProcessInfo.processInfo.environment["SHARDLINE_BAD_RECORDS"] == "all"
    static let sizes = 1...128

    /// The calls of a batch of `count` records by ESM-X11: without reports.
    static func calls(_ records: Range<Int>, bad: [Int], retries: Int) -> Int {
        guard bad.contains(where: records.contains) else { return 1 }
        if records.count == 1 { return 1 + retries }
        let middle = records.lowerBound + (records.count + 1) / 2
        return 1 + calls(records.lowerBound..<middle, bad: bad, retries: retries)
            + calls(middle..<records.upperBound, bad: bad, retries: retries)
    }

    /// The calls by the last row of ESM-X12: with reports. What is after the first of two bad records is a batch of its own.
    static func reportedCalls(_ count: Int, bad: [Int], retries: Int) -> Int {
        guard let place = bad.first else { return 1 }
        if bad.count > 1 {
            let rest = reportedCalls(count - place - 1, bad: bad.dropFirst().map { $0 - place - 1 }, retries: retries)
            return (place == 0 ? 2 : 3) + retries + rest
        }
        return count == 1 ? 1 + retries : (place == 0 ? 3 : place == count - 1 ? 2 : 4) + retries
    }

    /// What is wrong with the outcome of a batch in one lane.
    static func judge(
        _ outcome: BatchesWorld.Outcome, _ count: Int, bad: [Int], retries: Int, reports: Bool
    ) -> String? {
        let price =
            reports
            ? reportedCalls(count, bad: bad, retries: retries) : calls(0..<count, bad: bad, retries: retries)
        if outcome.calls.count != price { return "\(outcome.calls.count) calls, not \(price)" }
        var model = DeliveryModel(retries: retries, bisects: true, reports: reports)
        model.deliver(0..<count) { unit in
            guard let met = bad.first(where: unit.contains) else { return .success }
            return reports ? .reports(met) : .fails
        }
        if outcome.calls != model.calls { return "calls \(outcome.calls), not \(model.calls)" }
        if outcome.documents != model.documents {
            return "documents \(outcome.documents), not \(model.documents)"
        }
        if outcome.documents.map(\.records) != bad.map({ $0..<$0 + 1 }) { return "not the bad ones are given up" }
        return redelivered(outcome.calls, count, bad: bad, reports: reports)
    }

    /// What is wrong with how often good records were delivered, by ESM-X12. Each bad record counts for itself.
    private static func redelivered(_ calls: [Range<Int>], _ count: Int, bad: [Int], reports: Bool) -> String? {
        var deliveries = Array(repeating: 0, count: count)
        for records in calls { for record in records { deliveries[record] += 1 } }
        let levels = (0...).first { 1 << $0 >= count }!
        for record in 0..<count where !bad.contains(record) {
            let earlier = bad.count { $0 < record }
            let most = reports ? 1 + 2 * earlier : bad.isEmpty ? 1 : levels + 1
            if !(1...most).contains(deliveries[record]) {
                return "\(record) is delivered \(deliveries[record]) times, at most \(most) are allowed"
            }
        }
        return nil
    }

    /// The settings of a case: what doesn't change the outcome takes turns.
    static func settings(_ factor: Int, batch: Int, reports: Bool, turn: Int) -> LaneCore.Settings {
        var settings = LaneCore.Settings.test(batch: batch, retries: turn & 1, reports: reports)
        settings.parallelizationFactor = factor
        settings.deliveryMovesCheckpoint = turn & 2 == 0
        settings.maximumUnsavedUnits = turn & 4 == 0 ? 1 : 8
        return settings
    }

    /// Plays bad records at these places of the full lanes; what is wrong, in words. The lanes without bad records, the
    /// others among them, get all their records in one call.
    static func compare(_ world: BatchesWorld, bad: [[Int]], reports: Bool, turn: Int) -> String? {
        let settings = settings(world.sizes.count, batch: world.count, reports: reports, turn: turn)
        var places = Array(repeating: [Int](), count: world.sizes.count)
        for (lane, bad) in zip(world.full, bad) { places[lane] = bad }
        let played = world.play(settings, bad: places, turn: turn)
        if let wrong = played.wrong { return wrong }
        for (lane, outcome) in played.lanes.enumerated() {
            let wrong = judge(
                outcome, world.sizes[lane], bad: places[lane], retries: turn & 1, reports: reports)
            if let wrong { return "lane \(lane): \(wrong)" }
        }
        return nil
    }

    /// Compares every case of each size, or so many of them, spread over all. `bad` has the places of each full lane.
    static func compareAll(
        _ factor: Int, reports: Bool, sample: Int, allStep: Int = 1, cases: (_ count: Int) -> Int,
        bad: (_ number: Int, _ count: Int) -> [[Int]]
    ) {
        for count in sizes where cases(count) > 0 {
            let world = BatchesWorld(factor: factor, count: count)
            let step = takesAll ? allStep : max(1, cases(count) / sample)
            // The first one differs from size to size.
            for number in stride(from: count * 7_919 % step, to: cases(count), by: step) {
                let bad = bad(number, count)
                if let wrong = compare(world, bad: bad, reports: reports, turn: count + number) {
                    Issue.record("\(count) records, \(factor) lanes, bad \(bad), reports \(reports): \(wrong)")
                    return
                }
            }
        }
    }

    @Test(arguments: [1, 3, 10], [false, true])
    func `ESM-X11 ESM-X12 ESM-K3 one bad record costs its lane alone what the model says`(factor: Int, reports: Bool) {
        Self.compareAll(factor, reports: reports, sample: 3, cases: { $0 }) { number, _ in [[number]] }
    }

    @Test(arguments: [1, 3, 10], [false, true])
    func `ESM-X11 ESM-X12 ESM-K3 two bad records of one lane cost it what the model says`(factor: Int, reports: Bool) {
        Self.compareAll(factor, reports: reports, sample: 2, cases: { $0 * ($0 - 1) / 2 }) { number, _ in
            // The pairs by their second place, then by their first.
            var (first, second) = (number, 1)
            while first >= second { (first, second) = (first - second, second + 1) }
            return [[first, second]]
        }
    }

    @Test(arguments: [3, 10], [false, true])
    func `ESM-X11 ESM-X12 ESM-K3 bad records of two lanes cost each what it costs alone`(factor: Int, reports: Bool) {
        Self.compareAll(factor, reports: reports, sample: 1, allStep: 13, cases: { $0 * $0 }) { number, count in
            [[number / count], [number % count]]
        }
    }

    @Test func `what differs from the model is found`() {
        let world = BatchesWorld(factor: 3, count: 5)
        let settings = Self.settings(3, batch: 5, reports: false, turn: 0)
        let lane = world.full[0]
        let places = (0..<3).map { $0 == lane ? [2] : [] }
        let outcome = world.play(settings, bad: places).lanes[lane]
        #expect(Self.judge(outcome, 5, bad: [2], retries: 0, reports: false) == nil)
        #expect(Self.judge(outcome, 5, bad: [3], retries: 0, reports: false) != nil)
        #expect(Self.judge(outcome, 5, bad: [2], retries: 1, reports: false) != nil)
        #expect(Self.judge(outcome, 5, bad: [2], retries: 0, reports: true) != nil)
        var other = outcome
        other.documents = []
        #expect(Self.judge(other, 5, bad: [2], retries: 0, reports: false) != nil)
    }
}

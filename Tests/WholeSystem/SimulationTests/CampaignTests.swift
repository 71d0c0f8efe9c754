import Foundation
import Simulation
import Testing

/// The invariants STORE-I1 to STORE-I7 under everything that a machine may do to a store.
@Suite(.serialized) struct CampaignTests {
    private static func number(_ name: String) -> Double? {
        ProcessInfo.processInfo.environment[name].flatMap(Double.init)
    }

    /// What is tried changes every day, so that the tries add up; it is the same all day, so that a finding can be looked at.
    private static var day: Int { Int(Date.now.timeIntervalSince1970 / 86_400) }

    @Test(.timeLimit(.minutes(10))) func `as many seeds as fit into the time break no invariant`() async throws {
        let seconds = Self.number("SHARDLINE_SIM_SECONDS") ?? 8
        let seed = Self.number("SHARDLINE_SIM_SEED").map { UInt64($0) } ?? UInt64(Self.day) * 1_000_000
        print("simulation: seeds from \(seed) on, for \(seconds) seconds")
        let summary = await Campaign(firstSeed: seed, seconds: seconds).run()
        print("simulation: \(summary.description)")
        if let finding = summary.finding { Issue.record("\(finding.report)") }
        #expect(summary.acknowledged > 0 && summary.crashes > 0 && summary.faults > 0 && summary.repeated > 0)
    }

    @Test(arguments: [3, 7, 11, 19, 31, 44, 58, 63] as [UInt64])
    func `one seed replays a run to the last event`(seed: UInt64) {
        let history = History(seed: seed)
        let first = World(history, keepsText: true).run()
        let second = World(history, keepsText: true).run()
        #expect(first.violation == nil)
        #expect(first.trace.count > 500)
        #expect(first.trace == second.trace)
        #expect(first.hash == second.hash)
        #expect(World(History(seed: seed + 1)).run().hash != first.hash)
    }

    @Test func `a disk that lies is found, and what is left of its history is short and fails again`() async throws {
        for seed in 1... as PartialRangeFrom<UInt64> {
            var history = History(seed: seed)
            history.settings.diskLies = true
            guard let violation = World(history).run().violation else { continue }
            var finding = Finding(history, violation)
            finding.shorten(within: .seconds(60))
            #expect(finding.kept.count <= 4)
            #expect(World(history.keeping(finding.kept)).run().violation == finding.violation)
            #expect(finding.report.contains("--seed \(seed) --keep"))
            return
        }
    }

    /// Operation boundaries of a commit, of flushes, seals and deletions of segments, and of openings, with every legal
    /// subset of what was not synced. Of each history one moment in eight, another one every day; `make soak` walks all,
    /// and goes on with crashes in second openings.
    @Test(.timeLimit(.minutes(10))) func `no crash point loses, repeats or tears anything`() async throws {
        let each = Self.number("SHARDLINE_SIM_CRASH_POINTS").map { Int($0) } ?? 8
        let share = CrashPoints.Share(each: each, number: Self.day)
        print("simulation: crash points at each \(share.each). moment, from \(share.number) on")
        var count = CrashWalk.Count()
        for part in CrashPoints.always {
            let result = await CrashPoints.walk(part, share: share, workers: 2, until: nil)
            if let violation = result.violation { Issue.record("\(violation)") }
            #expect(result.isWhole)
            count.add(result.count)
        }
        print("simulation: \(count.description)")
        #expect(count.total >= 6_000 / share.each)
    }
}

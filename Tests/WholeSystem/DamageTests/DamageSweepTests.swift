import DiskAccess
import OfflineStore
import Foundation
import StreamModel
import TestSupport
import Testing

@testable import SegmentStorage

/// Every byte of every file of a small store flipped and every file cut at every length, one at a time; files removed,
/// swapped and replaced: the store opens or refuses with a reason, serves exactly what is whole and nothing that is
/// damaged (STORE-D1, STORE-D2, STORE-D5). All of it with `make damage`, otherwise a sample.
@Suite struct DamageSweepTests {
    private static let environment = ProcessInfo.processInfo.environment
    /// 0: all.
    private static let sample = environment["SHARDLINE_DAMAGE_SAMPLE"].flatMap { Int($0) } ?? 1_500
    private static let seed = environment["SHARDLINE_DAMAGE_SEED"].flatMap { UInt64($0) } ?? 1

    @Test(.timeLimit(.minutes(120))) func `whatever happens to a byte, what is whole is served and nothing else`()
        async throws
    {
        let store = try await SmallStore()
        let folder = TestDirectory()
        try store.write(to: folder.path("store"), store.files)
        let map = try await WholeMap(folder.path("store"))
        #expect(map.records.count == 216)
        #expect(Set(map.holders.map(\.kind)).count == 4)
        let judge = Judge(map: map)
        // Without damage all is served, or nothing that follows means anything.
        let plain = try await Trial(store: store, damage: .flip("lock", 0, 0)).run(in: directory(0))
        #expect(plain.served == map.records)
        #expect(plain.check.findings == [])

        let all = Damage.all(of: store.files)
        let cases = Self.sample > 0 ? Self.sample(all, Self.sample) : all
        let outcomes = try await withThrowingTaskGroup(of: (refused: Int, wrong: [String]).self) { [cases] group in
            // All processors where it takes long; in CI other tests wait for one of them.
            let workers = Self.sample == 0 ? ProcessInfo.processInfo.activeProcessorCount : 1
            for worker in 0..<workers {
                group.addTask {
                    var outcomes = (refused: 0, wrong: [String]())
                    for index in stride(from: worker, to: cases.count, by: workers) {
                        let outcome = try await Trial(store: store, damage: cases[index]).run(in: directory(index))
                        if outcome.refusal != nil { outcomes.refused += 1 }
                        let findings = judge.findings(cases[index], outcome)
                        guard !findings.isEmpty else { continue }
                        outcomes.wrong.append("\(cases[index]): \(findings.prefix(3).joined(separator: "; "))")
                    }
                    return outcomes
                }
            }
            return try await group.reduce(into: (refused: 0, wrong: [String]())) { all, some in
                all.refused += some.refused
                all.wrong += some.wrong
            }
        }
        for wrong in outcomes.wrong.prefix(25) { Issue.record("\(wrong)") }
        print(
            "damage: \(cases.count) of \(all.count) cases, \(outcomes.refused) refused, \(outcomes.wrong.count) not as required"
        )
        #expect(outcomes.wrong.isEmpty)
    }

    @Test(.timeLimit(.minutes(120))) func `after a repair what is whole is served, and of the rest readers are told`()
        async throws
    {
        let store = try await SmallStore()
        let folder = TestDirectory()
        try store.write(to: folder.path("store"), store.files)
        let judge = Judge(map: try await WholeMap(folder.path("store")))
        let cases = Self.sample(Damage.all(of: store.files), Self.sample > 0 ? 150 : 10_000)
        var repaired = 0
        var wrong: [String] = []
        for (index, damage) in cases.enumerated() {
            do {
                guard let outcome = try await Trial(store: store, damage: damage).repair(in: directory(index)) else {
                    continue
                }
                repaired += 1
                let findings = judge.findings(damage, repaired: outcome)
                if !findings.isEmpty { wrong.append("\(damage): \(findings.prefix(3).joined(separator: "; "))") }
            } catch let error as ShardlineError {
                wrong.append("\(damage): \(error)")
            }
        }
        for wrong in wrong.prefix(25) { Issue.record("\(wrong)") }
        print("damage: \(repaired) of \(cases.count) cases repaired, \(wrong.count) not as required")
        #expect(repaired > 0 && wrong.isEmpty)
    }

    /// All coarse cases, and some of the others, by the seed.
    private static func sample(_ cases: [Damage], _ count: Int) -> [Damage] {
        var random = SeededRandom(seed)
        let coarse = cases.filter { if case .flip = $0 { false } else if case .cut = $0 { false } else { true } }
        return coarse + (0..<count).map { _ in random.pick(cases) }
    }

    /// A trial writes a few files, syncs them and opens a database.
    private let trials = TestDirectory(inMemory: true)
    private func directory(_ index: Int) -> String { trials.path("\(index)") }
}

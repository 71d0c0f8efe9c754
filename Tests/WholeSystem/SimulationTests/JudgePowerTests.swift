import Simulation
import Testing

/// What the judge lets go with the power under `.interval`, and what it does not.
@Suite struct JudgePowerTests {
    private static let shard = Judge.Shard("s", 0)
    private static let jump = UInt64(1) << 32

    private static func item(_ sequence: UInt64, _ id: UInt64) -> Judge.Item {
        Judge.Item(sequence: sequence, id: id, key: "k", arrival: 1_000)
    }

    private static func audit(_ items: [Judge.Item], checkpoint: UInt64? = nil) -> Judge.Audit {
        var audit = Judge.Audit(isAlone: true)
        audit.contents = [.init(shard: shard, items: items)]
        if let checkpoint { audit.checkpoints["m"] = [(shard, checkpoint)] }
        return audit
    }

    private static func put(_ sequences: ClosedRange<UInt64>, into judge: inout Judge, from id: UInt64? = nil) {
        let items = sequences.map { item($0, (id ?? $0) + $0 - sequences.lowerBound) }
        let put = judge.willPut(
            items.map(\.id), keys: items.map { _ in "k" }, into: "s", source: 0, orders: items.map { Int($0.id) },
            isOneCommit: true, at: 1_000)
        judge.acknowledged(items.map { (shard, $0) }, of: put, all: true)
    }

    /// What the judge says of a store that was opened with an interval of 100 ms, in which 1 and 2 were synced and 3 and
    /// 4 are acknowledged, and then `body`.
    private static func verdict(_ body: (inout Judge) -> Void) -> String {
        var judge = Judge(retention: ["s": 10_000])
        judge.clockShows(1_000, monotonic: 1_000)
        judge.willOpen(interval: 100, mayJump: false)
        judge.sawShard(shard, parents: [], closedAt: nil)
        judge.madeMapping("m", on: "s")
        for sequence in 1...2 as ClosedRange<UInt64> { put(sequence...sequence, into: &judge) }
        judge.isSynced()
        for sequence in 3...4 as ClosedRange<UInt64> { put(sequence...sequence, into: &judge) }
        body(&judge)
        return judge.violation ?? "nothing"
    }

    /// The machine loses power, and the next process finds this.
    private static func powerFails(
        _ judge: inout Judge, leaving sequences: [UInt64], checkpoint: UInt64? = nil, isTimely: Bool = true
    ) {
        judge.losesUnsynced(isTimely: isTimely)
        judge.processEnded()
        judge.willOpen(interval: 100, mayJump: true)
        judge.audited(audit(sequences.map { item($0, $0) }, checkpoint: checkpoint), promised: judge.promises())
    }

    @Test(arguments: [[1, 2], [1, 2, 3], [1, 2, 3, 4]] as [[UInt64]])
    func `the end of what was not synced may be lost`(left: [UInt64]) {
        let said = Self.verdict { judge in
            Self.powerFails(&judge, leaving: left)
            Self.put(Self.jump + UInt64(left.count) + 1...Self.jump + UInt64(left.count) + 1, into: &judge, from: 100)
            judge.audited(
                Self.audit(left.map { Self.item($0, $0) } + [Self.item(Self.jump + UInt64(left.count) + 1, 100)]),
                promised: judge.promises())
        }
        #expect(said == "nothing")
    }

    @Test func `nothing else may be lost`() {
        #expect(Self.verdict { Self.powerFails(&$0, leaving: [1]) }.contains("was promised and is gone"))
        #expect(Self.verdict { Self.powerFails(&$0, leaving: [1, 2, 4]) }.contains("has nothing between"))
    }

    @Test func `a kill takes nothing`() {
        let said = Self.verdict { judge in
            judge.processEnded()
            judge.willOpen(interval: 100, mayJump: true)
            judge.audited(Self.audit([Self.item(1, 1)]), promised: judge.promises())
        }
        #expect(said.contains("was promised and is gone"))
    }

    @Test func `after the interval nothing may be lost, unless a sync had failed`() {
        for isTimely in [true, false] {
            let said = Self.verdict { judge in
                judge.clockShows(1_000, monotonic: 2_000)
                Self.powerFails(&judge, leaving: [1, 2], isTimely: isTimely)
            }
            #expect(said.contains("was promised and is gone") == isTimely)
        }
    }

    @Test func `of one call all or nothing is lost`() {
        let said = Self.verdict { judge in
            Self.put(5...6, into: &judge)
            Self.powerFails(&judge, leaving: [1, 2, 3, 4, 5])
        }
        #expect(said.contains("of the same call is there"))
    }

    @Test func `what was put after a lost record is lost too, also in another shard`() {
        let said = Self.verdict { judge in
            let other = Judge.Shard("s", 1)
            judge.sawShard(other, parents: [], closedAt: nil)
            let put = judge.willPut(
                [9], keys: ["k"], into: "s", source: 1, orders: [1], isOneCommit: true, at: 1_000)
            judge.acknowledged([(other, Self.item(1, 9))], of: put, all: true)
            judge.losesUnsynced(isTimely: true)
            judge.processEnded()
            var audit = Self.audit([1, 2, 3].map { Self.item($0, $0) })
            audit.contents.append(.init(shard: other, items: [Self.item(1, 9)]))
            judge.audited(audit, promised: judge.promises())
        }
        #expect(said.contains("which was put after it"))
    }

    @Test(arguments: [3, 4, 5] as [UInt64])
    func `no number up to the lost ones is given out again`(number: UInt64) {
        let said = Self.verdict { judge in
            Self.powerFails(&judge, leaving: [1, 2])
            Self.put(number...number, into: &judge, from: 100)
            // Behind the lost ones, but not by a jump.
            judge.audited(
                Self.audit([Self.item(1, 1), Self.item(2, 2), Self.item(number, 100)]), promised: judge.promises())
        }
        #expect(said.contains(number == 5 ? "has nothing between" : "lost with the power (STORE-C4)"))
    }

    @Test func `a lost record does not come back`() {
        let said = Self.verdict { judge in
            Self.powerFails(&judge, leaving: [1, 2])
            judge.audited(Self.audit((1...3).map { Self.item($0, $0) }), promised: judge.promises())
        }
        #expect(said.contains("surely not written"))
    }

    @Test func `a checkpoint may go back with the power, to what was synced, and does not stand after what is lost`() {
        func run(synced: Bool, checkpoint: UInt64, left: [UInt64]) -> String {
            Self.verdict { judge in
                judge.invoked("m", Self.shard, with: (1...3).map { Self.item($0, $0) }, checkpoint: 0)
                judge.invocationEnded("m", Self.shard, did: [1, 2, 3])
                judge.sawCheckpoint(of: "m", in: Self.shard, at: 3)
                if synced { judge.isSynced() }
                Self.powerFails(&judge, leaving: left, checkpoint: checkpoint)
                judge.sawCheckpoint(of: "m", in: Self.shard, at: checkpoint)
            }
        }
        #expect(run(synced: false, checkpoint: 0, left: [1, 2, 3]) == "nothing")
        #expect(run(synced: true, checkpoint: 0, left: [1, 2, 3, 4]).contains("went back from 3 to 0"))
        #expect(run(synced: false, checkpoint: 3, left: [1, 2]).contains("though 3 is lost"))
    }

    @Test func `a document goes with the power as its checkpoint does, though nobody had seen that one`() {
        let said = Self.verdict { judge in
            // 1 was given up: its document was there when 2 was handed out.
            judge.invoked("m", Self.shard, with: [Self.item(2, 2)], checkpoint: 0)
            judge.invocationEnded("m", Self.shard, did: [2])
            Self.powerFails(&judge, leaving: [1, 2, 3, 4], checkpoint: 0)
        }
        #expect(said == "nothing")
    }

    @Test func `numbers jump only where the store was not closed in order`() {
        let said = Self.verdict { judge in
            judge.processEnded()
            judge.willOpen(interval: 100, mayJump: false)
            Self.put(Self.jump + 5...Self.jump + 5, into: &judge, from: 100)
            judge.audited(
                Self.audit((1...4).map { Self.item($0, $0) } + [Self.item(Self.jump + 5, 100)]),
                promised: judge.promises())
        }
        #expect(said.contains("has nothing between"))
    }
}

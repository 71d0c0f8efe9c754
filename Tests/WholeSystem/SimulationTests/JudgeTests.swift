import Simulation
import StreamModel
import Testing

/// The judge says what it must say: each invariant is broken once, and a run in order is not blamed.
@Suite struct JudgeTests {
    private static let shard = Judge.Shard("s", 0)

    private static func item(_ sequence: UInt64, _ id: UInt64, key: String = "k", at arrival: Int64 = 1_000)
        -> Judge.Item
    {
        Judge.Item(sequence: sequence, id: id, key: key, arrival: arrival)
    }

    /// Records 1 to `count`, acknowledged at these numbers.
    private static func judge(_ count: UInt64 = 3) -> Judge {
        var judge = Judge(retention: ["s": 10_000])
        judge.clockShows(1_000)
        judge.sawShard(shard, parents: [], closedAt: nil)
        judge.madeMapping("m", on: "s")
        for id in 1...count {
            let put = judge.willPut(
                [id], keys: ["k"], into: "s", source: 0, orders: [Int(id)], isOneCommit: true, at: 1_000)
            judge.acknowledged([(shard, item(id, id))], of: put, all: true)
        }
        return judge
    }

    private static func audit(_ items: [Judge.Item], isAlone: Bool = true) -> Judge.Audit {
        var audit = Judge.Audit(isAlone: isAlone)
        audit.contents = [.init(shard: shard, items: items)]
        return audit
    }

    /// What the judge says after `body`.
    private static func verdict(_ body: (inout Judge) -> Void) -> String {
        var judge = judge()
        body(&judge)
        return judge.violation ?? "nothing"
    }

    @Test func `a run in order is not blamed`() {
        let said = Self.verdict { judge in
            judge.audited(Self.audit((1...3).map { Self.item($0, $0) }), promised: judge.promises())
            judge.invoked("m", Self.shard, with: [Self.item(1, 1), Self.item(2, 2)], checkpoint: 0)
            judge.invocationEnded("m", Self.shard, did: [1, 2])
            judge.invoked("m", Self.shard, with: [Self.item(3, 3)], checkpoint: 2)
            judge.invocationEnded("m", Self.shard, did: [3])
            judge.sawCheckpoint(of: "m", in: Self.shard, at: 3)
            judge.processEnded()
            judge.audited(Self.audit((1...3).map { Self.item($0, $0) }), promised: judge.promises())
            judge.caughtUp("m")
        }
        #expect(said == "nothing")
    }

    @Test func `an acknowledged record that is gone`() {
        let said = Self.verdict {
            $0.audited(Self.audit([Self.item(1, 1), Self.item(2, 2)]), promised: $0.promises())
        }
        #expect(said.contains("was promised and is gone"))
    }

    /// Also from between others: retention may overtake a reader.
    @Test func `an acknowledged record may be gone where its retention is over, and only there`() {
        for left in [[3], [1], [1, 3], []] as [[UInt64]] {
            func found(at wall: Int64) -> String {
                Self.verdict {
                    $0.clockShows(wall)
                    $0.audited(Self.audit(left.map { Self.item($0, $0) }), promised: $0.promises())
                }
            }
            #expect(found(at: 20_000) == "nothing")
            #expect(found(at: 10_000).contains(left.count == 2 ? "has nothing between" : "was promised and is gone"))
        }
    }

    @Test func `a record that nobody put, one that is there twice, one that moved`() {
        #expect(
            Self.verdict { $0.audited(Self.audit([Self.item(1, 99)]), promised: [:]) }.contains("which nobody put"))
        #expect(
            Self.verdict { $0.audited(Self.audit([Self.item(1, 1), Self.item(2, 1)]), promised: [:]) }
                .contains("there twice"))
        #expect(Self.verdict { $0.audited(Self.audit([Self.item(7, 1)]), promised: [:]) }.contains("record 1 is"))
    }

    @Test func `a put in doubt that is there in part, and one that comes back`() {
        func doubtful(_ judge: inout Judge) {
            let put = judge.willPut(
                [10, 11], keys: ["k", "k"], into: "s", source: 1, orders: [0, 1], isOneCommit: true, at: 1_000)
            judge.unknown(put)
        }
        let three = (1...3).map { Self.item($0, $0) }
        #expect(
            Self.verdict {
                doubtful(&$0)
                $0.audited(Self.audit(three + [Self.item(4, 10)]), promised: [:])
            }.contains("only a part is there"))
        #expect(
            Self.verdict {
                doubtful(&$0)
                $0.audited(Self.audit(three), promised: [:])
                $0.audited(Self.audit(three + [Self.item(4, 10), Self.item(5, 11)]), promised: [:])
            }.contains("surely not written"))
    }

    @Test func `records of a key in another order than they were put`() {
        #expect(
            Self.verdict { judge in
                let put = judge.willPut(
                    [20, 21], keys: ["x", "x"], into: "s", source: 2, orders: [0, 1], isOneCommit: true, at: 1_000)
                judge.acknowledged(
                    [(Self.shard, Self.item(5, 20, key: "x")), (Self.shard, Self.item(4, 21, key: "x"))], of: put,
                    all: true)
                judge.audited(Self.audit([]), promised: [:])
            }.contains("was put before"))
    }

    @Test func `a shard that is open again, and a child's record among its parent's numbers`() {
        #expect(
            Self.verdict {
                $0.sawShard(Self.shard, parents: [], closedAt: 3)
                $0.sawShard(Self.shard, parents: [], closedAt: nil)
            }.contains("is open again"))
        #expect(
            Self.verdict { judge in
                let child = Judge.Shard("s", 1)
                judge.sawShard(Self.shard, parents: [], closedAt: 3)
                judge.sawShard(child, parents: [Self.shard], closedAt: nil)
                let put = judge.willPut(
                    [30], keys: ["k"], into: "s", source: 3, orders: [0], isOneCommit: true, at: 1_000)
                judge.acknowledged([(child, Self.item(2, 30))], of: put, all: true)
            }.contains("not after its parents'"))
    }

    @Test func `a function that is called twice at once, out of order, with a gap, or again after its checkpoint`() {
        #expect(
            Self.verdict {
                $0.invoked("m", Self.shard, with: [Self.item(1, 1)], checkpoint: 0)
                $0.invoked("m", Self.shard, with: [Self.item(2, 2)], checkpoint: 0)
            }.contains("run at once"))
        #expect(
            Self.verdict { $0.invoked("m", Self.shard, with: [Self.item(2, 2), Self.item(1, 1)], checkpoint: 0) }
                .contains("after 2"))
        #expect(
            Self.verdict { $0.invoked("m", Self.shard, with: [Self.item(1, 1), Self.item(3, 3)], checkpoint: 0) }
                .contains("without 2"))
        // What lanes of another factor have given up, a document has to show.
        let reshuffled = { (judge: inout Judge) in
            judge.invoked("m", Self.shard, with: [Self.item(1, 1)], checkpoint: 0, factor: 2)
            judge.invocationEnded("m", Self.shard, did: [])
            judge.invoked("m", Self.shard, with: [Self.item(1, 1), Self.item(3, 3)], checkpoint: 0, factor: 3)
        }
        #expect(Self.verdict(reshuffled) == "nothing")
        #expect(
            Self.verdict { $0.invoked("m", Self.shard, with: [Self.item(1, 1)], checkpoint: 1) }
                .contains("again, though its checkpoint"))
    }

    @Test func `a checkpoint that goes back, or past what nobody did`() {
        #expect(
            Self.verdict {
                $0.invoked("m", Self.shard, with: [Self.item(1, 1)], checkpoint: 0)
                $0.invocationEnded("m", Self.shard, did: [1])
                $0.sawCheckpoint(of: "m", in: Self.shard, at: 1)
                $0.sawCheckpoint(of: "m", in: Self.shard, at: 0)
            }.contains("went back"))
        func passing(documents: [ClosedRange<UInt64>]) -> String {
            Self.verdict { judge in
                var audit = Self.audit((1...3).map { Self.item($0, $0) })
                audit.checkpoints = ["m": [(Self.shard, 2)]]
                audit.documents = ["m": documents.map { (Self.shard, $0) }]
                judge.audited(audit, promised: [:])
            }
        }
        #expect(passing(documents: []).contains("went past s/0 1"))
        #expect(passing(documents: [1...1]).contains("went past s/0 2"))
        #expect(passing(documents: [1...1, 2...2]) == "nothing")
    }

    @Test func `what was passed while an audit read the documents is owed to the next one`() {
        func passing(_ body: (inout Judge) -> Void) -> String {
            Self.verdict { judge in
                var audit = Self.audit((1...3).map { Self.item($0, $0) })
                audit.checkpoints = ["m": [(Self.shard, 0)]]
                audit.debts = judge.debts()
                judge.sawCheckpoint(of: "m", in: Self.shard, at: 2)
                judge.audited(audit, promised: [:])
                if judge.violation == nil { body(&judge) }
            }
        }
        #expect(passing { _ in } == "nothing")
        let next = passing { judge in
            var audit = Self.audit((1...3).map { Self.item($0, $0) })
            audit.checkpoints = ["m": [(Self.shard, 0)]]
            audit.debts = judge.debts()
            judge.audited(audit, promised: [:])
        }
        #expect(next.contains("went past s/0 1"))
    }

    /// The parent, closed at 3, has a child whose first record is 4; then `body`; then an audit that finds no checkpoint.
    private static func verdictOnChild(_ body: (inout Judge, Judge.Shard) -> Void) -> String {
        verdict { judge in
            let child = Judge.Shard("s", 1)
            judge.sawShard(shard, parents: [], closedAt: 3)
            judge.sawShard(child, parents: [shard], closedAt: nil)
            let put = judge.willPut([30], keys: ["k"], into: "s", source: 3, orders: [0], isOneCommit: true, at: 1_000)
            judge.acknowledged([(child, item(4, 30))], of: put, all: true)
            body(&judge, child)
            var audit = audit((1...3).map { item($0, $0) })
            audit.checkpoints = ["m": [(shard, 0)]]
            judge.audited(audit, promised: [:])
        }
    }

    @Test func `a child's record before its parent is done, and a record that is never done`() {
        #expect(
            Self.verdictOnChild { judge, child in
                judge.invoked("m", child, with: [Self.item(4, 30)], checkpoint: 0)
            }.contains("went past s/0 1"))
        #expect(Self.verdict { $0.caughtUp("m") }.contains("is not done"))
    }

    @Test func `a run that was sent back and has not noticed may begin with a child, but not twice`() {
        func sentBack(noticing: Bool) -> String {
            Self.verdictOnChild { judge, child in
                judge.invoked("m", Self.shard, with: (1...3).map { Self.item($0, $0) }, checkpoint: 0)
                judge.invocationEnded("m", Self.shard, did: [1, 2, 3])
                judge.willSeek("m")
                judge.hasSought("m")
                if noticing {
                    judge.invoked("m", Self.shard, with: [Self.item(1, 1)], checkpoint: 0)
                    judge.invocationEnded("m", Self.shard, did: [1])
                }
                judge.invoked("m", child, with: [Self.item(4, 30)], checkpoint: 0)
            }
        }
        #expect(sentBack(noticing: false) == "nothing")
        #expect(sentBack(noticing: true).contains("went past s/0 2"))
    }

    @Test func `splits of one call of which a part is there`() {
        let (before, after) = (HashKeyRange.even(1), HashKeyRange.even(4))
        func verdict(_ body: (inout Judge) -> Void) -> String {
            Self.verdict { judge in
                judge.sawOpenShards(before)
                judge.willReshard(to: after)
                body(&judge)
            }
        }
        #expect(verdict { $0.sawOpenShards(HashKeyRange.even(2)) }.contains("the open shards of s begin at"))
        // In doubt it is either, and stays so.
        #expect(verdict { $0.sawOpenShards(before) } == "nothing")
        #expect(verdict { $0.sawOpenShards(after) } == "nothing")
        #expect(
            verdict {
                $0.sawOpenShards(after)
                $0.sawOpenShards(before)
            }.contains("begin at"))
        #expect(
            verdict {
                $0.hasResharded()
                $0.sawOpenShards(before)
            }.contains("begin at"))
        #expect(
            verdict {
                $0.hasNotResharded()
                $0.sawOpenShards(after)
            }.contains("begin at"))
    }
}

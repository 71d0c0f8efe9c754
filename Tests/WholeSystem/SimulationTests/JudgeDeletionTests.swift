import Simulation
import StreamModel
import Testing

/// What the judge says of streams and mappings that are deleted and recreated.
@Suite struct JudgeDeletionTests {
    private static let old = Judge.Shard("s", 0)
    private static let new = Judge.Shard("s#2", 0)

    private static func item(_ sequence: UInt64, _ id: UInt64) -> Judge.Item {
        Judge.Item(sequence: sequence, id: id, key: "k", arrival: 1_000)
    }

    private static func put(_ id: UInt64, at sequence: UInt64, into shard: Judge.Shard, _ judge: inout Judge) {
        let put = judge.willPut(
            [id], keys: ["k"], into: shard.stream, source: 0, orders: [Int(id)], isOneCommit: true, at: 1_000)
        judge.acknowledged([(shard, item(sequence, id))], of: put, all: true)
    }

    private static func audit(_ shard: Judge.Shard, _ items: [Judge.Item]) -> Judge.Audit {
        var audit = Judge.Audit(isAlone: true)
        audit.contents = [.init(shard: shard, items: items)]
        return audit
    }

    /// What the judge says of a stream with the records 1 and 2 and a mapping that has done both, and then `body`.
    private static func verdict(_ body: (inout Judge) -> Void) -> String {
        var judge = Judge(retention: ["s": 10_000])
        judge.clockShows(1_000)
        judge.willMakeStream()
        judge.hasMadeStream()
        judge.willMakeMapping("m")
        judge.madeMapping("m", on: "s")
        for id in 1...2 as ClosedRange<UInt64> { put(id, at: id, into: old, &judge) }
        judge.invoked("m", old, with: [item(1, 1), item(2, 2)], checkpoint: 0)
        judge.invocationEnded("m", old, did: [1, 2])
        judge.sawCheckpoint(of: "m", in: old, at: 2)
        body(&judge)
        return judge.violation ?? "nothing"
    }

    private static func deletesStream(_ judge: inout Judge) {
        judge.willDeleteStream()
        judge.hasDeletedStream()
    }

    private static func makesAnew(_ judge: inout Judge) {
        deletesStream(&judge)
        judge.willMakeStream()
        judge.hasMadeStream()
        judge.willMakeMapping("m")
        judge.madeMapping("m", on: judge.stream)
    }

    @Test func `a stream keeps its id and what it was created with, and no other one has its id`() {
        let said = Self.verdict { judge in
            judge.sawStream(id: StreamID(1), initialShards: 2)
            judge.sawStream(id: StreamID(1), initialShards: 2)
            Self.makesAnew(&judge)
            judge.sawStream(id: StreamID(2), initialShards: 3)
        }
        #expect(said == "nothing")
        let changed = Self.verdict { judge in
            judge.sawStream(id: StreamID(1), initialShards: 2)
            judge.sawStream(id: StreamID(2), initialShards: 2)
        }
        #expect(changed.contains("the stream s was"), "\(changed)")
        let forgotten = Self.verdict { judge in
            judge.sawStream(id: StreamID(1), initialShards: 2)
            judge.sawStream(id: StreamID(1), initialShards: 4)
        }
        #expect(forgotten.contains("the stream s was"), "\(forgotten)")
        let shared = Self.verdict { judge in
            judge.sawStream(id: StreamID(1), initialShards: 2)
            Self.makesAnew(&judge)
            judge.sawStream(id: StreamID(1), initialShards: 2)
        }
        #expect(shared.contains("of s"), "\(shared)")
    }

    @Test func `a stream that is recreated is another one, and begins with the same numbers`() {
        let said = Self.verdict { judge in
            Self.makesAnew(&judge)
            #expect(judge.stream == "s#2")
            Self.put(3, at: 1, into: Self.new, &judge)
            judge.sawStream(isThere: true)
            judge.sawMappings(["m"])
            judge.audited(Self.audit(Self.new, [Self.item(1, 3)]), promised: judge.promises())
            judge.invoked("m", Self.new, with: [Self.item(1, 3)], checkpoint: 0)
            judge.invocationEnded("m", Self.new, did: [1])
            judge.caughtUp("m")
        }
        #expect(said == "nothing")
    }

    @Test func `records and checkpoints of the deleted one are not seen in it`() {
        #expect(
            Self.verdict { judge in
                Self.makesAnew(&judge)
                judge.audited(Self.audit(Self.new, [Self.item(1, 1)]), promised: judge.promises())
            }.contains("record 1 of s under key k came from s#2/0"))
        #expect(
            Self.verdict { judge in
                Self.makesAnew(&judge)
                Self.put(3, at: 1, into: Self.new, &judge)
                var audit = Self.audit(Self.new, [Self.item(1, 3)])
                audit.checkpoints["m"] = [(Self.new, 2)]
                judge.audited(audit, promised: judge.promises())
            }.contains("m went past s#2/0 1"))
    }

    @Test func `what was deleted comes back, and what was not is gone`() {
        #expect(
            Self.verdict {
                Self.deletesStream(&$0)
                $0.sawStream(isThere: true)
            }.contains("is there again"))
        #expect(Self.verdict { $0.sawStream(isThere: false) }.contains("was there and is gone"))
        #expect(
            Self.verdict {
                $0.willDeleteMapping("m")
                $0.hasDeletedMapping("m")
                $0.sawMappings(["m"])
            }.contains("is there again"))
        #expect(Self.verdict { $0.sawMappings([]) }.contains("was there and is gone"))
        #expect(Self.verdict { $0.sawMappings(["m", "m"]) }.contains("is there twice"))
    }

    @Test(arguments: [true, false])
    func `a deletion in doubt is decided by what is seen, once and permanently`(isThere: Bool) {
        func decided(_ then: Bool) -> String {
            Self.verdict { judge in
                judge.willDeleteStream()
                judge.processEnded()
                judge.sawStream(isThere: isThere)
                judge.sawStream(isThere: then)
            }
        }
        #expect(decided(isThere) == "nothing")
        #expect(decided(!isThere) != "nothing")
    }

    @Test func `a mapping that is recreated has done nothing yet`() {
        func after(_ body: (inout Judge) -> Void) -> String {
            Self.verdict { judge in
                judge.willDeleteMapping("m")
                judge.hasDeletedMapping("m")
                judge.willMakeMapping("m")
                judge.madeMapping("m", on: "s")
                body(&judge)
            }
        }
        #expect(after { $0.caughtUp("m") }.contains("is not done"))
        #expect(
            after { judge in
                judge.invoked("m", Self.old, with: [Self.item(1, 1), Self.item(2, 2)], checkpoint: 0)
                judge.invocationEnded("m", Self.old, did: [1, 2])
                judge.caughtUp("m")
            } == "nothing")
    }
}

import CrashChild
import Testing

/// The judge itself: faked histories, each with one broken promise that it must find, and find alone.
@Suite struct LedgerTests {
    /// What a worker said and an audit found, without any fault; tests spoil it.
    struct History {
        var said: [Report] = [.opened]
        var log: [Place: [UInt8]] = [:]
        var order: [Place] = []
        var stamps: [Place: Stamp] = [:]
        var checkpoints: [ShardName: UInt64] = [:]
        var documents: [Place] = []

        mutating func put(
            _ stream: String = "a", _ shard: UInt32 = 0, key: String = "k", counter: Int, call: Int, size: Int = 1,
            index: Int = 0, producer: String = "p", acknowledged: Bool = true
        ) {
            let number = UInt64(order.filter { $0.stream == stream && $0.shard == shard }.count + 1)
            let place = Place(stream, shard, number)
            let stamp = Stamp(
                producer: producer, key: key, counter: counter, call: call, size: size, index: index)
            let data = stamp.data(filler: [0x78])
            log[place] = data
            stamps[place] = stamp
            order.append(place)
            if acknowledged { said.append(.acknowledged(place, checksum: Stamp.checksum(data))) }
        }

        mutating func handle(_ first: UInt64, _ count: Int, shard: UInt32 = 0) {
            var digest = Digest()
            for number in first..<first + UInt64(count) {
                digest.add(Stamp.checksum(log[Place("a", shard, number)] ?? []))
            }
            said.append(.handled(first: Place("a", shard, first), count: count, digest: digest.value))
        }

        var audit: Audit { audit(now: nil) }

        func audit(now: Int?) -> Audit {
            var reports: [Report] = order.compactMap { place in
                guard let data = log[place] else { return nil }
                let stamp = Stamp(data)
                return .found(place, key: stamps[place]!.key, checksum: Stamp.checksum(data), stamp)
            }
            reports += checkpoints.map { .checkpoint(Place($0.key.stream, $0.key.shard, $0.value)) }
            reports += documents.map { .document(of: $0) }
            if let now { reports.append(.measured("now", now)) }
            return Audit(reports + [.ended])
        }

        func judged() -> [Violation] {
            var ledger = Ledger()
            ledger.note(said)
            return ledger.check(audit)
        }
    }

    /// Six records in one shard, the first three handled, of which two are known to be done.
    static var sound: History {
        var history = History()
        for counter in 0..<6 { history.put(counter: counter, call: counter) }
        history.handle(1, 2)
        history.handle(3, 1)
        history.checkpoints[ShardName("a", 0)] = 2
        return history
    }

    @Test func `a sound history is not complained about`() { #expect(Self.sound.judged() == []) }

    @Test func `what was put and not acknowledged may be there or not`() {
        var history = Self.sound
        history.put(counter: 6, call: 6, acknowledged: false)
        #expect(history.judged() == [])
    }

    @Test func `a worker that acknowledges before the put has returned is found out`() {
        var history = Self.sound
        history.said.append(.acknowledged(Place("a", 0, 7), checksum: 1))
        #expect(history.judged() == [.acknowledgedIsMissing(Place("a", 0, 7))])
    }

    @Test func `an acknowledged record with other data is found out`() {
        var history = Self.sound
        let other = Stamp(producer: "p", key: "k", counter: 4, call: 4, size: 1, index: 0).data(filler: [0x79])
        history.log[Place("a", 0, 5)] = other
        #expect(history.judged() == [.acknowledgedIsChanged(Place("a", 0, 5))])
    }

    @Test func `a place that was acknowledged for two records is found out`() {
        var history = Self.sound
        history.said.insert(.acknowledged(Place("a", 0, 5), checksum: 1), at: 1)
        #expect(history.judged() == [.acknowledgedIsChanged(Place("a", 0, 5))])
    }

    @Test func `damaged data is found out`() {
        var history = Self.sound
        history.put(counter: 6, call: 6, acknowledged: false)
        history.log[Place("a", 0, 7)]![3] ^= 1
        #expect(history.judged() == [.damaged(Place("a", 0, 7))])
    }

    @Test func `a gap in the numbers is found out`() {
        var history = History()
        history.put(counter: 0, call: 0)
        history.put(key: "other", counter: 0, call: 1, producer: "q", acknowledged: false)
        history.put(counter: 1, call: 1, acknowledged: false)
        history.log[Place("a", 0, 2)] = nil
        #expect(history.judged() == [.numbersJump(ShardName("a", 0), expected: 2, found: 3)])
    }

    @Test func `a record that is twice in the log is found out`() {
        var history = Self.sound
        history.put(counter: 5, call: 5, acknowledged: false)
        let stamp = history.stamps[Place("a", 0, 7)]!
        let found = Set(history.judged())
        #expect(found.contains(.countersJump(Place("a", 0, 7), stamp, expected: 6)))
        #expect(found.contains(.torn(producer: "p", call: 5, found: 2, of: 1)))
    }

    @Test func `records of a producer in the wrong order are found out`() {
        var history = History()
        history.put(key: "x", counter: 0, call: 1)
        history.put(key: "y", counter: 0, call: 0)
        #expect(history.judged() == [.outOfOrder(Place("a", 0, 2), history.stamps[Place("a", 0, 2)]!)])
    }

    @Test func `a key in two shards is found out`() {
        var history = History()
        history.put("a", 0, counter: 0, call: 0)
        history.put("a", 1, counter: 1, call: 1)
        #expect(history.judged().contains { if case .keyInTwoShards = $0 { true } else { false } })
    }

    @Test func `a put that is there in part is found out, across streams too`() {
        var history = History()
        history.put("a", counter: 0, call: 0, size: 2, index: 0, acknowledged: false)
        #expect(history.judged() == [.torn(producer: "p", call: 0, found: 1, of: 2)])
        history.put("b", counter: 0, call: 0, size: 2, index: 1, acknowledged: false)
        #expect(history.judged() == [])
    }

    @Test func `a checkpoint past a record that was not handled is found out`() {
        var history = Self.sound
        history.checkpoints[ShardName("a", 0)] = 4
        #expect(
            history.judged() == [.checkpointPastUndone(ShardName("a", 0), checkpoint: 4, done: 3)])
    }

    @Test func `a delivery that leaves records out is found out`() {
        var history = Self.sound
        history.handle(5, 2)
        #expect(history.judged() == [.wrongDelivery(Place("a", 0, 5), expected: 4)])
    }

    @Test func `a delivery of something else than the log is found out`() {
        var history = Self.sound
        history.said.append(.handled(first: Place("a", 0, 4), count: 1, digest: 1))
        #expect(history.judged() == [.wrongContent(Place("a", 0, 4), count: 1)])
    }

    @Test func `what a function has seen must stay`() {
        var history = Self.sound
        history.said.append(.handled(first: Place("a", 0, 4), count: 4, digest: 1))
        #expect(history.judged() == [.seenIsGone(Place("a", 0, 7))])
    }

    @Test func `the next process must go on after the checkpoint, no further and no less`() {
        for (first, expected) in [
            (3, []), (4, [Violation.wrongDelivery(Place("a", 0, 4), expected: 3)]),
            (2, [.wrongDelivery(Place("a", 0, 2), expected: 3)]),
        ] as [(UInt64, [Violation])] {
            let history = Self.sound
            var ledger = Ledger()
            ledger.note(history.said)
            #expect(ledger.check(history.audit) == [])
            var later = history
            later.said = [.opened]
            later.handle(first, 1)
            ledger.note(later.said)
            #expect(ledger.check(later.audit) == expected)
        }
    }

    @Test func `what an audit has seen must stay, and checkpoints must not go back`() {
        var history = Self.sound
        history.put(counter: 6, call: 6, acknowledged: false)
        var ledger = Ledger()
        ledger.note(history.said)
        #expect(ledger.check(history.audit) == [])
        history.log[Place("a", 0, 7)] = nil
        history.checkpoints[ShardName("a", 0)] = 1
        #expect(
            Set(ledger.check(history.audit)) == [
                .seenIsGone(Place("a", 0, 7)), .checkpointWentBack(ShardName("a", 0), from: 2, to: 1),
            ])
    }

    @Test func `a record that was given up has one document, as soon as the checkpoint is past it`() {
        var history = History()
        for counter in 0..<12 { history.put(counter: counter, call: counter) }
        let bad = Place("a", 0, 12)
        #expect(history.stamps[bad]!.isMalformed)
        history.handle(1, 11)
        history.said.append(.refused(bad))
        history.checkpoints[ShardName("a", 0)] = 11
        #expect(history.judged() == [])
        history.documents = [bad]
        #expect(history.judged() == [.documentUnfounded(of: bad)])
        history.checkpoints[ShardName("a", 0)] = 12
        #expect(history.judged() == [])
        history.documents = []
        #expect(history.judged() == [.documentMissing(of: bad)])
        history.documents = [bad, bad]
        #expect(history.judged() == [.documentRepeated(of: bad, times: 2)])
        history.documents = [bad, Place("a", 0, 1)]
        #expect(history.judged() == [.documentUnfounded(of: Place("a", 0, 1))])
    }

    @Test func `a mapping that was run to its end must be done`() {
        let history = Self.sound
        var ledger = Ledger()
        ledger.note(history.said)
        #expect(
            ledger.check(history.audit, isDrained: true) == [
                .notDrained(ShardName("a", 0), checkpoint: 2, last: 6)
            ])
    }

    // MARK: Rounds that promise less

    /// What a history of other promises is judged to be; `promised` reports were made before what is lost.
    private func judged(
        _ history: History, _ promises: Ledger.Promises, promised: Int? = nil, now: Int? = nil
    ) -> [Violation] {
        var ledger = Ledger()
        ledger.promises = promises
        ledger.note(history.said, promised: promised)
        return ledger.check(history.audit(now: now))
    }

    @Test func `under an interval only what was synced must be there, and nothing else in its place`() {
        var history = Self.sound
        history.log[Place("a", 0, 6)] = nil
        let interval = Ledger.Promises(isInterval: true)
        #expect(judged(history, interval, promised: 6) == [])
        #expect(judged(history, interval) == [.acknowledgedIsMissing(Place("a", 0, 6))])
        var other = Self.sound
        other.log[Place("a", 0, 6)] = other.stamps[Place("a", 0, 6)]!.data(filler: [0x79])
        #expect(judged(other, interval, promised: 6) == [.acknowledgedIsChanged(Place("a", 0, 6))])
    }

    @Test func `under an interval numbers jump by 2^32, and a delivery may go over that`() {
        var history = Self.sound
        let far = 6 + UInt64(1) << 32
        let place = Place("a", 0, far)
        let stamp = Stamp(producer: "q", key: "other", counter: 0, call: 0, size: 1, index: 0)
        history.log[place] = stamp.data(filler: [0x78])
        history.stamps[place] = stamp
        history.order.append(place)
        var digest = Digest()
        for number in [4, 5, 6, far] { digest.add(Stamp.checksum(history.log[Place("a", 0, number)]!)) }
        history.said.append(.handled(first: Place("a", 0, 4), count: 4, digest: digest.value))
        #expect(judged(history, Ledger.Promises(isInterval: true)) == [])
        #expect(judged(history, Ledger.Promises()).contains(.numbersJump(ShardName("a", 0), expected: 7, found: far)))
        history.checkpoints[ShardName("a", 0)] = far + 1
        #expect(
            judged(history, Ledger.Promises(isInterval: true)) == [
                .checkpointPastUndone(ShardName("a", 0), checkpoint: far + 1, done: far)
            ])
    }

    @Test func `under an interval a checkpoint may lie where numbers jumped to, if no record is on the way`() {
        var history = Self.sound
        let shard = ShardName("a", 0)
        let done: UInt64 = 3
        let far = done + UInt64(2) << 32
        history.checkpoints[shard] = far
        // Records 4 to 6 lie on the way and are not done.
        #expect(
            judged(history, Ledger.Promises(isInterval: true)).contains(
                .checkpointPastUndone(shard, checkpoint: far, done: done)))
        for number in UInt64(4)...6 { history.log[Place("a", 0, number)] = nil }
        #expect(judged(history, Ledger.Promises(isInterval: true), promised: 0) == [])
        #expect(
            judged(history, Ledger.Promises(), promised: 0).contains(
                .checkpointPastUndone(shard, checkpoint: far, done: done)))
        history.checkpoints[shard] = far + 1
        #expect(
            judged(history, Ledger.Promises(isInterval: true), promised: 0) == [
                .checkpointPastUndone(shard, checkpoint: far + 1, done: done)
            ])
    }

    @Test func `what expires may go when its time has come, not before`() {
        var history = Self.sound
        history.said = history.said.map { report in
            guard case .acknowledged(let place, let checksum, _) = report else { return report }
            return .acknowledged(place, checksum: checksum, at: 10_000)
        }
        history.said.removeAll { if case .handled = $0 { true } else { false } }
        history.checkpoints = [:]
        history.log[Place("a", 0, 1)] = nil
        let brief = Ledger.Promises(retentions: ["a": 1000])
        #expect(judged(history, brief, now: 11_000) == [])
        #expect(judged(history, brief, now: 10_999) == [.acknowledgedIsMissing(Place("a", 0, 1))])
        history.log[Place("a", 0, 3)] = nil
        #expect(judged(history, brief, now: 11_000).contains(.numbersJump(ShardName("a", 0), expected: 3, found: 4)))
    }

    @Test func `a key goes on in a later shard, after all that is in the earlier one`() {
        var history = History()
        for counter in 0..<2 { history.put("a", 0, counter: counter, call: counter) }
        for counter in 2..<4 { history.put("a", 1, counter: counter, call: counter) }
        let reshards = Ledger.Promises(reshards: true)
        #expect(judged(history, reshards) == [])
        #expect(judged(history, Ledger.Promises()).contains { if case .keyInTwoShards = $0 { true } else { false } })
        history = History()
        for counter in 2..<4 { history.put("a", 0, counter: counter, call: counter) }
        for counter in 0..<2 { history.put("a", 1, counter: counter, call: counter) }
        #expect(judged(history, reshards).contains { if case .countersJump = $0 { true } else { false } })
    }

    @Test func `an audit that broke off proves nothing`() {
        var ledger = Ledger()
        #expect(ledger.check(Audit([.opened])) == [.auditUnfinished])
        #expect(ledger.check(Audit([.failed("no"), .ended])) == [.complaint("no")])
    }

    @Test func `reports and stamps are read as they were written`() throws {
        let stamp = Stamp(producer: "r1p2", key: "k05", counter: 3, call: 4, size: 6, index: 5)
        let place = Place("a", 3, 17)
        let reports: [Report] = [
            .opened, .acknowledged(place, checksum: 7, at: 1_700_000_000_000),
            .handled(first: place, count: 2, digest: 9),
            .refused(place), .found(place, key: "k05", checksum: 1, stamp), .found(place, key: "k", checksum: 1, nil),
            .document(of: place), .checkpoint(place), .failed("what a pity"), .measured("peak", 17), .ended,
        ]
        for report in reports { #expect(Report(line: report.line) == report) }
        #expect(Report(line: "A a 3 17") == nil && Report(line: "") == nil && Report(line: "R a 0 1 k 1 p 0") == nil)
        let data = stamp.data(filler: [0x61, 0x62])
        #expect(Stamp(data) == stamp)
        for index in data.indices {
            var other = data
            other[index] ^= 0x04
            #expect(Stamp(other) == nil)
        }
        #expect(Stamp(Array(data.dropLast())) == nil)
    }
}

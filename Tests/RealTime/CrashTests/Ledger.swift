import CrashChild

/// What is known of one directory from what the killed processes said, and the judge of what is found there later.
struct Ledger {
    /// The stream that the mapping reads.
    var mappedStream = "a"

    var promises = Promises()

    /// What a round's store and streams promise less than that everything stays where it is for ever.
    struct Promises {
        /// Under `.interval` numbers jump after a crash, and what was not synced may go with the power (STORE-C4,
        /// STORE-C11).
        var isInterval = false
        /// Shards are split and merged, so that a key moves to a later shard, whose numbers go on.
        var reshards = false
        /// Streams whose records may go this many milliseconds after they were put.
        var retentions: [String: Int64] = [:]
    }

    private struct Acknowledgement {
        var checksum: UInt32
        /// When its put began; 0: not said.
        var time: Int64
    }

    private var acknowledged: [Place: Acknowledgement] = [:]
    /// Acknowledged under `.interval` and not synced: there or not, but nothing else is in its place.
    private var doubtful: [Place: UInt32] = [:]
    /// The same place, acknowledged for different data.
    private var contradictions: [Place] = []
    /// All records of the shard up to this number were handled or refused.
    private var done: [ShardName: UInt64] = [:]
    /// What processes have said since the last audit.
    private var said: [[Report]] = []
    private var lastAudit = Audit([])

    /// How many records were acknowledged.
    var acknowledgedCount: Int { acknowledged.count + doubtful.count }
    /// How many of them had to be there, all told.
    var promisedCount: Int { acknowledged.count }
    /// How many of the records that were acknowledged are not there, or are others.
    func lostCount(in audit: Audit) -> Int {
        acknowledged.count { isMissing($0.key, $0.value, in: audit) || isChanged($0.key, $0.value, in: audit) }
    }
    /// How many records the functions have handled or refused.
    private(set) var doneCount = 0

    private func isMissing(_ place: Place, _ record: Acknowledgement, in audit: Audit) -> Bool {
        guard audit.entry(at: place) == nil else { return false }
        return !mayHaveExpired(place.stream, record.time, in: audit)
    }

    private func mayHaveExpired(_ stream: String, _ time: Int64, in audit: Audit) -> Bool {
        guard let retention = promises.retentions[stream], let now = audit.time else { return false }
        return time + retention <= now
    }

    private func isChanged(_ place: Place, _ record: Acknowledgement, in audit: Audit) -> Bool {
        audit.entry(at: place).map { $0.checksum != record.checksum } ?? false
    }

    /// Takes note of what a process said until it was killed. Between two audits at most one process may consume.
    ///
    /// - Parameter promised: how many of its reports it had written before what is lost now; nil: nothing is lost.
    mutating func note(_ reports: [Report], promised: Int? = nil) {
        said.append(reports)
        for (index, report) in reports.enumerated() {
            guard case .acknowledged(let place, let checksum, let time) = report else { continue }
            if index >= promised ?? .max {
                doubtful[place] = checksum
                continue
            }
            let before = acknowledged.updateValue(Acknowledgement(checksum: checksum, time: time), forKey: place)
            if let before, before.checksum != checksum { contradictions.append(place) }
        }
    }

    private mutating func checkDeliveries(_ audit: Audit) -> [Violation] {
        defer { said = [] }
        var found: [Violation] = []
        for reports in said {
            // A process begins after the checkpoint that the audit before it found.
            var next: [ShardName: UInt64] = [:]
            func follow(_ place: Place, count: Int) -> Violation? {
                let shard = ShardName(place)
                let last = next[shard] ?? lastAudit.checkpoints[shard] ?? 0
                let expected = audit.number(after: last, in: shard, isDense: isDense)
                next[shard] = audit.numbers(from: place, count: count, isDense: isDense).last
                // What came after the end of what is there now is lost, as it may be.
                return place.number == expected ?? max(place.number, last + 1)
                    ? nil : .wrongDelivery(place, expected: expected ?? last + 1)
            }
            for report in reports {
                switch report {
                case .handled(let first, let count, let digest):
                    if let violation = follow(first, count: count) { found.append(violation) }
                    if let violation = content(first, count: count, digest: digest, audit) { found.append(violation) }
                    finish(first, count: count, audit)
                case .refused(let place):
                    if let violation = follow(place, count: 1) { found.append(violation) }
                    finish(place, count: 1, audit)
                case .failed(let text): found.append(.complaint(text))
                case .acknowledged, .opened, .ended, .found, .document, .checkpoint, .measured: break
                }
            }
        }
        return found
    }

    private var isDense: Bool { !promises.isInterval && !promises.reshards }

    private mutating func finish(_ first: Place, count: Int, _ audit: Audit) {
        let shard = ShardName(first)
        let before = done[shard] ?? 0
        let expected = audit.number(after: before, in: shard, isDense: isDense) ?? first.number
        guard first.number <= expected else { return }
        let numbers = audit.numbers(from: first, count: count, isDense: isDense)
        doneCount += numbers.count { $0 > before }
        done[shard] = max(before, numbers.last ?? 0)
    }

    private func content(_ first: Place, count: Int, digest: UInt32, _ audit: Audit) -> Violation? {
        var expected = Digest()
        for number in audit.numbers(from: first, count: count, isDense: isDense) {
            let place = Place(first.stream, first.shard, number)
            guard let entry = audit.entry(at: place) else { return promises.isInterval ? nil : .seenIsGone(place) }
            expected.add(entry.checksum)
        }
        return expected.value == digest ? nil : .wrongContent(first, count: count)
    }

    /// Compares what was found with what is known, and makes it known.
    ///
    /// - Parameter isDrained: whether the mapping was run until it was done, so that nothing may be left.
    mutating func check(_ audit: Audit, isDrained: Bool = false) -> [Violation] {
        var found: [Violation] = audit.complaints.map { .complaint($0) }
        found += checkDeliveries(audit)
        guard audit.isWhole else { return found + [.auditUnfinished] }
        found += audit.flawsOfTheLog(promises)
        found += contradictions.map { .acknowledgedIsChanged($0) }
        for (place, record) in acknowledged {
            if isMissing(place, record, in: audit) { found.append(.acknowledgedIsMissing(place)) }
            if isChanged(place, record, in: audit) { found.append(.acknowledgedIsChanged(place)) }
        }
        for (place, checksum) in doubtful {
            if let entry = audit.entry(at: place), entry.checksum != checksum {
                found.append(.acknowledgedIsChanged(place))
            }
        }
        for (shard, entries) in lastAudit.shards {
            for entry in entries {
                let place = Place(shard.stream, shard.shard, entry.number)
                if let now = audit.entry(at: place) {
                    if now.checksum != entry.checksum { found.append(.seenIsGone(place)) }
                } else if promises.retentions[shard.stream] == nil {
                    found.append(.seenIsGone(place))
                }
            }
        }
        found += checkProgress(audit, isDrained: isDrained)
        found += checkDocuments(audit)
        lastAudit = audit
        return found
    }

    private func checkProgress(_ audit: Audit, isDrained: Bool) -> [Violation] {
        var found: [Violation] = []
        for (shard, checkpoint) in audit.checkpoints {
            // A later shard's numbers go on after those of its parents, and nothing of it is done there.
            let begins = promises.reshards ? (audit.shards[shard]?.first?.number ?? checkpoint + 1) - 1 : 0
            let done = max(begins, self.done[shard] ?? 0)
            if checkpoint > done, !isJump(shard, from: done, to: checkpoint, audit) {
                found.append(.checkpointPastUndone(shard, checkpoint: checkpoint, done: done))
            }
        }
        for (shard, before) in lastAudit.checkpoints {
            let now = audit.checkpoints[shard] ?? 0
            if now < before { found.append(.checkpointWentBack(shard, from: before, to: now)) }
        }
        if isDrained {
            for (shard, entries) in audit.shards where shard.stream == mappedStream {
                let checkpoint = audit.checkpoints[shard] ?? 0
                let last = entries.last?.number ?? checkpoint
                if checkpoint != last {
                    found.append(.notDrained(shard, checkpoint: checkpoint, last: last))
                }
            }
        }
        return found
    }

    /// Whether a checkpoint lies where the shard's numbers jumped to, with no record on the way (STORE-C4).
    private func isJump(_ shard: ShardName, from done: UInt64, to checkpoint: UInt64, _ audit: Audit) -> Bool {
        promises.isInterval && (checkpoint - done).isMultiple(of: 1 << 32)
            && (audit.number(after: done, in: shard, isDense: false) ?? .max) > checkpoint
    }

    private func checkDocuments(_ audit: Audit) -> [Violation] {
        var found: [Violation] = []
        var unexplained = audit.documents
        for (shard, entries) in audit.shards where shard.stream == mappedStream {
            let checkpoint = audit.checkpoints[shard] ?? 0
            for entry in entries {
                guard entry.number <= checkpoint, entry.stamp?.isMalformed == true else { continue }
                let place = Place(shard.stream, shard.shard, entry.number)
                switch unexplained.removeValue(forKey: place) {
                case nil: found.append(.documentMissing(of: place))
                case 1: break
                case .some(let times): found.append(.documentRepeated(of: place, times: times))
                }
            }
        }
        return found + unexplained.keys.map { .documentUnfounded(of: $0) }
    }
}

extension Audit {
    /// What is wrong with the log by itself, whichever process wrote it.
    fileprivate func flawsOfTheLog(_ promises: Ledger.Promises) -> [Violation] {
        var found: [Violation] = []
        struct Lane: Hashable {
            var producer: String
            var stream: String
            var key: String
        }
        struct Call: Hashable {
            var producer: String
            var call: Int
        }
        var counters: [Lane: (next: Int, shard: ShardName)] = [:]
        var calls: [Call: (found: Int, size: Int)] = [:]
        // By number, so that a key's records in an earlier shard come before those in its children.
        for (shard, entries) in shards.sorted(by: { $0.key.shard < $1.key.shard }) {
            let isWhole = promises.retentions[shard.stream] == nil
            var expectedNumber: UInt64 = 1
            if !isWhole || promises.reshards { expectedNumber = entries.first?.number ?? 1 }
            var latest: [String: (call: Int, index: Int)] = [:]
            for entry in entries {
                let place = Place(shard.stream, shard.shard, entry.number)
                let jumps = promises.isInterval && entry.number >= expectedNumber + 1 << 31
                if entry.number != expectedNumber, !jumps {
                    found.append(.numbersJump(shard, expected: expectedNumber, found: entry.number))
                }
                expectedNumber = entry.number + 1
                guard let stamp = entry.stamp, stamp.key == entry.key else {
                    found.append(.damaged(place))
                    continue
                }
                let lane = Lane(producer: stamp.producer, stream: shard.stream, key: stamp.key)
                let before = counters[lane] ?? (isWhole ? 0 : stamp.counter, shard)
                if before.shard != shard, !promises.reshards {
                    found.append(.keyInTwoShards(place, other: before.shard))
                }
                if stamp.counter != before.next {
                    found.append(.countersJump(place, stamp, expected: before.next))
                }
                counters[lane] = (stamp.counter + 1, shard)
                if let last = latest[stamp.producer], last >= (stamp.call, stamp.index) {
                    found.append(.outOfOrder(place, stamp))
                }
                latest[stamp.producer] = (stamp.call, stamp.index)
                if isWhole {
                    calls[Call(producer: stamp.producer, call: stamp.call), default: (0, stamp.size)].found += 1
                }
            }
        }
        for (call, count) in calls where count.found != count.size {
            found.append(.torn(producer: call.producer, call: call.call, found: count.found, of: count.size))
        }
        return found
    }
}

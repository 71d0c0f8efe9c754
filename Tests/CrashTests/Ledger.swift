import CrashChild

/// What is known of one directory from what the killed processes said, and the judge of what is found there later.
struct Ledger {
    /// The stream that the mapping reads.
    var mappedStream = "a"

    private var acknowledged: [Place: UInt32] = [:]
    /// The same place, acknowledged for different data.
    private var contradictions: [Place] = []
    /// All records of the shard up to this number were handled or refused.
    private var done: [ShardName: UInt64] = [:]
    /// What functions were given since the last audit.
    private var deliveries: [(first: Place, count: Int, digest: UInt32)] = []
    private var misdeliveries: [Violation] = []
    private var complaints: [String] = []
    private var lastAudit = Audit([])

    /// How many records were acknowledged.
    var acknowledgedCount: Int { acknowledged.count }
    /// How many of the records that were acknowledged are not there, or are others.
    func lostCount(in audit: Audit) -> Int {
        acknowledged.count { audit.entry(at: $0.key)?.checksum != $0.value }
    }
    /// How many records the functions have handled or refused.
    var doneCount: UInt64 { done.values.reduce(0, +) }

    /// Takes note of what a process said until it was killed. Between two audits at most one process may consume.
    mutating func note(_ reports: [Report]) {
        // A process begins behind the checkpoint that the audit before it found.
        var next: [ShardName: UInt64] = [:]
        func expected(_ shard: ShardName) -> UInt64 { next[shard] ?? (lastAudit.checkpoints[shard] ?? 0) + 1 }
        for report in reports {
            switch report {
            case .acknowledged(let place, let checksum):
                if let before = acknowledged.updateValue(checksum, forKey: place), before != checksum {
                    contradictions.append(place)
                }
            case .handled(let first, let count, let digest):
                let shard = ShardName(first)
                if first.number != expected(shard) {
                    misdeliveries.append(.wrongDelivery(first, expected: expected(shard)))
                }
                deliveries.append((first, count, digest))
                finish(shard, first.number, count: count)
                next[shard] = first.number + UInt64(count)
            case .refused(let place):
                let shard = ShardName(place)
                if place.number != expected(shard) {
                    misdeliveries.append(.wrongDelivery(place, expected: expected(shard)))
                }
                finish(shard, place.number, count: 1)
                next[shard] = place.number + 1
            case .failed(let text): complaints.append(text)
            case .opened, .ended, .found, .document, .checkpoint, .measured: break
            }
        }
    }

    private mutating func finish(_ shard: ShardName, _ first: UInt64, count: Int) {
        let before = done[shard] ?? 0
        guard first <= before + 1 else { return }
        done[shard] = max(before, first - 1 + UInt64(count))
    }

    /// Compares what was found with what is known, and makes it known.
    ///
    /// - Parameter isDrained: whether the mapping was run until it was done, so that nothing may be left.
    mutating func check(_ audit: Audit, isDrained: Bool = false) -> [Violation] {
        var found: [Violation] = (complaints + audit.complaints).map { .complaint($0) }
        found += misdeliveries
        complaints = []
        misdeliveries = []
        guard audit.isWhole else { return found + [.auditUnfinished] }
        found += audit.flawsOfTheLog()
        found += contradictions.map { .acknowledgedIsChanged($0) }
        for (place, checksum) in acknowledged {
            guard let entry = audit.entry(at: place) else {
                found.append(.acknowledgedIsMissing(place))
                continue
            }
            if entry.checksum != checksum { found.append(.acknowledgedIsChanged(place)) }
        }
        for (shard, entries) in lastAudit.shards {
            let now = audit.shards[shard] ?? []
            for (index, entry) in entries.enumerated()
            where index >= now.count || now[index].checksum != entry.checksum {
                found.append(.seenIsGone(Place(shard.stream, shard.shard, entry.number)))
            }
        }
        found += checkDeliveries(audit)
        found += checkProgress(audit, isDrained: isDrained)
        found += checkDocuments(audit)
        lastAudit = audit
        return found
    }

    private mutating func checkDeliveries(_ audit: Audit) -> [Violation] {
        defer { deliveries = [] }
        return deliveries.compactMap { first, count, digest in
            var expected = Digest()
            for number in first.number..<first.number + UInt64(count) {
                let place = Place(first.stream, first.shard, number)
                guard let entry = audit.entry(at: place) else { return .seenIsGone(place) }
                expected.add(entry.checksum)
            }
            return expected.value == digest ? nil : .wrongContent(first, count: count)
        }
    }

    private func checkProgress(_ audit: Audit, isDrained: Bool) -> [Violation] {
        var found: [Violation] = []
        for (shard, checkpoint) in audit.checkpoints {
            let done = self.done[shard] ?? 0
            if checkpoint > done {
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
                let last = entries.last?.number ?? 0
                if checkpoint != last {
                    found.append(.notDrained(shard, checkpoint: checkpoint, last: last))
                }
            }
        }
        return found
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
    /// What is wrong with the log by itself, whoever wrote it.
    fileprivate func flawsOfTheLog() -> [Violation] {
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
        for (shard, entries) in shards {
            var expectedNumber: UInt64 = 1
            var latest: [String: (call: Int, index: Int)] = [:]
            for entry in entries {
                let place = Place(shard.stream, shard.shard, entry.number)
                if entry.number != expectedNumber {
                    found.append(.numbersJump(shard, expected: expectedNumber, found: entry.number))
                }
                expectedNumber = entry.number + 1
                guard let stamp = entry.stamp, stamp.key == entry.key else {
                    found.append(.damaged(place))
                    continue
                }
                let lane = Lane(producer: stamp.producer, stream: shard.stream, key: stamp.key)
                let before = counters[lane] ?? (0, shard)
                if before.shard != shard { found.append(.keyInTwoShards(place, other: before.shard)) }
                if stamp.counter != before.next {
                    found.append(.countersJump(place, stamp, expected: before.next))
                }
                counters[lane] = (stamp.counter + 1, shard)
                if let last = latest[stamp.producer], last >= (stamp.call, stamp.index) {
                    found.append(.outOfOrder(place, stamp))
                }
                latest[stamp.producer] = (stamp.call, stamp.index)
                calls[Call(producer: stamp.producer, call: stamp.call), default: (0, stamp.size)].found += 1
            }
        }
        for (call, count) in calls where count.found != count.size {
            found.append(.torn(producer: call.producer, call: call.call, found: count.found, of: count.size))
        }
        return found
    }
}

import StreamModel

/// Follows the deliveries of one shard and compares them with what the producers wrote into the records.
struct ShardJudge {
    private let shard: ShardID
    private let workload: Workload
    private let findings: Findings
    let ledger: ShardLedger
    private let producers: Int
    /// The number that is due next, for each producer and each key of this shard.
    private var due: [UInt32]
    private let keysHere: Int
    private var words: [(number: UInt64, word: ShardLedger.Word)] = []

    init(shard: ShardID, workload: Workload, producers: Int, findings: Findings, ledger: ShardLedger) {
        self.shard = shard
        self.workload = workload
        self.producers = producers
        self.findings = findings
        self.ledger = ledger
        keysHere = workload.keysOfShard[Int(shard.number)]
        due = Array(repeating: 0, count: keysHere * producers)
    }

    /// Judges records that the function has processed at `time`; appends the latencies of those that are acknowledged.
    mutating func deliver(_ batch: RecordBatch, at time: UInt64, latencies: inout [UInt64]) {
        look(at: batch, time)
        ledger.deliver(words, latencies: &latencies)
    }

    /// Judges records that were delivered, and returns what to enter into the ledger once they are done.
    mutating func receive(_ batch: RecordBatch) -> [(number: UInt64, word: ShardLedger.Word)] {
        look(at: batch, 0)
        return words
    }

    private mutating func look(at batch: RecordBatch, _ time: UInt64) {
        words.removeAll(keepingCapacity: true)
        for record in batch {
            let checksum = Fingerprint.of(record.data)
            words.append((record.sequenceNumber.rawValue, ShardLedger.Word(checksum: checksum, time: time)))
            guard let key = workload.key(of: record) else {
                findings.add(Violation(.foreign, "\(named(record)): nobody put a record of this key"))
                continue
            }
            if workload.isGiven { judgeGiven(record, key, checksum) } else { judgeMade(record, key) }
        }
    }

    private mutating func judgeMade(_ record: borrowing Record, _ key: Int) {
        guard let stamp = Stamp(record.data), stamp.producer < producers else {
            findings.add(Violation(.foreign, "\(named(record)): it holds no number of a producer"))
            return
        }
        let home = workload.homes[key]
        guard home.shard == shard else {
            findings.add(misplaced(record, key, stamp))
            return
        }
        let place = stamp.producer * keysHere + Int(home.place)
        let next = due[place]
        guard stamp.number == next else {
            findings.add(disordered(record, key, stamp, due: UInt64(next)))
            due[place] = max(next, UInt32(clamping: stamp.number + 1))
            return
        }
        due[place] = next + 1
    }

    /// Given records hold no number, so the order of a key's checksums is compared instead.
    private mutating func judgeGiven(_ record: borrowing Record, _ key: Int, _ checksum: UInt32) {
        let home = workload.homes[key]
        guard home.shard == shard else {
            findings.add(misplaced(record, key, nil))
            return
        }
        let place = Int(home.place)
        let lines = workload.givenOfKey[key]
        let count = due[place]
        let line = lines[Int(count) % lines.count]
        if workload.given[line].checksum != checksum {
            findings.add(
                Violation(
                    .order,
                    "\(named(record)): line \(line + 1) of the input was due as record \(count + 1) of its key, another one came"
                ))
        }
        due[place] = count + 1
    }

    private func named(_ record: borrowing Record) -> String {
        "\(shard), sequence number \(record.sequenceNumber), key '\(record.partitionKey)'"
    }

    private func misplaced(_ record: borrowing Record, _ key: Int, _ stamp: Stamp?) -> Violation {
        let which = stamp.map { ", record \($0.number + 1) of producer \($0.producer) and this key" } ?? ""
        return Violation(
            .wrongShard, "\(named(record))\(which): came in \(shard), its key belongs to \(workload.homes[key].shard)")
    }

    private func disordered(_ record: borrowing Record, _ key: Int, _ stamp: Stamp, due: UInt64) -> Violation {
        let which = "\(named(record)): record \(stamp.number + 1) of producer \(stamp.producer) and this key"
        guard stamp.number > due else {
            return Violation(.order, "\(which) came after record \(due)")
        }
        return Violation(.order, "\(which) came where record \(due + 1) was due")
    }
}

/// What a loss of power may take under the durability `.interval`, and what it may not (STORE-C4, STORE-C11).
///
/// What is promised there is on the disk after the next sync: after the interval at the latest, and once the store is
/// closed in order, or opened. Until then a loss of power may take it, but only from its end on: of what was promised
/// before, and put before, nothing is missing; of what one call put, all or nothing. Its numbers are never given to
/// anything else. Checkpoints may go back as far, and never stand after what is lost. A process that is killed loses
/// nothing.
extension Judge {
    /// A machine with much to do may let this many milliseconds go by before it comes to a sync that is due.
    private static let slack: Int64 = 500
    /// By how much numbers jump.
    private static let jump: UInt64 = 1 << 32

    /// A process is about to open the store, with this interval in milliseconds; nil: each commit is synced.
    package mutating func willOpen(interval: Int64?, mayJump: Bool) {
        self.interval = interval
        if interval != nil { isRelaxed = true }
        if mayJump { jumps += 1 }
    }

    /// All that the store has promised by now is on the disk.
    package mutating func isSynced() {
        isRelaxed = interval != nil
        for shard in logs.keys where !logs[shard]!.unsynced.isEmpty { logs[shard]!.unsynced = [:] }
        for name in mappings.keys {
            for shard in mappings[name]!.lanes.keys {
                mappings[name]!.lanes[shard]!.synced = mappings[name]!.lanes[shard]!.checkpoint
                mappings[name]!.lanes[shard]!.unsynced = []
            }
        }
    }

    /// The process is gone: nobody syncs any more what it left, before the store is opened again.
    mutating func neverSyncs() {
        for shard in logs.keys where !logs[shard]!.unsynced.isEmpty {
            logs[shard]!.unsynced = logs[shard]!.unsynced.mapValues { _ in .max }
        }
        for name in mappings.keys {
            for shard in mappings[name]!.lanes.keys {
                mappings[name]!.lanes[shard]!.unsynced = mappings[name]!.lanes[shard]!.unsynced.map {
                    ($0.position, .max)
                }
            }
        }
    }

    /// What is not on the disk may be gone.
    ///
    /// - Parameter isTimely: whether all syncs came when they were due; else only what is known to be on the disk is.
    package mutating func losesUnsynced(isTimely: Bool) {
        let surely = isTimely ? interval.map { monotonic - $0 - Self.slack } ?? .min : .min
        moment += 1
        for shard in logs.keys {
            for (sequence, at) in logs[shard]!.unsynced where at >= surely { logs[shard]!.shaky[sequence] = moment }
            logs[shard]!.unsynced = [:]
        }
        guard isRelaxed else { return }
        for name in mappings.keys {
            for shard in mappings[name]!.lanes.keys {
                var lane = mappings[name]!.lanes[shard]!
                lane.synced = lane.unsynced.last { $0.at < surely }?.position ?? lane.synced
                lane.checkpoint = lane.synced
                lane.unsynced = []
                // What it had passed after that, seen or not, is to be passed once more, and told in another document.
                lane.doneThrough = min(lane.doneThrough, lane.synced)
                lane.owed = lane.owed.filter { $0 <= lane.synced }
                mappings[name]!.lanes[shard] = lane
            }
        }
    }

    /// Whether the numbers between two neighbours were left out by jumps (STORE-C4).
    func mayHaveJumped(from before: UInt64, to after: UInt64) -> Bool {
        guard after > before + 1 else { return false }
        let (count, rest) = (after - before - 1).quotientAndRemainder(dividingBy: Self.jump)
        return rest == 0 && count <= jumps
    }

    /// What was in doubt since a loss of power is decided by an audit that saw all: these are gone, the others there.
    mutating func decideLoss(_ lost: [(shard: Shard, sequences: [UInt64])], in audit: Audit, _ found: Set<UInt64>) {
        guard audit.contents.allSatisfy({ !$0.isReportedDamaged }) else { return }
        for (shard, sequences) in lost { checkLoss(sequences, of: shard, in: audit, found) }
        if violation != nil { return }
        for (shard, sequences) in lost {
            var log = logs[shard]!
            for sequence in sequences {
                let id = log.promised[sequence]!.id
                records[id]!.place = nil
                log.promised[sequence] = nil
                log.lost.insert(sequence)
                log.lostThrough = max(log.lostThrough, sequence)
                log.lostAt = max(log.lostAt, log.shaky[sequence]!)
                setApart(id)
                for name in mappings.keys { mappings[name]!.lanes[shard]?.owed.remove(sequence) }
            }
            log.last = log.promised.keys.max().map { max($0, log.origin) } ?? log.origin
            logs[shard] = log
        }
        for shard in audit.contents.map(\.shard) { logs[shard]?.shaky = [:] }
    }

    /// Only the end of all that was promised may be lost.
    private mutating func checkLoss(
        _ sequences: [UInt64], of shard: Shard, in audit: Audit, _ found: Set<UInt64>
    ) {
        let log = logs[shard]!
        for sequence in sequences {
            let (item, lostAt) = (log.promised[sequence]!, log.shaky[sequence]!)
            let this = records[item.id]!
            for other in found.sorted() {
                // What was put after the loss is no part of it.
                guard let known = records[other], let place = known.place, known.putAt < lostAt else { continue }
                if place.shard == shard, place.item.sequence > sequence {
                    return fail(
                        "\(shard) \(sequence) is lost with the power, but \(place.item.sequence) after it is there")
                }
                if known.putAt > this.knownAt {
                    return fail(
                        "\(shard) \(sequence) (record \(item.id)) is lost with the power, but record \(other), which was put after it, is there"
                    )
                }
            }
            let put = puts[this.put]
            // What retention may have ended can't be told from what was lost.
            let others = put.isOneCommit ? put.ids[...] : put.ids[put.ids.firstIndex(of: item.id)!...]
            if let other = others.first(where: { found.contains($0) }) {
                return fail("record \(item.id) is lost with the power, but \(other) of the same call is there")
            }
            for (name, checkpoints) in audit.checkpoints.sorted(by: { $0.key < $1.key }) where audit.isAlone {
                if let position = checkpoints.first(where: { $0.shard == shard })?.position, position >= sequence {
                    return fail(
                        "the checkpoint of \(name) in \(shard) is \(position), though \(sequence) is lost with the power"
                    )
                }
            }
        }
    }

    /// Takes a record out of its put: it was not written, as far as anybody will ever see.
    private mutating func setApart(_ id: UInt64) {
        let put = records[id]!.put
        puts[put].ids.removeAll { $0 == id }
        puts.append(Put(ids: [id], isOneCommit: true, madeAt: puts[put].madeAt, fate: .absent))
        records[id]!.put = puts.count - 1
    }
}

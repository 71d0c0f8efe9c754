import DiskAccess
import StreamModel

/// What the replay of the journal comes to: the catalogue after its last commit, and the records that no segment has.
struct ReplayedJournal {
    var catalogue: Catalogue
    let passesDamage: Bool
    var frames: [Memtable.Frame] = []
    var dirty = DirtyRows()
    /// A shard with records that don't fit what the store knows of it.
    var unknown: ShardNumber?
    /// The first and the last number that the journal has of a shard.
    var first: [ShardNumber: SequenceNumber] = [:]
    var last: [ShardNumber: SequenceNumber] = [:]

    init(catalogue: Catalogue, passesDamage: Bool) {
        self.catalogue = catalogue
        self.passesDamage = passesDamage
    }

    mutating func take(_ commit: ReadCommit) throws {
        for entry in commit.entries {
            dirty.note(entry, in: catalogue)
            catalogue.apply(entry, commit: commit.header.number)
            guard case .records(let records) = entry else { continue }
            if let frame = try Recovery.frame(of: records, in: commit, catalogue: catalogue) { take(frame) }
            for run in records.runs {
                let key = ShardNumber(run.shardKey)
                if catalogue.shards[key] == nil, catalogue.deletedShards[key] == nil { unknown = key }
            }
        }
    }

    private mutating func take(_ frame: Memtable.Frame) {
        var frame = frame
        var kept: [Memtable.Run] = []
        for run in frame.runs {
            if let before = last[run.shard], run.firstSequence <= before {
                unknown = run.shard
                if passesDamage { continue }
            }
            last[run.shard] = run.lastSequence
            first[run.shard] = first[run.shard] ?? run.firstSequence
            kept.append(run)
        }
        frame.runs = kept
        if !kept.isEmpty { frames.append(frame) }
    }

    /// Where acknowledged commits are lost. Throws unless damage is passed.
    func holes(
        of replay: Replay, _ snapshot: MetadataSnapshot?, folder: String
    ) throws -> [JournalHole] {
        var holes = replay.holes
        if let known = snapshot?.lastCommit, known >= replay.nextCommit {
            guard passesDamage else {
                throw ShardlineError(
                    .corrupt,
                    "the journal in '\(folder)' ends before commit \(replay.nextCommit), but commit \(known) was acknowledged: a file of it was cut, removed or replaced. Nothing was changed and nothing is served: put the file back from a copy, or let `shardline repair` pass what is lost"
                )
            }
            holes.append(JournalHole(commits: replay.nextCommit...known, parts: [], records: nil))
        }
        if let unknown = unknown, !passesDamage {
            throw ShardlineError(
                .corrupt,
                "the journal in '\(folder)' holds records of shard key \(unknown.rawValue) that don't fit what the store knows of it: metadata.sqlite and the journal don't belong together"
            )
        }
        return holes
    }

    /// Takes over what damage took, and finds the jumps of numbers that an older version has not noted.
    ///
    /// Returns the first, by shard.
    mutating func takeLost(
        _ snapshot: MetadataSnapshot, _ metadata: any Metadata
    ) throws -> [ShardNumber: [ClosedRange<UInt64>]] {
        catalogue.extend(over: snapshot.lostRanges)
        var lost: [ShardNumber: [ClosedRange<UInt64>]] = [:]
        for (key, ranges) in snapshot.lostRanges { lost[ShardNumber(key)] = ranges.map(\.numbers) }
        var inJournal: [ShardNumber: [ClosedRange<UInt64>]]?
        let frames = frames
        let jumped = try catalogue.findSkipped(lost: snapshot.lostRanges) { shard in
            let known = inJournal ?? Recovery.numbers(in: frames)
            inJournal = known
            do {
                return try describing("opening the store") { try metadata.flushedNumbers(of: shard) }
                    + known[shard.key, default: []]
            } catch let error as ShardlineError where [.corrupt, .readFailed].contains(error.code) {
                // Only counts need it; readers of the shard are told of the damage.
                return nil
            }
        }
        dirty.jumped.formUnion(jumped)
        return lost
    }

    /// The records of each shard that no segment has, and where they begin.
    func memtables(_ snapshot: MetadataSnapshot?) -> ShardTable<ShardMemtable> {
        var memtables: ShardTable<ShardMemtable> = [:]
        for shard in catalogue.shards.values {
            // A row may be newer than the start of the replay, so what is flushed ends before the first replayed.
            let known = snapshot?.catalogue.shards[shard.key]
            let flushed = first[shard.key].map(\.previous) ?? (known?.lastSequence ?? shard.origin)
            memtables[shard.key] = ShardMemtable(
                flushedThrough: known != nil ? max(flushed, shard.origin) : shard.origin, horizon: shard.origin)
        }
        for frame in frames {
            for run in frame.runs { memtables[run.shard]?.append(frame.records(of: run), commit: frame.commit) }
        }
        return memtables
    }
}

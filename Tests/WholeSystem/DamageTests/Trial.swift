import DiskAccess
import Foundation
import StreamModel
import StreamStorage

@testable import OfflineStore
@testable import SegmentStorage

/// Opens a damaged store and reads everything that it serves.
struct Trial {
    /// What came of it.
    struct Outcome {
        var refusal: ShardlineError?
        var served: [WholeMap.Place: WholeMap.Content] = [:]
        /// Numbers at which a read failed, and why.
        var failed: [WholeMap.Place: ShardlineError] = [:]
        /// Numbers that readers are told to be lost.
        var lost: Set<WholeMap.Place> = []
        /// Shards that are no longer known by their number and the name of their stream.
        var unnamed: Set<UInt32> = []
        /// How many records the store counts in each shard.
        var counted: [UInt32: Int] = [:]
        var position: SequenceNumber?
        /// What is told of the mapping and of the lineage of shards.
        var facts: [String] = []
        var check: StoreReport
    }

    let store: SmallStore
    let damage: Damage

    func run(in directory: String) async throws -> Outcome {
        var files = store.files
        damage.apply(to: &files)
        try store.write(to: directory, files)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        var outcome = Outcome(check: try SegmentStore.check(directory, POSIXFileSystem(), now: store.clock.wallTime))
        var internals = SmallStore.internals(directory, store.clock)
        internals.startsThreads = false
        let open: SegmentStore
        do {
            open = try await SegmentStore.open(
                at: directory, configuration: .init(), timeSource: store.clock, logger: quiet, internals: internals)
        } catch let error as ShardlineError {
            outcome.refusal = error
            return outcome
        }
        for (stream, shard, key) in SmallStore.shards {
            try await read(open, stream, ShardID(shard), key, &outcome)
        }
        let mapping = try await open.describeMapping(SmallStore.mapping)
        outcome.position = mapping.checkpoints.first { $0.shard == ShardID(1) }?.position
        outcome.facts = try await facts(open)
        try open.core.backing.close()
        open.core.finishClosing()
        return outcome
    }

    /// Repairs the store, then opens it and reads everything. Nil where there was nothing to repair.
    func repair(in directory: String) async throws -> Outcome? {
        var files = store.files
        damage.apply(to: &files)
        try store.write(to: directory, files)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let report = try await SegmentStore.repair(
            at: directory, dryRun: false, timeSource: store.clock, logger: quiet,
            internals: SmallStore.internals(directory, store.clock))
        guard report.isApplied else { return nil }
        var outcome = Outcome(check: try SegmentStore.check(directory, POSIXFileSystem(), now: store.clock.wallTime))
        let open = try await SegmentStore.open(
            at: directory, configuration: .init(), timeSource: store.clock, logger: quiet,
            internals: SmallStore.internals(directory, store.clock))
        // Where metadata and segments are damaged together a stream's name may be nowhere; with the journal, a new shard.
        let shards = Dictionary(
            uniqueKeysWithValues: try await open.listStreams().map { ($0.name, $0.shards.map(\.id.number)) })
        let isKnown = { (stream: String, shard: UInt32) in shards[stream]?.contains(shard) ?? false }
        outcome.unnamed = Set(SmallStore.shards.filter { !isKnown($0.stream, $0.shard) }.map(\.key))
        for (stream, shard, key) in SmallStore.shards where isKnown(stream, shard) {
            try await read(open, stream, ShardID(shard), key, &outcome)
            outcome.counted[key] = try await open.countRecords(
                in: [RecordSpan(shard: ShardID(shard), after: .zero)], of: stream
            ).first
        }
        outcome.facts = try await facts(open)
        try await open.close()
        return outcome
    }

    private func facts(_ open: SegmentStore) async throws -> [String] {
        var facts: [String] = []
        for mapping in try await open.listMappings(of: nil) {
            facts.append(
                "\(mapping.key.name) is \(mapping.isEnabled ? "enabled" : "disabled"), has \(String(decoding: mapping.configuration, as: UTF8.self)) and revision \(mapping.revision)"
            )
            facts += try await open.mappingHistory(mapping.key).map { "\($0.revision) \($0.actor): \($0.reason)" }
        }
        for stream in try await open.listStreams() where stream.name == "scaled" {
            facts += stream.shards.map { shard in
                let parents =
                    shard.parents.isEmpty ? "" : " of \(shard.parents.map { "\($0.number)" }.joined(separator: " "))"
                return "scaled \(shard.id.number)\(parents)\(shard.closedAt == nil ? "" : " closed")"
            }
        }
        let names = try await open.listStreams().map(\.name)
        for owner in SmallStore.owners where owner.stream.map({ names.contains($0) }) ?? true {
            facts += try await open.attributes(AttributeQuery(owner)).attributes.map { "\($0.name)=\($0.value)" }
        }
        for mapping in try await open.listMappings(of: nil) {
            facts += try await open.parkedKeys(ParkedKeyQuery(mapping.key)).keys.map {
                "parked \($0.shard.number) \($0.partitionKey)=\($0.value)"
            }
        }
        return facts
    }

    private func read(
        _ open: SegmentStore, _ stream: String, _ shard: ShardID, _ key: UInt32, _ outcome: inout Outcome
    ) async throws {
        var position = SequenceNumber.zero
        while true {
            do {
                let result = try await open.read(
                    ReadRequest(stream: stream, shard: shard, after: position, maximumRecords: 1_000))
                for record in result.batch {
                    let place = WholeMap.Place(shard: key, number: record.sequenceNumber.rawValue)
                    outcome.served[place] = WholeMap.Content(
                        arrival: record.approximateArrivalTimestamp.milliseconds, key: record.partitionKey,
                        data: record.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
                }
                if let lost = result.lost, lost.upperBound.rawValue - lost.lowerBound.rawValue < 1_000 {
                    for number in lost.lowerBound.rawValue...lost.upperBound.rawValue {
                        outcome.lost.insert(WholeMap.Place(shard: key, number: number))
                    }
                }
                guard result.next > position else { return }
                position = result.next
            } catch let error as ShardlineError {
                // What comes after is to be served all the same.
                position = position.advanced(by: 1)
                outcome.failed[WholeMap.Place(shard: key, number: position.rawValue)] = error
                // Behind a repair nothing may fail, and numbers may have jumped far.
                guard outcome.failed.count < 1_000 else { return }
            }
        }
    }
}

/// Holds what came of a trial against what is whole.
struct Judge {
    let map: WholeMap

    /// What is wrong; empty where all is as required.
    func findings(_ damage: Damage, _ outcome: Trial.Outcome) -> [String] {
        let touched = map.holders.filter { damage.touches($0.file, $0.bytes) }
        let damaged = Set(touched.filter { $0.kind == .block || $0.kind == .commit }.flatMap(\.records))
        let hidden = Set(touched.filter { $0.kind == .index }.flatMap(\.records))
        let isInSegments = damage.files.allSatisfy { $0.hasPrefix("segments/") }
        var findings: [String] = []
        if outcome.check.verdict == .undecided {
            if outcome.refusal == nil { findings.append("check can't tell, but the store opens") }
        } else if outcome.check.verdict == .whole {
            if let refusal = outcome.refusal { findings.append("check says whole, but the store refuses: \(refusal)") }
            if !outcome.failed.isEmpty { findings.append("check says whole, but reads fail") }
            // The newest commit can't be told from one that was being written; here it is the one of an orderly end.
            if !touched.allSatisfy({ $0.kind == .spare || $0.records.isEmpty }) {
                findings.append("check does not see the damage")
            }
        }
        if isInSegments, outcome.check.verdict != .undecided {
            let lost = Set(
                outcome.check.lost.flatMap { range in
                    (range.numbers.lowerBound.rawValue...range.numbers.upperBound.rawValue).map {
                        WholeMap.Place(shard: range.shardKey, number: $0)
                    }
                })
            if lost != damaged {
                findings.append("check says that \(lost.count) records are lost, \(damaged.count) are")
            }
        }
        if let refusal = outcome.refusal {
            let reasons: [ShardlineError.Code] = [
                .corrupt, .metadataOlderThanJournal, .newerFormat, .notAccessible, .readFailed,
            ]
            if !reasons.contains(refusal.code) || refusal.message.contains("\n") {
                findings.append("refused without a reason: \(refusal.code) \(refusal)")
            }
            if isInSegments { findings.append("refused because of a segment: \(refusal)") }
            if touched.isEmpty, !damage.files.contains("metadata.sqlite"), isByteDamage(damage) {
                findings.append("refused though nothing is damaged: \(refusal)")
            }
            return findings
        }
        for (place, content) in outcome.served where map.records[place] != content {
            findings.append("\(place) is served with other content")
        }
        for place in map.records.keys.sorted() where outcome.served[place] == nil {
            if !damaged.contains(place), !hidden.contains(place) { findings.append("\(place) is whole and not served") }
            if outcome.failed[place] == nil { findings.append("\(place) is missing without a word") }
        }
        for place in damaged where outcome.served[place] != nil && isByteDamage(damage) {
            findings.append("\(place) is damaged and served")
        }
        for (place, error) in outcome.failed where error.code != .corrupt && error.code != .readFailed {
            findings.append("\(place): \(error.code) \(error)")
        }
        if outcome.position != SmallStore.position {
            findings.append("the checkpoint stands at \(outcome.position.map { "\($0)" } ?? "nothing")")
        }
        if outcome.facts != SmallStore.facts { findings.append("it says \(outcome.facts)") }
        return findings
    }

    /// The same after a repair: what is whole is served, and readers are told of everything else.
    func findings(_ damage: Damage, repaired outcome: Trial.Outcome) -> [String] {
        let damaged = Set(
            map.holders.filter { ($0.kind == .block || $0.kind == .commit) && damage.touches($0.file, $0.bytes) }
                .flatMap(\.records))
        var findings = outcome.failed.map { "\($0.key) can't be read after the repair: \($0.value)" }
        if outcome.check.verdict != .whole { findings.append("not whole after the repair: \(outcome.check.findings)") }
        for (place, content) in outcome.served where map.records[place] != content {
            findings.append("\(place) is served with other content")
        }
        for (shard, count) in outcome.counted {
            let served = outcome.served.keys.count { $0.shard == shard }
            if count != served { findings.append("shard \(shard) serves \(served) records and counts \(count)") }
        }
        if !outcome.unnamed.isEmpty, damage.files.count < 2 {
            findings.append("a stream or a shard is not known any more")
        }
        for place in map.records.keys.sorted()
        where outcome.served[place] == nil && !outcome.unnamed.contains(place.shard) {
            if !damaged.contains(place) { findings.append("\(place) is whole and given up") }
            // A journal that is gone with what came last leaves nothing that could tell.
            if !outcome.lost.contains(place), damage.files.allSatisfy({ !$0.hasPrefix("journal/") }) {
                findings.append("\(place) is missing without a word")
            }
        }
        // The journal still has the last control action, and segments have none.
        if damage.files.allSatisfy({ $0.hasPrefix("segments/") }) {
            if outcome.facts != SmallStore.facts { findings.append("it says \(outcome.facts)") }
        } else if damage.files.allSatisfy({ !$0.hasPrefix("journal/") }),
            outcome.facts.contains(where: { $0.hasPrefix("billing is enabled") })
        {
            findings.append("a mapping that was disabled is enabled: \(outcome.facts)")
        }
        // The journal has all values that count.
        if damage.files.allSatisfy({ !$0.hasPrefix("journal/") }), outcome.unnamed.isEmpty,
            outcome.facts.filter({ $0 == "größe=[8]" }).count != SmallStore.owners.count
        {
            findings.append("attributes are lost: \(outcome.facts)")
        }
        if damage.files.allSatisfy({ !$0.hasPrefix("journal/") }), outcome.unnamed.isEmpty,
            outcome.facts.contains(where: { $0.hasPrefix("billing is") }),
            outcome.facts.filter({ $0.hasPrefix("parked") }) != [SmallStore.parked]
        {
            findings.append("parked keys are lost: \(outcome.facts)")
        }
        if !outcome.lost.isDisjoint(with: outcome.served.keys) { findings.append("what is served is called lost") }
        return findings
    }

    /// Whether single bytes are concerned, so that the map can say exactly what they cost.
    private func isByteDamage(_ damage: Damage) -> Bool {
        switch damage {
        case .flip, .cut: true
        case .remove, .swap, .garbage: false
        }
    }
}

import DiskAccess
import SegmentStorage
import StreamModel

/// The steps that repair a store as far as possible, decided before anything is changed.
struct RepairPlan {
    /// The new content of the metadata.
    private(set) var contents: MetadataContents
    private(set) var store: StoreID
    private(set) var segments: [(repair: SegmentRepair, footer: [UInt8])] = []
    /// Bytes that are copied to quarantine before anything is changed; nil: the whole file.
    private(set) var kept: [(file: String, bytes: Range<Int>?)] = []
    /// Files of other stores that are removed from the journal.
    private(set) var foreign: [String] = []
    /// Whether the journal has to be read, skipping its damage, flushed and restarted.
    private(set) var passesJournal: Bool
    private(set) var report: RepairReport

    /// Nil where nothing can be repaired because nothing names the store's ID. Changes nothing.
    init?(_ directory: String, _ fileSystem: any FileSystem, now: Timestamp) throws {
        var inspection = StoreInspection(directory, fileSystem, now: now)
        try inspection.run()
        report = RepairReport(found: inspection.report)
        contents = inspection.metadata?.contents ?? MetadataContents()
        store = inspection.snapshot?.store ?? StoreID(bytes: [UInt8](repeating: 0, count: 16))
        passesJournal = false
        guard report.found.verdict == .damaged,
            report.found.findings.allSatisfy({ $0.severity != .undecided })
        else { return }
        if inspection.needsNewMetadata || !inspection.unregisteredSegmentFiles.isEmpty {
            guard let rebuilt = try MetadataRebuild(directory, fileSystem, from: inspection.metadata, now: now) else {
                return nil
            }
            for name in [StoreLayout.metadataFile, StoreLayout.metadataFile + "-wal"] where inspection.metadata != nil {
                kept.append((name, nil))
            }
            contents = rebuilt.contents
            segments = rebuilt.segments.map { ($0, $0.footer(rebuilt.store, now: now)) }
            report.unknown += rebuilt.unknown
            report.steps.append(
                "recreate \(StoreLayout.metadataFile) from its whole rows, the segments and the journal")
            // The new metadata are compared with the files, as a check does.
            inspection = StoreInspection(
                directory, fileSystem, now: now, metadata: contents,
                segments: Dictionary(
                    segments.map { ($0.repair.row.id, $0.repair.slices) }, uniquingKeysWith: { $1 }))
            try inspection.run()
            passesJournal = rebuilt.passesJournal
        }
        guard let snapshot = inspection.snapshot, let journal = inspection.journal else { return nil }
        store = snapshot.store
        mendSegments(inspection, journal.catalogue, now: now)
        mendJournal(journal, directory)
        giveUp(inspection, now: now)
    }

    private mutating func mendSegments(_ inspection: StoreInspection, _ catalogue: Catalogue, now: Timestamp) {
        let mended = Set(segments.map(\.repair.row.id))
        for segment in inspection.segments where !segment.isWhole && !mended.contains(segment.segment.row.id) {
            let repair = SegmentRepair(segment, catalogue: catalogue)
            segments.append((repair, repair.footer(store, now: now)))
        }
        for (repair, footer) in segments {
            let name = "\(StoreLayout.segmentFolder)/\(StoreLayout.segmentFile(repair.row.id))"
            let key = [MetadataValue.bits(repair.row.id)]
            for table in [MetadataTable.segment, .section, .segmentStream] {
                contents.rows[table] = contents[table].filter { !$0.key.starts(with: key) }
            }
            for row in repair.rows(footer: footer, catalogue: catalogue) {
                contents.rows[row.table, default: []].append(row)
            }
            kept += repair.damaged.map { (name, $0) }
            report.steps.append(
                repair.end == nil
                    ? "forget \(name), which is missing" : "give \(name) a new index of its whole blocks")
        }
    }

    private mutating func mendJournal(_ journal: JournalInspection, _ directory: String) {
        foreign = journal.foreign
        for name in foreign {
            kept.append((name, nil))
            report.steps.append("take \(name) out of the journal: it is another store's")
        }
        for hole in journal.holes {
            for part in hole.parts where part.path.hasPrefix(directory + "/") {
                kept.append((String(part.path.dropFirst(directory.utf8.count + 1)), part.bytes))
            }
        }
        for (name, _) in journal.badHeaders { kept.append((name, nil)) }
        let isDamaged = !journal.holes.isEmpty || !journal.badHeaders.isEmpty || !journal.contradictions.isEmpty
        passesJournal = passesJournal || isDamaged || !foreign.isEmpty
        guard passesJournal else { return }
        report.steps.append(
            "read the journal over its damage, put what is whole into segments, and let the numbers of all open shards jump by 2^32"
        )
        if journal.holes.contains(where: { $0.records == nil }) {
            report.unknown.append(
                "whether the lost commits held records after the newest ones that are known: numbers that they may have had are not given out again"
            )
        }
    }

    private mutating func giveUp(_ inspection: StoreInspection, now: Timestamp) {
        for (key, ranges) in inspection.lost.sorted(by: { $0.key < $1.key }) {
            for range in ranges {
                guard let named = inspection.range(key, range) else { continue }
                report.lost.append(named)
                let newest = inspection.journal?.catalogue.shards[ShardNumber(key)]?.lastArrival ?? now
                contents.rows[.lostRange, default: []].append(
                    LostRange(numbers: range, arrivedBy: max(now, newest)).row(shard: key))
            }
        }
    }
}

import DiskAccess
import SegmentStorage
import StreamModel
import StreamStorage

/// Rebuilds the metadata from undamaged rows, the stream descriptions in segments, and the journal.
///
/// What none of them holds can't be known; ``unknown`` says what is assumed instead.
struct MetadataRebuild {
    private(set) var contents = MetadataContents()
    private(set) var store: StoreID
    private(set) var segments: [SegmentRepair] = []
    private(set) var unknown: [String] = []
    /// The journal does not hold the position at which replay has to begin.
    private(set) var passesJournal = false

    /// Nil where neither metadata nor journal nor segments name the store's ID.
    init?(_ directory: String, _ fileSystem: any FileSystem, from reading: MetadataImage.Reading?, now: Timestamp)
        throws
    {
        let rows = reading?.contents ?? MetadataContents()
        let row = rows[.store].first.flatMap { try? StoreRow($0) }
        let journal = try JournalSurvey(
            directory, fileSystem,
            store: row.map { StoreID(bytes: $0.id) } ?? Self.storeOfSegments(directory, fileSystem))
        guard let store = row.map({ StoreID(bytes: $0.id) }) ?? journal.store else { return nil }
        self.store = store
        var surveys: [SegmentSurvey] = []
        let folder = "\(directory)/\(StoreLayout.segmentFolder)"
        for name in try fileSystem.status(folder) == nil ? [] : fileSystem.list(folder) {
            guard let id = StoreLayout.segment(ofFile: name) else { continue }
            surveys.append(try SegmentSurvey(id, "\(folder)/\(name)", fileSystem, store: store))
        }
        surveys.sort { $0.id < $1.id }
        let firstReplayed = Self.firstReplayed(row, surveys, journal)
        var catalogue = Self.catalogue(of: rows, row ?? StoreRow(id: store.bytes))
        let knowsRetired = catalogue.retired.latest != nil
        var builder = CatalogueRebuild(catalogue, now: now)
        builder.replay(journal)
        builder.add(surveys)
        builder.takeParked(rows)
        builder.replayAgain(journal)
        builder.adopt(rows[.shard], journal)
        catalogue = builder.catalogue
        var there = journal.recordNumbers
        for slice in surveys.flatMap(\.slices) {
            there[ShardNumber(slice.shardKey), default: []].append(slice.firstSequence...slice.lastSequence)
        }
        _ = catalogue.findSkipped(lost: (try? rows.lostRanges) ?? [:], isRebuilt: true) { there[$0.key] ?? [] }
        if !knowsRetired {
            // Not all removed shards can be known, so all seconds up to the newest known one are taken.
            let seconds = catalogue.shards.values.map(\.creationSecond) + [catalogue.retired.latest].compactMap { $0 }
            if let newest = seconds.max() { catalogue.retired.insert(0...newest) }
        }
        unknown = builder.unknown + Self.lostRows(reading, builder)
        if catalogue.misses(parkedKeysOf: rows) {
            unknown.append("keys that were parked in shards that are lost: their records are not kept aside")
        }
        place(surveys, upTo: firstReplayed, catalogue)
        writeRows(catalogue, rows, row, journal, firstReplayed, surveys)
    }

    private static func storeOfSegments(_ directory: String, _ fileSystem: any FileSystem) throws -> StoreID? {
        let folder = "\(directory)/\(StoreLayout.segmentFolder)"
        guard try fileSystem.status(folder) != nil else { return nil }
        for name in try fileSystem.list(folder) {
            guard let id = StoreLayout.segment(ofFile: name) else { continue }
            let bytes = try fileSystem.open("\(folder)/\(name)", .read).bytes(at: 0, count: SegmentHeader.size)
            guard bytes.count == SegmentHeader.size else { continue }
            let said = Array(bytes[8..<24])
            if (try? SegmentHeader.decode(bytes, storeID: said, segment: id)) != nil { return StoreID(bytes: said) }
        }
        return nil
    }

    private static func catalogue(of rows: MetadataContents, _ row: StoreRow) -> Catalogue {
        if let catalogue = try? Catalogue(rows, store: row) { return catalogue }
        // A row with a right checksum has impossible content, so no row is used.
        return (try? Catalogue(MetadataContents(), store: row)) ?? Catalogue()
    }

    /// The first commit to replay: the start position of the store's row, or without it the first commit after those in
    /// segments. An interrupted flush may have written only some of its sections. The journal then still has all of its
    /// commits, so where it has them, they are replayed.
    private static func firstReplayed(
        _ row: StoreRow?, _ surveys: [SegmentSurvey], _ journal: JournalSurvey
    ) -> UInt64 {
        if let row { return max(1, row.startCommit) }
        guard let last = surveys.flatMap(\.sections).map(\.commits).max(by: { $0.upperBound < $1.upperBound }) else {
            return journal.numbers.first ?? 1
        }
        return journal.hasWhole(last) ? last.lowerBound : last.upperBound + 1
    }

    /// What was only in rows that are damaged.
    private static func lostRows(_ reading: MetadataImage.Reading?, _ builder: CatalogueRebuild) -> [String] {
        let isWhole = reading.map { $0.faults.isEmpty } ?? false
        let damaged = Set(reading?.contents.damaged.map(\.table) ?? [])
        var lost: [String] = []
        if !isWhole || damaged.contains(.mapping) {
            lost.append(
                "mappings that were made before the oldest commit of the journal\(builder.mappingNames.isEmpty ? "" : " (known are \(builder.mappingNames))"): create them again; they begin where you say"
            )
        }
        if !isWhole || damaged.contains(.mappingControl) {
            lost.append(
                "which mappings were disabled before the oldest commit of the journal, and which of their settings were updated: all of those are enabled; look at their settings"
            )
        }
        if !isWhole || damaged.contains(.mappingAction) {
            lost.append("who disabled, enabled and updated mappings before the oldest commit of the journal, and why")
        }
        if !isWhole || damaged.contains(.checkpoint) {
            lost.append(
                "checkpoints that did not move since the oldest commit of the journal: those mappings begin their shards again, so records may come again"
            )
        }
        if !isWhole || damaged.contains(.attribute) {
            lost.append("attributes of streams and accounts that were set before the oldest commit of the journal")
        }
        if !isWhole || damaged.contains(.parked) {
            lost.append(
                "keys that were parked before the oldest commit of the journal: their records are not kept aside")
        }
        return lost
    }

    // MARK: Segments

    private mutating func place(_ surveys: [SegmentSurvey], upTo first: UInt64, _ catalogue: Catalogue) {
        for survey in surveys {
            // The journal also holds the records of sections from here on.
            let end = survey.sections.filter { $0.commits.upperBound >= first }.map(\.start).min() ?? survey.size
            let kept = survey.sections.filter { $0.commits.upperBound < first }.map(\.commits)
            let slices = survey.slices.filter { Int($0.blockOffset) < end }.compactMap { slice -> Slice? in
                guard let shard = catalogue.shards[ShardNumber(slice.shardKey)] else { return nil }
                var slice = slice
                slice.stream = UInt64(shard.stream.rawValue)
                return slice
            }
            guard !slices.isEmpty else { continue }
            let lower = kept.map(\.lowerBound).min() ?? 0
            let row = SegmentRow(
                id: survey.id, state: .sealed,
                grouping: survey.header.flatMap { SegmentGrouping(code: Int64($0.retentionClass)) }
                    ?? SegmentGrouping(retentionMilliseconds: .max, isOwn: false),
                bytes: 0, footerOffset: 0, footerChecksum: 0,
                commits: lower...max(lower, kept.map(\.upperBound).max() ?? first - 1),
                created: survey.header?.created ?? slices.map(\.firstArrival).min() ?? 0)
            segments.append(
                SegmentRepair(
                    row: row, end: end, slices: slices, rewritesHeader: survey.header == nil,
                    damaged: survey.damaged, catalogue: catalogue))
        }
    }

    // MARK: Rows

    private mutating func writeRows(
        _ catalogue: Catalogue, _ rows: MetadataContents, _ row: StoreRow?, _ journal: JournalSurvey,
        _ first: UInt64, _ surveys: [SegmentSurvey]
    ) {
        var dirty = DirtyRows()
        dirty.streams = Set(catalogue.streams.keys)
        dirty.shards = ShardSet(catalogue.shards.keys)
        dirty.shards.formUnion(catalogue.deletedShards.keys)
        dirty.mappings = Set(catalogue.mappings.keys)
        for mapping in catalogue.mappings.values {
            for action in mapping.control.actions {
                dirty.actions.insert(.init(mapping: mapping.number, revision: action.revision))
            }
            for shard in mapping.checkpoints.keys {
                dirty.checkpoints.insert(.init(mapping: mapping.number, shard: shard))
            }
        }
        dirty.jumped = dirty.shards
        dirty.attributes = catalogue.attributePlaces
        dirty.parked = catalogue.parkedPlaces
        for case .put(let row) in catalogue.changes(dirty) { contents.rows[row.table, default: []].append(row) }
        contents.rows[.retired] = catalogue.retiredRows
        contents.rows[.lostRange] = rows[.lostRange]
        if let row { contents.rows[.journal] = row.startCommit == first ? rows[.journal] : [] }

        var new = row ?? StoreRow(id: store.bytes)
        new.incarnation = max(new.incarnation, journal.incarnation, catalogue.incarnation)
        new.nextShard = max(new.nextShard, catalogue.nextShard)
        new.nextStream = max(
            new.nextStream, UInt64(catalogue.nextStream), (surveys.flatMap { $0.streams.map(\.id) }.max() ?? 0) + 1)
        new.nextMapping = max(new.nextMapping, UInt64(catalogue.nextMapping))
        new.nextSegment = max(new.nextSegment, (surveys.last?.id ?? 0) + 1)
        if row == nil, first > 1 || journal.numbers.first.map({ $0 > 1 }) ?? true {
            let position =
                journal.position(of: first)
                ?? JournalPosition(fileNumber: journal.highestFileNumber + 1, block: 1, commit: max(first, 1), chain: 0)
            if journal.position(of: first) == nil { passesJournal = true }
            (new.startFile, new.startBlock) = (position.fileNumber, position.block)
            (new.startCommit, new.startChain) = (position.commit, position.chain)
        }
        contents.rows[.store] = [new.row]
    }
}

import DiskAccess
import SegmentStorage
import StreamModel

/// Reads everything in a store's directory and reports what is damaged. Changes nothing, not even the lock's content or
/// SQLite's log. All calls block.
struct StoreInspection {
    let directory: String
    let fileSystem: any FileSystem
    /// The time for retention: records that it may have removed are not missing.
    let now: Timestamp

    private(set) var report: StoreReport
    /// The basis of a repair.
    private(set) var metadata: MetadataImage.Reading?
    private(set) var snapshot: MetadataSnapshot?
    private(set) var journal: JournalInspection?
    private(set) var segments: [SegmentInspection] = []
    /// Segment files with bytes that the metadata do not register and whose commits the journal no longer has.
    private(set) var unregisteredSegmentFiles: [String] = []
    /// By shard: the lost ranges that are registered already (`given`), and those that this inspection found (`lost`).
    private(set) var given: [UInt32: [ClosedRange<UInt64>]] = [:]
    private(set) var lost: [UInt32: [ClosedRange<UInt64>]] = [:]
    /// The metadata are missing, or so damaged that they have to be rebuilt.
    private(set) var needsNewMetadata = false
    private(set) var trails: [UInt32: ShardTrail] = [:]
    private let givenContents: MetadataContents?
    private let planned: [UInt64: [Slice]]

    /// - Parameters:
    ///   - metadata: metadata to use in place of the file.
    ///   - planned: by segment, the index entries with which a repair will register it.
    init(
        _ directory: String, _ fileSystem: any FileSystem, now: Timestamp, metadata: MetadataContents? = nil,
        segments planned: [UInt64: [Slice]] = [:]
    ) {
        self.directory = directory
        self.fileSystem = fileSystem
        self.now = now
        givenContents = metadata
        self.planned = planned
        report = StoreReport(directory: directory)
    }

    /// Reads everything. Throws only errors of the disk.
    mutating func run() throws {
        let names = try fileSystem.list(directory)
        guard names.contains(StoreLayout.journalFolder) || names.contains(StoreLayout.metadataFile) else {
            add(.init(.undecided, "there is no store in this directory"))
            return
        }
        try readMetadata()
        try readJournal(hasFolder: names.contains(StoreLayout.journalFolder))
        guard report.findings.allSatisfy({ $0.severity != .undecided }) else { return }
        try readSegments(hasFolder: names.contains(StoreLayout.segmentFolder))
        followShards()
        checkCheckpoints()
        noteOthers(names)
    }

    mutating func add(_ finding: StoreReport.Finding) { report.findings.append(finding) }

    // MARK: Metadata

    private mutating func readMetadata() throws {
        let replacement = givenContents.map { MetadataImage.Reading(contents: $0) }
        guard let reading = try replacement ?? MetadataImage.load(in: directory, fileSystem) else {
            needsNewMetadata = true
            add(.init(.damage, file: StoreLayout.metadataFile, "the file is missing"))
            return
        }
        metadata = reading
        report.counts.bytes += try fileSystem.status("\(directory)/\(StoreLayout.metadataFile)")?.size ?? 0
        for fault in reading.faults {
            needsNewMetadata = true
            add(.init(.damage, file: StoreLayout.metadataFile, "SQLite: \(fault)"))
        }
        for row in reading.contents.damaged {
            needsNewMetadata = true
            add(
                .init(
                    .damage, file: StoreLayout.metadataFile,
                    "table \(row.table.rawValue), row \(row.key): its checksum is wrong"))
        }
        guard let first = reading.contents[.store].first else {
            if reading.faults.isEmpty, reading.contents.damaged.isEmpty {
                // A store without this row was not completely made (STORE-P25).
                let isNew = MetadataTable.allCases.allSatisfy { reading.contents[$0].isEmpty }
                add(
                    .init(
                        isNew ? .note : .damage, file: StoreLayout.metadataFile,
                        isNew ? "the store is new: it was never opened to its end" : "the store's own row is missing"))
                needsNewMetadata = !isNew
            }
            return
        }
        do {
            let row = try StoreRow(first)
            guard row.format <= StoreRow.format else {
                add(
                    .init(
                        .undecided, file: StoreLayout.metadataFile,
                        "the store has format \(row.format), this program knows \(StoreRow.format): use a newer version"
                    ))
                return
            }
            let catalogue = try Catalogue(reading.contents, store: row)
            snapshot = MetadataSnapshot(
                store: StoreID(bytes: row.id), catalogue: catalogue, start: row.start,
                lastCommit: try reading.contents.lastCommit)
            given = try reading.contents.lostRanges.mapValues { $0.map(\.numbers) }
        } catch {
            needsNewMetadata = true
            add(.init(.damage, file: StoreLayout.metadataFile, error.message))
        }
        report.counts.streams = snapshot?.catalogue.streams.count ?? 0
        report.counts.shards = snapshot?.catalogue.shards.count ?? 0
    }

    // MARK: Journal

    private mutating func readJournal(hasFolder: Bool) throws {
        if !hasFolder { add(.init(.damage, file: StoreLayout.journalFolder, "the folder is missing")) }
        let journal = try JournalInspection(directory, fileSystem, snapshot: snapshot)
        self.journal = journal
        report.counts.commits = journal.commits
        report.counts.bytes += journal.bytes
        if let newer = journal.newerVersion {
            add(.init(.undecided, "\(newer): use a newer version of Shardline"))
        }
        for (name, reason) in journal.badHeaders { add(.init(.damage, file: name, reason)) }
        for name in journal.unused {
            add(
                .init(.note, file: name, "its first block is damaged; no commit was ever in it, and opening removes it")
            )
        }
        for name in journal.foreign { add(.init(.damage, file: name, "the file belongs to another store")) }
        // Without the start position all commits before the first one found would seem lost.
        guard snapshot != nil else { return }
        for hole in journal.holes { add(finding(hole)) }
        for contradiction in journal.contradictions {
            add(.init(.damage, file: StoreLayout.journalFolder, contradiction))
        }
        switch journal.end {
        case .clean: break
        case .torn:
            add(
                .init(
                    .note, file: StoreLayout.journalFolder,
                    "commit \(journal.nextCommit) was being written when the store stopped; opening cuts it"))
        case .dropped(let last):
            add(
                .init(
                    .note, file: StoreLayout.journalFolder,
                    "commits \(journal.nextCommit) to \(last) were written under the durability .interval and never synced; opening drops them"
                ))
        }
    }

    private func finding(_ hole: JournalHole) -> StoreReport.Finding {
        let commits =
            hole.commits.count == 1
            ? "commit \(hole.commits.lowerBound)" : "commits \(hole.commits.lowerBound) to \(hole.commits.upperBound)"
        let what =
            hole.records == nil
            ? "can't be read, though acknowledged" : "can be read only in part: its head is whole, records are not"
        let elsewhere =
            hole.parts.count > 1
            ? ", and on in \(hole.parts.dropFirst().map { relative($0.path) }.joined(separator: ", "))" : ""
        return .init(
            .damage, file: hole.parts.first.map { relative($0.path) } ?? StoreLayout.journalFolder,
            bytes: hole.parts.first?.bytes,
            "\(commits) \(what)\(elsewhere)",
            lost: (hole.records ?? []).compactMap { run in
                range(run.shardKey, run.firstSequence...run.firstSequence + UInt64(run.count) - 1)
            })
    }

    private func relative(_ path: String) -> String {
        path.hasPrefix(directory + "/") ? String(path.dropFirst(directory.utf8.count + 1)) : path
    }

    // MARK: Segments

    private mutating func readSegments(hasFolder: Bool) throws {
        let folder = "\(directory)/\(StoreLayout.segmentFolder)"
        let names = hasFolder ? try fileSystem.list(folder) : []
        guard let snapshot, let contents = metadata?.contents else {
            report.counts.segments = names.count { StoreLayout.segment(ofFile: $0) != nil }
            return
        }
        let files = SegmentFiles(fileSystem: fileSystem, directory: folder)
        let set: SegmentSet
        do { set = try SegmentSet(contents, next: 0) } catch {
            needsNewMetadata = true
            add(.init(.damage, file: StoreLayout.metadataFile, error.message))
            return
        }
        let shards = journal?.catalogue.shards ?? snapshot.catalogue.shards
        for segment in set.all where segment.row.state != .deleting && planned[segment.row.id] == nil {
            let found = try SegmentInspection(segment, store: snapshot.store, files: files) { key in
                shards[ShardNumber(key)].map { UInt64($0.stream.rawValue) }
            }
            files.forget(segment.row.id)
            segments.append(found)
            report.counts.segments += 1
            report.counts.blocks += found.blocks
            report.counts.bytes += found.size ?? 0
            let name = "\(StoreLayout.segmentFolder)/\(StoreLayout.segmentFile(segment.row.id))"
            if let newer = found.newerVersion {
                add(.init(.undecided, file: name, "\(newer): use a newer version of Shardline"))
                continue
            }
            for damage in found.damage {
                add(
                    .init(
                        .damage, file: name, bytes: damage.bytes, damage.reason,
                        lost: damage.lost.flatMap { reportable($0.shardKey, $0.firstSequence...$0.lastSequence) }))
            }
            for range in found.unused {
                add(.init(.note, file: name, bytes: range, "bytes that hold nothing which is used are not as written"))
            }
        }
        try lookAtUnregisteredFiles(names, set: set, snapshot, files: files)
    }

    private mutating func lookAtUnregisteredFiles(
        _ names: [String], set: SegmentSet, _ snapshot: MetadataSnapshot, files: SegmentFiles
    ) throws {
        let reader = SegmentReader(files: files, cache: PieceCache(limit: 0), storeSeed: snapshot.store.seed)
        for name in names {
            guard let id = StoreLayout.segment(ofFile: name) else { continue }
            let file = try fileSystem.open("\(files.directory)/\(name)", .read)
            let size = try file.size()
            let known = set.segment(id)
            if known?.row.state == .deleting { continue }
            let from = known.map { Int(clamping: $0.row.bytes) } ?? SegmentHeader.size
            guard planned[id] == nil, known == nil || size > from else { continue }
            let isAhead = try SegmentCleanup.isAheadOfJournal(
                file, segment: id, from: UInt64(from), to: UInt64(size), startCommit: snapshot.start?.commit ?? 0,
                reader: reader)
            if isAhead { unregisteredSegmentFiles.append(name) }
            add(
                .init(
                    isAhead ? .damage : .note, file: "\(StoreLayout.segmentFolder)/\(name)",
                    bytes: known == nil ? nil : from..<size,
                    isAhead
                        ? "records that the metadata don't know and the journal no longer has"
                        : "left by a flush that did not come to its end; opening removes it, the journal has its records"
                ))
        }
    }

    // MARK: Shards

    /// Follows every shard over segments and journal: sequence numbers must be dense, and arrival times must not
    /// decrease.
    private mutating func followShards() {
        guard let catalogue = journal?.catalogue, snapshot != nil else { return }
        for segment in segments {
            for slice in segment.lost { note(lost: slice.firstSequence...slice.lastSequence, in: slice.shardKey) }
        }
        for hole in journal?.holes ?? [] {
            for run in hole.records ?? [] {
                note(lost: run.firstSequence...run.firstSequence + UInt64(run.count) - 1, in: run.shardKey)
            }
        }
        var found = Dictionary(
            segments.map { ($0.segment.row.id, $0.slices) }, uniquingKeysWith: { $1 })
        for (id, slices) in planned { found[id] = slices }
        // The segments of a shard never interleave (STORE-F1).
        for (id, slices) in found.sorted(by: { $0.key < $1.key }) {
            let name = "\(StoreLayout.segmentFolder)/\(StoreLayout.segmentFile(id))"
            for slice in slices {
                follow(
                    slice.shardKey, first: slice.firstSequence, count: UInt64(slice.count),
                    arrivals: (slice.firstArrival, slice.lastArrival), catalogue, place: (name, slice.blockOffset))
            }
        }
        for run in journal?.runs ?? [] {
            follow(
                run.shard.rawValue, first: run.first, count: run.count, arrivals: (run.firstArrival, run.lastArrival),
                catalogue, place: (StoreLayout.journalFolder, nil))
        }
        for (key, shard) in catalogue.shards.sorted(by: { $0.key < $1.key }) {
            let last = trails[key.rawValue]?.last ?? shard.origin.rawValue
            guard shard.lastSequence.rawValue > last else { continue }
            // All records may have expired, as in a shard that gets no new ones.
            if isExpired(shard.lastArrival, shard, catalogue) { continue }
            miss(
                last + 1...shard.lastSequence.rawValue, of: key.rawValue, at: StoreLayout.journalFolder,
                "the newest records are missing")
        }
        report.counts.records = trails.values.reduce(0) { $0 + Int(clamping: $1.records) }
        for (key, ranges) in given.sorted(by: { $0.key < $1.key }) {
            for range in NumberRanges.merged(ranges) { report.lostRanges += [self.range(key, range)].compactMap { $0 } }
        }
    }

    private func isExpired(_ arrival: Timestamp, _ shard: ShardState, _ catalogue: Catalogue) -> Bool {
        guard let stream = catalogue.streams[shard.stream] else { return true }
        return arrival <= stream.expiry(at: now)
    }

    private mutating func follow(
        _ key: UInt32, first: UInt64, count: UInt64, arrivals: (Int64, Int64), _ catalogue: Catalogue,
        place: (file: String, offset: UInt64?)
    ) {
        // Records of a deleted stream stay until their segment is removed; they are not read.
        guard let shard = catalogue.shards[ShardNumber(key)] else { return }
        var trail = trails[key] ?? ShardTrail(origin: shard.origin.rawValue)
        let before = trail.records > 0 ? Timestamp(milliseconds: trail.lastArrival) : nil
        let breaks = trail.follow(first: first, count: count, firstArrival: arrivals.0, lastArrival: arrivals.1)
        trails[key] = trail
        for item in breaks {
            switch item {
            case .missing(let range):
                // Retention removes older records first; records in a shared segment may also be gone from between
                // others.
                if isExpired(before ?? shard.openedAt, shard, catalogue) { continue }
                miss(
                    range, of: key, at: place.file,
                    "numbers are missing in front of record \(first)"
                        + (place.offset.map { ", which lies at byte \($0)" } ?? ""))
            case .repeated(let range):
                add(
                    .init(
                        .damage, file: place.file,
                        "\(name(of: key)): the numbers \(range.lowerBound) to \(range.upperBound) are there twice"))
            case .arrivedEarlier(let number):
                add(
                    .init(
                        .damage, file: place.file,
                        "\(name(of: key)): record \(number) says that it arrived before the one in front of it"))
            }
        }
    }

    private mutating func miss(_ range: ClosedRange<UInt64>, of key: UInt32, at file: String, _ what: String) {
        // Numbers that the finding of a damaged place names are not reported again.
        let untold = reportable(key, range, alsoWithout: lost[key] ?? [])
        note(lost: range, in: key)
        guard !untold.isEmpty else { return }
        add(.init(.damage, file: file, "\(name(of: key)): \(what)", lost: untold))
    }

    private mutating func note(lost range: ClosedRange<UInt64>, in key: UInt32) {
        lost[key] = NumberRanges.merged((lost[key] ?? []) + NumberRanges.subtract(given[key] ?? [], from: range))
    }

    // MARK: Mappings

    private mutating func checkCheckpoints() {
        guard let catalogue = journal?.catalogue, snapshot != nil else { return }
        for mapping in catalogue.mappings.values.sorted(by: { $0.number < $1.number }) {
            for (key, checkpoint) in mapping.checkpoints.sorted(by: { $0.key < $1.key }) {
                guard let shard = catalogue.shards[key] else { continue }
                let tip = max(shard.lastSequence, shard.floor)
                guard checkpoint.position > tip, checkpoint.position < .max else { continue }
                // A caller of the API may move a checkpoint there; a mapping never does.
                add(
                    .init(
                        .note, file: StoreLayout.metadataFile,
                        "mapping '\(mapping.name)' stands at \(checkpoint.position) in \(name(of: key.rawValue)), whose newest record is \(shard.lastSequence)"
                    ))
            }
        }
    }

    // MARK: Other files

    private mutating func noteOthers(_ names: [String]) {
        let known: Set = [
            StoreLayout.lockFile, "owner.sock", "reserve", StoreLayout.quarantineFolder, StoreLayout.journalFolder,
            StoreLayout.segmentFolder,
            StoreLayout.metadataFile,
            StoreLayout.metadataFile + "-wal", StoreLayout.metadataFile + "-shm", StoreLayout.repairedMetadataFile,
        ]
        for name in names where !known.contains(name) {
            add(.init(.note, file: name, "not a file of the store"))
        }
    }

    // MARK: Names

    func range(_ key: UInt32, _ numbers: ClosedRange<UInt64>) -> StoreReport.RecordRange? {
        let catalogue = journal?.catalogue ?? snapshot?.catalogue
        let shard = catalogue?.shards[ShardNumber(key)]
        // Records of a deleted stream are no loss.
        if catalogue != nil, shard == nil { return nil }
        return StoreReport.RecordRange(
            stream: shard.flatMap { catalogue?.streams[$0.stream]?.name }, shard: shard?.id, shardKey: key,
            shardCreationSecond: shard?.creationSecond,
            numbers: SequenceNumber(numbers.lowerBound)...SequenceNumber(numbers.upperBound))
    }

    /// The numbers that are not in registered lost ranges yet.
    private func reportable(
        _ key: UInt32, _ numbers: ClosedRange<UInt64>, alsoWithout others: [ClosedRange<UInt64>] = []
    ) -> [StoreReport.RecordRange] {
        NumberRanges.subtract((given[key] ?? []) + others, from: numbers).compactMap { range(key, $0) }
    }

    private func name(of key: UInt32) -> String {
        guard let range = range(key, 1...1), let stream = range.stream, let shard = range.shard else {
            return "shard key \(key)"
        }
        return "\(stream), \(shard)"
    }
}

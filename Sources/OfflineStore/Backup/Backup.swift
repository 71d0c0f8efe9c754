import DiskAccess
import SegmentStorage
import StreamModel
import StreamStorage

/// Copies a store, open or not, so that the copy shows one moment. All calls block.
///
/// While it runs no file of the journal is reused and no segment is removed; puts, reads and flushes go on. The
/// metadata must be read before the journal is copied: the journal then holds everything from their start position to
/// the last commit that was durable by then, and so every record that was acknowledged before the backup began.
struct Backup {
    /// The store to copy.
    struct Source {
        var directory: String
        /// Keeps the journal's files and the segments in place until the two calls below release them.
        var hold: () -> Void = {}
        var letGoJournal: () throws -> Void = {}
        var letGoSegments: () -> Void = {}
        var contents: () throws -> MetadataContents
        /// The last visible commit; nil for a store that no process has open, whose journal is read to its end.
        var watermark: () -> UInt64?
    }

    let source: Source
    let fileSystem: any FileSystem
    let target: String
    let now: Timestamp
    let stop: FileCopier.Stop

    private var folder: String { "\(target)/\(BackupManifest.folder)" }

    func run() throws -> BackupSummary {
        try describing("backing up the store '\(source.directory)'") {
            try prepareTarget()
            var copier = FileCopier(fileSystem, to: folder, stop: stop)
            do {
                return try copy(by: &copier)
            } catch let error as FileError where error.isNoSpace {
                throw copier.withoutRoom("backing up the store '\(source.directory)': \(error)")
            }
        }
    }

    private func copy(by copier: inout FileCopier) throws -> BackupSummary {
        try copier.makeFolders()
        source.hold()
        var isHoldingJournal = true
        defer {
            if isHoldingJournal { try? source.letGoJournal() }
            source.letGoSegments()
        }
        var contents = try source.contents()
        guard let row = try contents[.store].first.map({ row throws(MetadataError) in try StoreRow(row) }) else {
            throw ShardlineError(.notAccessible, "'\(source.directory)' holds no store that was ever opened")
        }
        try copyJournal(row, contents, &copier)
        isHoldingJournal = false
        try source.letGoJournal()
        try copySegments(&contents, &copier)
        try copier.write(try MetadataImage.encode(contents), as: StoreLayout.metadataFile)
        try copier.synchronizeFolders()
        let records = try Self.recordsOfWhole(folder, fileSystem, now: now, of: "the copy")
        let manifest = BackupManifest(begunAt: now, records: records, files: copier.files)
        try finish(manifest)
        return manifest.summary
    }

    private func prepareTarget() throws {
        try Enclosure.refuse(target, fileSystem)
        if let status = try fileSystem.status(target) {
            guard status.isDirectory else {
                throw ShardlineError(.notAccessible, "'\(target)' is a file; a backup is a directory")
            }
            let names = try fileSystem.list(target)
            // An unfinished backup is overwritten.
            guard names.isEmpty || names.contains(BackupManifest.unfinishedName) else {
                throw ShardlineError(
                    .notAccessible, "'\(target)' is not empty: name a new directory, a backup writes over nothing")
            }
        } else {
            try fileSystem.createDirectory(target)
            try fileSystem.synchronizeDirectory(StoreLayout.parent(of: target))
        }
        let unfinished = "\(target)/\(BackupManifest.unfinishedName)"
        if try fileSystem.status(unfinished) == nil { _ = try fileSystem.open(unfinished, .create) }
        try fileSystem.synchronizeDirectory(target)
    }

    /// The number of records in an undamaged store. Throws `corrupt` where the store is damaged.
    static func recordsOfWhole(
        _ directory: String, _ fileSystem: any FileSystem, now: Timestamp, of what: String
    ) throws -> Int {
        var inspection = StoreInspection(directory, fileSystem, now: now)
        try inspection.run()
        guard inspection.report.verdict == .whole else {
            let first = inspection.report.findings.first { $0.severity != .note }
            throw ShardlineError(
                .corrupt,
                "\(what) is not whole: \(first?.file.map { "\($0): " } ?? "")\(first?.message ?? ""); see what `shardline check` says"
            )
        }
        return inspection.report.counts.records
    }

    // MARK: Journal

    private struct Reached: Error {}

    private func copyJournal(_ row: StoreRow, _ contents: MetadataContents, _ copier: inout FileCopier) throws {
        let store = StoreID(bytes: row.id)
        // The watermark is read before the files are listed, so that the files hold all commits up to it. The metadata
        // may name a later commit, which is on the disk too.
        let through = source.watermark().map { [lastCommit = try contents.lastCommit] watermark in
            max(watermark, lastCommit, row.startCommit > 0 ? row.startCommit - 1 : 0)
        }
        let names = try fileSystem.list("\(source.directory)/\(StoreLayout.journalFolder)")
        var files: [JournalFileReader] = []
        for name in names {
            guard let id = StoreLayout.id(ofJournalFile: name) else { continue }
            let path = "\(source.directory)/\(StoreLayout.journalFolder)/\(name)"
            let file = try fileSystem.open(path, .read)
            let reader = JournalFileReader(id: id, path: path, file: file, reader: file, size: try file.size())
            try reader.findNumber(seed: store.seed)
            reader.unload()
            if let number = reader.number, number >= row.start?.fileNumber ?? 0 { files.append(reader) }
        }
        files.sort { $0.number! < $1.number! }
        var last: CommitHeader?
        var replay = try Replay(files, start: row.start, seed: store.seed)
        if through.map({ $0 >= replay.nextCommit }) ?? true {
            do {
                try replay.run { commit in
                    try stop.check()
                    last = commit.header
                    // Later commits may be in the middle of being written.
                    if commit.header.number == through { throw Reached() }
                }
            } catch is Reached {}
        }
        if let through, through >= row.start?.commit ?? 1, last?.number != through {
            throw ShardlineError(
                .corrupt, "the journal can be read up to commit \(last?.number ?? 0) only, \(through) are durable")
        }
        let end = (
            number: last?.fileNumber ?? row.start?.fileNumber ?? 0,
            block: last.map { $0.block + UInt32($0.blocks) } ?? row.start?.block ?? 1
        )
        for file in files where file.number! <= end.number {
            file.unload()
            let count = file.number == end.number ? Int(end.block) * JournalFormat.blockCount : file.size
            try copier.copy(
                file.path, as: "\(StoreLayout.journalFolder)/\(StoreLayout.journalFile(file.id))",
                count: min(count, file.size),
                filledTo: file.size)
        }
    }

    // MARK: Segments

    private func copySegments(_ contents: inout MetadataContents, _ copier: inout FileCopier) throws {
        var gone: Set<MetadataValue> = []
        for row in contents[.segment] {
            let segment = try row.segmentRow()
            if segment.state == .deleting {
                gone.insert(.bits(segment.id))
                continue
            }
            let name = StoreLayout.segmentFile(segment.id)
            try copier.copy(
                "\(source.directory)/\(StoreLayout.segmentFolder)/\(name)", as: "\(StoreLayout.segmentFolder)/\(name)",
                count: Int(clamping: segment.bytes))
        }
        for table in [MetadataTable.segment, .section, .segmentStream] {
            contents.rows[table] = contents[table].filter { !gone.contains($0.key[0]) }
        }
    }

    /// Writes and syncs the manifest under the unfinished name, then renames it. All files must be synced and checked
    /// before: the manifest's name is what makes the directory a backup.
    private func finish(_ manifest: BackupManifest) throws(FileError) {
        let unfinished = "\(target)/\(BackupManifest.unfinishedName)"
        let file = try fileSystem.open(unfinished, .readWrite)
        try file.truncate(to: 0)
        try file.writeAll(manifest.encoded, at: 0)
        try file.synchronize()
        try fileSystem.rename(unfinished, to: "\(target)/\(BackupManifest.name)")
        try fileSystem.synchronizeDirectory(target)
    }
}

import DiskAccess
import SegmentStorage
import StreamModel

/// Compares a backup with its manifest, reads all of it, and reports what is damaged. Changes nothing. All calls block.
///
/// A backup that it reports as whole can be restored, a damaged one can't: like a restore it reads only the files that
/// the manifest names.
struct BackupInspection {
    private static let piece = 1 << 20
    private static let folders = [StoreLayout.journalFolder, StoreLayout.segmentFolder]

    let backup: String
    let fileSystem: any FileSystem
    /// As ``StoreInspection/now``.
    let now: Timestamp
    private(set) var report: StoreReport

    private var folder: String { "\(backup)/\(BackupManifest.folder)" }

    init(_ backup: String, _ fileSystem: any FileSystem, now: Timestamp) {
        self.backup = backup
        self.fileSystem = fileSystem
        self.now = now
        report = StoreReport(directory: backup)
        report.isBackup = true
    }

    /// Whether a directory is a backup's, also where its manifest is gone or unreadable.
    static func isBackup(_ directory: String, _ fileSystem: any FileSystem) throws -> Bool {
        func holdsStore(_ names: [String]) -> Bool {
            names.contains(StoreLayout.journalFolder) || names.contains(StoreLayout.metadataFile)
        }
        if holdsStore(try fileSystem.list(directory)) { return false }
        if try BackupManifest.isThere(in: directory, fileSystem) { return true }
        let folder = "\(directory)/\(BackupManifest.folder)"
        guard try fileSystem.status(folder)?.isDirectory == true else { return false }
        // A store that was ever opened has a lock: then the folder only has the name of a backup's.
        let names = try fileSystem.list(folder)
        return holdsStore(names) && !names.contains(StoreLayout.lockFile)
    }

    /// Reads everything. Throws only errors of the disk.
    mutating func run() throws {
        var manifest: BackupManifest?
        switch try BackupManifest.read(in: backup, fileSystem) {
        case .whole(let whole): manifest = whole
        case .unfinished:
            let what = "the backup is still being made, or did not come to its end: make it again"
            return add(.damage, BackupManifest.unfinishedName, what)
        case .missing:
            add(.damage, BackupManifest.name, "the file is missing, so nothing can say that the backup is whole")
        case .damaged(let reason) where reason.isNewerVersion:
            return add(.undecided, BackupManifest.name, "\(reason): use a newer version of Shardline")
        case .damaged(let reason): add(.damage, BackupManifest.name, reason.description)
        }
        guard try fileSystem.status(folder)?.isDirectory == true else {
            return add(.damage, BackupManifest.folder, "the folder is missing")
        }
        var names: [String] = []
        if let manifest {
            for file in manifest.files where try verify(file) { names.append(file.path) }
        } else {
            names = try storeFiles()
        }
        try noteOthers(than: Set(manifest?.files.map(\.path) ?? names))
        try inspect(names)
    }

    private mutating func add(_ severity: StoreReport.Finding.Severity, _ file: String, _ message: String) {
        report.findings.append(.init(severity, file: file, message))
    }

    private func isDirectory(_ name: String) throws(FileError) -> Bool {
        try fileSystem.status("\(folder)/\(name)")?.isDirectory == true
    }

    // MARK: Files

    /// Compares a file with the manifest. Returns whether the file can be read.
    private mutating func verify(_ file: BackupManifest.File) throws -> Bool {
        let name = "\(BackupManifest.folder)/\(file.path)"
        // Where a file has a folder's name, asking for a path below it would be an error.
        let inFolder = Self.folders.first { file.path.hasPrefix($0 + "/") }
        guard try inFolder.map({ try isDirectory($0) }) ?? true,
            let status = try fileSystem.status("\(backup)/\(name)")
        else {
            add(.damage, name, "the file is missing")
            return false
        }
        guard status.isRegularFile else {
            add(.damage, name, "it is no regular file")
            return false
        }
        if status.size != file.size {
            add(.damage, name, "the file has \(status.size) bytes, not \(file.size), as the manifest says")
        } else if try checksum(of: "\(backup)/\(name)", size: file.size) != file.checksum {
            add(.damage, name, "the file is not what was written: its checksum is not the manifest's")
        }
        return true
    }

    private func checksum(of path: String, size: Int) throws(FileError) -> UInt32 {
        let file = try fileSystem.open(path, .read)
        var checksum: UInt32 = 0
        var at = 0
        while at < size {
            let bytes = try file.bytes(at: at, count: min(Self.piece, size - at))
            if bytes.isEmpty { break }
            checksum = Checksum.of(bytes, seed: checksum)
            at += bytes.count
        }
        return checksum
    }

    /// All files that could belong to a backup whose manifest is missing or damaged.
    private func storeFiles() throws -> [String] {
        var names = try fileSystem.list(folder)
        for inside in Self.folders where try isDirectory(inside) {
            names += try fileSystem.list("\(folder)/\(inside)").map { "\(inside)/\($0)" }
        }
        return try names.filter { name in
            try BackupManifest.isSafe(name[...]) && fileSystem.status("\(folder)/\(name)")?.isRegularFile == true
        }
    }

    private mutating func noteOthers(than files: Set<String>) throws {
        let what = "not a file of the backup; a restore leaves it out"
        for name in try fileSystem.list(backup) where ![BackupManifest.name, BackupManifest.folder].contains(name) {
            add(.note, name, what)
        }
        for name in try fileSystem.list(folder) where !files.contains(name) {
            guard Self.folders.contains(name), try isDirectory(name) else {
                add(.note, "\(BackupManifest.folder)/\(name)", what)
                continue
            }
            for file in try fileSystem.list("\(folder)/\(name)") where !files.contains("\(name)/\(file)") {
                add(.note, "\(BackupManifest.folder)/\(name)/\(file)", what)
            }
        }
    }

    // MARK: Contents

    /// Reads the files that a restore would copy, as the restored store would read them.
    private mutating func inspect(_ names: [String]) throws {
        let visible = Set(names + (try Self.folders.filter { try isDirectory($0) }))
        var inspection = StoreInspection(
            folder, SelectedFiles(of: fileSystem, in: folder, names: visible), now: now)
        try inspection.run()
        report.counts = inspection.report.counts
        report.lostRanges = inspection.report.lostRanges
        report.findings += inspection.report.findings.map { finding in
            var finding = finding
            finding.file = finding.file.map { "\(BackupManifest.folder)/\($0)" }
            return finding
        }
    }
}

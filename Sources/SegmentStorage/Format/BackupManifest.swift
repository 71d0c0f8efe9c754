import DiskAccess
import StreamModel
import StreamStorage

/// The contents of a backup. It is written last: a directory without it is not a backup.
///
/// It is text: a line with the format and its version, a line for each fact and each file, and the checksum of all
/// lines.
package struct BackupManifest: Hashable, Sendable {
    package struct File: Hashable, Sendable {
        /// Relative to the backup's ``folder``.
        package var path: String
        package var size: Int
        /// CRC-32C of all its bytes.
        package var checksum: UInt32

        package init(path: String, size: Int, checksum: UInt32) {
            self.path = path
            self.size = size
            self.checksum = checksum
        }
    }

    package static let name = "manifest"
    /// Its name while the backup is being made.
    package static let unfinishedName = "manifest.unfinished"
    /// The folder beside the manifest that holds the files.
    package static let folder = "store"
    private static let kind = "shardline backup "
    private static let title = kind + "1"

    package var begunAt: Timestamp
    package var records: Int
    package var files: [File]

    package var summary: BackupSummary {
        BackupSummary(
            files: files.count, bytes: files.reduce(0) { $0 + $1.size }, records: records, begunAt: begunAt)
    }

    package var encoded: [UInt8] {
        var text = Self.title + "\nbegun \(begunAt.milliseconds)\nrecords \(records)\n"
        for file in files { text += "file \(file.checksum) \(file.size) \(file.path)\n" }
        var bytes = Array(text.utf8)
        bytes += Array("end \(Checksum.of(bytes, seed: 0))\n".utf8)
        return bytes
    }

    /// Throws where the text is not a whole manifest as ``encoded`` writes it.
    package init(_ bytes: [UInt8]) throws(FormatDamage) {
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        guard let title = lines.first, title.hasPrefix(Self.kind) else {
            throw FormatDamage("it is no backup's manifest")
        }
        guard lines.count >= 3, lines.last == "", let end = lines.dropLast().last, end.hasPrefix("end ") else {
            throw FormatDamage("it is cut short")
        }
        // `lines` is a repaired decoding, in which invalid bytes have other lengths. `end` is trusted only as a number,
        // which has as many bytes in `bytes` as in the text.
        guard let checksum = UInt32(end.dropFirst(4)),
            checksum == Checksum.crc32c(bytes, 0..<bytes.count - end.utf8.count - 1)
        else { throw FormatDamage("its checksum is wrong") }
        // Checked after the checksum, so that a damaged digit is not taken for another version.
        guard title == Self.title else {
            throw FormatDamage("it is of another version, '\(title)'; this program knows 1", isNewerVersion: true)
        }
        var begun: Int64?
        var records: Int?
        var paths: Set<Substring> = []
        files = []
        for line in lines.dropFirst().dropLast(2) {
            let parts = line.split(separator: " ", maxSplits: 3)
            switch (parts.first, parts.count) {
            case ("begun", 2): begun = Int64(parts[1])
            case ("records", 2): records = Int(parts[1])
            case ("file", 4):
                guard let checksum = UInt32(parts[1]), let size = Int(parts[2]), Self.isSafe(parts[3]) else {
                    throw FormatDamage("it names a file that can't be")
                }
                files.append(File(path: String(parts[3]), size: size, checksum: checksum))
                guard paths.insert(parts[3]).inserted else { throw FormatDamage("it names a file twice") }
            default: throw FormatDamage("it has a line that says nothing")
            }
        }
        guard let begun, let records else { throw FormatDamage("it does not say when it was made") }
        begunAt = Timestamp(milliseconds: begun)
        self.records = records
    }

    package init(begunAt: Timestamp, records: Int, files: [File]) {
        self.begunAt = begunAt
        self.records = records
        self.files = files
    }

    /// A backup may come from anywhere, so no name in it may lead out of the folder that it is restored to.
    package static func isSafe(_ path: Substring) -> Bool {
        if path == StoreLayout.metadataFile { return true }
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else { return false }
        switch parts[0] {
        case Substring(StoreLayout.journalFolder):
            return StoreLayout.id(ofJournalFile: String(parts[1])).map { StoreLayout.journalFile($0) == parts[1] }
                ?? false
        case Substring(StoreLayout.segmentFolder):
            return StoreLayout.segment(ofFile: String(parts[1])).map { StoreLayout.segmentFile($0) == parts[1] }
                ?? false
        default: return false
        }
    }
}

// MARK: On the disk

extension BackupManifest {
    /// What is found at the place of a directory's manifest.
    package enum Reading {
        case whole(BackupManifest)
        case damaged(FormatDamage)
        /// A backup that is still being made, or was not finished.
        case unfinished
        case missing
    }

    package static func read(in backup: String, _ fileSystem: any FileSystem) throws(FileError) -> Reading {
        let path = "\(backup)/\(name)"
        guard let status = try fileSystem.status(path) else {
            return try fileSystem.status("\(backup)/\(unfinishedName)") == nil ? .missing : .unfinished
        }
        guard status.isRegularFile else { return .damaged(FormatDamage("it is no regular file")) }
        let file = try fileSystem.open(path, .read)
        let bytes = try file.bytes(at: 0, count: try file.size())
        do throws(FormatDamage) { return .whole(try BackupManifest(bytes)) } catch { return .damaged(error) }
    }

    /// Whether a directory holds a backup's manifest, finished or not, damaged or not. Other programs use this file
    /// name too.
    package static func isThere(in directory: String, _ fileSystem: any FileSystem) throws(FileError) -> Bool {
        if try fileSystem.status("\(directory)/\(unfinishedName)") != nil { return true }
        let path = "\(directory)/\(name)"
        guard let status = try fileSystem.status(path), status.isRegularFile else { return false }
        do throws(FileError) {
            let file = try fileSystem.open(path, .read)
            if try file.bytes(at: 0, count: kind.utf8.count) == Array(kind.utf8) { return true }
            // Its first line may be damaged.
            let ending = min(status.size, 20)
            let last = try file.bytes(at: status.size - ending, count: ending)
            return String(decoding: last, as: UTF8.self).contains("\nend ")
        } catch {
            // A file of another user: the user who made a backup can read its manifest.
            guard error.isPermission else { throw error }
            return false
        }
    }

    /// The backup whose files are in this directory, whatever path leads to it; nil where they belong to no backup.
    package static func backup(ofFilesIn directory: String, _ fileSystem: any FileSystem) throws(FileError) -> String? {
        guard let path = fileSystem.canonicalPath(directory), path.hasSuffix("/\(folder)") else { return nil }
        let backup = StoreLayout.parent(of: path)
        return try isThere(in: backup == "/" ? "" : backup, fileSystem) ? backup : nil
    }
}

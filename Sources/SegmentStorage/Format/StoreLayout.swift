/// The names of the files and folders in a store's directory.
package enum StoreLayout {
    /// The folder of the journal's files.
    package static let journalFolder = "journal"
    /// The folder of the segment files.
    package static let segmentFolder = "segments"
    /// The database.
    package static let metadataFile = "metadata.sqlite"
    /// The database that a repair has written and not yet put in place.
    package static let repairedMetadataFile = metadataFile + ".repaired"
    /// The file that the process that owns the store keeps locked.
    package static let lockFile = "lock"
    /// The folder that keeps what a repair took out of the store.
    package static let quarantineFolder = "quarantine"

    /// The name of the journal file with this id: 12 digits, so that sorting the names sorts the ids.
    package static func journalFile(_ id: UInt64) -> String { digits(id) + ".journal" }

    /// The id in a journal file's name; nil where it is another file's name.
    package static func id(ofJournalFile name: String) -> UInt64? {
        guard name.hasSuffix(".journal"), let id = UInt64(name.dropLast(".journal".count)) else { return nil }
        return journalFile(id) == name ? id : nil
    }

    /// The name of a segment's file: 12 digits, so that sorting the names sorts the segments.
    package static func segmentFile(_ segment: UInt64) -> String { digits(segment) + ".segment" }

    /// The segment number in a segment file's name; nil where it is another file's name.
    package static func segment(ofFile name: String) -> UInt64? {
        guard name.hasSuffix(".segment"), let segment = UInt64(name.dropLast(".segment".count)) else { return nil }
        // No two names are one segment's.
        return segmentFile(segment) == name ? segment : nil
    }

    /// The path of the lock of the store in `directory`.
    package static func lock(of directory: String) -> String { "\(directory)/\(lockFile)" }

    /// The store's directory as a caller named it, without a slash at its end.
    package static func directory(at path: String) -> String {
        path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    }

    /// The directory that holds what is at `path`.
    package static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func digits(_ number: UInt64) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 12 - digits.utf8.count)) + digits
    }
}

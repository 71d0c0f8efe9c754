import DiskAccess
import Logging
import StreamModel

/// What an opening does with bytes and files of segments that are not registered (STORE-P9, STORE-P10, STORE-P15,
/// STORE-P16).
///
/// Bytes after a segment's registered length, and files that are not registered, belong to an unfinished flush, and the
/// journal still has their records. If their commits are before the journal's first, the metadata was damaged: then
/// they are copied to quarantine before they are cut or removed.
package struct SegmentCleanup {
    let archive: SegmentArchive
    package let quarantine: String
    /// The first commit that replay will see.
    package let startCommit: UInt64

    /// Finishes deletions, cuts and removes unregistered bytes. Returns a line for the log for everything that was
    /// copied to quarantine.
    package func run() throws -> [String] {
        let files = archive.files
        var report: [String] = []
        var changed = false
        let deleting = archive.set.all.filter { $0.row.state == .deleting }
        var retention = RetentionMachine(deleting, archive: archive)
        while try retention.step() != nil {}
        for name in try files.fileSystem.list(files.directory) {
            let path = "\(files.directory)/\(name)"
            guard let id = StoreLayout.segment(ofFile: name), let size = try files.fileSystem.status(path)?.size else {
                continue
            }
            if let segment = archive.set.segment(id) {
                guard size > Int(segment.row.bytes) else { continue }
                let file = try files.fileSystem.open(path, .readWrite)
                if try isAheadOfJournal(file, segment: id, from: segment.row.bytes, to: UInt64(size)) {
                    report.append(try setAside(file, from: Int(segment.row.bytes), name: name))
                }
                try file.truncate(to: Int(segment.row.bytes))
                try file.synchronize()
            } else {
                let file = try files.fileSystem.open(path, .readWrite)
                if try isAheadOfJournal(file, segment: id, from: UInt64(SegmentHeader.size), to: UInt64(size)) {
                    report.append(try setAside(file, from: 0, name: name))
                }
                try files.fileSystem.remove(path)
                changed = true
            }
        }
        if changed { try files.fileSystem.synchronizeDirectory(files.directory) }
        return report
    }

    private func isAheadOfJournal(_ file: any File, segment: UInt64, from: UInt64, to: UInt64) throws -> Bool {
        try Self.isAheadOfJournal(
            file, segment: segment, from: from, to: to, startCommit: startCommit, reader: archive.reader)
    }

    /// Whether the part has a whole section whose commits are all before the journal's first, `startCommit`.
    package static func isAheadOfJournal(
        _ file: any File, segment: UInt64, from: UInt64, to: UInt64, startCommit: UInt64, reader: SegmentReader
    ) throws -> Bool {
        var at = from
        while at + UInt64(PieceHeader.size) <= to {
            guard let header = try? PieceHeader.peek(try file.bytes(at: Int(at), count: PieceHeader.size)) else {
                return false
            }
            if header.magic == .trailer, header.bytes == SegmentIndex.trailerSize {
                let place = reader.place(segment, at)
                let bytes = try file.bytes(at: Int(at), count: SegmentIndex.trailerSize)
                if let trailer = try? SegmentIndex.decodeTrailer(bytes, at: place), trailer.kind == .section,
                    trailer.commits.upperBound < startCommit
                {
                    return true
                }
            }
            at += UInt64(header.bytes)
        }
        return false
    }

    private func setAside(_ file: any File, from offset: Int, name: String) throws -> String {
        let system = archive.files.fileSystem
        try system.createDirectory(quarantine)
        let path = "\(quarantine)/\(name)-\(offset)"
        if try system.status(path) != nil { try system.remove(path) }
        let copy = try system.open(path, .create)
        let size = try file.size()
        for start in stride(from: offset, to: size, by: 1 << 20) {
            try copy.writeAll(try file.bytes(at: start, count: min(1 << 20, size - start)), at: start - offset)
        }
        try copy.synchronize()
        try system.synchronizeDirectory(quarantine)
        return "'\(file.path)' from offset \(offset) holds records that the metadata does not know; kept as '\(path)'"
    }
}

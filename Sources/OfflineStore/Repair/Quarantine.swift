import DiskAccess
import SegmentStorage
import StreamModel

/// Keeps copies of damaged bytes: a repair changes or removes bytes only after they are copied and synced here.
struct Quarantine {
    let directory: String
    let fileSystem: any FileSystem

    private var folder: String { "\(directory)/\(StoreLayout.quarantineFolder)" }

    /// Copies bytes of a file of the store, or the whole file where `bytes` is nil. Does nothing where the same copy
    /// exists.
    func keep(_ name: String, _ bytes: Range<Int>? = nil) throws(FileError) {
        let path = "\(directory)/\(name)"
        guard let size = try fileSystem.status(path)?.size else { return }
        let range = (bytes ?? 0..<size).clamped(to: 0..<size)
        try fileSystem.createDirectory(folder)
        let base = name.split(separator: "/").last.map(String.init) ?? name
        let source = try fileSystem.open(path, .read)
        var kept = base + (bytes == nil ? "" : "-\(range.lowerBound)-\(range.upperBound)")
        var number = 1
        // Copies of an earlier repair are not overwritten.
        while try fileSystem.status("\(folder)/\(kept)") != nil {
            if try isSame(source, range, as: "\(folder)/\(kept)") { return }
            number += 1
            kept = base + (bytes == nil ? "" : "-\(range.lowerBound)-\(range.upperBound)") + ".\(number)"
        }
        let copy = try fileSystem.open("\(folder)/\(kept)", .create)
        for start in stride(from: range.lowerBound, to: range.upperBound, by: 1 << 20) {
            let piece = try source.bytes(at: start, count: min(1 << 20, range.upperBound - start))
            try copy.writeAll(piece, at: start - range.lowerBound)
        }
        try copy.synchronize()
        try fileSystem.synchronizeDirectory(folder)
        try fileSystem.synchronizeDirectory(directory)
    }

    private func isSame(_ source: any File, _ range: Range<Int>, as path: String) throws(FileError) -> Bool {
        let kept = try fileSystem.open(path, .read)
        guard try kept.size() == range.count else { return false }
        for start in stride(from: 0, to: range.count, by: 1 << 20) {
            let count = min(1 << 20, range.count - start)
            guard try source.bytes(at: range.lowerBound + start, count: count) == kept.bytes(at: start, count: count)
            else { return false }
        }
        return true
    }
}

import DiskAccess
import SegmentStorage
import StreamModel
import Synchronization

/// Copies files into one folder, syncs each copy, and lists what it has copied.
struct FileCopier {
    /// Set by any thread when the caller's task is cancelled; checked by the copying thread.
    final class Stop: Sendable {
        private let isSet = Atomic(false)
        func set() { isSet.store(true, ordering: .relaxed) }
        func check() throws { if isSet.load(ordering: .relaxed) { throw CancellationError() } }
    }

    private static let piece = 1 << 20

    let fileSystem: any FileSystem
    let target: String
    let stop: Stop
    private(set) var files: [BackupManifest.File] = []

    init(_ fileSystem: any FileSystem, to target: String, stop: Stop) {
        self.fileSystem = fileSystem
        self.target = target
        self.stop = stop
    }

    /// Copies the first `count` bytes of a file and pads the copy with zeros to `size`. Throws `corrupt` where the file
    /// is shorter than `count`.
    mutating func copy(_ source: String, as path: String, count: Int, filledTo size: Int? = nil) throws {
        let from = try fileSystem.open(source, .read)
        let copy = try fileSystem.open("\(target)/\(path)", .create)
        var checksum: UInt32 = 0
        var at = 0
        while at < count {
            try stop.check()
            let bytes = try from.bytes(at: at, count: min(Self.piece, count - at))
            guard !bytes.isEmpty else {
                throw ShardlineError(.corrupt, "'\(source)' has \(at) bytes, \(count) are needed")
            }
            try copy.writeAll(bytes, at: at)
            checksum = Checksum.of(bytes, seed: checksum)
            at += bytes.count
        }
        if let size, size > count {
            try copy.truncate(to: size)
            let zeros = [UInt8](repeating: 0, count: min(Self.piece, size - count))
            for start in stride(from: count, to: size, by: Self.piece) {
                checksum = Checksum.crc32c(zeros, 0..<min(Self.piece, size - start), seed: checksum)
            }
        }
        try copy.synchronize()
        files.append(.init(path: path, size: max(size ?? count, count), checksum: checksum))
    }

    /// Writes a file of these bytes.
    mutating func write(_ bytes: [UInt8], as path: String) throws {
        let copy = try fileSystem.open("\(target)/\(path)", .create)
        try copy.writeAll(bytes, at: 0)
        try copy.synchronize()
        files.append(.init(path: path, size: bytes.count, checksum: Checksum.of(bytes, seed: 0)))
    }

    /// Makes the folders of a store in the target and removes what an unfinished copy has left in them.
    func makeFolders() throws(FileError) {
        try fileSystem.createDirectory(target)
        for folder in [StoreLayout.journalFolder, StoreLayout.segmentFolder] {
            try fileSystem.createDirectory("\(target)/\(folder)")
        }
        try removeFiles()
    }

    /// Removes every file in the folders of the target. The folders are made for the copy, so all their files belong to
    /// it.
    func removeFiles() throws(FileError) {
        for folder in [target, "\(target)/\(StoreLayout.journalFolder)", "\(target)/\(StoreLayout.segmentFolder)"] {
            for name in try fileSystem.list(folder)
            where try fileSystem.status("\(folder)/\(name)")?.isDirectory == false {
                try fileSystem.remove("\(folder)/\(name)")
            }
        }
    }

    /// The error of a copy that found no room. Removes the copied files, so that they take no room; the folders stay
    /// for the next attempt.
    func withoutRoom(_ cause: String) -> ShardlineError {
        let isRemoved = (try? removeFiles()) != nil
        return ShardlineError(
            .diskFull,
            "\(cause); "
                + (isRemoved
                    ? "what was copied to '\(target)' was removed again: make room there, or name a place on another disk"
                    : "what was copied is in '\(target)' and can be removed"))
    }

    /// Makes the names of the copied files durable.
    func synchronizeFolders() throws(FileError) {
        for folder in [StoreLayout.journalFolder, StoreLayout.segmentFolder] {
            try fileSystem.synchronizeDirectory("\(target)/\(folder)")
        }
        try fileSystem.synchronizeDirectory(target)
    }
}

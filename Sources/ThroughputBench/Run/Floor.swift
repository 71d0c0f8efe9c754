import DiskAccess
import StreamModel

/// Measures the limit of the disk: overwrites a file of zeros and syncs each write. Blocks.
struct FloorProbe {
    /// The result of one measurement.
    struct Reading: Sendable {
        /// The times of small writes, in nanoseconds.
        var syncs: [UInt64]
        var megabytesPerSecond: Double
        /// The median of the small writes, in nanoseconds.
        var median: UInt64 { syncs.sorted()[syncs.count / 2] }
    }

    private static let size = 16 << 20
    private let fileSystem: any FileSystem
    private let path: String
    private let timeSource: any TimeSource

    init(_ fileSystem: any FileSystem, directory: String, timeSource: any TimeSource) {
        self.fileSystem = fileSystem
        path = directory + "/floor"
        self.timeSource = timeSource
    }

    /// Writes for about `duration`, half of it small writes and half of it large ones, and removes the file.
    func measure(_ duration: Duration) throws(FileError) -> Reading {
        let file = try fileSystem.open(path, .create)
        let large = [UInt8](repeating: 0x5A, count: 1 << 20)
        for offset in stride(from: 0, to: Self.size, by: large.count) {
            try file.writeAll(Array(repeating: 0, count: large.count), at: offset)
        }
        try file.synchronize()
        let small = try write(Array(large.prefix(4096)), to: file, for: duration / 2)
        let begun = timeSource.monotonicTime
        let count = try write(large, to: file, for: duration / 2).count
        let seconds = (timeSource.monotonicTime - begun).inSeconds
        try fileSystem.remove(path)
        return Reading(syncs: small, megabytesPerSecond: Double(count * large.count) / 1e6 / max(seconds, 1e-9))
    }

    private func write(_ bytes: [UInt8], to file: any File, for duration: Duration) throws(FileError) -> [UInt64] {
        var times: [UInt64] = []
        let begun = timeSource.monotonicTime
        var offset = 0
        var now = begun
        repeat {
            try file.writeAll(bytes, at: offset)
            try file.synchronize()
            let then = timeSource.monotonicTime
            times.append((then - now).nanoseconds)
            now = then
            offset = (offset + bytes.count) % Self.size
        } while now - begun < duration
        return times
    }
}

extension Duration {
    /// Whole nanoseconds; 0 for negative durations.
    var nanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        return seconds < 0 ? 0 : UInt64(seconds) * 1_000_000_000 + UInt64(max(0, attoseconds) / 1_000_000_000)
    }
}

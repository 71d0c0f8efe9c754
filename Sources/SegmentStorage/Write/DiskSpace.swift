import DiskAccess
import Logging
import Metrics
import StreamModel
import Synchronization

/// Whether the disk has room (STORE-C9).
///
/// The writer's thread and the flush thread report a full disk. Only the flush thread looks for room and ends the
/// state. Lock order: `state` before the lock of the admission.
///
/// On a full disk records are refused at once with the reason. Consumers go on: their checkpoints are saved straight to
/// the metadata, and the file `reserve` is removed to make room for them. Once a second the flush thread looks whether
/// there is room again. It then recreates the reserve and writes what has been waiting; only after that are records
/// accepted.
final class DiskSpace: Sendable {
    /// Bytes that SQLite needs for rows that change in place: its write-ahead log (1 MiB before a checkpoint), and as
    /// much again.
    static let reserveSize = 2 << 20
    static let reserveName = "reserve"

    private struct State {
        /// The error that records are refused with; nil while there is room.
        var refusal: ShardlineError?
        var cause = ""
    }

    /// Bytes that must be free before records are accepted again: the reserve and what may be waiting in memory.
    let needed: Int
    private let reserveSize: Int
    private let fileSystem: any FileSystem
    private let directory: String
    private let admission: Admission
    private let logger: Logger
    private let gauge: Gauge
    private let state = Mutex(State())

    /// - Parameters:
    ///   - unflushed: the most bytes that may be waiting for the flush, including one file of the journal.
    ///   - reserveSize: bytes of the file `reserve`; only tests change it.
    init(
        fileSystem: any FileSystem, directory: String, unflushed: Int, reserveSize: Int = DiskSpace.reserveSize,
        admission: Admission, logger: Logger, metrics: any MetricsFactory = MetricsSystem.factory
    ) {
        self.reserveSize = reserveSize
        self.fileSystem = fileSystem
        self.directory = directory
        self.admission = admission
        self.logger = logger
        gauge = Gauge(label: "shardline.DiskFull", factory: metrics)
        needed = reserveSize + unflushed
    }

    private var reserve: String { "\(directory)/\(Self.reserveName)" }

    /// The error that records are refused with; nil while there is room.
    var refusal: ShardlineError? { state.withLock { $0.refusal } }

    /// The disk is full: refuses records from now on, waiting ones included, and removes the reserve.
    func ranOut(_ cause: String) {
        let refusal = refusal(cause)
        let isNew = state.withLock { state in
            defer { state = State(refusal: refusal, cause: cause) }
            return state.refusal == nil
        }
        guard isNew else { return }
        // Best effort: if the reserve can't be removed, checkpoints may have to wait as well.
        giveUpReserve()
        let isEnough = (freeBytes ?? 0) >= reserveSize / 2
        logger.error(
            isEnough
                ? "\(refusal.message); functions go on, and their checkpoints are kept"
                : "\(refusal.message); checkpoints may have to wait for it too, as the reserve was used up before")
        gauge.record(1)
        admission.refuse(with: refusal)
    }

    /// Whether there seems to be enough room again. Where there is not, updates the refusal's message with what is free
    /// now.
    func seemsEnough() -> Bool {
        guard (freeBytes ?? 0) < needed else { return true }
        state.withLock { state in
            guard state.refusal != nil else { return }
            state.refusal = refusal(state.cause)
            admission.refuse(with: state.refusal)
        }
        return false
    }

    /// Everything that was waiting is written: accepts records again.
    func regained() {
        state.withLock { $0.refusal = nil }
        logger.notice("the disk of '\(directory)' has room again; records are taken")
        gauge.record(0)
        admission.refuse(with: nil)
    }

    /// Creates the reserve where it is missing or has another size.
    func makeReserve() throws(FileError) {
        if let status = try fileSystem.status(reserve) {
            if status.size == reserveSize, !status.isDirectory { return }
            if status.isDirectory { try moveAway() } else { try fileSystem.remove(reserve) }
        }
        let file = try fileSystem.open(reserve, .create)
        do throws(FileError) {
            let zeros = [UInt8](repeating: 0, count: min(1 << 20, reserveSize))
            for offset in stride(from: 0, to: reserveSize, by: zeros.count) {
                try file.writeAll(zeros, at: offset)
            }
            // Some file systems allocate blocks only when data is written back.
            try file.synchronize()
        } catch {
            giveUpReserve()
            throw error
        }
    }

    /// A folder with the reserve's name is moved to quarantine: a store deletes nothing that it did not make.
    private func moveAway() throws(FileError) {
        let folder = "\(directory)/\(StoreLayout.quarantineFolder)"
        try fileSystem.createDirectory(folder)
        var number = 1
        while try fileSystem.status("\(folder)/\(Self.reserveName)-\(number)") != nil { number += 1 }
        let place = "\(folder)/\(Self.reserveName)-\(number)"
        try fileSystem.rename(reserve, to: place)
        logger.warning("'\(reserve)' was a folder, where the store keeps a file; it is in '\(place)' now")
    }

    /// Removes the reserve, to make room for checkpoints.
    func giveUpReserve() { Self.giveUpReserve(of: directory, fileSystem) }

    /// Removes the reserve of a store that is not open yet, to make room for SQLite.
    static func giveUpReserve(of directory: String, _ fileSystem: any FileSystem) {
        try? fileSystem.remove("\(directory)/\(reserveName)")
    }

    /// Whether a file of `bytes` can be made and still leave room for a reserve. True where the free space is not
    /// known.
    func hasRoom(for bytes: Int) -> Bool { (freeBytes ?? .max) >= bytes + reserveSize }

    private var freeBytes: Int? { try? fileSystem.freeSpace(at: directory) }

    private func refusal(_ cause: String) -> ShardlineError {
        Self.full(directory, fileSystem, cause, needed: needed, "no records are taken until there is room")
    }

    /// The error for a store that can't be opened and has no reserve left: SQLite creates files before it answers any
    /// query.
    static func tooFullToOpen(_ directory: String, _ fileSystem: any FileSystem, _ cause: String) -> ShardlineError {
        full(
            directory, fileSystem, cause, needed: reserveSize,
            "the store can't be opened until there is room: remove other files from that disk")
    }

    private static func full(
        _ directory: String, _ fileSystem: any FileSystem, _ cause: String, needed: Int, _ consequence: String
    ) -> ShardlineError {
        let free =
            (try? fileSystem.freeSpace(at: directory)).map { "\(text($0)) are free" } ?? "how much is free is not known"
        return ShardlineError(
            .diskFull,
            "the disk of '\(directory)' is full (\(cause)): \(free), \(text(needed)) are needed; \(consequence)")
    }

    private static func text(_ bytes: Int) -> String {
        bytes < 1 << 20 ? "\(bytes >> 10) KiB" : "\((bytes + (1 << 19)) >> 20) MiB"
    }
}

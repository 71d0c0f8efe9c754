import DiskAccess
import Logging
import Metrics
import StreamModel
import Synchronization

/// Whether the disk has room (STORE-C9).
///
/// When it has none, records are refused at once and with the reason, but consumers go on: their checkpoints go straight
/// to the metadata, for which the file `reserve` is given up. The flush thread looks once a second whether there is
/// room again, makes the reserve anew, writes what has been waiting, and only then are records taken.
final class DiskSpace: Sendable {
    /// What SQLite needs for rows that change in place: its log (1 MiB before it is written back), and the same again.
    static let reserveSize = 2 << 20
    static let reserveName = "reserve"

    private struct State {
        /// What records are refused with; nil: there is room.
        var refusal: ShardlineError?
        var cause = ""
    }

    /// How many bytes must be free before records are taken again: the reserve, and what memory can hold until then.
    let needed: Int
    private let reserveSize: Int
    private let fileSystem: any FileSystem
    private let directory: String
    private let admission: Admission
    private let logger: Logger
    private let gauge: Gauge
    private let state = Mutex(State())

    /// - Parameters:
    ///   - unflushed: the most bytes that may be waiting for the flush, a file of the journal included.
    ///   - reserveSize: bytes of the file `reserve`; another size is for tests.
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

    /// Why no records are taken; nil: there is room.
    var refusal: ShardlineError? { state.withLock { $0.refusal } }

    /// The disk is full: refuses records from now on, those that wait too, and gives up the reserve.
    func ranOut(_ cause: String) {
        let refusal = refusal(cause)
        let isNew = state.withLock { state in
            defer { state = State(refusal: refusal, cause: cause) }
            return state.refusal == nil
        }
        guard isNew else { return }
        // Best effort: without it checkpoints may have to wait as well.
        giveUpReserve()
        let isEnough = (freeBytes ?? 0) >= reserveSize / 2
        logger.error(
            isEnough
                ? "\(refusal.message); functions go on, and their checkpoints are kept"
                : "\(refusal.message); checkpoints may have to wait for it too, as the reserve was used up before")
        gauge.record(1)
        admission.refuse(with: refusal)
    }

    /// Whether there seems to be enough room again; tells who asks in the meantime how much there is.
    func seemsEnough() -> Bool {
        guard (freeBytes ?? 0) < needed else { return true }
        state.withLock { state in
            guard state.refusal != nil else { return }
            state.refusal = refusal(state.cause)
            admission.refuse(with: state.refusal)
        }
        return false
    }

    /// What was waiting is written: records are taken again.
    func regained() {
        state.withLock { $0.refusal = nil }
        logger.notice("the disk of '\(directory)' has room again; records are taken")
        gauge.record(0)
        admission.refuse(with: nil)
    }

    /// Makes the reserve where it is missing or not whole.
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
            // Space is taken when the bytes get there.
            try file.synchronize()
        } catch {
            giveUpReserve()
            throw error
        }
    }

    /// Somebody's folder in the reserve's place is kept, as all is that a store does not know.
    private func moveAway() throws(FileError) {
        let folder = "\(directory)/quarantine"
        try fileSystem.createDirectory(folder)
        var number = 1
        while try fileSystem.status("\(folder)/\(Self.reserveName)-\(number)") != nil { number += 1 }
        let place = "\(folder)/\(Self.reserveName)-\(number)"
        try fileSystem.rename(reserve, to: place)
        logger.warning("'\(reserve)' was a folder, where the store keeps a file; it is in '\(place)' now")
    }

    /// Makes room for checkpoints.
    func giveUpReserve() { Self.giveUpReserve(of: directory, fileSystem) }

    /// Makes room for SQLite where a store is not open yet.
    static func giveUpReserve(of directory: String, _ fileSystem: any FileSystem) {
        try? fileSystem.remove("\(directory)/\(reserveName)")
    }

    /// Whether a file of so many bytes can be made and a reserve is left beside it. Where that is not known it is tried.
    func hasRoom(for bytes: Int) -> Bool { (freeBytes ?? .max) >= bytes + reserveSize }

    private var freeBytes: Int? { try? fileSystem.freeSpace(at: directory) }

    private func refusal(_ cause: String) -> ShardlineError {
        Self.full(directory, fileSystem, cause, needed: needed, "no records are taken until there is room")
    }

    /// Why a store can't be opened that has no reserve, or none any more: SQLite wants files before it answers anything.
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

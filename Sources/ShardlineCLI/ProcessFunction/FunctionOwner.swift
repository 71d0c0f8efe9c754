import DiskAccess
import Glibc
import StreamModel
import Synchronization

/// The exclusive right of this process to run functions on a store. A new owner of the store doesn't get it while a
/// process lives that a function of the former owner has started.
///
/// It is a `flock` of the store's directory. Guards and the fork server hold its descriptor as well, so it becomes free
/// only when they have killed everything and have ended. Processes that outlive killed guards are found by their mark.
final class FunctionOwner: Sendable {
    /// The descriptor that the children's guards hold as well; -1: none.
    let lock: Int32
    private let store: String
    private let children = Atomic(0)

    /// For children that use no store.
    static let ofNoStore = FunctionOwner(lock: -1, store: "none")

    private init(lock: Int32, store: String) {
        self.lock = lock
        self.store = store
    }

    /// The mark of the next child.
    func nextMark() -> ProcessMark {
        let child = children.add(1, ordering: .relaxed).newValue
        return ProcessMark(store: store, owner: ProcessMark.thisProcess, child: child)
    }

    /// Releases the right; no child may be running any more.
    func release() {
        guard lock >= 0 else { return }
        // Unlocked explicitly, because the fork server holds the descriptor as long as this process lives.
        _ = flock(lock, LOCK_UN)
        close(lock)
    }

    /// Takes the right for the store in `directory`. The caller must already own the store.
    ///
    /// - Parameters:
    ///   - patience: how long to wait for processes that can't be ended.
    ///   - isInterrupted: whether the wait must end at once.
    ///   - say: called once, with one line that says what it waits for.
    /// - Throws: ``CommandFailure`` where they are still alive after that.
    static func claim(
        of directory: String, timeSource: any TimeSource = SystemTimeSource(), patience: Duration = .seconds(30),
        isInterrupted: @Sendable () -> Bool = { false }, say: @escaping @Sendable (String) -> Void
    ) async throws -> FunctionOwner {
        let begun = timeSource.monotonicTime
        let lock = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        var status = stat()
        guard lock >= 0, fstat(lock, &status) == 0 else {
            throw CommandFailure(.inputOutput, "the directory '\(directory)' can't be opened: \(systemMessage())")
        }
        let store = "\(status.st_dev):\(status.st_ino)"
        var hasSaid = false
        while true {
            // On a file system without such locks there is no lock to wait for.
            let isFree = flock(lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK
            let left = try await BlockingThreads.shared.run { leftBehind(in: store, ends: isFree) }
            if isFree, left.isEmpty { return FunctionOwner(lock: lock, store: store) }
            if !hasSaid { say("waiting for the end of what the owner before has started: \(words(left))") }
            hasSaid = true
            guard !isInterrupted() else {
                close(lock)
                throw CommandFailure(.busy, "ended before anything was handed out: there is still \(words(left))")
            }
            guard timeSource.monotonicTime - begun < patience else {
                close(lock)
                throw CommandFailure(
                    .busy,
                    "of the owner before there is still \(words(left)), which could not be ended within \(Readable.duration(patience)); end it (kill -9), or restart the machine, then start again: two functions at work on the same records could undo each other's work"
                )
            }
            do {
                try await timeSource.sleep(until: timeSource.monotonicTime + .milliseconds(20))
            } catch {
                close(lock)
                throw error
            }
        }
    }

    /// The processes with a mark of the store that another owner's functions have started; with `ends`, they are
    /// killed.
    private static func leftBehind(in store: String, ends: Bool) -> [MarkedProcess] {
        let own = "\(store)/\(ProcessMark.thisProcess)/"
        let isOther: (String) -> Bool = { $0.hasPrefix(store + "/") && !$0.hasPrefix(own) }
        let found = MarkedProcess.all(where: isOther)
        if ends { for process in found { process.kill(isStill: isOther) } }
        return found
    }

    /// Processes, for messages.
    static func words(_ processes: [MarkedProcess]) -> String {
        guard !processes.isEmpty else { return "a guard of its functions (a process named function-guard)" }
        let shown = processes.prefix(3).map { "process \($0.id) (\($0.command))" }.joined(separator: ", ")
        return shown + (processes.count > 3 ? " and \(processes.count - 3) more" : "")
    }
}

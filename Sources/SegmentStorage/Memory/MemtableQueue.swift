import DiskAccess
import StreamModel
import Synchronization

/// The records that are in the journal and not yet in segments, cut into memtables that are flushed one after another
/// (STORE-M4).
///
/// The writer's thread adds commits. The flush thread alone waits in ``next(atMost:)`` and ``pause(_:)``, and calls
/// ``finishFirst(ringBytes:)``. The other calls may come from any thread. No other lock is taken under this one.
package final class MemtableQueue: Sendable {
    /// A closed memtable that waits for the flush. The catalogue is added when the flush begins.
    struct Closed: Sendable {
        var number: UInt64
        var firstCommit: UInt64
        var lastCommit: UInt64
        var frames: [Memtable.Frame]
        var bytes: Int
        var next: JournalPosition
    }

    private struct State {
        var frames: [Memtable.Frame] = []
        var bytes = 0
        var firstCommit: UInt64
        var lastCommit: UInt64
        var next: JournalPosition?
        var lastNumber: UInt64 = 0
        var closed: [Closed] = []
        /// The ring's bytes in use when the last memtable was closed. Only bytes since then count for the next one.
        var ringBase = 0
        var isEnding = false
        var hasFailed = false
        /// Whether the flush thread has other work than a memtable.
        var isAsked = false
    }

    private let monitor: Monitor<State>
    private let memtableSize: Int
    private let ringLimit: Int
    private let isFlushed: Bool

    /// - Parameters:
    ///   - isFlushed: whether the store flushes; otherwise nothing is kept here.
    ///   - firstCommit: the first commit that is not in segments.
    init(firstCommit: UInt64, memtableSize: Int, ringLimit: Int, isFlushed: Bool) {
        monitor = Monitor(State(firstCommit: firstCommit, lastCommit: firstCommit - 1))
        self.memtableSize = memtableSize
        self.ringLimit = ringLimit
        self.isFlushed = isFlushed
    }

    /// Adds a commit. Returns whether it closed a memtable.
    func add(_ frames: [Memtable.Frame], commit: UInt64, next: JournalPosition, ringBytes: Int) -> Bool {
        guard isFlushed else { return false }
        let closes = monitor.withLock { state in
            state.bytes += Self.bytes(of: frames)
            state.frames.append(contentsOf: frames)
            state.lastCommit = commit
            state.next = next
            guard isFull(state, adding: 0, ringBytes: ringBytes) else { return false }
            state.ringBase = ringBytes
            Self.close(&state)
            return true
        }
        if closes { monitor.wakeAll() }
        return closes
    }

    /// Whether adding these frames would close a memtable.
    func closes(with frames: [Memtable.Frame], ringBytes: Int) -> Bool {
        guard isFlushed else { return false }
        return monitor.withLock { isFull($0, adding: Self.bytes(of: frames), ringBytes: ringBytes) }
    }

    private func isFull(_ state: State, adding bytes: Int, ringBytes: Int) -> Bool {
        state.bytes + bytes >= memtableSize || ringBytes - state.ringBase >= ringLimit / 2
    }

    /// The memory that a run takes besides its records, here and in its shard memtable. With one record a run, as many
    /// shards and small puts cause, it is as much as the records.
    private static let runCost = 160
    private static let frameCost = 256

    private static func bytes(of frames: [Memtable.Frame]) -> Int {
        var bytes = 0
        for index in frames.indices {
            bytes += frameCost + frames[index].byteCount + runCost * frames[index].runs.count
        }
        return bytes
    }

    private static func close(_ state: inout State) {
        guard let next = state.next, state.lastCommit >= state.firstCommit else { return }
        state.lastNumber += 1
        state.closed.append(
            Closed(
                number: state.lastNumber, firstCommit: state.firstCommit, lastCommit: state.lastCommit,
                frames: state.frames, bytes: state.bytes, next: next))
        state.frames = []
        state.bytes = 0
        state.firstCommit = state.lastCommit + 1
    }

    /// Whether memory is full: one memtable is being flushed and the next one is closed.
    var isBehind: Bool { monitor.withLock { $0.closed.count > 1 } }

    /// Whether ``next(atMost:)`` would return at once.
    package var hasNews: Bool {
        monitor.withLock { state in
            state.isEnding || (!state.hasFailed && (!state.closed.isEmpty || state.isAsked))
        }
    }

    /// The bytes of records in memory that are not in segments.
    package var unflushedBytes: Int { monitor.withLock { state in state.closed.reduce(state.bytes) { $0 + $1.bytes } } }

    /// Closes the current memtable, so that it is flushed.
    func closeNow() {
        monitor.withLock { Self.close(&$0) }
        monitor.wakeAll()
    }

    /// Makes ``next(atMost:)`` return, even without a memtable.
    func ask() {
        let isNew = monitor.withLock { state in
            defer { state.isAsked = true }
            return !state.isAsked
        }
        if isNew { monitor.wakeAll() }
    }

    /// The next memtable to flush. It stays in the queue until ``finishFirst(ringBytes:)``. Nil after `duration`, after
    /// ``ask()``, or after ``end()``. Blocks.
    func next(atMost duration: Duration) -> Closed? {
        monitor.wait(atMost: duration) { state -> Closed?? in
            if state.hasFailed { return state.isEnding ? .some(nil) : nil }
            defer { state.isAsked = false }
            if let first = state.closed.first { return first }
            if state.isAsked { return .some(nil) }
            return state.isEnding ? .some(nil) : nil
        } ?? nil
    }

    /// Removes the first memtable, which is in segments now.
    func finishFirst(ringBytes: Int) {
        monitor.withLock { state in
            state.closed.removeFirst()
            state.ringBase = min(state.ringBase, ringBytes)
        }
    }

    /// Stops flushing: the journal is poisoned, so no memtable is handed out again.
    func fail() {
        monitor.withLock { $0.hasFailed = true }
        monitor.wakeAll()
    }

    /// Ends the flush thread's work after all closed memtables are flushed.
    func end() {
        monitor.withLock { $0.isEnding = true }
        monitor.wakeAll()
    }

    /// Blocks for `duration`, or until ``end()``.
    func pause(_ duration: Duration) {
        _ = monitor.wait(atMost: duration) { state -> Void? in state.isEnding ? () : nil }
    }

    /// Whether ``end()`` was called, whatever is left to do.
    var isToEnd: Bool { monitor.withLock { $0.isEnding } }

    /// Whether ``end()`` was called and nothing is left to do.
    var isEnding: Bool { monitor.withLock { $0.isEnding && ($0.hasFailed || $0.closed.isEmpty) } }
}

import DiskAccess
import StreamModel
import Synchronization

/// What is in the journal and not in segments yet, cut into memtables that are flushed one after the other (STORE-M4).
package final class MemtableQueue: Sendable {
    /// What is closed and waits for the flush; the catalogue is added when it begins.
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
        /// Ring bytes in use when the last memtable was closed: only what came since counts for the next one.
        var ringBase = 0
        var isEnding = false
        var hasFailed = false
        /// Something else than a memtable is to be done.
        var isAsked = false
    }

    private let monitor: Monitor<State>
    private let memtableSize: Int
    private let ringLimit: Int
    private let isFlushed: Bool

    /// - Parameters:
    ///   - isFlushed: whether there is anybody who flushes; else nothing is kept here.
    ///   - firstCommit: the first that is not in segments.
    init(firstCommit: UInt64, memtableSize: Int, ringLimit: Int, isFlushed: Bool) {
        monitor = Monitor(State(firstCommit: firstCommit, lastCommit: firstCommit - 1))
        self.memtableSize = memtableSize
        self.ringLimit = ringLimit
        self.isFlushed = isFlushed
    }

    /// Adds a commit; returns whether it closed a memtable.
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

    /// Whether adding this is going to close a memtable.
    func closes(with frames: [Memtable.Frame], ringBytes: Int) -> Bool {
        guard isFlushed else { return false }
        return monitor.withLock { isFull($0, adding: Self.bytes(of: frames), ringBytes: ringBytes) }
    }

    private func isFull(_ state: State, adding bytes: Int, ringBytes: Int) -> Bool {
        state.bytes + bytes >= memtableSize || ringBytes - state.ringBase >= ringLimit / 2
    }

    /// What a run takes in memory beside its records, here and in its shard's shardMemtable: with one record a run, as many
    /// shards and small puts have it, that is as much as the records.
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

    /// Whether memory holds as much as it may: one memtable is being flushed and the next one is full.
    var isBehind: Bool { monitor.withLock { $0.closed.count > 1 } }

    /// Whether ``next(atMost:)`` would return at once.
    package var hasNews: Bool {
        monitor.withLock { state in
            state.isEnding || (!state.hasFailed && (!state.closed.isEmpty || state.isAsked))
        }
    }

    /// Bytes of records in memory that no segment has.
    package var unflushedBytes: Int { monitor.withLock { state in state.closed.reduce(state.bytes) { $0 + $1.bytes } } }

    /// Closes what there is, so that it is flushed.
    func closeNow() {
        monitor.withLock { Self.close(&$0) }
        monitor.wakeAll()
    }

    /// Lets ``next(atMost:)`` return, memtable or not.
    func ask() {
        let isNew = monitor.withLock { state in
            defer { state.isAsked = true }
            return !state.isAsked
        }
        if isNew { monitor.wakeAll() }
    }

    /// The next memtable to flush, which stays in the queue until ``finishFirst(ringBytes:)``; nil after the time, or when
    /// the end has come.
    func next(atMost duration: Duration) -> Closed? {
        monitor.wait(atMost: duration) { state -> Closed?? in
            if state.hasFailed { return state.isEnding ? .some(nil) : nil }
            defer { state.isAsked = false }
            if let first = state.closed.first { return first }
            if state.isAsked { return .some(nil) }
            return state.isEnding ? .some(nil) : nil
        } ?? nil
    }

    /// The first memtable is in segments.
    func finishFirst(ringBytes: Int) {
        monitor.withLock { state in
            state.closed.removeFirst()
            state.ringBase = min(state.ringBase, ringBytes)
        }
    }

    /// No flush begins any more: the journal is poisoned.
    func fail() {
        monitor.withLock { $0.hasFailed = true }
        monitor.wakeAll()
    }

    /// Lets the flush end when it has done all that is closed.
    func end() {
        monitor.withLock { $0.isEnding = true }
        monitor.wakeAll()
    }

    /// Sleeps so long, or until the end is asked for.
    func pause(_ duration: Duration) {
        _ = monitor.wait(atMost: duration) { state -> Void? in state.isEnding ? () : nil }
    }

    /// Whether the end was asked for, whatever is left to do.
    var isToEnd: Bool { monitor.withLock { $0.isEnding } }

    /// Whether the end was asked for and nothing is left to do.
    var isEnding: Bool { monitor.withLock { $0.isEnding && ($0.hasFailed || $0.closed.isEmpty) } }
}

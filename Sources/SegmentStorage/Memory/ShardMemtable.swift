import DiskAccess
import StreamModel
import Synchronization

/// The records of one shard that are not in segments yet, or were just flushed (STORE-M1).
///
/// Records are appended by recovery, and then by the writer's thread under the lock of ``VisibleState``, which is taken
/// before this one. Readers take this lock alone. Waiters are woken after both locks are released.
package final class ShardMemtable: Sendable {
    private struct Run {
        var records: RecordRun
        var commit: UInt64
    }

    private struct State {
        var runs: [Run] = []
        /// Records up to this number are in segments, or were removed.
        var flushedThrough: SequenceNumber
        /// Records up to this number have expired (STORE-F6). It never moves back.
        var horizon: SequenceNumber
        /// The position of the last read from memory; nil: no read since the store was opened.
        var lastRead: SequenceNumber?
        /// Resumed when something new is visible.
        var waiters = WaitList<Void, Void>()

        mutating func trim(through last: SequenceNumber) {
            flushedThrough = max(flushedThrough, last)
            runs.removeFirst(place(behind: last))
        }

        /// The first run with a record after `position`.
        func place(behind position: SequenceNumber) -> Int {
            // Read in place, here and below: a copy of a run costs a retain.
            let runs = runs.span
            var low = 0
            var high = runs.count
            while low < high {
                let middle = (low + high) / 2
                if runs[middle].records.lastSequence <= position { low = middle + 1 } else { high = middle }
            }
            return low
        }
    }

    /// What the shard memtable has after a position.
    package enum Found {
        case records(RecordBatch, last: SequenceNumber)
        case nothing
        /// The records after the position are in segments, up to this number.
        case past(SequenceNumber)
    }

    private let state: Mutex<State>
    /// The address of the next run, for ``Prefetch`` alone: it is read without the lock.
    private let next = Atomic<UInt>(0)

    /// The most runs that a reader copies before it gives the lock to others.
    private let runsAtOnce: Int

    package init(flushedThrough: SequenceNumber, horizon: SequenceNumber, runsAtOnce: Int = 512) {
        self.runsAtOnce = runsAtOnce
        state = Mutex(State(flushedThrough: flushedThrough, horizon: horizon))
    }

    /// Makes the processor fetch this object, which is about to receive records; then, once it is there, the memory for
    /// them.
    func fetchAhead() { Prefetch.bytes(128, at: UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque())) }
    func fetchPlaceAhead() { Prefetch.bytes(128, at: next.load(ordering: .relaxed)) }

    /// Adds records after the last ones. They are visible once the watermark has reached their commit. Returns whether
    /// a waiter exists, which the caller wakes with ``wake()`` after releasing its lock.
    @discardableResult
    package func append(_ records: @autoclosure () -> RecordRun, commit: UInt64) -> Bool {
        state.withLock { state in
            // Created in place, so that its chunk is retained once.
            state.runs.append(Run(records: records(), commit: commit))
            let behind = state.runs.withUnsafeBufferPointer { UInt(bitPattern: $0.baseAddress! + $0.count) }
            next.store(behind, ordering: .relaxed)
            return !state.waiters.isEmpty
        }
    }

    /// Visible records after `position`: at most `maximumRecords`, and no further one once `maximumBytes` of keys and
    /// data are reached.
    package func read(
        after position: SequenceNumber, watermark: UInt64, maximumRecords: Int, maximumBytes: Int
    ) -> Found {
        var batch = RecordBatch()
        var position = position
        var left = (records: max(1, maximumRecords), bytes: max(1, maximumBytes))
        while left.records > 0, left.bytes > 0 {
            // Runs are copied out under the lock, some at a time, so that neither the writer nor other readers wait for
            // long, and cut after it is released.
            let runs: [RecordRun]
            switch snapshot(
                after: position, watermark: watermark, maximumRecords: left.records, maximumBytes: left.bytes,
                isFirst: batch.isEmpty)
            {
            // Where it was trimmed since the first runs were copied, these are the answer.
            case .past(let last): return batch.isEmpty ? .past(last) : .records(batch, last: position)
            case .allWanted(let found) where batch.isEmpty && found.count < runsAtOnce:
                return .records(RecordBatch(found), last: found[found.count - 1].lastSequence)
            case .allWanted(let found), .runs(let found): runs = found
            }
            if batch.isEmpty { batch.reserve(runs: runs.count) }
            for run in runs {
                guard left.records > 0, left.bytes > 0, let run = run.after(position) else { break }
                let taken = Self.part(of: run, &left)
                position = taken.lastSequence
                batch.append(taken)
            }
            guard runs.count == runsAtOnce else { break }
        }
        return batch.isEmpty ? .nothing : .records(batch, last: position)
    }

    /// The records of the run that what is left allows, and one at least.
    private static func part(of run: RecordRun, _ left: inout (records: Int, bytes: Int)) -> RecordRun {
        let taken: RecordRun
        if run.count <= left.records, run.byteCount < left.bytes {
            // Encoded bytes are at least as many as those of keys and data, so the whole run fits.
            taken = run
            left.bytes -= run.byteCount
        } else {
            taken = run.extracting(0..<count(of: run, left))
            left.bytes = taken.count < run.count ? 0 : max(0, left.bytes - run.byteCount)
        }
        left.records -= taken.count
        return taken
    }

    private static func count(of run: RecordRun, _ left: (records: Int, bytes: Int)) -> Int {
        var count = 0
        var bytes = left.bytes
        while count < run.count, count < left.records, bytes > 0 {
            let layout = run.layout(of: count)
            bytes -= layout.end - layout.keyStart
            count += 1
        }
        return max(1, count)
    }

    private enum Snapshot {
        /// All their records are after the position and within the limits, as in most reads.
        case allWanted([RecordRun])
        case runs([RecordRun])
        case past(SequenceNumber)
    }

    /// - Parameter isFirst: whether a read begins with it.
    private func snapshot(
        after position: SequenceNumber, watermark: UInt64, maximumRecords: Int, maximumBytes: Int, isFirst: Bool
    ) -> Snapshot {
        state.withLock { state in
            if position < state.flushedThrough { return .past(state.flushedThrough) }
            if isFirst { state.lastRead = position }
            let lower = state.place(behind: position)
            let runs = state.runs.span
            var upper = lower
            var (records, bytes) = (0, 0)
            // The first run may begin before the position, so it does not count.
            var counted = (records: 0, bytes: 0)
            while upper < runs.count, upper - lower < runsAtOnce, runs[upper].commit <= watermark,
                counted.records < maximumRecords,
                counted.bytes < maximumBytes || upper == lower
            {
                let (count, byteCount) = (runs[upper].records.count, runs[upper].records.byteCount)
                records += count
                bytes += byteCount
                if upper > lower {
                    counted.records += count
                    // Encoding adds at most 17 bytes to a short record. The exact size is measured after the lock is
                    // released.
                    counted.bytes += max(0, byteCount - 24 * count)
                }
                upper += 1
            }
            var found: [RecordRun] = []
            found.reserveCapacity(upper - lower)
            for index in lower..<upper { found.append(runs[index].records) }
            // Encoded bytes are at least as many as those of keys and data.
            let areAllWanted =
                upper > lower && position < runs[lower].records.firstSequence && records <= maximumRecords
                && bytes < maximumBytes
            return areAllWanted ? .allWanted(found) : .runs(found)
        }
    }

    /// The first visible record that arrived at or after `time`; nil where memory has none.
    package func firstSequence(arrivedAtOrAfter time: Timestamp, watermark: UInt64) -> SequenceNumber? {
        let run: RecordRun? = state.withLock { state in
            // Arrivals and commits never decrease within a shard.
            let runs = state.runs.span
            var (low, high) = (0, runs.count)
            while low < high {
                let middle = (low + high) / 2
                let records = runs[middle].records
                let isBefore = records[records.count - 1].approximateArrivalTimestamp < time
                if isBefore { low = middle + 1 } else { high = middle }
            }
            return low < runs.count && runs[low].commit <= watermark ? runs[low].records : nil
        }
        guard let run else { return nil }
        var low = 0
        var high = run.count - 1
        while low < high {
            let middle = (low + high) / 2
            if run[middle].approximateArrivalTimestamp >= time { high = middle } else { low = middle + 1 }
        }
        return run.firstSequence.advanced(by: low)
    }

    /// Records up to this number are in segments, or were removed.
    var flushedThrough: SequenceNumber { state.withLock { $0.flushedThrough } }

    /// Drops records that are in segments now.
    func trim(through last: SequenceNumber) {
        state.withLock { $0.trim(through: last) }
    }

    /// Drops records that are in segments now, unless the last reader here has not read them yet. Returns whether it
    /// dropped them.
    func trimIfRead(through last: SequenceNumber) -> Bool {
        // A reader that never comes back keeps them no longer than the flush thread's limit, after which
        // ``trim(through:)`` drops them.
        state.withLock { state in
            guard state.lastRead.map({ $0 >= last }) ?? true else { return false }
            state.trim(through: last)
            return true
        }
    }

    /// Moves the trim horizon forward. Returns where it is.
    func raiseHorizon(to number: SequenceNumber) -> SequenceNumber {
        state.withLock { state in
            state.horizon = max(state.horizon, number)
            return state.horizon
        }
    }

    /// Whether all unexpired records of the shard are in memory and arrived after `time`: then none has expired, and no
    /// segment needs to be read.
    func holdsEverything(arrivedAfter time: Timestamp) -> Bool {
        state.withLock { state in
            state.flushedThrough <= state.horizon && (state.runs.first.map { $0.records.arrival > time } ?? true)
        }
    }

    var horizon: SequenceNumber { state.withLock { $0.horizon } }

    // MARK: Waiting (STORE-M3)

    /// Returns when something new may be visible in the shard, or when the task is cancelled. `isThere` is asked after
    /// the waiter is registered, without the lock, so that no wake-up is lost; where it is true the call returns at
    /// once.
    func wait(isThere: @Sendable () -> Bool) async {
        await withListedWaiter(cancelled: ()) { waiter in
            add(waiter, isThere: isThere)
        } remove: { id in
            state.withLock { $0.waiters.remove(id) }
        }
    }

    /// Calls `body` once when something new may be visible in the shard, under the same rule as ``wait(isThere:)``.
    func notify(_ body: @escaping @Sendable () -> Void, isThere: () -> Bool) {
        if case .answered = add(Waiter(calling: body), isThere: isThere) { body() }
    }

    private func add(_ waiter: Waiter<Void>, isThere: () -> Bool) -> Registration<Void> {
        let registration = state.withLock { $0.waiters.add(waiter) }
        // A waiter that is gone from the list is being woken, or was cancelled.
        guard case .waiting = registration, isThere(), state.withLock({ $0.waiters.remove(waiter.id) }) != nil else {
            return registration
        }
        return .answered(())
    }

    /// Wakes all waiters, without the lock.
    func wake() {
        state.withLock { $0.waiters.answerAll(with: ()) }.resume()
    }
}

import DiskAccess
import Logging
import StreamModel
import StreamStorage
import Synchronization

/// What goes on behind the writer's back: flushes memtables to segments, saves what a person may want to see in the
/// metadata, removes what is too old, keeps a file of the ring ready. One thread drives it: ``step()``.
package final class MaintenanceLoop: @unchecked Sendable {
    // Everything that is not constant is touched by the one thread that calls step().

    /// How often it looks around without being asked.
    static let pause = Duration.seconds(1)
    /// So long a peak of the ring is remembered (STORE-J1).
    private static let memoryOfPeak = Duration.seconds(600)

    private let backing: Backing
    private let queue: CallQueue
    private let ring: Ring
    private let visible: VisibleState
    private let memtables: MemtableQueue
    private let admission: Admission
    private let health: StoreHealth
    private let space: DiskSpace
    private let saver: CatalogueSaver
    private let timeSource: any TimeSource
    private let logger: Logger
    private var lookedAround: MonotonicTime
    /// Whether the writer has been asked for what retention has ended, and has not answered.
    private let isAsking = SharedFlag()
    /// So many memtables that are in segments stay in shardMemtables for readers that have not come to them.
    private static let keptMemtables = 2
    /// Of these memtables, the oldest first, what shardMemtables still hold, up to these numbers: with many shards a reader is a
    /// little behind, and would read them from segments at several times the cost, to be further behind then.
    private var unread: [ShardTable<SequenceNumber>] = []
    private var peak = 1
    private var peakBefore = 1
    private var peakSince: MonotonicTime

    init(
        backing: Backing, queue: CallQueue, ring: Ring, visible: VisibleState, memtables: MemtableQueue,
        admission: Admission,
        health: StoreHealth, space: DiskSpace, saver: CatalogueSaver, timeSource: any TimeSource, logger: Logger
    ) {
        self.backing = backing
        self.queue = queue
        self.ring = ring
        self.visible = visible
        self.memtables = memtables
        self.admission = admission
        self.health = health
        self.space = space
        self.saver = saver
        self.timeSource = timeSource
        self.logger = logger
        peakSince = timeSource.monotonicTime
        lookedAround = timeSource.monotonicTime
    }

    /// Waits for work, at most for a while, and does it; returns whether there is going to be more.
    func step() -> Bool {
        // A full disk is tried again, but not all the time.
        if space.refusal != nil { memtables.pause(Self.pause) }
        work(on: memtables.next(atMost: Self.pause))
        return hasMore
    }

    /// Does what there is to do now, without waiting for any; as ``step()`` otherwise.
    package func stepNow() -> Bool {
        work(on: memtables.next(atMost: .zero))
        return hasMore
    }

    /// With a full disk the end must come all the same: what is not in segments stays in the journal.
    private var hasMore: Bool { !(memtables.isEnding || (space.refusal != nil && memtables.isToEnd)) }

    /// Does what is due, and flushes `memtable`.
    func work(on memtable: MemtableQueue.Closed?) {
        guard health.failure == nil else { return }
        guard space.refusal == nil else { return workWithoutRoom(memtable) }
        if let memtable { attempt("flushing to segments") { try flush(memtable) } }
        // Under a load that leaves no pause between flushes too: else retention would never come to delete.
        if memtable == nil || timeSource.monotonicTime - lookedAround >= Self.pause, health.failure == nil {
            askForRetention()
            attempt("saving metadata") { try saver.saveChanges() }
            attempt("deleting segments that nobody may read any more") { try applyRetention(seals: true) }
            // Beside it there must be room for what is written next: on a small disk too, which never has `needed`.
            attempt("making the reserve for a full disk") {
                if space.hasRoom(for: ring.fileSize) { try makeReserve() }
            }
            lookedAround = timeSource.monotonicTime
        }
        // One that does not go in would for a moment take the last bytes from SQLite.
        guard space.refusal == nil, !ring.hasNoneFree || space.hasRoom(for: ring.fileSize) else { return }
        attempt("making a file of the journal ready") {
            do throws(FileError) {
                try prepareRing()
            } catch {
                // Without a file that is ready the writer makes its own when it needs one, and says so when it can't.
                if !error.isNoSpace { throw error }
            }
        }
    }

    /// On a full disk (STORE-C9): what retention deletes may make room; with enough of it everything that waits is
    /// done, the reserve first, and then records are taken again.
    private func workWithoutRoom(_ memtable: MemtableQueue.Closed?) {
        attempt("deleting segments that nobody may read any more") { try applyRetention(seals: false) }
        guard health.failure == nil, space.seemsEnough() else { return }
        let isDone = attempt("using the disk again") {
            try makeReserve()
            if let memtable { try flush(memtable) }
            try prepareRing()
            try saver.saveChanges()
        }
        if isDone { space.regained() } else { space.giveUpReserve() }
    }

    private func flush(_ closed: MemtableQueue.Closed) throws {
        guard let flusher = backing.flusher else { return }
        try saver.save { dirty, catalogue in
            try flusher.flush(
                Memtable(
                    number: closed.number, firstCommit: closed.firstCommit, lastCommit: closed.lastCommit,
                    frames: closed.frames, dirty: dirty, catalogue: catalogue, next: closed.next))
        }
        var last: ShardTable<SequenceNumber> = [:]
        for frame in closed.frames { for run in frame.runs { last[run.shard] = run.lastSequence } }
        // Segments have it by now, so a reader finds every record in one place or the other (STORE-F5).
        unread.append(last)
        if unread.count > Self.keptMemtables {
            for (shard, sequence) in unread.removeFirst() { visible.shardMemtable(of: shard)?.trim(through: sequence) }
        }
        for (index, memtable) in unread.enumerated() {
            var left: ShardTable<SequenceNumber> = [:]
            for (shard, sequence) in memtable
            where visible.shardMemtable(of: shard)?.trimIfRead(through: sequence) == false {
                left[shard] = sequence
            }
            unread[index] = left
        }
        try ring.release(before: closed.next)
        memtables.finishFirst(ringBytes: ring.bytesInUse)
        admission.block { memtables.isBehind }
    }

    /// Has the writer make durable what retention has ended, where that is due: readers stop seeing it by the clock.
    private func askForRetention() {
        let now = timeSource.wallTime
        let (isDue, shards) = visible.withState { state in
            (
                !state.catalogue.streamsWithUnnotedExpiry(at: now, atOnce: false).isEmpty,
                state.catalogue.forgettableShards(at: now, running: Set(state.claims.keys))
            )
        }
        guard isDue || !shards.isEmpty, !isAsking.value.exchange(true, ordering: .acquiringAndReleasing) else { return }
        let call = PendingCall(request: .applyRetention(atOnce: false, forgetting: shards), storedCount: 0, reserved: 0)
        {
            [isAsking] _ in
            // Where it failed the next look asks again.
            isAsking.value.store(false, ordering: .releasing)
        }
        // A store that is closing notes it by itself.
        try? queue.push(call, urgency: .relaxed)
    }

    private func applyRetention(seals: Bool) throws {
        try backing.flusher?.applyRetention(visible.catalogue, now: timeSource.wallTime, seals: seals)
    }

    /// Where nothing is flushed there is nothing that a full disk could go on with.
    private func makeReserve() throws {
        if backing.flusher != nil { try space.makeReserve() }
    }

    private func prepareRing() throws(FileError) {
        let inUse = ring.filesInUse
        peak = max(peak, inUse)
        let now = timeSource.monotonicTime
        if now - peakSince >= Self.memoryOfPeak {
            peakBefore = peak
            peak = inUse
            peakSince = now
        }
        try ring.prepare(most: max(1, max(peak, peakBefore) - inUse + 1))
    }

    /// Does something and returns whether it could be done. A full disk is waited out; anything else is final.
    @discardableResult
    private func attempt(_ what: String, _ body: () throws -> Void) -> Bool {
        do {
            try body()
            return true
        } catch {
            failed(error, what)
            return false
        }
    }

    private func failed(_ cause: any Error, _ what: String) {
        let error =
            (cause as? ShardlineError) ?? (cause as? FileError).map { ShardlineError($0, doing: what) }
            ?? ShardlineError(.storeFailed, "\(what): \(cause)", cause: cause)
        guard error.code == .diskFull else {
            health.fail(
                ShardlineError(
                    .storeFailed,
                    "\(what) failed: \(cause); the store takes nothing more until it is opened anew", cause: error))
            return
        }
        space.ranOut(error.message)
    }

    /// Saves what there is and closes what is behind the journal. The last thing of all.
    package func finish() {
        if health.failure == nil {
            attempt("saving metadata") { try saver.saveChanges() }
            // Files that are ready are made anew in milliseconds; a store at rest should not keep their space.
            try? ring.removeFree()
        }
        do {
            try backing.close()
        } catch {
            logger.warning("closing the store's metadata: \(error)")
        }
    }
}

/// A flag that the writer's thread clears.
private final class SharedFlag: Sendable { let value = Atomic(false) }

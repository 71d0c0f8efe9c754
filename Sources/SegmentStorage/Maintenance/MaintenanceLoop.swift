import DiskAccess
import Logging
import StreamModel
import StreamStorage
import Synchronization

/// The background work of a store: flushes memtables to segments, saves changed rows to the metadata, deletes expired
/// segments and keeps a file of the ring ready.
///
/// One thread, or a test, calls ``step()`` in a loop, and ``finish()`` at the end.
package final class MaintenanceLoop: @unchecked Sendable {
    // Mutable state is used only by the thread that calls step().

    /// The interval of retention, saving and the reserve; also the longest wait for a memtable.
    static let pause = Duration.seconds(1)
    /// How long a peak of the ring's files in use is remembered (STORE-J1).
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
    /// Whether a request to apply retention waits for the writer's answer.
    private let isAsking = SharedFlag()
    /// The number of flushed memtables whose records stay in the shard memtables for readers that have not read them
    /// yet.
    private static let keptMemtables = 2
    /// For each of these memtables, the oldest first, the last number of each shard that the shard memtables still
    /// hold. With many shards a reader lags a little; reading from segments costs several times as much, so it would
    /// lag even more.
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

    /// Waits for work, for at most ``pause``, and does it. Returns false when the loop is to end. Blocks.
    func step() -> Bool {
        // On a full disk work is retried only after a pause.
        if space.refusal != nil { memtables.pause(Self.pause) }
        work(on: memtables.next(atMost: Self.pause))
        return hasMore
    }

    /// As ``step()``, without waiting for work.
    package func stepNow() -> Bool {
        work(on: memtables.next(atMost: .zero))
        return hasMore
    }

    /// A store must close on a full disk too: what is not in segments stays in the journal.
    private var hasMore: Bool { !(memtables.isEnding || (space.refusal != nil && memtables.isToEnd)) }

    /// Flushes `memtable` and does what is due.
    func work(on memtable: MemtableQueue.Closed?) {
        guard health.failure == nil else { return }
        guard space.refusal == nil else { return workWithoutRoom(memtable) }
        if let memtable { attempt("flushing to segments") { try flush(memtable) } }
        // This runs under continuous load too, where no flush is followed by a pause: otherwise retention would never
        // delete anything.
        if memtable == nil || timeSource.monotonicTime - lookedAround >= Self.pause, health.failure == nil {
            askForRetention()
            attempt("saving metadata") { try saver.saveChanges() }
            attempt("deleting segments that nobody may read any more") { try applyRetention(seals: true) }
            // The reserve is made only where a file of the ring fits beside it; a small disk never has `needed` bytes
            // free.
            attempt("making the reserve for a full disk") {
                if space.hasRoom(for: ring.fileSize) { try makeReserve() }
            }
            lookedAround = timeSource.monotonicTime
        }
        // A new file that does not fit would take the last bytes from SQLite until it is removed.
        guard space.refusal == nil, !ring.hasNoneFree || space.hasRoom(for: ring.fileSize) else { return }
        attempt("making a file of the journal ready") {
            do throws(FileError) {
                try prepareRing()
            } catch {
                // Where no file is ready the writer makes one when it needs it, and reports a full disk itself.
                if !error.isNoSpace { throw error }
            }
        }
    }

    /// Works on a full disk (STORE-C9): what retention deletes may make room. Once there is enough, the reserve is made
    /// first, then everything that waits is written, and only then are records accepted again.
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
        // The shard memtables are trimmed only after the segments are published, so a reader finds every record in one
        // of them (STORE-F5).
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
        // Only now, with the records synced and registered in segments, may the journal's files be reused.
        try ring.release(before: closed.next)
        memtables.finishFirst(ringBytes: ring.bytesInUse)
        admission.block { memtables.isBehind }
    }

    /// Asks the writer, where that is due, to make durable what retention has expired. Readers stop seeing it by the
    /// clock anyway.
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
            // If it failed, the next round asks again.
            isAsking.value.store(false, ordering: .releasing)
        }
        // A store that is closing applies retention by itself.
        try? queue.push(call, urgency: .relaxed)
    }

    private func applyRetention(seals: Bool) throws {
        try backing.flusher?.applyRetention(visible.catalogue, now: timeSource.wallTime, seals: seals)
    }

    /// Makes the reserve, except where nothing is flushed: a full disk then has no use for it.
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

    /// Runs `body` and returns whether it succeeded. A full disk is retried; any other error is final.
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
                    "\(what) failed: \(cause); the store takes nothing more until it is opened again", cause: error))
            return
        }
        space.ranOut(error.message)
    }

    /// Saves changed rows and closes the metadata. Called once, after the last ``step()``.
    package func finish() {
        if health.failure == nil {
            attempt("saving metadata") { try saver.saveChanges() }
            // Ready files are recreated in milliseconds, so a closed store does not keep their space.
            try? ring.removeFree()
        }
        do {
            try backing.close()
        } catch {
            logger.warning("closing the store's metadata: \(error)")
        }
    }
}

/// A flag that the flush thread sets and the writer's thread clears.
private final class SharedFlag: Sendable { let value = Atomic(false) }

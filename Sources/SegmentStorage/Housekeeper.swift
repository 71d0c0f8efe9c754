import DiskAccess
import Logging
import StreamModel
import Synchronization

/// What goes on behind the writer's back: flushes epochs to segments, saves what a person may want to see in the
/// metadata, removes what is too old, keeps a file of the ring ready. One thread drives it: ``step()``.
final class Housekeeper: @unchecked Sendable {
    // Everything that is not constant is touched by the one thread that calls step().

    /// How often it looks around without being asked.
    static let pause = Duration.seconds(1)
    /// So long a peak of the ring is remembered (J1).
    private static let memoryOfPeak = Duration.seconds(600)

    private let backing: Backing
    private let ring: Ring
    private let visible: VisibleState
    private let epochs: EpochQueue
    private let admission: Admission
    private let health: StoreHealth
    private let timeSource: any TimeSource
    private let logger: Logger
    private var isFull = false
    private var lookedAround: MonotonicTime
    private var peak = 1
    private var peakBefore = 1
    private var peakSince: MonotonicTime

    init(
        backing: Backing, ring: Ring, visible: VisibleState, epochs: EpochQueue, admission: Admission,
        health: StoreHealth, timeSource: any TimeSource, logger: Logger
    ) {
        self.backing = backing
        self.ring = ring
        self.visible = visible
        self.epochs = epochs
        self.admission = admission
        self.health = health
        self.timeSource = timeSource
        self.logger = logger
        peakSince = timeSource.monotonicTime
        lookedAround = timeSource.monotonicTime
    }

    /// Waits for work, at most for a while, and does it; returns whether there is going to be more.
    func step() -> Bool {
        if isFull {
            // A full disk is tried again, but not all the time.
            epochs.pause(Self.pause)
        }
        return work(on: epochs.next(atMost: Self.pause))
    }

    /// Does what there is to do now, without waiting for any; as ``step()`` otherwise.
    func stepNow() -> Bool { work(on: epochs.next(atMost: .zero)) }

    private func work(on epoch: EpochQueue.Closed?) -> Bool {
        if health.failure == nil {
            if let epoch { flush(epoch) }
            // Under a load that leaves no pause between flushes too: else retention would never come to delete.
            if epoch == nil || timeSource.monotonicTime - lookedAround >= Self.pause, health.failure == nil {
                lookAround()
                lookedAround = timeSource.monotonicTime
            }
            prepareRing()
        }
        // With a full disk the end must come all the same: what is not in segments stays in the journal.
        return !(epochs.isEnding || (isFull && epochs.isToEnd))
    }

    private func flush(_ closed: EpochQueue.Closed) {
        guard let flusher = backing.flusher else { return }
        let (dirty, catalogue) = visible.takeDirty()
        do {
            try flusher.flush(
                Epoch(
                    number: closed.number, firstCommit: closed.firstCommit, lastCommit: closed.lastCommit,
                    runs: closed.runs.filter { catalogue.shards[$0.shard] != nil }, dirty: dirty,
                    catalogue: catalogue, next: closed.next))
        } catch {
            visible.putBack(dirty)
            failed(error, "flushing to segments")
            return
        }
        var last: [ShardKey: SequenceNumber] = [:]
        for run in closed.runs { last[run.shard] = run.records.lastSequence }
        // Segments have it by now, so a reader finds every record in one place or the other (F5).
        for (shard, sequence) in last { visible.tail(of: shard)?.trim(through: sequence) }
        do throws(FileError) {
            try ring.release(before: closed.next)
        } catch {
            failed(error, "giving back files of the journal")
            return
        }
        epochs.finishFirst(ringBytes: ring.bytesInUse)
        admission.block { epochs.isBehind }
        if isFull {
            isFull = false
            logger.notice("the disk has room again; records are taken")
            admission.refuse(with: nil)
        }
    }

    private func lookAround() {
        saveChanges()
        guard let flusher = backing.flusher else { return }
        do {
            try flusher.tidy(visible.catalogue, now: timeSource.wallTime)
        } catch {
            failed(error, "deleting segments that nobody may read any more")
        }
    }

    private func saveChanges() {
        let lastCommit = visible.syncedThrough
        let (dirty, catalogue) = visible.takeDirty()
        guard !dirty.isEmpty else { return }
        do {
            try backing.metadata.save(dirty, of: catalogue, lastCommit: lastCommit)
        } catch {
            visible.putBack(dirty)
            failed(error, "saving metadata")
        }
    }

    private func prepareRing() {
        let inUse = ring.filesInUse
        peak = max(peak, inUse)
        let now = timeSource.monotonicTime
        if now - peakSince >= Self.memoryOfPeak {
            peakBefore = peak
            peak = inUse
            peakSince = now
        }
        do throws(FileError) {
            try ring.prepare(most: max(1, max(peak, peakBefore) - inUse + 1))
        } catch {
            // Without a file in reserve the writer makes its own when it needs one, and says so when it can't.
            if !error.isNoSpace { failed(error, "making a file of the journal ready") }
        }
    }

    /// A full disk is waited out; anything else is final.
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
        if !isFull {
            logger.error("the disk is full: \(error.message); no records are taken until there is room")
            admission.refuse(
                with: ShardlineError(
                    .diskFull, "the disk is full: \(error.message); make room, records are taken again then",
                    cause: error))
        }
        isFull = true
    }

    /// Saves what there is and closes what is behind the journal. The last thing of all.
    func finish() {
        if health.failure == nil {
            saveChanges()
            // Files in reserve are made anew in milliseconds; a store at rest should not keep their space.
            try? ring.removeFree()
        }
        do {
            try backing.close()
        } catch {
            logger.warning("closing the store's metadata: \(error)")
        }
    }
}

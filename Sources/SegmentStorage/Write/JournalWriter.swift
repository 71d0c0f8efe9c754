import DiskAccess
import Logging
import Metrics
import StreamModel
import StreamStorage
import Synchronization

/// Writes the journal: takes calls from the queue, makes one commit of them, syncs it, makes it visible and answers
/// (STORE-C2).
///
/// One thread, or a test, calls ``step(at:)`` in a loop. ``writeOpened(_:at:)`` runs before that thread starts.
package final class JournalWriter: @unchecked Sendable {
    // Mutable state is used only by the thread that calls step(at:).

    /// The result of a step.
    package enum Step: Hashable {
        /// Something was done, and there may be more to do.
        case worked
        /// Nothing to do: call again after this time (nil: no limit), or when the queue wakes.
        case idle(Duration?)
        /// Everything is done; don't call again.
        case finished
    }

    /// A group commit takes no further call once its bodies have this many bytes (STORE-J7).
    static let groupLimit = 1 << 20
    /// A relaxed call joins the next group commit, at the latest after this time (STORE-C7).
    static let relaxedDelay = Duration.milliseconds(5)
    /// An idle writer writes a mark, which proves that the last commit was synced, after this time (STORE-J8).
    static let markDelay = Duration.milliseconds(200)

    let queue: CallQueue
    let admission: Admission
    private let ring: Ring
    private let visible: VisibleState
    private let memtables: MemtableQueue
    private let timeSource: any TimeSource
    /// The longest time between acknowledgement and sync; nil: commits are synced before they are acknowledged.
    private let syncInterval: Duration?
    private let seed: UInt32
    private let logger: Logger
    private let counters: StoreCounters

    private var catalogue: Catalogue
    private var nextCommit: UInt64
    private var durableThrough: UInt64
    /// The last commit that is more than a mark.
    private var lastWithEntries: UInt64 = 0
    private var chain: UInt32
    private let incarnation: UInt32
    private let health: StoreHealth
    /// Nil where nothing is flushed: a full disk then fails the calls that it hits, and no state is kept.
    private let space: DiskSpace?
    private let saver: CatalogueSaver
    private var relaxedSince: MonotonicTime?
    /// When the last commit was written that no mark has proved yet.
    private var unmarkedSince: MonotonicTime?
    /// Files that were written and not synced, the number of bytes, and the time of the first write.
    private var unsynced: (files: [any File], bytes: Int, since: MonotonicTime)?
    private var inDoubt = 0
    private var clock: ClockWatch

    init(
        _ start: JournalStart, queue: CallQueue, admission: Admission, ring: Ring, visible: VisibleState,
        memtables: MemtableQueue, health: StoreHealth, space: DiskSpace?, saver: CatalogueSaver,
        timeSource: any TimeSource, syncInterval: Duration?, logger: Logger, counters: StoreCounters,
        metrics: any MetricsFactory
    ) {
        self.queue = queue
        self.admission = admission
        self.ring = ring
        self.visible = visible
        self.memtables = memtables
        self.health = health
        self.space = space
        self.saver = saver
        self.timeSource = timeSource
        self.syncInterval = syncInterval
        self.logger = logger
        self.counters = counters
        seed = start.store.seed
        catalogue = start.catalogue
        nextCommit = start.nextCommit
        durableThrough = start.nextCommit - 1
        chain = start.chain
        incarnation = start.incarnation
        clock = ClockWatch(
            newest: start.catalogue.shards.values.map(\.lastArrival).max() ?? timeSource.wallTime, logger: logger,
            metrics: metrics)
    }

    /// Writes and syncs the entry of this opening. It must be durable before the store serves any call (STORE-J9).
    func writeOpened(_ entry: OpenedEntry, at now: MonotonicTime) throws {
        var planner = takePlanner()
        planner.add(.opened(entry))
        do throws(Lost) {
            try write(planner.builder, planner.entries, flags: [], at: now)
            try synchronize()
        } catch {
            throw error.reason
        }
        catalogue = planner.catalogue
        publish(planner.entries, planner.frames)
        // This commit needs no proof by a mark: it holds nothing that was acknowledged.
        unmarkedSince = nil
    }

    /// Does the next piece of work.
    package func step(at now: MonotonicTime) -> Step {
        let relaxedIsDue = relaxedSince.map { now - $0 >= Self.relaxedDelay } ?? false
        let look = queue.take(limit: Self.groupLimit, takesRelaxed: relaxedIsDue)
        if !look.calls.isEmpty {
            relaxedSince = nil
            answer(look.calls, at: now)
            return .worked
        }
        if look.leftRelaxed, relaxedSince == nil { relaxedSince = now }
        if !look.leftRelaxed { relaxedSince = nil }
        if look.isClosing {
            close(at: now)
            return .finished
        }
        return idle(at: now)
    }

    // MARK: Groups

    /// A planner that holds the only reference to the catalogue until it is given back: a second one would make the
    /// first change of every group copy it.
    private func takePlanner() -> Planner {
        let now = timeSource.wallTime
        clock.look(at: now)
        let planner = Planner(catalogue, seed: seed, now: now, commit: nextCommit)
        catalogue = Catalogue()
        return planner
    }

    private func answer(_ calls: [PendingCall], at now: MonotonicTime) {
        if let failure = health.failure {
            for call in calls { end(call, .failure(failure)) }
            return
        }
        guard space?.refusal == nil else { return answerWithoutRoom(calls, at: now) }
        commit(calls, at: now)
    }

    /// Releases a call's reservation and answers it.
    private func end(_ call: PendingCall, _ answer: Result<CallAnswer, any Error>) {
        admission.release(call.reserved)
        call.answer(answer)
    }

    private func commit(_ calls: [PendingCall], at now: MonotonicTime) {
        visible.planningBegins()
        var planner = takePlanner()
        visible.planned(at: planner.now)
        // Answered only after the sync: a refusal may name a number that becomes durable with this group (STORE-C5).
        let answers = calls.map { call in Result { try planner.plan(call.request) } }
        var lost: Lost?
        if !planner.builder.isEmpty {
            do throws(Lost) {
                try writeDurably(planner, at: now)
                publish(planner.entries, planner.frames)
            } catch {
                lost = error
            }
        }
        visible.planningEnds()
        // A group that was planned and not written has no effect.
        catalogue = lost == nil ? planner.catalogue : visible.catalogue
        if case .surelyNotWritten(let error) = lost, let space, space.refusal == nil {
            // From now on checkpoints are saved straight to the metadata, those of this group first.
            space.ranOut(error.message)
            memtables.ask()
            return answerWithoutRoom(calls, at: now)
        }
        for (call, answer) in zip(calls, answers) {
            guard let lost else {
                end(call, answer)
                continue
            }
            switch (lost, answer) {
            case (.surelyNotWritten(let error), _): end(call, .failure(error))
            case (.unknown(let error), .failure), (.unknown(let error), .success(.conflict)),
                (.unknown(let error), .success(.sealed)):
                // A refused call was surely not written, but its reason may name changes of this group that are not
                // durable.
                end(call, .failure(error))
            case (.unknown(let error), .success): end(call, .success(.unknown(cause: error)))
            }
        }
    }

    // MARK: A full disk

    /// Refuses records, saves checkpoints straight to the metadata, and tries the rest in the journal, which may have
    /// room (STORE-C9). The order of the queue is kept.
    private func answerWithoutRoom(_ calls: [PendingCall], at now: MonotonicTime) {
        var left = calls[...]
        while let first = left.first {
            let kind = first.request.kindWithoutRoom
            let group = Array(left.prefix { $0.request.kindWithoutRoom == kind })
            left = left.dropFirst(group.count)
            switch kind {
            case .refused:
                let refusal = space?.refusal ?? ShardlineError(.diskFull, "the disk was full")
                for call in group { end(call, .failure(refusal)) }
            case .saved: save(group)
            case .written: commit(group, at: now)
            }
        }
    }

    /// Saves checkpoints without a commit: at replay their rows win over the journal's entries by epoch and revision.
    private func save(_ calls: [PendingCall]) {
        // The journal is synced first: a checkpoint that survives must not refer to records that are lost.
        do throws(Lost) { try synchronize() } catch {
            for call in calls { end(call, .failure(error.reason)) }
            return
        }
        // Planned with the number of the last commit, so that the next commit is newer.
        var planner = Planner(catalogue, seed: seed, now: timeSource.wallTime, commit: nextCommit - 1)
        catalogue = Catalogue()
        let answers = calls.map { call in Result { try planner.plan(call.request) } }
        do {
            if !planner.entries.isEmpty { try saver.saveChanges(with: planner.entries, of: planner.catalogue) }
            visible.publish(planner.entries, frames: [], commit: nextCommit - 1)
            catalogue = planner.catalogue
            for (call, answer) in zip(calls, answers) { end(call, answer) }
        } catch {
            catalogue = visible.catalogue
            for call in calls { end(call, .failure(error)) }
        }
    }

    /// A group that did not reach the disk, or may not have.
    private enum Lost: Error {
        case surelyNotWritten(ShardlineError)
        case unknown(ShardlineError)

        var reason: ShardlineError {
            switch self {
            case .surelyNotWritten(let error), .unknown(let error): error
            }
        }
    }

    private func writeDurably(_ planner: Planner, at now: MonotonicTime) throws(Lost) {
        try write(planner.builder, planner.entries, flags: [], at: now)
        guard let syncInterval else { return try synchronize() }
        inDoubt += planner.entries.count
        guard let unsynced else { return }
        // Under continuous load the writer is never idle, so a due sync is checked here too.
        let isDue = unsynced.bytes >= 8 << 20 || now - unsynced.since >= syncInterval
        // Changes of streams and shards are synced at once: a stream that is lost and recreated would give out its
        // numbers a second time (STORE-C4), and no jump of numbers prevents that.
        let changesCatalogue = planner.entries.contains { $0.isOfCatalogue }
        if isDue || changesCatalogue { try synchronize() }
    }

    private func write(
        _ builder: CommitBuilder, _ entries: [Entry], flags: CommitHeader.Flags, at now: MonotonicTime
    ) throws(Lost) {
        var flags = flags
        if syncInterval != nil { flags.insert(.interval) }
        let place: Ring.Place
        do throws(FileError) {
            place = try ring.place(totalCount: builder.totalCount)
        } catch {
            // Making a file failed: nothing of the group was written.
            if error.isNoSpace {
                throw .surelyNotWritten(
                    ShardlineError(.diskFull, "the disk has no room for the journal: \(error)", cause: error))
            }
            throw poison(error, "a new file of the journal could not be made")
        }
        let commit = builder.finish(
            CommitHeader(
                flags: flags, number: nextCommit, durableThrough: durableThrough, fileNumber: place.fileNumber,
                block: place.block, incarnation: incarnation, wallTime: timeSource.wallTime, previousChecksum: chain))
        let pieces = commit.pieces()
        do throws(WriteFailure) {
            try place.file.writeAll(pieces.map(\.buffer), at: place.offset)
        } catch {
            if error.cause.isNoSpace, error.written < commit.header.totalCount {
                // The commit is cut short, so its checksum can't match and replay ignores it. The next group overwrites
                // it (STORE-C8).
                throw .surelyNotWritten(
                    ShardlineError(
                        .diskFull, "the disk has no room for the journal: \(error.cause)", cause: error.cause))
            }
            throw poison(error.cause, "writing the journal failed")
        }
        withExtendedLifetime(pieces) {}
        ring.advance(blocks: commit.header.blocks)
        chain = commit.header.checksum
        if flags.isDisjoint(with: [.mark, .closed]) { lastWithEntries = nextCommit }
        nextCommit += 1
        unmarkedSince = flags.contains(.mark) ? nil : now
        let bytes = commit.header.blocks * JournalFormat.blockCount
        var waiting = unsynced ?? ([], 0, now)
        if waiting.files.last !== place.file { waiting.files.append(place.file) }
        waiting.bytes += bytes
        unsynced = waiting
        counters.committed(bytes: bytes, entries: entries)
    }

    private func synchronize() throws(Lost) {
        guard let waiting = unsynced else { return }
        do throws(FileError) {
            for file in waiting.files { try ring.synchronize(file) }
        } catch {
            throw poison(error, "the journal could not be synced")
        }
        unsynced = nil
        inDoubt = 0
        durableThrough = nextCommit - 1
        visible.synced(through: lastWithEntries)
    }

    /// Ends all writing until the store is opened again: after a failed write or sync it is not known what the disk
    /// holds (STORE-C8). A sync is never retried, since a second one may succeed although the first one's data is lost.
    private func poison(_ error: FileError, _ what: String) -> Lost {
        var message = "\(what): \(error); the store takes nothing more until it is opened again"
        if inDoubt > 0 { message += "; \(inDoubt) acknowledged changes since the last sync are in doubt" }
        let failure = ShardlineError(.storeFailed, message, cause: error)
        health.fail(failure)
        return .unknown(failure)
    }

    private func publish(_ entries: [Entry], _ frames: [Memtable.Frame]) {
        let commit = nextCommit - 1
        visible.publish(entries, frames: frames, commit: commit)
        let next = ring.position(commit: nextCommit, chain: chain)
        let ringBytes = ring.bytesInUse
        if syncInterval != nil, memtables.closes(with: frames, ringBytes: ringBytes) {
            // The journal is synced before a memtable closes: the start position of replay must not point after commits
            // that a loss of power may take (STORE-C11).
            do throws(Lost) { try synchronize() } catch { return }
        }
        if memtables.add(frames, commit: commit, next: next, ringBytes: ringBytes) {
            admission.block { memtables.isBehind }
        }
        if ring.hasNoneFree { memtables.ask() }
    }

    // MARK: Idle and end

    private func idle(at now: MonotonicTime) -> Step {
        var wake: Duration?
        func wakeAfter(_ duration: Duration) { wake = min(wake ?? duration, max(duration, .zero)) }
        if let relaxedSince { wakeAfter(Self.relaxedDelay - (now - relaxedSince)) }
        // Relaxed calls are answered on a failed store too, and only this timeout wakes the writer for them.
        guard health.failure == nil else { return .idle(wake) }
        if let syncInterval, let unsynced {
            if now - unsynced.since >= syncInterval {
                // A failure is told to the next caller.
                try? synchronize()
                return .worked
            }
            wakeAfter(syncInterval - (now - unsynced.since))
        } else if let unmarkedSince {
            if now - unmarkedSince >= Self.markDelay {
                writeProof(.mark, at: now)
                return .worked
            }
            wakeAfter(Self.markDelay - (now - unmarkedSince))
        }
        return .idle(wake)
    }

    /// Writes a commit without entries. It is written only after the commits before it were synced, so its presence
    /// proves that.
    private func writeProof(_ flag: CommitHeader.Flags, at now: MonotonicTime) {
        do throws(Lost) {
            try synchronize()
            try write(CommitBuilder(seed: seed), [], flags: flag, at: now)
            try synchronize()
            unmarkedSince = nil
            publish([], [])
        } catch {
            // A mark that finds no room is not needed. Any other error has failed the store, and the next call gets it.
            unmarkedSince = nil
        }
    }

    private func close(at now: MonotonicTime) {
        guard health.failure == nil else { return }
        // What has expired is written down, so that it stays expired if the clock is set back before the next opening.
        let note = PendingCall(request: .applyRetention(atOnce: true, forgetting: [:]), storedCount: 0, reserved: 0) {
            _ in
        }
        if space?.refusal == nil { commit([note], at: now) }
        guard health.failure == nil else { return }
        writeProof(.closed, at: now)
    }
}

import DiskAccess
public import Logging
public import OwnerSocket
public import SegmentStorage
public import StreamModel

extension SegmentStore {
    /// Opens the store in a directory, or makes a new one there.
    ///
    /// What a crash left is brought in order: the journal is read to its end, a commit that was being written is cut.
    ///
    /// One process owns a store. Where that is one that needs it only until somebody else does, such as `shardline tail` or
    /// `put`, it is asked for the store, gives it up, and goes on through the socket of its new owner: see
    /// ``run()``. That takes as long as its calls under way, and is waited for up to 15 seconds. One that opens or closes
    /// the store at the moment is waited for up to 2 seconds.
    ///
    /// Throws `storeBusy` while another process (or this one) needs it, `notAccessible` for a directory that can't
    /// be used, holds something else or is a part of a backup, `corrupt` where what was acknowledged can't be read,
    /// `newerFormat`, `metadataOlderThanJournal`, `diskFull`, `invalidArgument` for settings.
    ///
    /// - Parameters:
    ///   - path: the directory; its parent must be there. It is for its owner alone (0700): others lose what rights they
    ///     have in it.
    ///   - configuration: how the store works; the defaults are right for nearly everybody.
    ///   - timeSource: the clocks; tests give another one.
    ///   - logger: where the store says what happens to it.
    public static func open(
        at path: String, configuration: Configuration = Configuration(),
        timeSource: any TimeSource = SystemTimeSource(), logger: Logger = Logger(label: "shardline.store")
    ) async throws -> SegmentStore {
        try await StoreOpening(
            path: path, configuration: configuration, timeSource: timeSource, logger: logger, limit: nil
        ).open()
    }

    /// Opens the store in a directory as soon as nobody else owns it, at the latest after `limit`.
    ///
    /// An owner that needs the store only until somebody else does is asked for it; any other is waited for until it gives
    /// the store up by itself, or ends. So of several processes of a service one can run and the next one take over.
    ///
    /// Throws as ``open(at:configuration:timeSource:logger:)``; `storeBusy` only when `limit` is over, and `CancellationError`.
    ///
    /// - Parameters:
    ///   - path: the directory.
    ///   - limit: how long an owner is waited for, by `timeSource`; zero or less: not at all, and nobody is asked.
    ///   - configuration: how the store works.
    ///   - timeSource: the clocks, also of the store; tests give another one.
    ///   - logger: where the store says what happens to it.
    public static func open(
        at path: String, waitingUpTo limit: Duration, configuration: Configuration = Configuration(),
        timeSource: any TimeSource = SystemTimeSource(), logger: Logger = Logger(label: "shardline.store")
    ) async throws -> SegmentStore {
        try await StoreOpening(
            path: path, configuration: configuration, timeSource: timeSource, logger: logger, limit: limit
        ).open()
    }

    /// Connects to the process that owns the store in a directory and serves it, and works on the store through it.
    ///
    /// A process serves its store while it runs it as a service (``run()``), and the commands of `shardline` serve theirs.
    /// What is returned is a store like any other: streams, puts, producers, reads and mappings work on it, with the same
    /// promises. It makes no store and never owns one, so the owner is not disturbed.
    ///
    /// When the owner ends, calls throw `ownerGone`: those that had not reached it were surely not done. A put that may have
    /// reached it throws `outcomeUnknown` (a commit comes back as `unknown`): read the stream before putting again. A mapping
    /// that runs over the connection ends with `ownerGone`, and goes on at its checkpoints when it is run again. Connect again
    /// when there is a new owner.
    ///
    /// ```swift
    /// let store = try await SegmentStore.connect(at: "flights")
    /// try await store.stream("departures").put("…", partitionKey: "N14228")
    /// try await store.close()
    /// ```
    ///
    /// Throws `ownerGone` where no process serves the store, `notAccessible` where this user may not connect, `newerFormat`
    /// where the owner is another version of Shardline.
    ///
    /// - Parameters:
    ///   - path: the store's directory.
    ///   - timeSource: the clocks that this end's waits go by; arrivals and retention go by the owner's.
    ///   - logger: where this end says what it finds.
    public static func connect(
        at path: String, timeSource: any TimeSource = SystemTimeSource(),
        logger: Logger = Logger(label: "shardline.store")
    ) async throws -> OwnerClient {
        try await OwnerClient.connect(at: path, timeSource: timeSource, logger: logger)
    }
}

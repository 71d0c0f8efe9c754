import DiskAccess
public import Logging
public import OwnerSocket
public import SegmentStorage
public import StreamModel

extension SegmentStore {
    /// Opens the store in a directory, or creates one there.
    ///
    /// After a crash it recovers the store: it reads the journal to its end and cuts off a commit that was being
    /// written.
    ///
    /// One process owns a store. An owner that needs it only until another process does, such as `shardline tail` or
    /// `put`, is asked for the store, releases it, and goes on through the socket of the new owner: see ``run()``. That
    /// takes as long as its calls in flight, and this call waits for up to 15 seconds. It waits for up to 2 seconds for
    /// an owner that is opening or closing the store.
    ///
    /// Throws `storeBusy` while another process (or this one) needs the store, `notAccessible` for a directory that
    /// can't be used, holds something else or is a part of a backup, `corrupt` where acknowledged changes can't be
    /// read, `newerFormat`, `metadataOlderThanJournal`, `diskFull`, `invalidArgument` for settings.
    ///
    /// - Parameters:
    ///   - path: the directory; its parent must exist. Only its owner may access it (0700): other users lose the rights
    ///     that they have in it.
    ///   - configuration: how the store works; the defaults suit nearly every use.
    ///   - timeSource: the clocks; tests pass another one.
    ///   - logger: where the store logs.
    public static func open(
        at path: String, configuration: Configuration = Configuration(),
        timeSource: any TimeSource = SystemTimeSource(), logger: Logger = Logger(label: "shardline.store")
    ) async throws -> SegmentStore {
        try await StoreOpening(
            path: path, configuration: configuration, timeSource: timeSource, logger: logger, limit: nil
        ).open()
    }

    /// Opens the store in a directory as soon as no other process owns it, at the latest after `limit`.
    ///
    /// An owner that needs the store only until another process does is asked for it. Any other owner is waited for
    /// until it closes the store or ends. So one of several processes of a service can run, and the next one takes
    /// over.
    ///
    /// Throws the errors of ``open(at:configuration:timeSource:logger:)``, `storeBusy` only when `limit` is over, and
    /// `CancellationError`.
    ///
    /// - Parameters:
    ///   - path: the directory.
    ///   - limit: how long to wait for an owner, by `timeSource`; zero or less: not at all, and the owner is not asked.
    ///   - configuration: how the store works.
    ///   - timeSource: the clocks, also of the store; tests pass another one.
    ///   - logger: where the store logs.
    public static func open(
        at path: String, waitingUpTo limit: Duration, configuration: Configuration = Configuration(),
        timeSource: any TimeSource = SystemTimeSource(), logger: Logger = Logger(label: "shardline.store")
    ) async throws -> SegmentStore {
        try await StoreOpening(
            path: path, configuration: configuration, timeSource: timeSource, logger: logger, limit: limit
        ).open()
    }

    /// Connects to the process that owns the store in a directory and serves it, and uses the store through that
    /// process.
    ///
    /// A process serves its store while it runs it as a service (``run()``), and the commands of `shardline` serve
    /// theirs. The result is a store like any other: streams, puts, producers, reads and mappings work on it with the
    /// same promises. This call never creates or owns a store, so the owner is not disturbed.
    ///
    /// When the owner ends, calls throw. A put throws `ownerGone` if it certainly was not written, `outcomeUnknown` if it
    /// may have been (a commit comes back as `unknown`): read the stream before putting again. Other calls, such as a
    /// seek or a deletion, throw `ownerGone` either way: look before repeating them. A mapping that runs over the connection ends with `ownerGone`, and continues at its checkpoints when it
    /// is run again. Connect again when there is a new owner.
    ///
    /// ```swift
    /// let store = try await SegmentStore.connect(at: "flights")
    /// try await store.stream("departures").put("…", partitionKey: "N14228")
    /// try await store.close()
    /// ```
    ///
    /// Throws `ownerGone` where no process serves the store, `storeBusy` where its owner does not answer within 10
    /// seconds, or within 3 where it is stopped (Ctrl-Z), `notAccessible` where this user may not connect,
    /// `newerFormat` where the owner is another version of Shardline.
    ///
    /// - Parameters:
    ///   - path: the store's directory.
    ///   - timeSource: the clocks that waits on this side are measured by; arrivals and retention use the owner's
    ///     clocks.
    ///   - logger: where this side logs.
    public static func connect(
        at path: String, timeSource: any TimeSource = SystemTimeSource(),
        logger: Logger = Logger(label: "shardline.store")
    ) async throws -> OwnerClient {
        try await OwnerClient.connect(at: path, timeSource: timeSource, logger: logger)
    }
}

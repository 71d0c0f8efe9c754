/// The error that every call of Shardline throws, apart from `CancellationError`.
///
/// The message says what was wrong, what is allowed and, where there is one, what to do. It is one line, ready for
/// an operator to read: `"\(error)"`, `String(reflecting: error)` and, where `Shardline` is imported, Foundation's
/// `error.localizedDescription` are the message.
public struct ShardlineError: Error, Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    /// What kind of error it is. Compare with the constants; more may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private let name: String
        private init(_ name: String) { self.name = name }
        /// The kind's name.
        public var description: String { name }

        /// An argument or setting outside what is allowed. Nothing was done.
        public static let invalidArgument = Code("invalidArgument")
        /// No stream of this name.
        public static let streamNotFound = Code("streamNotFound")
        /// A stream of this name exists already.
        public static let streamExists = Code("streamExists")
        /// The stream has no such shard.
        public static let shardNotFound = Code("shardNotFound")
        /// The shard was closed by a split or a merge before; the message names its children. Nothing was done.
        public static let shardClosed = Code("shardClosed")
        /// Other calls kept splitting or merging the stream's shards. Nothing was done; the same call may succeed later.
        public static let shardsChanged = Code("shardsChanged")
        /// No mapping of this name on the stream.
        public static let mappingNotFound = Code("mappingNotFound")
        /// A mapping of this name exists already on the stream.
        public static let mappingExists = Code("mappingExists")
        /// The mapping is running already, in this process or in the one that owns the store.
        public static let mappingBusy = Code("mappingBusy")
        /// Somebody changed the mapping's settings, or disabled or enabled it, since the caller looked at it. Nothing was
        /// done.
        public static let mappingChanged = Code("mappingChanged")
        /// A mapping can't process everything, because a shard of it is paused until somebody resumes it, or because its
        /// breaker has disabled it.
        public static let paused = Code("paused")
        /// An attribute is not what its change expects. Nothing of the commit was done.
        public static let attributeChanged = Code("attributeChanged")
        /// The caller's claim on a mapping was overtaken by a newer one or by a seek. Nothing was written.
        public static let fenced = Code("fenced")
        /// A record's data is larger than the stream allows. Nothing was written.
        public static let recordTooLarge = Code("recordTooLarge")
        /// One call holds more than ``Limits/callSize``. Nothing was written.
        public static let commitTooLarge = Code("commitTooLarge")
        /// Another process owns the store, or this one has it open already.
        public static let storeBusy = Code("storeBusy")
        /// The process that owned the store is gone. A put was certainly not written; a producer's error says which
        /// records were. Other calls, such as a seek or a deletion, may have been done: look before repeating them.
        public static let ownerGone = Code("ownerGone")
        /// The disk has no room. Certainly not written; retry when there is room.
        public static let diskFull = Code("diskFull")
        /// A write or sync failed earlier, so the store accepts nothing until it is opened again. Certainly not
        /// written.
        public static let storeFailed = Code("storeFailed")
        /// Whether the call was written is not known. Read the stream to find out; don't just send it again.
        public static let outcomeUnknown = Code("outcomeUnknown")
        /// What was read is damaged. None of it is returned.
        public static let corrupt = Code("corrupt")
        /// The disk failed to read.
        public static let readFailed = Code("readFailed")
        /// A file was written by a newer version of Shardline. Nothing was changed.
        public static let newerFormat = Code("newerFormat")
        /// The store's metadata is older than its journal: a lost SQLite transaction or a mixed-up copy.
        public static let metadataOlderThanJournal = Code("metadataOlderThanJournal")
        /// The directory or a file in it can't be used: it is missing, something else, or not permitted.
        public static let notAccessible = Code("notAccessible")
        /// The store or producer was closed.
        public static let closed = Code("closed")
    }

    /// What kind of error it is.
    public var code: Code
    /// What was wrong, what is allowed, what to do; one line.
    public var message: String
    /// The error below this one, where there is one.
    public var cause: (any Error)?

    /// An error of this kind with this message.
    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// Whether the same call may succeed later without anything being changed.
    public var isRetriable: Bool { [.diskFull, .storeBusy, .mappingBusy, .shardsChanged].contains(code) }

    /// The message.
    public var description: String { message }
    /// The message.
    public var debugDescription: String { message }
}

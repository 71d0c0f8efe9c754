import SegmentStorage
public import StreamModel

/// What ``SegmentStore/check(at:timeSource:)`` found in a store's directory.
public struct StoreReport: Hashable, Sendable {
    /// Whether the store is as it should be.
    public enum Verdict: String, Hashable, Sendable {
        /// Everything that was acknowledged and is not given up can be read.
        case whole
        /// Something is damaged, missing or where it does not belong.
        case damaged
        /// It can't be told: the store is in use, is of a newer format, or can't be read by this user.
        case undecided
    }

    /// One thing that was found.
    public struct Finding: Hashable, Sendable {
        /// How much it matters.
        public enum Severity: String, Hashable, Sendable {
            /// Something is damaged; `repair` deals with it.
            case damage
            /// It keeps the check from its end.
            case undecided
            /// Worth knowing, and no damage.
            case note
        }

        /// How much it matters.
        public var severity: Severity
        /// The file, below the directory that was looked at; nil where it is about no single one.
        public var file: String?
        /// The bytes of the file that it is about; nil for the file as a whole.
        public var bytes: Range<Int>?
        /// What is wrong, one line.
        public var message: String
        /// The records that can't be read because of it, as far as they are known.
        public var lost: [RecordRange]

        /// A finding with these facts.
        public init(
            _ severity: Severity, file: String? = nil, bytes: Range<Int>? = nil, _ message: String,
            lost: [RecordRange] = []
        ) {
            self.severity = severity
            self.file = file
            self.bytes = bytes
            self.message = message
            self.lost = lost
        }
    }

    /// Consecutive sequence numbers of one shard.
    public struct RecordRange: Hashable, Sendable {
        /// The stream's name; nil where the metadata that know it are damaged.
        public var stream: String?
        /// The shard; nil where the metadata that know it are damaged.
        public var shard: ShardID?
        /// The shard's number in the store's files.
        public var shardKey: UInt32
        /// What Kinesis' sequence numbers of the shard have in front; nil where it is not known.
        public var shardCreationSecond: UInt64?
        /// The numbers.
        public var numbers: ClosedRange<SequenceNumber>

        /// How many numbers they are.
        public var count: UInt64 { numbers.numberCount }
    }

    /// What was read.
    public struct Counts: Hashable, Sendable {
        /// Streams in the metadata.
        public var streams = 0
        /// Shards in the metadata, closed ones included.
        public var shards = 0
        /// Records that are stored and whole: those that can be read, and those that have expired and are still in the
        /// store's files.
        public var records = 0
        /// Segment files that are registered.
        public var segments = 0
        /// Blocks of records in them that are whole.
        public var blocks = 0
        /// Commits of the journal behind its start that are whole.
        public var commits = 0
        /// Bytes of all files that were looked at.
        public var bytes = 0

        /// Nothing.
        public init() {}
    }

    /// The directory that was looked at.
    public var directory: String
    /// Whether it is a backup's: then its manifest was checked too, and `store/` is in front of the names of a store's files.
    public var isBackup = false
    /// What was found, in the order in which it was met.
    public var findings: [Finding] = []
    /// What was read.
    public var counts = Counts()
    /// What an earlier repair has given up: readers are told of it, mappings send a document for it.
    public var lostRanges: [RecordRange] = []

    /// A report on this directory, with nothing in it yet.
    public init(directory: String) { self.directory = directory }

    /// Whether the store is as it should be. Damage counts also where something else kept the check from its end.
    public var verdict: Verdict {
        if findings.contains(where: { $0.severity == .damage }) { return .damaged }
        return findings.contains { $0.severity == .undecided } ? .undecided : .whole
    }

    /// The records that can't be read, over all findings.
    public var lost: [RecordRange] { findings.flatMap(\.lost) }
}

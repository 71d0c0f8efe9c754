import SegmentStorage
public import StreamModel

/// What ``SegmentStore/check(at:timeSource:)`` found in a store's directory.
public struct StoreReport: Hashable, Sendable {
    /// Whether the store is as it should be.
    public enum Verdict: String, Hashable, Sendable {
        /// Everything that was acknowledged can be read, except registered lost ranges and expired records.
        case whole
        /// Something is damaged, missing or in the wrong place.
        case damaged
        /// The check could not decide: the store is in use or has a newer format, or there is no store.
        case undecided
    }

    /// One finding.
    public struct Finding: Hashable, Sendable {
        /// How much it matters.
        public enum Severity: String, Hashable, Sendable {
            /// Damage; `repair` handles it.
            case damage
            /// The check could not be completed.
            case undecided
            /// Information; no damage.
            case note
        }

        /// How much it matters.
        public var severity: Severity
        /// The file's path in the checked directory; nil where the finding is about no single file.
        public var file: String?
        /// The affected bytes of the file; nil for the whole file.
        public var bytes: Range<Int>?
        /// The description, one line.
        public var message: String
        /// The records that can't be read because of this, as far as they are known.
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
        /// The shard's internal number in the store's files.
        public var shardKey: UInt32
        /// The shard's creation second, in seconds since 1970, which begins its Kinesis sequence numbers; nil where it
        /// is not known.
        public var shardCreationSecond: UInt64?
        /// The numbers.
        public var numbers: ClosedRange<SequenceNumber>

        /// The count of the numbers.
        public var count: UInt64 { numbers.numberCount }
    }

    /// What was read.
    public struct Counts: Hashable, Sendable {
        /// Streams in the metadata.
        public var streams = 0
        /// Shards in the metadata, closed ones included.
        public var shards = 0
        /// Undamaged records in the store's files, expired ones included.
        public var records = 0
        /// Segment files that are registered.
        public var segments = 0
        /// Undamaged blocks of records in the segments.
        public var blocks = 0
        /// Undamaged commits of the journal from its start position.
        public var commits = 0
        /// Bytes of all files that were read.
        public var bytes = 0

        /// All counts 0.
        public init() {}
    }

    /// The checked directory.
    public var directory: String
    /// Whether the directory is a backup's. Its manifest was then checked too, and the paths of the store's files begin
    /// with `store/`.
    public var isBackup = false
    /// The findings, in the order in which they were made.
    public var findings: [Finding] = []
    /// What was read.
    public var counts = Counts()
    /// Lost ranges that an earlier repair registered: readers get them as lost, and mappings send a document for them.
    public var lostRanges: [RecordRange] = []

    /// A report on this directory, with nothing in it yet.
    public init(directory: String) { self.directory = directory }

    /// Whether the store is whole. Damage takes precedence over a check that could not be completed.
    public var verdict: Verdict {
        if findings.contains(where: { $0.severity == .damage }) { return .damaged }
        return findings.contains { $0.severity == .undecided } ? .undecided : .whole
    }

    /// The unreadable records of all findings.
    public var lost: [RecordRange] { findings.flatMap(\.lost) }
}

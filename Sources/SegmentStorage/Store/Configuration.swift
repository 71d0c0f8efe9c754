import StreamModel

extension SegmentStore {
    /// When what was acknowledged is on the disk.
    public enum Durability: Hashable, Sendable {
        /// Before it is acknowledged: it survives the loss of power. The default.
        case synced
        /// At the latest this long after it was acknowledged (or after 8 MiB): a crash of the process loses nothing, a
        /// crash of the machine may lose the records and checkpoints that were acknowledged since the last sync, and
        /// consumers may have seen them. What streams, shards and mappings there are is synced at once.
        case interval(Duration)
    }

    /// How a store works. The defaults are right for nearly everybody.
    public struct Configuration: Hashable, Sendable {
        /// When what was acknowledged is on the disk. Default: before it is acknowledged.
        public var durability: Durability = .synced
        /// The most bytes of journal; producers wait while a flush makes room. Default 128 MiB, at least 16 MiB.
        public var journalLimit = 128 << 20
        /// Bytes of records that are gathered in memory before they are flushed to segments. Default 16 MiB; 1 MiB to
        /// 1 TiB. Memory for records is about twice this.
        public var memtableSize = 16 << 20
        /// Bytes of calls that may be on their way to the journal; more wait. Default 4 MiB, at least 64 KiB.
        public var queueSize = 4 << 20

        /// The defaults.
        public init() {}

        /// Throws `invalidArgument` that names everything outside its limits.
        package func validate() throws {
            var wrong: [String] = []
            if case .interval(let interval) = durability, interval <= .zero || interval > .seconds(60) {
                wrong.append("durability .interval of \(interval.inSeconds) s (allowed: above 0, up to 60 seconds)")
            }
            func check(_ name: String, _ value: Int, atLeast least: Int) {
                if value < least { wrong.append("\(name) \(value) (allowed: at least \(least) bytes)") }
            }
            check("journalLimit", journalLimit, atLeast: 16 << 20)
            if !(1 << 20...1 << 40).contains(memtableSize) {
                wrong.append("memtableSize \(memtableSize) (allowed: \(1 << 20) to \(1 << 40) bytes)")
            }
            check("queueSize", queueSize, atLeast: 64 << 10)
            guard wrong.isEmpty else { throw ShardlineError(.invalidArgument, wrong.joined(separator: "; ")) }
        }
    }
}

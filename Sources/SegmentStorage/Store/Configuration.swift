import StreamModel

extension SegmentStore {
    /// When what was acknowledged is on the disk.
    public enum Durability: Hashable, Sendable {
        /// Before it is acknowledged, so it survives a loss of power. The default.
        case synced
        /// At the latest this long after it was acknowledged, or after 8 MiB; above 0, up to 60 seconds. A crash of the
        /// process loses nothing. A crash of the machine may lose the records and checkpoints that were acknowledged
        /// since the last sync; consumers may have seen them. Changes of streams, shards and mappings are synced before
        /// they are acknowledged.
        case interval(Duration)
    }

    /// How a store works. The defaults suit nearly all uses.
    public struct Configuration: Hashable, Sendable {
        /// When acknowledged changes are on the disk. Default: before they are acknowledged.
        public var durability: Durability = .synced
        /// The most bytes of the journal; producers wait while a flush makes room. Default: 128 MiB; at least 16 MiB.
        public var journalLimit = 128 << 20
        /// Bytes of records in one memtable, after which it is flushed to segments. Default: 16 MiB; 1 MiB to 1 TiB.
        /// Records in memory take about twice this.
        public var memtableSize = 16 << 20
        /// Bytes of calls with records that may be queued for the journal at once; further calls wait. Default: 4 MiB;
        /// at least 64 KiB.
        public var queueSize = 4 << 20

        /// The defaults.
        public init() {}

        /// Throws `invalidArgument`, which names every value outside its limits.
        package func validate() throws {
            var wrong: [String] = []
            if case .interval(let interval) = durability, interval <= .zero || interval > .seconds(60) {
                wrong.append("durability .interval of \(interval.optionText) (allowed: above 0, up to 60s)")
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

import DiskAccess
import StreamModel

/// Consecutive records of one shard that a flush moves from memory into a segment.
struct FlushRun: Sendable {
    var stream: UInt64
    var shardKey: UInt32
    var run: RecordRun
    /// The body that the journal stored of exactly these records, where it has them in a frame of their own (F4).
    var stored: StoredBody?

    /// Whether it is taken over as it is stored.
    var isVerbatim: Bool { (stored?.rawCount ?? 0) >= SectionBuilder.verbatimFrom }

    init(stream: UInt64, shardKey: UInt32, run: RecordRun, stored: StoredBody? = nil) {
        self.stream = stream
        self.shardKey = shardKey
        self.run = run
        let isWhole =
            run.offsets[run.range.lowerBound] == 0 && Int(run.offsets[run.range.upperBound]) == stored?.rawCount
        self.stored = isWhole ? stored : nil
    }

    /// The order of a section: all of a stream, of a shard, by number. Answers the places of the runs: they are too
    /// large to be moved about while they are sorted.
    static func order(of runs: [FlushRun]) -> [Int] {
        struct Key: Comparable {
            var lane: UInt64
            var sequence: UInt64
            var place: Int
            static func < (left: Key, right: Key) -> Bool {
                left.lane != right.lane ? left.lane < right.lane : left.sequence < right.sequence
            }
        }
        var keys: [Key] = []
        keys.reserveCapacity(runs.count)
        for place in runs.indices {
            keys.append(
                Key(
                    lane: runs[place].stream << 32 | UInt64(runs[place].shardKey),
                    sequence: runs[place].run.firstSequence.rawValue, place: place))
        }
        keys.sort()
        return keys.map(\.place)
    }
}

/// Turns the runs of an epoch into blocks, one at a time (F2): sorted, small neighbours together, a large record alone.
struct SectionBuilder {
    /// Parts of at least so many bytes get a run of their own in the block: 32 bytes more, but copied as they are.
    private static let copiedFrom = 4 << 10
    /// Raw bytes from which a run that the journal stored alone is taken over as it is stored.
    static let verbatimFrom = PreparedAppend.ownFrameFrom

    private let runs: [FlushRun]
    private let order: [Int]
    private var run = 0
    private var record = 0
    /// Where everything went that blocks were made for, sorted.
    private(set) var slices: [Slice] = []

    init(_ runs: [FlushRun]) {
        self.runs = runs
        order = FlushRun.order(of: runs)
    }

    var isDone: Bool { run == runs.count }

    /// The next block, to be written at `place`; nil when all runs are in blocks.
    mutating func nextBlock(at place: SegmentPlace) -> [UInt8]? {
        guard !isDone else { return nil }
        var open = OpenBlock()
        var stored: StoredBody?
        while run < runs.count {
            // Through the span a run is looked at where it lies; a copy would retain all that it refers to.
            let place = order[run]
            let count = runs.span[place].run.count
            if record == 0, runs.span[place].isVerbatim {
                guard open.raw.isEmpty else { break }
                open.describe(runs.span[place], 0..<count)
                stored = runs.span[place].stored
                run += 1
                break
            }
            let taken = open.append(runs.span[place], from: record)
            if taken == 0 { break }
            record += taken
            guard record == count else { break }
            run += 1
            record = 0
        }
        let bytes: [UInt8]
        if let stored {
            bytes = Block.encode(
                stored: stored.bytes.buffer, codec: stored.codec, checksum: stored.checksum,
                rawBytes: stored.rawCount, runs: open.runs, at: place)
        } else {
            bytes = Block.encode(raw: open.raw, runs: open.runs, at: place)
        }
        for (index, part) in open.parts.enumerated() {
            let run = open.runs[index]
            slices.append(
                Slice(
                    stream: part.stream, shardKey: run.shardKey, count: run.count, blockOffset: place.offset,
                    blockBytes: UInt32(bytes.count), run: UInt32(index), firstSequence: run.firstSequence,
                    firstArrival: part.firstArrival, lastArrival: part.lastArrival))
        }
        return bytes
    }

    /// A block that is being filled.
    private struct OpenBlock {
        struct Part {
            var stream: UInt64
            var firstArrival: Int64
            var lastArrival: Int64
        }

        var raw: [UInt8] = []
        var runs: [RecordsEntry.Run] = []
        var parts: [Part] = []

        /// Takes as many records of `source` from the `start`-th as there is room for; answers how many.
        mutating func append(_ source: borrowing FlushRun, from start: Int) -> Int {
            let range = source.run.range
            let first = range.lowerBound + start
            let room = Block.rawLimit - raw.count
            let begin = Int(source.run.offsets[first])
            // The last place whose distance from the first still fits.
            var low = first
            var high = range.upperBound
            while low < high {
                let middle = (low + high + 1) / 2
                if Int(source.run.offsets[middle]) - begin <= room { low = middle } else { high = middle - 1 }
            }
            var end = low
            if end == first {
                guard raw.isEmpty else { return 0 }
                end = first + 1
            }
            let records = first..<end
            if !extendLast(source, records) {
                let part = first - range.lowerBound..<end - range.lowerBound
                describe(source, part)
                raw.append(contentsOf: source.run.bytes[begin..<Int(source.run.offsets[end])])
            }
            return end - first
        }

        /// Enters a run of its own for these records of `source`, whose bytes follow at the end of `raw`.
        mutating func describe(_ source: borrowing FlushRun, _ records: Range<Int>) {
            let first = source.run.range.lowerBound + records.lowerBound
            let end = source.run.range.lowerBound + records.upperBound
            runs.append(
                RecordsEntry.Run(
                    shardKey: source.shardKey, count: UInt32(records.count),
                    firstSequence: source.run.firstSequence.rawValue + UInt64(records.lowerBound),
                    arrival: source.run.arrival.milliseconds, rawOffset: UInt32(raw.count),
                    rawBytes: source.run.offsets[end] - source.run.offsets[first]))
            parts.append(
                Part(
                    stream: source.stream, firstArrival: Self.arrival(source.run, first),
                    lastArrival: Self.arrival(source.run, end - 1)))
        }

        private static func arrival(_ run: borrowing RecordRun, _ record: Int) -> Int64 {
            // Runs are made by the journal or read from a checked block, so every record in them is whole.
            let layout = RecordEncoding.layout(in: run.bytes.span, at: Int(run.offsets[record]))!
            return run.arrival.milliseconds + Int64(layout.arrivalDelta)
        }

        /// Adds the records to the block's last run, where they follow it and it is worth it.
        private mutating func extendLast(_ source: borrowing FlushRun, _ records: Range<Int>) -> Bool {
            let bytes = Int(source.run.offsets[records.lowerBound])..<Int(source.run.offsets[records.upperBound])
            let sequence = source.run.firstSequence.rawValue + UInt64(records.lowerBound - source.run.range.lowerBound)
            let arrival = source.run.arrival.milliseconds
            guard let last = runs.last, last.shardKey == source.shardKey,
                last.firstSequence + UInt64(last.count) == sequence, last.arrival <= arrival,
                last.arrival == arrival || bytes.count < SectionBuilder.copiedFrom
            else { return false }
            let before = raw.count
            if last.arrival == arrival {
                raw.append(contentsOf: source.run.bytes[bytes])
            } else {
                for record in records {
                    Self.append(
                        source.run.bytes, at: Int(source.run.offsets[record]), later: UInt64(arrival - last.arrival),
                        to: &raw)
                }
            }
            runs[runs.count - 1].count += UInt32(records.count)
            runs[runs.count - 1].rawBytes += UInt32(raw.count - before)
            parts[parts.count - 1].lastArrival = Self.arrival(source.run, records.upperBound - 1)
            return true
        }

        /// Copies one record so that its arrival is told from a run's that began `later` milliseconds before its own.
        private static func append(_ source: [UInt8], at start: Int, later: UInt64, to bytes: inout [UInt8]) {
            let layout = RecordEncoding.layout(in: source.span, at: start)!
            let key = layout.dataStart - layout.keyStart
            Varint.append(UInt64(key) << 2 | (layout.hashKeyStart == nil ? 0 : 2) | 1, to: &bytes)
            Varint.append(UInt64(layout.end - layout.dataStart), to: &bytes)
            Varint.append(layout.arrivalDelta + later, to: &bytes)
            bytes.append(contentsOf: source[(layout.hashKeyStart ?? layout.keyStart)..<layout.end])
        }
    }
}

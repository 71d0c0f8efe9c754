import StreamModel

/// A block that is being filled (STORE-F2): the records' bytes, the table of their runs, and their entries in the
/// index.
///
/// Written for speed: with one or two records to a run, a flush spends most of its time here.
struct OpenBlock {
    /// The fields of the index that a run's own entry does not have.
    struct Part {
        var stream: UInt64
        var firstArrival: Int64
        var lastArrival: Int64
    }

    /// Parts of at least this many bytes get a run of their own in the block: it costs 32 bytes, but they are copied
    /// unchanged.
    private static let copiedFrom = 4 << 10

    // Only the first `count` bytes belong to the block; the buffer is reused for the next one.
    private var room: [UInt8] = []
    private(set) var count = 0
    private(set) var runs: [RecordsEntry.Run] = []
    private(set) var parts: [Part] = []

    var isEmpty: Bool { runs.isEmpty }

    mutating func removeAll() {
        count = 0
        runs.removeAll(keepingCapacity: true)
        parts.removeAll(keepingCapacity: true)
    }

    /// The block's bytes, to be written at `place`.
    func encoded(at place: SegmentPlace) -> [UInt8] {
        room.withUnsafeBytes {
            Block.encode(raw: UnsafeRawBufferPointer(rebasing: $0[..<count]), runs: runs, at: place)
        }
    }

    /// Appends as many records of `run`, from the `start`-th, as there is room for; returns their number.
    mutating func append(
        _ run: borrowing Memtable.Run, of stream: UInt64, in chunk: borrowing RecordChunk, from start: Int
    ) -> Int {
        let first = run.records.lowerBound + start
        let begin = Int(chunk.offsets[first])
        let left = Block.rawLimit - count
        var end = run.records.upperBound
        if Int(chunk.offsets[end]) - begin > left {
            // Finds the last record end that still fits.
            var low = first
            while low < end {
                let middle = (low + end + 1) / 2
                if Int(chunk.offsets[middle]) - begin <= left { low = middle } else { end = middle - 1 }
            }
            if end == first {
                // A record that is larger than a block gets a block of its own.
                guard isEmpty else { return 0 }
                end = first + 1
            }
        }
        let records = first..<end
        let bytes = begin..<Int(chunk.offsets[end])
        makeRoom(for: bytes.count + records.count * Varint.longest)
        let number = run.firstSequence.rawValue + UInt64(start)
        let arrival = run.arrival.milliseconds
        if let last = runs.last, last.shardKey == run.shard.rawValue, last.firstSequence + UInt64(last.count) == number,
            last.arrival <= arrival, last.arrival == arrival || bytes.count < Self.copiedFrom
        {
            extendLast(with: records, of: chunk, later: UInt64(arrival - last.arrival))
        } else {
            describe(run, of: stream, in: chunk, records)
            copy(bytes, of: chunk)
        }
        return records.count
    }

    /// Adds a run for these records of the chunk; the caller appends their bytes.
    mutating func describe(
        _ run: borrowing Memtable.Run, of stream: UInt64, in chunk: borrowing RecordChunk, _ records: Range<Int>
    ) {
        runs.append(
            RecordsEntry.Run(
                shardKey: run.shard.rawValue, count: UInt32(records.count),
                firstSequence: run.firstSequence.rawValue + UInt64(records.lowerBound - run.records.lowerBound),
                arrival: run.arrival.milliseconds, rawOffset: UInt32(count),
                rawBytes: chunk.offsets[records.upperBound] - chunk.offsets[records.lowerBound]))
        let bytes = chunk.bytes
        // Chunks come from the encoder or were checked when they were read, so every record in them is whole.
        func arrival(_ record: Int) -> Int64 {
            let layout = RecordEncoding.layout(in: bytes.span, at: Int(chunk.offsets[record]))!
            return run.arrival.milliseconds + Int64(layout.arrivalDelta)
        }
        let first = arrival(records.lowerBound)
        parts.append(
            Part(
                stream: stream, firstArrival: first,
                lastArrival: records.count == 1 ? first : arrival(records.upperBound - 1)))
    }

    /// Adds the records to the last run, which they follow and whose arrival is `later` milliseconds before theirs.
    private mutating func extendLast(with records: Range<Int>, of chunk: borrowing RecordChunk, later: UInt64) {
        let before = count
        var delta: UInt64 = 0
        // Bytes and offsets are read in place: a local copy would cost reference counting.
        if later == 0 {
            copy(Int(chunk.offsets[records.lowerBound])..<Int(chunk.offsets[records.upperBound]), of: chunk)
            let last = Int(chunk.offsets[records.upperBound - 1])
            delta = chunk.bytes.withUnsafeBufferPointer { RecordEncoding.layout(in: $0.span, at: last)!.arrivalDelta }
        } else {
            count = room.withUnsafeMutableBytes { room in
                chunk.bytes.withUnsafeBufferPointer { bytes in
                    var at = before
                    for record in records {
                        let written = RecordEncoding.copy(
                            bytes.span, at: Int(chunk.offsets[record]), later: later,
                            to: UnsafeMutableRawBufferPointer(rebasing: room[at...]))
                        at += written.count
                        delta = written.arrivalDelta
                    }
                    return at
                }
            }
        }
        runs[runs.count - 1].count += UInt32(records.count)
        runs[runs.count - 1].rawBytes += UInt32(count - before)
        parts[parts.count - 1].lastArrival = runs[runs.count - 1].arrival + Int64(delta)
    }

    private mutating func copy(_ bytes: Range<Int>, of chunk: borrowing RecordChunk) {
        let begin = count
        room.withUnsafeMutableBytes { room in
            chunk.bytes.withUnsafeBytes {
                UnsafeMutableRawBufferPointer(rebasing: room[begin...])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[bytes]))
            }
        }
        count += bytes.count
    }

    private mutating func makeRoom(for bytes: Int) {
        guard room.count - count < bytes else { return }
        let more = [UInt8](repeating: 0, count: max(count + bytes, 2 * Block.rawLimit) - room.count)
        room += more
    }
}

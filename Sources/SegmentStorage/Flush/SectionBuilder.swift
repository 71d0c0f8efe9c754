import DiskAccess
import StreamModel

/// Turns the runs of a memtable into blocks, one at a time (STORE-F2): sorted by shard, small runs together, a large
/// record in a block of its own.
package struct SectionBuilder {
    /// Raw bytes from which a run that is alone in its journal frame is copied as it is stored there.
    static let verbatimFrom = StoredBody.ownFrameFrom

    private let runs: SectionRuns
    private var run = 0
    private var record = 0
    private var open = OpenBlock()
    /// The index entries of all blocks made so far, sorted.
    package private(set) var slices: [Slice] = []

    /// The address of each frame's bytes.
    private let addresses: [UInt]
    /// The address of each frame's runs.
    private let runAddresses: [UInt]

    package init(_ runs: SectionRuns) {
        addresses = runs.frames.map(\.chunk.address)
        runAddresses = runs.frames.map { $0.runs.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) } }
        self.runs = runs.sorted()
    }

    var isDone: Bool { run == runs.places.count }

    /// Prefetches a run that is needed soon: sorted by shard, runs are scattered over memory.
    private func fetchAhead() {
        guard record == 0, run + 8 < runs.places.count else { return }
        let later = runs.places[run + 8]
        Prefetch.bytes(Prefetch.record, at: addresses[Int(later.frame)] + UInt(later.offset))
        Prefetch.bytes(
            64, at: runAddresses[Int(later.frame)] + UInt(later.run) * UInt(MemoryLayout<Memtable.Run>.stride))
    }

    /// The next block, to be written at `place`; nil when all runs are in blocks.
    package mutating func nextBlock(at place: SegmentPlace) -> [UInt8]? {
        guard !isDone else { return nil }
        open.removeAll()
        var stored: StoredBody?
        while run < runs.places.count {
            let place = runs.places[run]
            fetchAhead()
            // Spans read in place; a copy would retain everything that a run refers to.
            let next = runs.frames.span[Int(place.frame)].runs[Int(place.run)]
            if record == 0, runs.frames.span[Int(place.frame)].isVerbatim {
                guard open.isEmpty else { break }
                open.describe(next, of: place.stream, in: runs.frames.span[Int(place.frame)].chunk, next.records)
                stored = runs.frames.span[Int(place.frame)].stored
                run += 1
                break
            }
            let taken = open.append(
                next, of: place.stream, in: runs.frames.span[Int(place.frame)].chunk, from: record)
            if taken == 0 { break }
            record += taken
            guard record == next.records.count else { break }
            run += 1
            record = 0
        }
        let bytes: [UInt8]
        if let stored {
            bytes = Block.encode(
                stored: stored.bytes.buffer, codec: stored.codec, checksum: stored.checksum,
                rawBytes: stored.rawCount, runs: open.runs, at: place)
        } else {
            bytes = open.encoded(at: place)
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
}

extension Memtable.Frame {
    /// Whether a flush copies the frame's only run as the journal stored it (STORE-F4).
    fileprivate var isVerbatim: Bool {
        guard let stored, stored.rawCount >= SectionBuilder.verbatimFrom, runs.count == 1 else { return false }
        let records = runs[0].records
        return chunk.offsets[records.lowerBound] == 0 && Int(chunk.offsets[records.upperBound]) == stored.rawCount
    }
}

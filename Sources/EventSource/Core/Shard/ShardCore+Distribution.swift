import StreamModel

extension ShardCore {
    /// Hands each record to the lane of its key, except those that the lanes have done before (ESM-K4, ESM-K5) and those
    /// that the filters drop (ESM-F1, ESM-B6). Nothing is kept of a dropped record: it is before the lane's next record
    /// or the read position, so the checkpoint moves past it as soon as everything before it is done (ESM-F21).
    ///
    /// A lane's records are copied as they were put (ESM-F5) into a chunk of its own: a lane that is held up would otherwise keep the chunks of
    /// all others in memory.
    mutating func distribute(_ batch: RecordBatch) {
        var parts = (0..<lanes.count).map { _ in LanePart() }
        // Before this number there may be records that are done.
        let doubtful = lanes.reduce(earlier.reduce(SequenceNumber.zero) { max($0, $1.highest) }) {
            max($0, $1.takenPosition)
        }
        let (filter, only) = (settings.filter, settings.onlyKeys)
        var asides = shared.parking.keys.isEmpty ? [] : (0..<lanes.count).map { _ in LanePart() }
        var dropped = 0
        for (place, run) in batch.runs.enumerated() {
            for index in 0..<run.count {
                let lane = lanes.count == 1 ? 0 : run.lane(of: index, factor: lanes.count)
                let number = run.firstSequence.advanced(by: index)
                if number <= doubtful, isDone(run, index, number, lane) {
                    shared.counters.skipped += 1
                    shared.counters.polled -= 1
                } else if let filter, !filter.matches(run, at: index) {
                    dropped += 1
                } else if let only, !only.contains(run, at: index) {
                    dropped += 1
                } else if !asides.isEmpty, let slot = shared.parking.keys.slot(of: run, at: index) {
                    if number > shared.parking.keys[slot].taken {
                        asides[lane].append(run, index, number, from: place)
                    } else {
                        // It is in the parking stream, or on its way there.
                        shared.counters.skipped += 1
                        shared.counters.polled -= 1
                    }
                } else {
                    parts[lane].append(run, index, number, from: place)
                }
            }
        }
        noteFilteredOut(dropped, through: batch.isEmpty ? .zero : batch.lastSequence)
        for lane in lanes.indices { parts[lane].move(from: batch, to: &lanes[lane].queue) }
        for lane in asides.indices {
            if let records = asides[lane].records(from: batch) { shared.parking.take(records, lane: lane) }
        }
    }

    /// Drops the records that a new filter doesn't match, unless they are in a batch already. What the filter before has
    /// dropped stays dropped (ESM-F22).
    mutating func filterQueues() {
        guard let filter = settings.filter else { return }
        var dropped = 0
        for lane in lanes.indices { dropped += lanes[lane].queue.keep(filter) }
        noteFilteredOut(dropped, through: shared.source.readPosition)
    }

    private mutating func noteFilteredOut(_ count: Int, through position: SequenceNumber) {
        guard count > 0 else { return }
        shared.counters.filteredOut += count
        shared.trace(.filteredOut(count, through: position))
    }

    private func isDone(_ run: RecordRun, _ index: Int, _ number: SequenceNumber, _ lane: Int) -> Bool {
        if number <= lanes[lane].takenPosition { return true }
        return earlier.contains { number <= $0.positions[run.lane(of: index, factor: $0.positions.count)] }
    }
}

/// The records of a read that belong to one lane.
private struct LanePart {
    /// Consecutive records in ``bytes`` whose numbers follow one another, of the read's run at this place.
    private struct Piece {
        var count: Int
        let firstSequence: SequenceNumber
        let run: Int
    }

    private var bytes: [UInt8] = []
    private var offsets: [UInt32] = []
    private var pieces: [Piece] = []

    mutating func append(
        _ run: borrowing RecordRun, _ index: Int, _ number: SequenceNumber, from runIndex: Int
    ) {
        offsets.append(UInt32(bytes.count))
        let place = Int(run.range.lowerBound) + index
        bytes.append(contentsOf: run.chunk.bytes[Int(run.chunk.offsets[place])..<Int(run.chunk.offsets[place + 1])])
        if let last = pieces.last, last.run == runIndex, last.firstSequence.advanced(by: last.count) == number {
            pieces[pieces.count - 1].count += 1
        } else {
            pieces.append(Piece(count: 1, firstSequence: number, run: runIndex))
        }
    }

    consuming func move(from read: RecordBatch, to queue: inout RecordQueue) {
        if let records = records(from: read) { queue.append(records) }
    }

    /// The records; nil if there are none.
    consuming func records(from read: RecordBatch) -> RecordBatch? {
        guard !pieces.isEmpty else { return nil }
        offsets.append(UInt32(bytes.count))
        let chunk = RecordChunk(bytes: bytes, offsets: offsets)
        var batch = RecordBatch()
        batch.reserve(runs: pieces.count)
        var start = 0
        for piece in pieces {
            let run = read.runs[piece.run]
            batch.append(
                RecordRun(
                    chunk, start..<start + piece.count, shard: run.shard,
                    shardCreationSecond: run.shardCreationSecond, firstSequence: piece.firstSequence,
                    arrival: run.arrival))
            start += piece.count
        }
        return batch
    }
}

import DiskAccess
import StreamModel
import StreamStorage

/// An append as its caller hands it to the writer: hashed, sorted by shard, encoded, compressed, with checksums
/// (STORE-C1). Only sequence numbers and arrival times are missing.
package struct PreparedAppend: Sendable {
    /// Consecutive records of one shard in a frame.
    package struct Run: Sendable {
        package var shard: ShardNumber
        package var id: ShardID
        package var creationSecond: UInt64
        /// The records of the run, as indexes into the frame's offsets.
        package var records: Range<Int>
    }

    /// Records that are stored in one body.
    package struct Frame: Sendable {
        package var chunk: RecordChunk
        package var runs: [Run]
        var stored: StoredBody
    }

    package var append: Append
    package var stream: StreamNumber
    package var frames: [Frame]
    /// The index in the call of every record in the order of the frames; nil where the orders are the same.
    var order: [Int]?

    var storedCount: Int { frames.reduce(0) { $0 + $1.stored.bytes.count + 64 } }
}

extension PreparedAppend {
    /// A frame whose runs have fewer bytes on average is not compressed for the journal. The flush compresses its
    /// records together with others of their shard, and a disk needs the same time for any write of up to 64 KiB.
    static let compressedFrom = 512
    /// The most bytes of a frame, unless a single record is longer.
    static let longestFrame = 256 << 10

    /// The receipts of all records in the order of the call. `numbered` are its frames with the writer's sequence
    /// numbers.
    func receipts(_ numbered: [Memtable.Frame]) -> [PutReceipt] {
        [PutReceipt](unsafeUninitializedCapacity: append.records.count) { receipts, count in
            for frame in numbered {
                for run in frame.runs {
                    for index in 0..<run.records.count {
                        let receipt = PutReceipt(
                            shard: run.id, sequenceNumber: run.firstSequence.advanced(by: index),
                            approximateArrivalTimestamp: run.arrival, shardCreationSecond: run.creationSecond)
                        // `order` is a permutation of the call's records, so each element is initialized once.
                        receipts.initializeElement(at: order?[count] ?? count, to: receipt)
                        count += 1
                    }
                }
            }
            precondition(count == append.records.count)
        }
    }
}

/// Makes a ``PreparedAppend`` frame by frame, so that a caller can yield in between.
package struct AppendEncoder {
    private let append: Append
    private let stream: StreamState
    private let shards: [StreamState.Route]
    private let seed: UInt32
    /// The records' indexes in the call, sorted by shard, and where each shard begins in them.
    private let order: [Int]?
    private let starts: [Int]
    private let sizes: [Int]
    private var frames: [PreparedAppend.Frame] = []
    private var shard = 0
    private var position = 0

    /// Sorts the records by shard. `target` is the shard that the append names; nil: the records go to the stream's
    /// open shards by hash key. Validates nothing.
    package init(_ append: Append, stream: StreamState, target: ShardState?, seed: UInt32) {
        self.append = append
        self.stream = stream
        self.seed = seed
        let count = append.records.count
        let sizes = RecordEncoding.sizes(of: append.records)
        shards =
            target.map {
                [
                    StreamState.Route(
                        first: $0.range.first, shard: $0.key, id: $0.id, creationSecond: $0.creationSecond)
                ]
            } ?? stream.openShards
        guard shards.count > 1 else {
            order = nil
            starts = [0, count]
            self.sizes = sizes
            return
        }
        var routes: [Int32] = []
        routes.reserveCapacity(count)
        var starts = [Int](repeating: 0, count: shards.count + 1)
        for key in HashKey.all(of: append.records) {
            let route = stream.routeIndex(of: key)
            routes.append(Int32(route))
            starts[route + 1] += 1
        }
        for index in 1...shards.count { starts[index] += starts[index - 1] }
        var order = [Int](repeating: 0, count: count)
        var next = starts
        for (index, route) in routes.enumerated() {
            order[next[Int(route)]] = index
            next[Int(route)] += 1
        }
        self.order = order
        self.starts = starts
        self.sizes = order.map { sizes[$0] }
    }

    /// Encodes frames until they hold `bytes`; returns whether there is more to do.
    package mutating func encode(atLeast bytes: Int) -> Bool {
        var encoded = 0
        while encoded < bytes {
            guard encodeFrame() else { return false }
            encoded += frames.last?.chunk.bytes.count ?? 0
        }
        return true
    }

    /// Encodes one frame; returns whether there is more to do.
    package mutating func encodeFrame() -> Bool {
        var runs: [PreparedAppend.Run] = []
        var total = 0
        let first = position
        while position < sizes.count {
            while starts[shard + 1] <= position { shard += 1 }
            let end = starts[shard + 1]
            var shardTotal = 0
            for size in sizes[position..<end] {
                shardTotal += size
                if shardTotal >= StoredBody.ownFrameFrom { break }
            }
            if shardTotal >= StoredBody.ownFrameFrom {
                // A long run gets a frame of its own: what is gathered so far is finished first.
                if !runs.isEmpty { break }
                var last = position
                while last < end, last == position || total + sizes[last] <= PreparedAppend.longestFrame {
                    total += sizes[last]
                    last += 1
                }
                runs.append(run(0..<last - position))
                position = last
                break
            }
            if total > 0, total + shardTotal > PreparedAppend.longestFrame { break }
            runs.append(run(position - first..<end - first))
            total += shardTotal
            position = end
        }
        guard !runs.isEmpty else { return false }
        let (bytes, offsets) = RecordEncoding.chunk(
            of: append.records, first..<position, order: order, sizes: sizes)
        let stored = StoredBody(
            bytes, seed: seed, isCompressed: bytes.count >= PreparedAppend.compressedFrom * runs.count)
        frames.append(
            PreparedAppend.Frame(chunk: RecordChunk(bytes: bytes, offsets: offsets), runs: runs, stored: stored))
        return position < sizes.count
    }

    private func run(_ records: Range<Int>) -> PreparedAppend.Run {
        let state = shards[shard]
        return PreparedAppend.Run(
            shard: state.shard, id: state.id, creationSecond: state.creationSecond, records: records)
    }

    /// The prepared append, once all frames are encoded.
    package consuming func finish() -> PreparedAppend {
        PreparedAppend(append: append, stream: stream.key, frames: frames, order: order)
    }
}

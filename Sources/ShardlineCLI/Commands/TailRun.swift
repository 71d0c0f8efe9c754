import HeapModule
import StreamModel
import StreamStorage
import Synchronization

/// Reads a stream's shards and prints their records.
struct TailRun: Sendable {
    /// Where reading begins in a shard, and the tip as it was then.
    private struct Start: Sendable {
        var shard: ShardID
        var position: SequenceNumber
        var tip: SequenceNumber
    }

    /// The most records that are written at once.
    private static let recordsOfWrite = 1000

    private let stream: RecordStream
    private let starts: [Start]
    private let limit: Int
    private let printer: RecordPrinter
    private let warnings: Output

    /// Throws `streamNotFound`, `shardNotFound`.
    init(
        stream: RecordStream, from start: StartingPosition, shard: ShardID?, limit: Int, printer: RecordPrinter,
        warnings: Output = .error
    ) async throws {
        self.stream = stream
        self.limit = limit
        self.printer = printer
        self.warnings = warnings
        var starts: [Start] = []
        for description in try await stream.engine.describeStream(stream.name).shards
        where shard == nil || shard == description.id {
            let position = try await stream.engine.position(of: start, in: stream.name, shard: description.id)
            starts.append(Start(shard: description.id, position: position, tip: description.tip))
        }
        if let shard, starts.isEmpty {
            throw ShardlineError(
                .shardNotFound,
                "the stream '\(stream.name)' has no shard \(shard); `shardline stream describe \(stream.name)` lists them"
            )
        }
        self.starts = starts
    }

    /// Prints the records up to the tips, merged by arrival: within a shard that is their order.
    func printWhatIsThere(until interruption: Interruption) async throws {
        // Of many shards little is read ahead from each, so that they fit into memory together.
        let ahead = max(10, min(1000, 100_000 / max(1, starts.count)))
        var readers = starts.map { Reader(shard: $0.shard, position: $0.position, tip: $0.tip, ahead: ahead) }
        // The next record of each shard, the earliest on top; a shard that isn't in it is at its end.
        var heads = Heap<Head>()
        for index in readers.indices {
            if let head = try await readers[index].head(from: stream, warnings) { heads.insert(Head(head, of: index)) }
        }
        var left = limit
        var records: [UserRecord] = []
        while left > 0, let first = heads.min {
            for part in printer.parts(of: readers[first.reader].take()).prefix(left) {
                records.append(part)
                left -= 1
                guard records.count == Self.recordsOfWrite else { continue }
                try await printer.print(records)
                records = []
                if interruption.isInterrupted { return }
            }
            if let next = try await readers[first.reader].head(from: stream, warnings) {
                heads.replaceMin(with: Head(next, of: first.reader))
            } else {
                heads.removeMin()
            }
        }
        if !records.isEmpty { try await printer.print(records) }
    }

    /// Prints records as they come, until the interruption or the limit.
    func follow(until interruption: Interruption) async throws {
        let left = Countdown(limit)
        var started = Set(starts.map(\.shard))
        try await withThrowingTaskGroup(of: (shard: ShardID, children: [ShardID])?.self) { group in
            group.addTask {
                await interruption.wait()
                return nil
            }
            for start in starts {
                group.addTask { try await follow(start.shard, after: start.position, left) }
            }
            var ended: Set<ShardID> = []
            while let end = try await group.next() {
                guard let end else { break }
                ended.insert(end.shard)
                // A child comes when all of its parents that are followed have ended.
                let shards = try await stream.engine.describeStream(stream.name).shards
                for child in shards where end.children.contains(child.id) {
                    guard child.parents.allSatisfy({ ended.contains($0) || !started.contains($0) }),
                        started.insert(child.id).inserted
                    else { continue }
                    group.addTask { try await follow(child.id, after: .zero, left) }
                }
            }
            group.cancelAll()
        }
        if printer.output.isBlocked { throw Output.Blocked() }
    }

    // Until the shard's end (then its children are the answer), or nil when nothing more is wanted.
    private func follow(_ shard: ShardID, after start: SequenceNumber, _ left: Countdown) async throws
        -> (shard: ShardID, children: [ShardID])?
    {
        var position = start
        while true {
            let request = ReadRequest(
                stream: stream.name, shard: shard, after: position, maximumRecords: 1000, wait: .untilAvailable)
            let result = try await stream.engine.read(request)
            warn(of: result, in: shard)
            position = result.next
            var parts: [UserRecord] = []
            for part in result.batch.lazy.flatMap({ printer.parts(of: $0) }) {
                parts.append(part)
                guard parts.count == Self.recordsOfWrite else { continue }
                if try await print(parts, left) { return nil }
                parts = []
            }
            if try await print(parts, left) { return nil }
            if let children = result.endOfShard { return (shard, children) }
        }
    }

    /// Prints as many as may still be printed, with one write, so that the lines of two shards don't mix. Returns whether
    /// no more are wanted.
    private func print(_ parts: [UserRecord], _ left: Countdown) async throws -> Bool {
        let (wanted, isOver) = left.records.withLock { left in
            let wanted = parts.prefix(left)
            left -= wanted.count
            return (wanted, left == 0)
        }
        if !wanted.isEmpty { try await printer.print(wanted) }
        return isOver
    }

    private func warn(of result: ReadResult, in shard: ShardID) {
        Self.warn(of: result, in: shard, on: warnings)
    }

    fileprivate static func warn(of result: ReadResult, in shard: ShardID, on output: Output) {
        if let expired = result.expired {
            output.say(
                "\(shard): retention has removed \(Readable.count(expired.numberCount, "record")) before they were read"
            )
        }
        if let lost = result.lost {
            output.say("\(shard): \(Readable.count(lost.numberCount, "record is", "records are")) lost to damage")
        }
    }
}

/// How many records may still be printed, over all shards.
private final class Countdown: Sendable {
    let records: Mutex<Int>

    init(_ records: Int) { self.records = Mutex(records) }
}

/// The next record of a shard: when it arrived, and whose it is.
private struct Head: Comparable {
    let arrival: Timestamp
    let reader: Int

    init(_ record: Record, of reader: Int) {
        arrival = record.approximateArrivalTimestamp
        self.reader = reader
    }

    static func < (left: Head, right: Head) -> Bool {
        left.arrival == right.arrival ? left.reader < right.reader : left.arrival < right.arrival
    }
}

/// One shard on the way to its tip.
private struct Reader {
    private let shard: ShardID
    private var position: SequenceNumber
    private let tip: SequenceNumber
    /// The most records that are read at once.
    private let ahead: Int
    private var batch = RecordBatch()
    private var next = 0

    init(shard: ShardID, position: SequenceNumber, tip: SequenceNumber, ahead: Int) {
        self.shard = shard
        self.position = position
        self.tip = tip
        self.ahead = ahead
    }

    /// Moves on after the head, which must be there, and returns it.
    mutating func take() -> Record {
        defer { next += 1 }
        return batch[next]
    }

    /// The next record, read where it isn't there yet; nil at the tip.
    mutating func head(from stream: RecordStream, _ warnings: Output) async throws -> Record? {
        while next >= batch.count {
            guard position < tip else { return nil }
            let result = try await stream.engine.read(
                ReadRequest(stream: stream.name, shard: shard, after: position, maximumRecords: ahead))
            TailRun.warn(of: result, in: shard, on: warnings)
            // What came after the beginning is not printed: without --follow there must be an end.
            var wanted = result.batch.count
            while wanted > 0, result.batch[wanted - 1].sequenceNumber > tip { wanted -= 1 }
            batch = result.batch.extracting(0..<wanted)
            next = 0
            guard result.next > position else { return nil }
            position = result.next
        }
        return batch[next]
    }
}

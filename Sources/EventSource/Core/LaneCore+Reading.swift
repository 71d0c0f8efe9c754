import StreamModel
import StreamStorage

extension LaneCore {
    /// The most bytes of one read, so that records come on while a big batch is being read.
    private static let bytesOfOneRead = 1 << 20
    /// The most records of one read (ESM-S18).
    private static let recordsOfOneRead = 10_000

    mutating func readEnded(_ number: Int, _ result: ReadResult) {
        guard number == readNumber, readIsOpen, phase == .running else { return }
        readIsOpen = false
        counters.polled += result.batch.count
        readPosition = max(readPosition, result.next)
        isAtTip = result.next >= result.tip
        shardHasEnded = result.endOfShard != nil
        if let expired = result.expired {
            horizon = max(horizon, expired.upperBound)
            queue.append(RecordQueue.Gap(range: expired, condition: .recordsExpired))
        }
        // The batch ends before what was lost, or begins behind it.
        let lost = result.lost.map { RecordQueue.Gap(range: $0, condition: .recordsLost) }
        if let lost, !result.batch.isEmpty, result.batch.firstSequence > lost.range.upperBound {
            queue.append(lost)
            queue.append(result.batch)
        } else {
            queue.append(result.batch)
            if let lost { queue.append(lost) }
        }
    }

    /// Reads on while the lead is small enough (ESM-K3). Between half of the lead and all of it nothing is asked, so
    /// that reads are not made for single records.
    mutating func settleReading() {
        guard phase == .running, !readIsOpen, !shardHasEnded, !hasReadGoal, hasRoomForBytes else { return }
        // The unit of a crash is held whole, though it may be larger than a batch now (ESM-A9).
        let room = crashNote == nil ? settings.maximumHeldRecords - heldRecords : Self.recordsOfOneRead
        guard crashNote != nil || heldRecords <= settings.maximumHeldRecords / 2 else { return }
        readNumber += 1
        readIsOpen = true
        act(
            .read(
                ReadOrder(
                    number: readNumber, after: readPosition, maximumRecords: min(room, Self.recordsOfOneRead),
                    maximumBytes: min(settings.maximumHeldBytes - heldBytes, Self.bytesOfOneRead))))
    }

    /// Whether everything that is wanted was read; false where everything is.
    var hasReadGoal: Bool { goal.map { readPosition >= $0 } ?? false }
    /// Whether everything that is wanted has left the queue.
    var hasTakenGoal: Bool { goal.map { takenPosition >= $0 } ?? false }

    private var heldBytes: Int { queue.bytes + batchHolds.bytes }
    private var hasRoomForBytes: Bool { heldBytes < settings.maximumHeldBytes }

    /// Whether the open batch may still get records by reading on at once.
    var canReadMoreAtOnce: Bool { readIsOpen || hasRoomForBytes }
}

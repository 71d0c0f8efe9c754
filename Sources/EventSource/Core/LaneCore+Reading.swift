import StreamModel
import StreamStorage

extension LaneCore {
    /// The maximum bytes of one read, so that a large batch arrives in parts.
    private static let bytesOfOneRead = 1 << 20
    /// The maximum number of records of one read (ESM-S18).
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
        // The records that were read end before the lost range or start after it.
        let lost = result.lost.map { RecordQueue.Gap(range: $0, condition: .recordsLost) }
        if let lost, !result.batch.isEmpty, result.batch.firstSequence > lost.range.upperBound {
            queue.append(lost)
            queue.append(result.batch)
        } else {
            queue.append(result.batch)
            if let lost { queue.append(lost) }
        }
    }

    /// Reads on while the lane holds few enough records (ESM-K3). A read starts only when it holds at most half of its
    /// limit, so that no read is made for single records.
    mutating func settleReading() {
        guard phase == .running, !readIsOpen, !shardHasEnded, !hasReadGoal, hasRoomForBytes else { return }
        // The unit of a crash is read as a whole, though it may be larger than a batch is now (ESM-A9).
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

    /// Whether everything up to the goal was read; false without a goal.
    var hasReadGoal: Bool { goal.map { readPosition >= $0 } ?? false }
    /// Whether everything up to the goal has left the queue; false without a goal.
    var hasTakenGoal: Bool { goal.map { takenPosition >= $0 } ?? false }

    private var heldBytes: Int { queue.bytes + batchHolds.bytes }
    private var hasRoomForBytes: Bool { heldBytes < settings.maximumHeldBytes }

    /// Whether the open batch may still get records from the current read or from one that can start now.
    var canReadMoreAtOnce: Bool { readIsOpen || hasRoomForBytes }
}

import StreamModel
import StreamStorage

extension ShardCore {
    /// The maximum bytes of one read, so that a large batch arrives in parts.
    private static let bytesOfOneRead = 1 << 20
    /// The maximum number of records of one read (ESM-S18).
    private static let recordsOfOneRead = 10_000

    mutating func readEnded(_ number: Int, _ result: ReadResult) {
        guard number == readNumber, readIsOpen, phase == .running else { return }
        readIsOpen = false
        shared.source.isAtTip = result.next >= result.tip
        if shared.source.isAtTip {
            // A store that can't tell what is under way shows it by the first read begun after that moment.
            shared.source.earliestNextArrival = max(
                shared.source.earliestNextArrival, result.earliestNextArrival ?? readOrderedAt)
        }
        // What is after the goal is left to another run, and the shard's end with it.
        shared.source.hasEnded = result.endOfShard != nil && result.next <= goal ?? .max
        if let expired = result.expired {
            shared.horizon = max(shared.horizon, min(expired.upperBound, goal ?? .max))
            append(expired, .recordsExpired)
        }
        // The records that were read end before the lost range or start after it.
        if let lost = result.lost, !result.batch.isEmpty, result.batch.firstSequence > lost.upperBound {
            append(lost, .recordsLost)
            append(result.batch)
        } else {
            append(result.batch)
            if let lost = result.lost { append(lost, .recordsLost) }
        }
        shared.source.readPosition = max(shared.source.readPosition, min(result.next, goal ?? .max))
        noteGoal()
        for lane in lanes.indices { lanes[lane].endResuming(read: shared.source.readPosition) }
    }

    /// Hands records to their lanes, up to the goal.
    private mutating func append(_ batch: RecordBatch) {
        var batch = batch
        if let goal, let last = batch.isEmpty ? nil : batch.lastSequence, last > goal {
            batch = batch.extracting(0..<batch.count(through: goal))
        }
        shared.counters.polled += batch.count
        if lanes.count == 1, earlier.isEmpty, settings.filter == nil,
            batch.isEmpty || batch.firstSequence > lanes[0].takenPosition,
            settings.onlyKeys?.holds(batch, all: true) ?? true,
            shared.parking.keys.isEmpty || shared.parking.keys.holds(batch, all: false)
        {
            lanes[0].queue.append(batch)
        } else {
            distribute(batch)
        }
    }

    /// Notes that the numbers of a range have no record any more. Nobody knows of which lane the records were: the lane
    /// that is furthest behind gives them up (ESM-G4).
    private mutating func append(_ range: ClosedRange<SequenceNumber>, _ condition: GiveUpCondition) {
        var behind = 0
        for lane in lanes.indices where lanes[lane].takenPosition < lanes[behind].takenPosition { behind = lane }
        let first = max(range.lowerBound, lanes[behind].takenPosition.advanced(by: 1))
        let last = min(range.upperBound, goal ?? .max)
        guard first <= last else { return }
        let isWhole = earlier.isEmpty && lanes.allSatisfy { $0.takenPosition < first }
        lanes[behind].queue.append(RecordQueue.Gap(range: first...last, condition: condition, isWhole: isWhole))
    }

    /// Limits what is processed; nil: no limit. Records after the limit that were read are released.
    mutating func setGoal(_ position: SequenceNumber?) {
        goal = position
        if let position, shared.source.readPosition > position {
            for lane in lanes.indices { lanes[lane].cutQueue(after: position, &shared) }
            shared.source.readPosition = position
            shared.source.hasEnded = false
            // What a read brings that was ordered further on is beyond the goal.
            readIsOpen = false
        }
        noteGoal()
    }

    mutating func noteGoal() {
        shared.source.hasReadGoal = goal.map { shared.source.readPosition >= $0 } ?? false
    }

    /// Reads on while the lanes hold few enough records (ESM-K3).
    ///
    /// A lane that looks for the end of its window replaces the read that waits at the tip.
    mutating func settleReading(_ now: Moment) {
        let isLook = shared.source.wantsLook
        shared.source.wantsLook = false
        guard phase == .running, shared.paused == nil, !readIsOpen || isLook && !readIsLook, !shared.source.hasEnded,
            !shared.source.hasReadGoal, canRead
        else { return }
        // The unit of a crash is read as a whole, though it may be larger than a batch is now (ESM-A9).
        let room = isResuming ? Self.recordsOfOneRead : settings.maximumHeldRecords(holding: heldBytes) - countedRecords
        readNumber += 1
        readIsOpen = true
        readIsLook = isLook
        readOrderedAt = now.wall
        act(
            .read(
                ReadOrder(
                    number: readNumber, after: shared.source.readPosition,
                    maximumRecords: min(room, Self.recordsOfOneRead),
                    maximumBytes: min(settings.maximumHeldBytes - heldBytes, Self.bytesOfOneRead),
                    waits: !isLook)))
    }

    private var isResuming: Bool { lanes.contains(where: \.isResuming) }
    private var countedRecords: Int { lanes.reduce(shared.parking.heldRecords) { $0 + $1.heldRecords } }
    private var heldBytes: Int { lanes.reduce(shared.parking.takenBytes) { $0 + $1.heldBytes } }

    /// Whether the lanes have room for a read. It starts only with room for two batches, so that no read is made for
    /// single records.
    var canRead: Bool {
        guard heldBytes < settings.maximumHeldBytes, !isChangingLanes else { return false }
        return countedRecords + 2 * settings.batchSize <= settings.maximumHeldRecords(holding: heldBytes) || isResuming
    }
}

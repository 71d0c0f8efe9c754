import StreamModel
import StreamStorage

extension MappingShardState.Unit {
    /// The unit that the lane works on.
    init(_ span: LaneCore.UnitSpan) { self.init(span.head, count: span.count) }

    /// The records that wait for the failure destination; nil if they were never read.
    init?(_ span: LaneCore.GiveUpSpan) {
        guard let head = span.head else { return nil }
        self.init(head, count: span.count ?? 1)
    }

    /// The records that have paused the shard.
    init(_ paused: PausedShard) { self.init(paused.head, count: paused.recordCount) }

    private init(_ head: LaneCore.RecordName, count: Int) {
        self.init(partitionKey: head.partitionKey, sequenceNumber: head.number, recordCount: count)
    }
}

extension LaneCore {
    /// What identifies a record for people: its partition key, its number, and when it arrived.
    package struct RecordName: Hashable, Sendable {
        package let partitionKey: String
        package let number: KinesisSequenceNumber
        package let arrival: Timestamp

        package init(partitionKey: String, number: KinesisSequenceNumber, arrival: Timestamp) {
            self.partitionKey = partitionKey
            self.number = number
            self.arrival = arrival
        }

        package init(_ record: Record) {
            partitionKey = record.partitionKey
            number = record.kinesisSequenceNumber
            arrival = record.approximateArrivalTimestamp
        }
    }

    /// Records that wait for the failure destination.
    package struct GiveUpSpan: Hashable, Sendable {
        package let last: SequenceNumber
        /// nil if it can't be known.
        package let count: Int?
        /// The first record; nil if the lane never read it.
        package let head: RecordName?
    }

    /// The records that a line of the trace is about. A unit and all lines about it share what is said of them.
    package struct UnitSpan: Hashable, Sendable {
        private struct Names: Hashable, Sendable {
            let unit: Int
            let lane: Int
            let first: SequenceNumber
            let last: SequenceNumber
            let count: Int
            let head: RecordName
        }

        private let names: Boxed<Names>
        /// The record that failed, if the function named one.
        @Rare package internal(set) var failing: RecordName?

        package init(
            unit: Int, lane: Int, first: SequenceNumber, last: SequenceNumber, count: Int, head: RecordName,
            failing: RecordName? = nil
        ) {
            names = Boxed(Names(unit: unit, lane: lane, first: first, last: last, count: count, head: head))
            self.failing = failing
        }

        /// The unit's number in its shard.
        package var unit: Int { names.value.unit }
        /// The lane's number.
        package var lane: Int { names.value.lane }
        package var first: SequenceNumber { names.value.first }
        package var last: SequenceNumber { names.value.last }
        package var count: Int { names.value.count }
        /// The first record.
        package var head: RecordName { names.value.head }

        /// The same span with the record that failed.
        func failing(at record: Record) -> UnitSpan {
            var span = self
            span.failing = RecordName(record)
            return span
        }
    }

    /// Records that were given up together, for a line of the trace.
    package struct GivenUpSpan: Hashable, Sendable {
        package let condition: GiveUpCondition
        package let first: SequenceNumber
        package let last: SequenceNumber
        /// nil if it can't be known.
        package let count: Int?
        package let invocations: Int
        /// Why the last invocation failed, if one did.
        package let failure: FunctionFailure?
        /// Whether a failure destination gets the records.
        package let kept: Bool
        /// The public sequence numbers of the first and the last record; empty if they were never read.
        package let ends: [KinesisSequenceNumber]
        /// The first record; nil if it was never read.
        package let head: RecordName?
    }

    /// Why a shard stopped.
    package enum StopReason: Hashable, Sendable {
        /// The owner sent a stop.
        case asked
        /// The shard is closed and everything in it is done; the checkpoint says so (ESM-H4).
        case shardEnd
    }

    /// One step of a lane or shard, and its reason. The trace events together explain everything that happened to a record.
    package enum TraceEvent: Hashable, Sendable {
        /// No filter matched so many records of those up to this number (ESM-F1).
        case filteredOut(Int, through: SequenceNumber)
        /// A batch was closed, `after` its window opened.
        case closed(UnitSpan, ClosingCause, after: Duration)
        /// A tumbling window has ended; the function is told with this unit. `early` says why it ends before its time; nil:
        /// it doesn't.
        case windowEnded(UnitSpan, early: EarlyEnd?)
        /// The function is called with the unit; `attempt` counts from 1.
        case invoked(UnitSpan, invocation: Int, attempt: Int)
        /// The unit is done.
        case succeeded(UnitSpan)
        /// The records before this number are done; the others become a fresh unit.
        case progressed(UnitSpan, before: SequenceNumber)
        /// An invocation of the unit failed.
        case failed(UnitSpan, attempt: Int, FunctionFailure)
        /// The function was not reached; the unit is retried after this pause.
        case notReached(UnitSpan, FunctionFailure, wait: Duration)
        /// The unit is retried after this pause; `retry` counts from 1.
        case retrying(UnitSpan, retry: Int, wait: Duration)
        /// A fresh unit waits because a long series of records has failed (ESM-A8).
        case protecting(UnitSpan, failedInARow: Int, wait: Duration)
        /// The unit was split in two.
        case split(UnitSpan, SplitReason, into: UnitSpan, and: UnitSpan)
        /// Records are given up.
        indirect case gaveUp(GivenUpSpan)
        /// The destination has stored the given-up records up to this number.
        case handedOver(through: SequenceNumber)
        /// The destination failed, `failures` times in a row now; the delivery is retried after this pause.
        case destinationFailed(String, failures: Int, wait: Duration)
        /// The shard is paused, until an operator acts.
        indirect case shardPaused(PausedShard)
        /// An operator lets the shard go on, and gives up the records that paused it or not.
        indirect case shardResumed(PausedShard, givingUp: Bool)
        /// So many keys are parked, because these records could not be processed.
        indirect case parkedKeys(GivenUpSpan, keys: Int)
        /// So many records, of so many keys, are durably in the parking stream.
        case parked(Int, keys: Int)
        /// The parking stream failed, `failures` times in a row now; the records wait, and are written again after this
        /// pause.
        case parkingFailed(String, failures: Int, wait: Duration)
        /// The bounds of the parking stream are reached: the shard reads no further until keys are released or discarded.
        case parkingFull(waiting: Int)
        /// Nothing of this key waits any more.
        case unparked(String)
        /// The checkpoint at this number is durable.
        case checkpointed(SequenceNumber)
        /// The shard has another number of lanes from now on.
        case lanesChanged(from: Int, to: Int)
        /// The shard stopped.
        case stopped(StopReason)

        /// The rule of `Documentation/Rules/EventSourceMappings.md` that the step follows.
        package var rule: String {
            switch self {
            case .filteredOut: "ESM-F1"
            case .closed(_, .size, _): "ESM-B1"
            case .closed(_, .window, let after): after == .zero ? "ESM-B2" : "ESM-B3"
            case .closed(_, .payload, _): "ESM-B4"
            case .closed(_, .shardEnd, _), .closed(_, .caughtUp, _): "ESM-B10"
            case .closed(_, .gap, _): "ESM-G4"
            case .closed(_, .memory, _): "ESM-K3"
            case .closed(_, .crash, _): "ESM-A9"
            case .closed(_, .tumblingWindow, _): "ESM-T3"
            case .windowEnded(_, nil): "ESM-T5"
            case .windowEnded(_, .stateTooLarge): "ESM-T6"
            case .windowEnded(_, .severalLanes): "ESM-S29"
            case .invoked: "ESM-B8"
            case .succeeded, .checkpointed: "ESM-P6"
            case .progressed: "ESM-R10"
            case .failed: "ESM-A1"
            case .notReached: "ESM-A4"
            case .retrying: "ESM-A7"
            case .protecting: "ESM-A8"
            case .split(_, .bisect, _, _): "ESM-X2"
            case .split(_, .isolate, _, _): "ESM-X7"
            case .split(_, .progress, _, _): "ESM-R15"
            case .split(_, .permanent, _, _): "ESM-R20"
            case .split(_, .age, _, _): "ESM-G2"
            case .gaveUp(let span):
                switch span.condition {
                case .retryAttemptsExhausted: "ESM-A3"
                case .recordAgeExceeded: "ESM-G2"
                case .permanentFailure: "ESM-R20"
                case .payloadSizeExceeded: "ESM-B5"
                default: "ESM-G4"
                }
            case .handedOver, .destinationFailed: "ESM-D9"
            case .parkedKeys, .parked, .parkingFailed, .parkingFull: "ESM-N1"
            case .unparked: "ESM-N2"
            case .shardPaused, .shardResumed: "ESM-N3"
            case .split(_, .parked, _, _): "ESM-N1"
            case .lanesChanged: "ESM-K5"
            case .stopped(.asked): "ESM-L3"
            case .stopped(.shardEnd): "ESM-H1"
            }
        }
    }
}

extension LaneCore.GivenUpSpan {
    /// What the trace says of records that are given up, or parked.
    init(_ giveUp: LaneCore.GiveUp, kept: Bool) {
        self.init(
            condition: giveUp.condition, first: giveUp.first, last: giveUp.last, count: giveUp.count,
            invocations: giveUp.invocations, failure: giveUp.failure, kept: kept, ends: giveUp.ends,
            head: giveUp.span.head)
    }
}

import StreamModel
import StreamStorage

extension MappingShardState.Unit {
    /// The unit that the lane works on.
    init(_ span: LaneCore.UnitSpan) { self.init(span.head, count: span.count) }

    /// What waits for the failure destination; nil where its records were never read.
    init?(_ span: LaneCore.GiveUpSpan) {
        guard let head = span.head else { return nil }
        self.init(head, count: span.count ?? 1)
    }

    private init(_ head: LaneCore.RecordName, count: Int) {
        self.init(partitionKey: head.partitionKey, sequenceNumber: head.number, recordCount: count)
    }
}

extension LaneCore {
    /// A record as people look for it: its key and number, and when it arrived.
    package struct RecordName: Hashable, Sendable {
        package let partitionKey: String
        package let number: KinesisSequenceNumber
        package let arrival: Timestamp

        package init(_ record: Record) {
            partitionKey = record.partitionKey
            number = record.kinesisSequenceNumber
            arrival = record.approximateArrivalTimestamp
        }
    }

    /// Records that wait for the failure destination.
    package struct GiveUpSpan: Hashable, Sendable {
        package let last: SequenceNumber
        /// nil where that can't be known.
        package let count: Int?
        /// The first record; nil where the lane never had it.
        package let head: RecordName?
    }

    /// Which records a line of the trace is about.
    package struct UnitSpan: Hashable, Sendable {
        /// The unit's number in its lane.
        package let unit: Int
        package let first: SequenceNumber
        package let last: SequenceNumber
        package let count: Int
        /// The first record.
        package let head: RecordName
        /// The record that failed, where the function said so.
        package internal(set) var failing: RecordName?

        /// The same span with the record that failed.
        func failing(at record: Record) -> UnitSpan {
            var span = self
            span.failing = RecordName(record)
            return span
        }
    }

    /// Records that were given up together, as a line of the trace tells it.
    package struct GivenUpSpan: Hashable, Sendable {
        package let condition: GiveUpCondition
        package let first: SequenceNumber
        package let last: SequenceNumber
        /// nil where that can't be known.
        package let count: Int?
        package let invocations: Int
        /// Why the last invocation failed, where one did.
        package let failure: FunctionFailure?
        /// Whether there is a destination to keep them.
        package let kept: Bool
        /// The first and the last record as they are named outside; empty where they were never read.
        package let ends: [KinesisSequenceNumber]
        /// The first record; nil where it was never read.
        package let head: RecordName?
    }

    /// One step of a lane and its reason: with these, everything that happened to a record can be told.
    package enum TraceEvent: Hashable, Sendable {
        /// A batch was closed, so long after its window opened.
        case closed(UnitSpan, ClosingCause, after: Duration)
        /// The function is called with the unit, for the attempt-th time.
        case invoked(UnitSpan, invocation: Int, attempt: Int)
        /// The unit is done.
        case succeeded(UnitSpan)
        /// What is before this number is done; the rest goes on as a fresh unit.
        case progressed(UnitSpan, before: SequenceNumber)
        /// An invocation of the unit failed.
        case failed(UnitSpan, attempt: Int, FunctionFailure)
        /// The function was not reached; the unit is tried again after this time.
        case notReached(UnitSpan, FunctionFailure, wait: Duration)
        /// The unit goes to the function again after this time; the k-th retry.
        case retrying(UnitSpan, retry: Int, wait: Duration)
        /// A fresh unit waits, since nothing has succeeded for long (ESM-A8).
        case protecting(UnitSpan, failedInARow: Int, wait: Duration)
        /// The unit was cut in two.
        case split(UnitSpan, SplitReason, into: UnitSpan, and: UnitSpan)
        /// Records are given up.
        case gaveUp(GivenUpSpan)
        /// The destination has what was given up, up to this number.
        case handedOver(through: SequenceNumber)
        /// The destination failed for the k-th time; it is tried again after this time.
        case destinationFailed(String, failures: Int, wait: Duration)
        /// Everything up to here is done and durable.
        case checkpointed(SequenceNumber)
        /// The lane stopped.
        case stopped(StopReason)

        /// The rule that says so, of `Documentation/Rules/EventSourceMappings.md`.
        package var rule: String {
            switch self {
            case .closed(_, .size, _): "ESM-B1"
            case .closed(_, .window, let after): after == .zero ? "ESM-B2" : "ESM-B3"
            case .closed(_, .payload, _): "ESM-B4"
            case .closed(_, .shardEnd, _), .closed(_, .caughtUp, _): "ESM-B10"
            case .closed(_, .gap, _): "ESM-G4"
            case .closed(_, .memory, _): "ESM-K3"
            case .closed(_, .crash, _): "ESM-A9"
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
            case .stopped(.asked): "ESM-L3"
            case .stopped(.shardEnd): "ESM-H1"
            }
        }
    }
}

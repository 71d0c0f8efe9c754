import StreamModel

extension LaneCore {
    /// Which records a line of the trace is about.
    package struct UnitSpan: Hashable, Sendable {
        /// The unit's number in its lane.
        package let unit: Int
        package let first: SequenceNumber
        package let last: SequenceNumber
        package let count: Int
        /// The first record as it is named outside.
        package let start: KinesisSequenceNumber
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
        /// The first and the last record as they are named outside; nil where they were never read.
        package let ends: [KinesisSequenceNumber]
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

        /// The rule of the specification that says so.
        package var rule: String {
            switch self {
            case .closed(_, .size, _): "ESM-B1"
            case .closed(_, .window, let after): after == .zero ? "ESM-B2" : "ESM-B3"
            case .closed(_, .payload, _): "ESM-B4"
            case .closed(_, .shardEnd, _): "ESM-B10"
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

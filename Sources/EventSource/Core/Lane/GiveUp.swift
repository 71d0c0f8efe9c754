import StreamModel

/// Why records were given up: the `condition` of a failure document (ESM-D3). Readers must accept unknown values.
public struct GiveUpCondition: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The condition as documents write it.
    public let rawValue: String

    /// The condition with this name.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// The condition as documents write it.
    public var description: String { rawValue }

    /// The unit failed on its first invocation and on every retry it may have (ESM-A3).
    public static let retryAttemptsExhausted = GiveUpCondition(rawValue: "RetryAttemptsExhausted")
    /// The records have reached the mapping's maximum record age (ESM-G1).
    public static let recordAgeExceeded = GiveUpCondition(rawValue: "RecordAgeExceeded")
    /// The records expired by retention before they were done (ESM-G4).
    public static let recordsExpired = GiveUpCondition(rawValue: "RecordsExpired")
    /// The records are in a lost range: a repair or an operator declared them lost after damage.
    public static let recordsLost = GiveUpCondition(rawValue: "RecordsLost")
    /// The function reported that the record can never succeed (ESM-R20).
    public static let permanentFailure = GiveUpCondition(rawValue: "PermanentFailure")
    /// The event of the single record is over the payload limit (ESM-B5).
    public static let payloadSizeExceeded = GiveUpCondition(rawValue: "PayloadSizeExceeded")
    /// Whether it tells of the function or of the records, and not of their time.
    var isOfFunction: Bool {
        switch self {
        case .retryAttemptsExhausted, .permanentFailure, .payloadSizeExceeded: true
        default: false
        }
    }

    /// An operator skipped the records.
    public static let skipped = GiveUpCondition(rawValue: "Skipped")
}

extension LaneCore {
    /// Records that are given up together: the content of one failure document (ESM-D1, ESM-D3,
    /// ESM-D4, ESM-D5).
    package struct GiveUp: Sendable {
        /// The document's `responseContext`: what it says about the function's last response.
        package struct Response: Hashable, Sendable {
            /// `"Unhandled"` for an error of the function, nil for a report that could not be used (ESM-R14).
            package var functionError: String?
        }

        /// The number of the lane that gives them up, from 0.
        package let lane: Int
        /// Why the records are given up.
        package let condition: GiveUpCondition
        /// The first number that is given up.
        package let first: SequenceNumber
        /// The last number that is given up. The checkpoint moves here once the destination has the records.
        package let last: SequenceNumber
        /// The number of records; nil if it can't be known (ESM-G4).
        package let count: Int?
        /// The records; empty if the lane never read them (expired or lost before).
        package let records: RecordBatch
        /// Invocations of the unit: `approximateInvokeCount`; 0 for records that were never sent (ESM-D4, ESM-G3).
        package let invocations: Int
        /// The number of the unit's last invocation, for the document's `requestId`.
        package let lastInvocation: Int?
        /// `responseContext`; nil leaves it out of the document (ESM-G3).
        package let response: Response?
        /// Why the last invocation failed, if one did.
        package let failure: FunctionFailure?
        /// The unit that the records belong to; nil for records that were never in a unit.
        package let unit: Int?
        /// The end of what an earlier, partly failed delivery stored durably, together with its checkpoint. The next
        /// delivery starts after this number.
        package internal(set) var takenThrough: SequenceNumber?
        /// The tumbling window whose final invocation is given up, with its state; nil for records.
        package internal(set) var window: WindowCall?
        /// The window's last record, of which the shard has no copy.
        var head: RecordName?
    }
}

extension LaneCore.GiveUp {
    /// Whether the final invocation of a tumbling window is given up, which has no records.
    package var isOfWindow: Bool { window != nil }

    /// The public sequence numbers of the first and the last record; empty if they were never read.
    package var ends: [KinesisSequenceNumber] {
        if let head { return [head.number, head.number] }
        return [records.first, records.last].compactMap(\.?.kinesisSequenceNumber)
    }

    /// Names the records in listings.
    var span: LaneCore.GiveUpSpan {
        LaneCore.GiveUpSpan(last: last, count: count, head: head ?? records.first.map(LaneCore.RecordName.init))
    }
}

import StreamModel

/// Why records were given up: the `condition` of a failure document (ESM-D3). Readers must tolerate unknown values.
public struct GiveUpCondition: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The condition as documents write it.
    public let rawValue: String

    /// The condition with this name.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// The condition as documents write it.
    public var description: String { rawValue }

    /// The unit failed as often as it may be tried (ESM-A3).
    public static let retryAttemptsExhausted = GiveUpCondition(rawValue: "RetryAttemptsExhausted")
    /// The records are older than the mapping's limit (ESM-G1).
    public static let recordAgeExceeded = GiveUpCondition(rawValue: "RecordAgeExceeded")
    /// Retention ended the records before they were done (ESM-G4).
    public static let recordsExpired = GiveUpCondition(rawValue: "RecordsExpired")
    /// The records were lost by damage that a repair or an operator has given up.
    public static let recordsLost = GiveUpCondition(rawValue: "RecordsLost")
    /// The function said that the record is bad for good (ESM-R20).
    public static let permanentFailure = GiveUpCondition(rawValue: "PermanentFailure")
    /// The event of the single record is over the payload limit (ESM-B5).
    public static let payloadSizeExceeded = GiveUpCondition(rawValue: "PayloadSizeExceeded")
    /// An operator skipped the records.
    public static let skipped = GiveUpCondition(rawValue: "Skipped")
}

extension LaneCore {
    /// Records that are given up, together: what a failure document tells (ESM-D1, ESM-D3 to ESM-D5).
    package struct GiveUp: Sendable {
        /// What the document says of the function's last answer (`responseContext`).
        package struct Response: Hashable, Sendable {
            /// `"Unhandled"` for an error of the function, nil for a report that could not be used (ESM-R14).
            package var functionError: String?
        }

        /// Why.
        package let condition: GiveUpCondition
        /// The first number that is given up.
        package let first: SequenceNumber
        /// The last number that is given up: where the checkpoint goes once the destination has it.
        package let last: SequenceNumber
        /// How many records; nil where that can't be known (ESM-G4).
        package let count: Int?
        /// The records; empty where the lane never had them (expired or lost before they were read).
        package let records: RecordBatch
        /// Invocations of the unit: `approximateInvokeCount`; 0 for records that were never sent (ESM-D4, ESM-G3).
        package let invocations: Int
        /// The number of the unit's last invocation, for the document's `requestId`.
        package let lastInvocation: Int?
        /// `responseContext`; nil: the document has none (ESM-G3).
        package let response: Response?
        /// Why the last invocation failed, where one did.
        package let failure: FunctionFailure?
        /// The unit that they are of; nil for what the lane never had.
        package let unit: Int?
        /// What the destination has durably already, with its checkpoint, of an earlier delivery that failed half-way:
        /// go on behind this number.
        package internal(set) var takenThrough: SequenceNumber?
    }
}

extension LaneCore.GiveUp {
    /// Which records these are, for listings.
    var span: LaneCore.GiveUpSpan {
        LaneCore.GiveUpSpan(last: last, count: count, head: records.first.map(LaneCore.RecordName.init))
    }
}

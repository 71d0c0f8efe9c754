import StreamModel

extension LaneCore {
    /// What an invocation came to.
    package enum InvocationResult: Sendable {
        /// All records of the unit are done (ESM-R1).
        case success
        /// The function failed on the unit as a whole: it threw, exited, ran out of time (ESM-R9).
        case failed(FunctionFailure)
        /// What is before the record with this number is done, that one and what follows is not (ESM-R10). With
        /// reports off it counts as a failure of the whole; an answer that is not to be looked at (ESM-R4) is a
        /// ``success`` and the caller's to see.
        case partial(from: SequenceNumber, FunctionFailure)
        /// The function's report can't be used, so the unit failed as a whole (ESM-R5 to ESM-R8, ESM-R11, ESM-R12,
        /// ESM-R14).
        case badReport(FunctionFailure)
        /// Trying again is of no use: the record with this number, or with nil an unnamed one of the unit, is bad for
        /// good (ESM-R20).
        case permanent(SequenceNumber?, FunctionFailure)
        /// The function was not reached; the attempt does not count (ESM-A4, ESM-A6).
        case notReached(FunctionFailure)
        /// The function was not called, as retention has ended records of the unit meanwhile; told behind the horizon that
        /// says so (ESM-A11).
        case expired
        /// The caller ended the invocation before its result was known; nothing is known of the unit (ESM-L3).
        case cancelled
        /// The function was not called, as the lane is to stop: nothing is counted.
        case notCalled

        /// Whether the function had the unit, whatever came of it.
        package var isReached: Bool {
            switch self {
            case .notReached, .notCalled, .expired: false
            default: true
            }
        }
    }

    /// Why an invocation failed, in words.
    package struct FunctionFailure: Hashable, Sendable {
        /// The error's text; at most some KiB.
        package var text: String
        /// The error's type, where there is one.
        package var type: String?

        package init(_ text: String, type: String? = nil) {
            self.text = text
            self.type = type
        }
    }

    /// One entry of a function's report of failed records (`batchItemFailures`).
    package struct ReportedFailure: Hashable, Sendable {
        /// The entry's `itemIdentifier`; nil where it is missing, null or no string.
        package var identifier: String?
        /// Whether the entry says that the record is bad for good (ESM-R20).
        package var isPermanent: Bool
        /// What the function says about it.
        package var failure: FunctionFailure?

        package init(_ identifier: String?, isPermanent: Bool = false, failure: FunctionFailure? = nil) {
            self.identifier = identifier
            self.isPermanent = isPermanent
            self.failure = failure
        }
    }
}

extension LaneCore.Unit {
    /// What a report of failed records means for this unit, with reports on (ESM-R2, ESM-R4 to ESM-R8, ESM-R10,
    /// ESM-R11).
    package func result(ofReport entries: [LaneCore.ReportedFailure]) -> LaneCore.InvocationResult {
        var lowest: (number: SequenceNumber, entry: LaneCore.ReportedFailure)?
        for entry in entries {
            guard let identifier = entry.identifier, let named = KinesisSequenceNumber(identifier),
                let index = records.index(of: named.sequenceNumber),
                records[index].kinesisSequenceNumber == named
            else {
                let shown = entry.identifier.map { "'\($0)'" } ?? "without an itemIdentifier that is a string"
                return .badReport(
                    LaneCore.FunctionFailure(
                        "the function reported a failed record \(shown), which is no sequence number of this batch",
                        type: "BadReport"))
            }
            // Of several entries for one record the one that says more counts.
            if let found = lowest {
                guard
                    named.sequenceNumber < found.number
                        || named.sequenceNumber == found.number && entry.isPermanent
                else { continue }
            }
            lowest = (named.sequenceNumber, entry)
        }
        guard let lowest else { return .success }
        let failure =
            lowest.entry.failure ?? LaneCore.FunctionFailure("the function reported the record as failed")
        return lowest.entry.isPermanent
            ? .permanent(lowest.number, failure) : .partial(from: lowest.number, failure)
    }
}

import StreamModel

extension LaneCore {
    /// The result of an invocation.
    package enum InvocationResult: Sendable {
        /// All records of the unit are done (ESM-R1).
        case success
        /// The function failed on the unit as a whole: it threw an error, its process exited, or it timed out (ESM-R9).
        case failed(FunctionFailure)
        /// The records before this number are done; the record with this number and the later ones are not (ESM-R10).
        /// With reports off this counts as a failure of the whole unit. The caller recognizes responses that must not
        /// be read (ESM-R4) and passes ``success`` for them.
        case partial(from: SequenceNumber, FunctionFailure)
        /// The function's report can't be used, so the unit failed as a whole (ESM-R5, ESM-R6 to ESM-R8, ESM-R11,
        /// ESM-R12, ESM-R14).
        case badReport(FunctionFailure)
        /// A record of the unit can never succeed: the one with this number, or with nil one that the function didn't
        /// name (ESM-R20).
        case permanent(SequenceNumber?, FunctionFailure)
        /// The function was not reached; the attempt does not count (ESM-A4, ESM-A6).
        case notReached(FunctionFailure)
        /// The function was not called, because records of the unit have expired meanwhile. The lane gets the new
        /// horizon before this result (ESM-A11).
        case expired
        /// The caller cancelled the invocation before its result was known; whether the function did the unit is
        /// unknown (ESM-L3).
        case cancelled
        /// The function was not called, because the lane is stopping. Nothing is counted.
        case notCalled

        /// Whether some records of the unit may be done.
        package var keepsSome: Bool {
            switch self {
            case .success, .partial, .permanent(_?, _): true
            default: false
            }
        }

        /// Whether the function received the unit, with any result.
        package var isReached: Bool {
            switch self {
            case .notReached, .notCalled, .expired: false
            default: true
            }
        }
    }

    /// Why an invocation failed, as text.
    package struct FunctionFailure: Hashable, Sendable {
        /// The error's text, at most a few KiB.
        package var text: String
        /// The error's type, if there is one.
        package var type: String?

        package init(_ text: String, type: String? = nil) {
            self.text = text
            self.type = type
        }

        /// The most bytes that are kept of an error's type. A document too large for its destination would block the
        /// shard.
        static let typeLimit = 256

        /// A text cut to at most the given number of bytes, between characters.
        static func limited(_ text: String, to limit: Int) -> String {
            guard text.utf8.count > limit else { return text }
            var size = 0
            var end = text.startIndex
            for index in text.unicodeScalars.indices {
                size += UTF8.width(text.unicodeScalars[index])
                guard size <= limit - 3 else { break }
                end = text.unicodeScalars.index(after: index)
            }
            return String(text[..<end]) + "…"
        }
    }

    /// One entry of a function's report of failed records (`batchItemFailures`).
    package struct ReportedFailure: Hashable, Sendable {
        /// The entry's `itemIdentifier`; nil if it is null (ESM-R6), missing (ESM-R7) or not a string.
        package var identifier: String?
        /// Whether the entry says that the record can never succeed (ESM-R20).
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
            // If several entries name one record, a permanent one counts.
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

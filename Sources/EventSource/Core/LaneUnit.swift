import StreamModel

extension LaneCore {
    /// A run of consecutive records of the shard that is invoked together: a fresh batch, or what is left of one after
    /// a split, a partial success, or the end of older records.
    package struct Unit: Sendable {
        /// Where a unit comes from.
        package enum Origin: Hashable, Sendable {
            /// A batch that was closed for this reason.
            case batch(ClosingCause)
            /// A part of the unit with this number.
            case part(of: Int, SplitReason)
        }

        /// The unit's number in its lane, from 1; a part has a number of its own.
        package let id: Int
        /// The records, at least one.
        package let records: RecordBatch
        /// Where it comes from.
        package let origin: Origin
        /// Invocations of exactly this unit that reached the function and failed (ESM-A2, ESM-A4).
        package internal(set) var attempts = 0
        /// Tries since the last one that reached the function, which it did not reach (ESM-A4).
        package internal(set) var unreached = 0
        /// Why the last invocation failed.
        package internal(set) var failure: FunctionFailure?
        /// Whether the last failure was one that the function reported, rather than an error (ESM-R14).
        var failedByReport = false
        /// The number of the last invocation (see ``Invocation/number``).
        package internal(set) var lastInvocation: Int?
        /// Not to be invoked before this moment.
        package internal(set) var notBefore: MonotonicTime?

        /// For the trace: which unit this is.
        package let span: UnitSpan

        init(id: Int, records: RecordBatch, origin: Origin) {
            self.id = id
            self.records = records
            self.origin = origin
            span = UnitSpan(
                unit: id, first: records.firstSequence, last: records.lastSequence, count: records.count,
                head: RecordName(records[0]))
        }

        /// The first record's number.
        package var first: SequenceNumber { span.first }
        /// The last record's number.
        package var last: SequenceNumber { span.last }
    }

    /// One call of the function.
    package struct Invocation: Sendable {
        /// Counted from 1 in the lane's life; the result is reported under it.
        package let number: Int
        /// What the function gets.
        package let unit: Unit
        /// Which invocation of this unit it is, from 1.
        package var attempt: Int { unit.attempts + 1 }
        /// The settings in force; they stay those of this invocation whatever changes meanwhile (ESM-L4).
        package let settings: Settings
    }

    /// Why a batch was closed.
    package enum ClosingCause: Int, Hashable, Sendable, CaseIterable {
        /// It has as many records as a batch may have (ESM-B1).
        case size
        /// Its window is over; with a window of zero, nothing more was there (ESM-B2, ESM-B3).
        case window
        /// One more record would pass the payload limit, or the limit is reached (ESM-B4).
        case payload
        /// The shard is closed and these are its last records (ESM-B10).
        case shardEnd
        /// Behind it records are missing: lost, or expired (ESM-G4).
        case gap
        /// The lane holds as many bytes as it may and can't read on (ESM-K3).
        case memory
        /// It is the unit during which the process ended before (ESM-A9).
        case crash
        /// Everything that is wanted was read, so it doesn't wait for its window (ESM-B10).
        case caughtUp
    }

    /// Why a unit was cut.
    package enum SplitReason: String, Hashable, Sendable {
        /// It failed and was halved (ESM-X1, ESM-X2).
        case bisect
        /// It failed from its first record on, which is tried alone (ESM-X7).
        case isolate
        /// What is before the reported record is done (ESM-R10).
        case progress
        /// One record was given up as permanently bad, and the others go on (ESM-R20).
        case permanent
        /// Its first records were too old, or expired (ESM-G2, ESM-G4).
        case age
    }
}

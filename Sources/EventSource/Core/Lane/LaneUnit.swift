import StreamModel

extension LaneCore {
    /// Consecutive records of a lane that the function gets in one invocation: a fresh batch, or a part of one after a
    /// split, a partial success, or the giving up of older records.
    package struct Unit: Sendable {
        /// Where a unit comes from.
        package enum Origin: Hashable, Sendable {
            /// A batch that was closed for this reason.
            case batch(ClosingCause)
            /// A part of the unit with this number.
            case part(of: Int, SplitReason)
            /// The end of a tumbling window, before its time or not (ESM-T5, ESM-T6).
            case windowEnd(early: Bool)
        }

        /// The unit's number in its shard, from 1; a part has a number of its own.
        package let id: Int
        /// The records, in order (ESM-P1), and always the same (ESM-B7); none in the final invocation of a tumbling
        /// window, else at least one.
        package let records: RecordBatch
        /// Where it comes from.
        package let origin: Origin
        /// Invocations of exactly this unit that reached the function and failed (ESM-A2, ESM-A4).
        package internal(set) var attempts = 0
        /// Calls that did not reach the function, since the last one that did (ESM-A4).
        package internal(set) var unreached = 0
        /// Why the last invocation failed.
        @Rare package internal(set) var failure: FunctionFailure?
        /// Whether the last failure came from a report of the function rather than from an error (ESM-R14).
        var failedByReport = false
        /// The number of the last invocation (see ``Invocation/number``).
        package internal(set) var lastInvocation: Int?
        /// The unit is not invoked before this moment.
        package internal(set) var notBefore: MonotonicTime?

        /// Names the unit in the trace.
        package let span: UnitSpan

        init(id: Int, records: RecordBatch, origin: Origin, lane: Int = 0) {
            self.id = id
            self.records = records
            self.origin = origin
            span = UnitSpan(
                unit: id, lane: lane, first: records.firstSequence, last: records.lastSequence, count: records.count,
                head: RecordName(records[0]))
        }

        /// The final invocation of a window that had records.
        init(id: Int, endOf last: RecordName, early: Bool, lane: Int) {
            self.id = id
            records = RecordBatch()
            origin = .windowEnd(early: early)
            span = UnitSpan(
                unit: id, lane: lane, first: last.number.sequenceNumber, last: last.number.sequenceNumber, count: 0,
                head: last)
        }

        /// Whether this is the final invocation of a tumbling window. Its span names the window's last record.
        package var isFinal: Bool { if case .windowEnd = origin { true } else { false } }

        /// The first record's number.
        package var first: SequenceNumber { span.first }
        /// The last record's number.
        package var last: SequenceNumber { span.last }
    }

    /// One call of the function.
    package struct Invocation: Sendable {
        /// The invocation's number, counted from 1 for each shard. The result is reported with it.
        package let number: Int
        /// The lane's number, from 0.
        package let lane: Int
        /// The unit that the function gets.
        package let unit: Unit
        /// Counts the attempts of this unit, from 1.
        package var attempt: Int { unit.attempts + 1 }
        /// The window and its state; nil in a mapping without windows.
        @Rare package internal(set) var window: WindowCall?
        /// What ``settings`` shares with the lane.
        let terms: Boxed<Settings>
        /// The settings of this invocation; later changes of the mapping's settings don't affect it (ESM-L4).
        package var settings: Settings { terms.value }
    }

    /// Why a batch was closed.
    package enum ClosingCause: Int, Hashable, Sendable, CaseIterable {
        /// It has the maximum number of records (ESM-B1).
        case size
        /// Its window has ended; with a window of zero: no further record was available (ESM-B2, ESM-B3).
        case window
        /// One more record would exceed the payload limit, or the limit is reached (ESM-B4).
        case payload
        /// The shard is closed and these are its last records (ESM-B10).
        case shardEnd
        /// The records after it are missing: lost or expired (ESM-G4).
        case gap
        /// The lane holds its maximum of bytes and can't read on (ESM-K3).
        case memory
        /// It is the unit whose invocation was running when the previous process ended (ESM-A9).
        case crash
        /// Everything up to the goal was read, so the batch doesn't wait for its window (ESM-B10).
        case caughtUp
        /// The next record is of a later tumbling window, or the tumbling window is past (ESM-T3).
        case tumblingWindow
    }

    /// Why a unit was split.
    package enum SplitReason: String, Hashable, Sendable {
        /// It failed and was halved (ESM-X1, ESM-X2).
        case bisect
        /// The function reported its first record as failed; that record is retried alone (ESM-X7),
        /// and the others follow as a unit (ESM-X8).
        case isolate
        /// The records before the reported one are done (ESM-R10).
        case progress
        /// One record was given up as a permanent failure; the others become a fresh unit (ESM-R20).
        case permanent
        /// Its first records were too old, or expired (ESM-G2, ESM-G4).
        case age
        /// The keys of some of its records were parked (ESM-N1).
        case parked
    }
}

import StreamModel

extension LaneCore {
    /// The tumbling window that a lane is in (ESM-T1), with the state that the function returned last for it (ESM-T2).
    package struct Window: Hashable, Sendable {
        /// The first moment of the window.
        package let start: Timestamp
        /// The first moment after the window.
        package let end: Timestamp
        /// What the function returned last, as JSON; empty: nothing yet.
        package var state: [UInt8]
        /// The last record that is done since the state began; nil: there is none, and nothing to end.
        package var last: RecordName?
        /// Whether the function had its final invocation at the window's end.
        package var isOver: Bool

        package init(
            start: Timestamp, end: Timestamp, state: [UInt8] = [], last: RecordName? = nil, isOver: Bool = false
        ) {
            self.start = start
            self.end = end
            self.state = state
            self.last = last
            self.isOver = isOver
        }

        /// The window of a record that arrived at `arrival`, after the window `before` (ESM-T1).
        ///
        /// It begins at a multiple of `length` in Unix time. Where the window before reaches beyond that, it begins at
        /// that one's end: the length has changed (ESM-T11), or the record is late (ESM-T10).
        package init(of arrival: Timestamp, length: Duration, after before: Window?) {
            let length = max(1, length.wholeMilliseconds)
            let moment = max(arrival, before?.end ?? arrival).milliseconds
            let (quotient, rest) = moment.quotientAndRemainder(dividingBy: length)
            let aligned = (rest < 0 ? quotient - 1 : quotient) * length
            self.init(
                start: max(Timestamp(milliseconds: aligned), before?.end ?? Timestamp(milliseconds: aligned)),
                end: Timestamp(milliseconds: aligned + length))
        }

        /// Whether the function has to be told of the window's end.
        var isOpen: Bool { !isOver && last != nil }

        /// The state is dropped: the function has had its final invocation, or it was given up.
        mutating func end(early: Bool) {
            state = []
            last = nil
            isOver = !early
        }
    }

    /// Why a window ends before its time.
    package enum EarlyEnd: Hashable, Sendable {
        /// Its state has more than ``mostStateBytes`` (ESM-T6).
        case stateTooLarge
        /// The shard has several lanes now, and windows are of shards (ESM-S29).
        case severalLanes
    }

    /// What an invocation of a mapping with tumbling windows gets beside its records (ESM-E7).
    package struct WindowCall: Hashable, Sendable {
        /// The first moment of the window.
        package let start: Timestamp
        /// The first moment after the window.
        package let end: Timestamp
        /// What the function returned last for this window, as JSON; empty: nothing yet (ESM-E8).
        package let state: [UInt8]
        /// Whether this is the window's final invocation, which has no records (ESM-T5).
        package let isFinal: Bool
        /// Whether the window ends before its time (ESM-T6).
        package let isTerminatedEarly: Bool

        package init(_ window: Window, isFinal: Bool = false, isTerminatedEarly: Bool = false) {
            start = window.start
            end = window.end
            state = window.state
            self.isFinal = isFinal
            self.isTerminatedEarly = isTerminatedEarly
        }
    }

    /// The size of a state above which its window ends early (ESM-T6): 1 MiB.
    package static let mostStateBytes = 1 << 20
}

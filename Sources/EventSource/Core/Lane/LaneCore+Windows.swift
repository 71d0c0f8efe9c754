import StreamModel
import StreamStorage

/// Tumbling windows (ESM-T1 to ESM-T11).
extension LaneCore {
    /// How long the lane waits before it looks again for records of a window that is past. Until then, a commit that was
    /// under way is visible.
    private static let lookPause = Duration.milliseconds(5)

    /// The window of the next record; nil if it has none.
    func nextWindow(_ settings: Settings) -> Window? {
        guard window != nil || settings.tumblingWindow != nil, let next = queue.first else { return nil }
        let arrival = next.approximateArrivalTimestamp
        if let window, !window.isOver, arrival < window.end { return window }
        return settings.tumblingWindow.map { Window(of: arrival, length: $0, after: window) }
    }

    /// The next batch is of this window. Its records that arrived before the window are late (ESM-T10).
    mutating func enter(_ window: Window?, with records: RecordBatch, _ shared: inout Shared) {
        self.window = window
        guard let window, records[0].approximateArrivalTimestamp < window.start else { return }
        for run in records.runs { shared.counters.late += run.count(arrivedBefore: window.start) }
    }

    /// Begins the final invocation of the lane's window, if that is due. Returns true if it did.
    mutating func endWindow(_ shared: inout Shared, _ now: Moment) -> Bool {
        guard let window, window.isOpen else { return false }
        // With several lanes there are no windows (ESM-S29): one of the settings before ends at once.
        let early: EarlyEnd? =
            isTooLarge ? .stateTooLarge : shared.settings.parallelizationFactor > 1 ? .severalLanes : nil
        guard early != nil || isPast(window, &shared, now) else { return false }
        pushFinalUnit(early: early, &shared)
        if let note = finalNote { countCrash(note, newlyFailed: 0, &shared, now) }
        return true
    }

    /// Puts the final invocation of a window whose state is too large before the other records of its batch (ESM-T6).
    mutating func endLargeWindow(_ shared: inout Shared) -> Bool {
        guard isTooLarge, units.last?.isFinal == false else { return false }
        pushFinalUnit(early: .stateTooLarge, &shared)
        return true
    }

    private var isTooLarge: Bool { window.map { $0.isOpen && $0.state.count > Self.mostStateBytes } ?? false }

    private mutating func pushFinalUnit(early: EarlyEnd?, _ shared: inout Shared) {
        guard let last = window?.last else { return }
        let unit = shared.newFinalUnit(last, early: early != nil, lane: number)
        units.append(unit)
        batchCount += 1
        stage = .deciding
        shared.trace(.windowEnded(unit.span, early: early))
    }

    /// Whether no record of the window can come any more: a later one was read, the shard has ended, or the window is
    /// past and a read has shown it (ESM-T5, ESM-T8).
    private mutating func isPast(_ window: Window, _ shared: inout Shared, _ now: Moment) -> Bool {
        if let next = queue.first { return next.approximateArrivalTimestamp >= window.end }
        if shared.source.hasEnded { return queue.isEmpty }
        guard now.wall >= window.end, queue.isEmpty else { return false }
        if shared.source.earliestNextArrival >= window.end { return true }
        if !shared.source.hasReadGoal, nextLook.map({ now.monotonic >= $0 }) ?? true {
            shared.source.wantsLook = true
            nextLook = now.monotonic + Self.lookPause
        }
        return false
    }

    /// When a lane that collects has to decide again; nil: after an event.
    func nextWake(_ shared: borrowing Shared, _ now: Moment, batchOpened: MonotonicTime?) -> MonotonicTime? {
        guard queue.readable == 0 else {
            guard shared.settings.batchWindow > .zero, let batchOpened else { return nil }
            let wake = batchOpened + shared.settings.batchWindow
            guard let window = nextWindow(shared.settings) else { return wake }
            return min(wake, now.monotonic + (window.end - now.wall))
        }
        guard let window, window.isOpen, !shared.source.hasReadGoal else { return nil }
        let end = now.monotonic + (window.end - now.wall)
        return nextLook.map { max(end, $0) } ?? end
    }

    /// What an invocation of the unit tells of the window.
    func windowCall(for unit: Unit) -> WindowCall? {
        guard let window, !window.isOver else { return nil }
        guard case .windowEnd(let early) = unit.origin else { return WindowCall(window) }
        return WindowCall(window, isFinal: true, isTerminatedEarly: early)
    }

    /// Everything of the window up to this record is done, with this state; nil leaves it as it is.
    mutating func windowMoved(to last: Record, state: [UInt8]?) {
        guard window?.isOver == false else { return }
        window?.last = RecordName(last)
        if let state { window?.state = state }
    }

    /// The function had the window's final invocation, or that was given up.
    mutating func windowEnded(early: Bool, _ settings: Settings) {
        window?.end(early: early)
        let isUsed = settings.tumblingWindow != nil || early && settings.parallelizationFactor == 1
        if !isUsed { window = nil }
    }

    /// Why an answer can't count as a success: it has no state, or one that no event can hold (ESM-T4, ESM-T6).
    func refusal(of state: [UInt8]?, for invocation: Invocation) -> FunctionFailure? {
        guard invocation.window != nil, !invocation.unit.isFinal else { return nil }
        guard let state else {
            return FunctionFailure(
                "the answer has no state; allowed with tumbling windows: an object with a member 'state'",
                type: "InvalidResponse")
        }
        guard let payload = invocation.settings.payload else { return nil }
        let size = payload.envelope + payload.windowEnvelope + state.count
        guard size > payload.limit else { return nil }
        return FunctionFailure(
            "the state has \(state.count) bytes, so that no event could hold it (at most \(payload.limit) bytes)",
            type: "StateTooLarge")
    }

    /// When the age of a unit begins to count: with its first record, or with the end of the window that it ends
    /// (ESM-T7).
    func ageBegins(_ unit: Unit) -> Timestamp {
        unit.records.first?.approximateArrivalTimestamp ?? window?.end ?? unit.span.head.arrival
    }
}

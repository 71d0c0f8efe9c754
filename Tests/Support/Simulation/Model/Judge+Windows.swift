/// What the tumbling windows of a mapping have in one shard, by what its function was told and returned.
struct WindowModel {
    /// The start of the window in which the function last got a record.
    var windows: [UInt64: Int64] = [:]
    /// Records that the function returned for and has not got again since.
    var covered: Set<UInt64> = []
    /// The window whose final invocation runs.
    var ending: Int64?
    /// Windows of whose end the function was told. After a crash it may be told again.
    var ended: Set<Int64> = []

    /// The process ended: the attempt may have been the last one, and the window given up.
    mutating func processEnded() {
        guard let ending else { return }
        self.ending = nil
        ended.insert(ending)
    }
}

extension Judge {
    /// The function gets these records with this state (ESM-T1 to ESM-T3, ESM-T8, ESM-T9).
    package mutating func invoked(
        _ name: String, _ shard: Shard, with items: [Item], state: [UInt64], in window: Range<Int64>
    ) {
        guard let first = items.first, knowsWindows(of: name, shard) else { return }
        checkState(state, of: name, shard, window, before: first.sequence)
        for item in items {
            if !clockGoesBack, !window.contains(item.arrival) {
                return fail(
                    "\(name) got \(shard) \(item.sequence), which arrived at \(item.arrival), in the window \(window) (ESM-T1)"
                )
            }
            mappings[name]!.lanes[shard]!.windows.windows[item.sequence] = window.lowerBound
            mappings[name]!.lanes[shard]!.windows.covered.remove(item.sequence)
        }
        mappings[name]!.lanes[shard]!.windows.ended.remove(window.lowerBound)
        let model = mappings[name]!.lanes[shard]!.windows
        let open = model.covered.filter { sequence in
            let start = model.windows[sequence]!
            guard start < window.lowerBound, !model.ended.contains(start), let item = logs[shard]?.promised[sequence]
            else { return false }
            // What expired before it came again after a crash begins no window.
            return isThere(sequence, in: shard) && !mayHaveExpired(item, in: shard)
        }
        if let left = open.min() {
            fail("\(name) got \(shard) \(first.sequence) before the window of \(left) was ended (ESM-T5)")
        }
    }

    /// The function returned for these records, which its window's state covers now.
    package mutating func windowCovers(_ sequences: [UInt64], of name: String, _ shard: Shard) {
        mappings[name]!.lanes[shard]!.windows.covered.formUnion(sequences)
    }

    /// The function is told of the end of a window (ESM-T5).
    package mutating func ends(_ window: Range<Int64>, of name: String, _ shard: Shard, state: [UInt64]) {
        guard knowsWindows(of: name, shard) else { return }
        checkState(state, of: name, shard, window, before: .max)
        mappings[name]!.lanes[shard]!.windows.ending = window.lowerBound
    }

    /// It returned from that. Nothing may be known of the shard: the mapping was made again, or its function had nothing
    /// of the shard since it was sent back.
    package mutating func ended(_ window: Range<Int64>, of name: String, _ shard: Shard) {
        mappings[name]?.lanes[shard]?.windows.ending = nil
        mappings[name]?.lanes[shard]?.windows.ended.insert(window.lowerBound)
    }

    /// Whether it is known what is done in the shard: the mapping was not sent back, or its run has noticed.
    private func knowsWindows(of name: String, _ shard: Shard) -> Bool {
        guard violation == nil, let mapping = mappings[name], let lane = mapping.lanes[shard] else { return false }
        return !mapping.isSought && !lane.isStale
    }

    /// Whether a record was not lost with the power.
    private func isThere(_ sequence: UInt64, in shard: Shard) -> Bool {
        logs[shard]?.promised[sequence] != nil && logs[shard]?.shaky[sequence] == nil
    }

    /// The state covers exactly what the function did in the window before this record.
    private mutating func checkState(
        _ state: [UInt64], of name: String, _ shard: Shard, _ window: Range<Int64>, before end: UInt64
    ) {
        let model = mappings[name]!.lanes[shard]!.windows
        for (left, right) in zip(state, state.dropFirst()) where right <= left {
            return fail("the state of \(name) in \(shard) has \(right) after \(left)")
        }
        if let wrong = state.first(where: {
            $0 >= end || model.windows[$0] != window.lowerBound || !model.covered.contains($0) && isThere($0, in: shard)
        }) {
            return fail(
                "the state of \(name) in \(shard) before \(end) has \(wrong), which was not done in the window \(window) (ESM-T8)"
            )
        }
        let known = Set(state)
        for sequence in model.covered
        where sequence < end && model.windows[sequence] == window.lowerBound && !known.contains(sequence) {
            // It may have been given up since, after a crash. Then it must have a document.
            guard isThere(sequence, in: shard) else { continue }
            mappings[name]!.lanes[shard]!.windows.covered.remove(sequence)
            mappings[name]!.lanes[shard]!.done.remove(sequence)
            mappings[name]!.lanes[shard]!.doneBefore.remove(sequence)
            mappings[name]!.lanes[shard]!.owed.insert(sequence)
        }
    }
}

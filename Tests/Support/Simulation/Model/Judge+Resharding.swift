import StreamModel

/// Splits and merges: all of a call's are there, or none (STORE-R1, STORE-P18).
extension Judge {
    /// How a stream's hash keys are divided.
    struct Division: Hashable {
        /// The first hash keys of the open shards.
        var firsts: Set<HashKey>
        /// Those that a call leads to that was made, and of which nobody knows yet whether it was done.
        var next: Set<HashKey>?
    }

    /// The shards of the stream are about to be split and merged, to these ranges.
    package mutating func willReshard(to ranges: [HashKeyRange]) {
        divisions[stream]?.next = Set(ranges.map(\.first))
    }

    /// It is done.
    package mutating func hasResharded() {
        guard let next = divisions[stream]?.next else { return }
        divisions[stream] = Division(firsts: next)
    }

    /// It was surely not done.
    package mutating func hasNotResharded() { divisions[stream]?.next = nil }

    /// Somebody sees which shards are open.
    package mutating func sawOpenShards(_ ranges: [HashKeyRange]) {
        let firsts = Set(ranges.map(\.first))
        guard let division = divisions[stream] else {
            divisions[stream] = Division(firsts: firsts)
            return
        }
        if firsts == division.next {
            divisions[stream] = Division(firsts: firsts)
        } else if firsts != division.firsts {
            fail(
                "the open shards of \(stream) begin at \(firsts.sorted()), and should at \(division.firsts.sorted())\(division.next.map { " or \($0.sorted())" } ?? "")"
            )
        }
    }
}

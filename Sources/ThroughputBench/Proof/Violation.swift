import StreamModel
import Synchronization

/// Something that a log must never do, and with which record it did it.
package struct Violation: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        /// A record came before one of the same producer and key that was put earlier.
        case order
        /// A record came twice.
        case duplicate
        /// A record was acknowledged and never came.
        case lost
        /// A record came in a shard that does not own its key.
        case wrongShard
        /// A record came that is not what was put: other bytes, or nobody put it.
        case foreign
    }

    package var kind: Kind
    /// Which record, and what is wrong with it.
    package var description: String

    init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}

/// What was found wrong, by all who look: a count of each kind, and the first ones whole.
final class Findings: Sendable {
    private struct State {
        var first: [Violation] = []
        var counts: [Violation.Kind: Int] = [:]
    }
    private let state = Mutex(State())

    /// So many are kept whole.
    static let kept = 10

    func add(_ violation: Violation, count: Int = 1) {
        state.withLock { state in
            if state.first.count < Self.kept { state.first.append(violation) }
            state.counts[violation.kind, default: 0] += count
        }
    }

    var first: [Violation] { state.withLock { $0.first } }
    func count(of kind: Violation.Kind) -> Int { state.withLock { $0.counts[kind, default: 0] } }
    var isEmpty: Bool { state.withLock { $0.counts.isEmpty } }
}

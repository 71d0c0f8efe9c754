import StreamModel
import Synchronization

/// A broken promise of the log, with the record concerned.
package struct Violation: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        /// A record was delivered before one of the same producer and key that was put earlier.
        case order
        /// A record was delivered twice.
        case duplicate
        /// A record was acknowledged and never delivered.
        case lost
        /// A record was delivered in a shard that does not own its key.
        case wrongShard
        /// A delivered record is not one that was put: its bytes differ, or no producer put it.
        case foreign
    }

    package var kind: Kind
    /// Which record it is, and what is wrong with it.
    package var description: String

    init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}

/// All violations that were found, on any thread: a count of each kind, and the first ones in full.
final class Findings: Sendable {
    private struct State {
        var first: [Violation] = []
        var counts: [Violation.Kind: Int] = [:]
    }
    private let state = Mutex(State())

    /// How many violations are kept in full.
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

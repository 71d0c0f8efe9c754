import Logging
import StreamModel
import Synchronization

/// Keeps a mapping's log readable when much fails at once: the first few lines of a kind in a second are written, the
/// others are counted, and their count is logged at the end of the second.
///
/// The caller passes the time. The mapping's run calls ``endSecond(at:_:)`` about once a second and ``end(_:)`` at its
/// end; the drivers of all shards call ``admits(_:at:_:)`` from their workers. Nothing is logged under the lock.
final class LogThrottle: Sendable {
    /// What a line is about.
    enum Kind: Hashable, Sendable {
        /// A call of the function that failed.
        case failure
        /// A unit of this many records that was given up.
        case givenUp(records: Int)
        /// A failed delivery to the failure destination.
        case delivery
        /// A shard that waits because many records have failed in a row.
        case pause
        /// A read or a checkpoint that failed in the store.
        case store

        /// The count that stands for an unwritten line.
        fileprivate var weight: Int { if case .givenUp(let records) = self { records } else { 1 } }
        /// The kind, without its number of records.
        fileprivate var name: Name {
            switch self {
            case .failure: .failure
            case .givenUp: .givenUp
            case .delivery: .delivery
            case .pause: .pause
            case .store: .store
            }
        }
    }

    fileprivate enum Name: CaseIterable { case failure, givenUp, delivery, pause, store }

    /// The maximum number of lines of one kind in a second.
    static let limit = 5

    private struct State: Sendable {
        var begun: MonotonicTime?
        var lines: [Name: Int] = [:]
        /// The counts of the unwritten lines.
        var silent: [Name: Int] = [:]
    }
    private let state = Mutex(State())

    /// Whether a line may be written. If not, it is counted.
    func admits(_ kind: Kind, at now: MonotonicTime, _ logger: Logger) -> Bool {
        endSecond(at: now, logger)
        return state.withLock { state in
            if state.begun == nil { state.begun = now }
            state.lines[kind.name, default: 0] += 1
            guard state.lines[kind.name, default: 0] > Self.limit else { return true }
            state.silent[kind.name, default: 0] += kind.weight
            return false
        }
    }

    /// Logs the counts of the unwritten lines if the second that began with the first line is over.
    func endSecond(at now: MonotonicTime, _ logger: Logger) {
        let over = state.withLock { state -> State? in
            guard let begun = state.begun, now - begun >= .seconds(1) else { return nil }
            defer { state = State() }
            return state
        }
        if let over { tell(over, logger) }
    }

    /// Logs the remaining counts.
    func end(_ logger: Logger) {
        let rest = state.withLock { state in
            defer { state = State() }
            return state
        }
        tell(rest, logger)
    }

    private func tell(_ state: State, _ logger: Logger) {
        for name in Name.allCases {
            guard let count = state.silent[name] else { continue }
            logger.warning("… and \(count) more \(name.words(count)) in the last second")
        }
    }
}

extension LogThrottle.Name {
    fileprivate func words(_ count: Int) -> String {
        let isOne = count == 1
        return switch self {
        case .failure: "failed \(isOne ? "call" : "calls") of the function"
        case .givenUp: "\(isOne ? "record" : "records") given up"
        case .delivery: "failed \(isOne ? "delivery" : "deliveries") to the failure destination"
        case .pause: "\(isOne ? "shard that waits" : "shards that wait") after failures in a row"
        case .store: "failed \(isOne ? "call" : "calls") of the store"
        }
    }
}

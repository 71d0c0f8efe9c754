import DiskAccess
import Glibc
internal import Logging
internal import OwnerSocket
internal import SegmentStorage
internal import StreamModel

/// Opens a store that another process may own: asks an owner that is only a guest to release it, and waits.
struct StoreOpening: Sendable {
    let path: String
    let configuration: SegmentStore.Configuration
    let timeSource: any TimeSource
    let logger: Logger
    /// How long to wait for any owner. nil: only for one that releases the store (``leaving``), or that opens or closes
    /// it (``silence``).
    let limit: Duration?

    /// The pause between two attempts. It is far below the second that a guest leaves the store free after releasing
    /// it, so the process that asked opens it first.
    static let step = Duration.milliseconds(20)
    /// The longest pause. It doubles with each answer of the owner that it needs the store.
    static let longestStep = Duration.milliseconds(500)
    /// How long to wait for an owner that serves nobody, as one does that opens or closes the store.
    static let silence = Duration.seconds(2)
    /// How long to wait for an owner that has agreed to release the store.
    static let leaving = Duration.seconds(15)
    /// How long after its agreement the same process is not asked again.
    private static let askingAgain = Duration.seconds(1)

    private enum Answer {
        /// The owner releases the store.
        case goes
        /// The owner needs the store.
        case stays
        /// The owner serves nobody: it opens or closes the store, or never serves it.
        case silent
    }

    private struct Asked {
        var process: Int32
        var at: MonotonicTime
    }

    func open() async throws -> SegmentStore {
        let begun = timeSource.monotonicTime
        var patience = limit ?? Self.silence
        var asked: Asked?
        var step = Self.step
        while true {
            do {
                return try await SegmentStore.openIfFree(
                    at: path, configuration: configuration, timeSource: timeSource, logger: logger)
            } catch let busy as ShardlineError where busy.code == .storeBusy {
                let left = patience - (timeSource.monotonicTime - begun)
                guard left > .zero else { throw busy }
                let answer = await ask(&asked, within: left)
                switch answer {
                case .goes: if limit == nil { patience = Self.leaving }
                case .stays: if limit == nil { throw busy }
                case .silent:
                    // A store that this process has open without serving it is not a guest's, and nothing is about to
                    // close it.
                    if limit == nil, asked == nil, (busy.cause as? StoreHolder)?.process == getpid() { throw busy }
                }
                let rest = patience - (timeSource.monotonicTime - begun)
                guard rest > .zero else { throw busy }
                // The next attempt succeeds if the owner has ended by then.
                try await timeSource.sleep(until: timeSource.monotonicTime + min(step, rest))
                step = answer == .stays ? min(step * 2, Self.longestStep) : Self.step
            }
        }
    }

    /// Asks the owner to release the store, unless it has just agreed to.
    private func ask(_ asked: inout Asked?, within patience: Duration) async -> Answer {
        let owner: OwnerClient
        do {
            owner = try await OwnerClient.connect(at: path, timeSource: timeSource, logger: logger, within: patience)
        } catch {
            return .silent
        }
        let process = owner.ownerProcess
        let answer: Answer
        if let asked, asked.process == process, timeSource.monotonicTime - asked.at < Self.askingAgain {
            answer = .goes
        } else {
            do {
                // Another guest may have opened the store after the former owner released it, so a new owner is asked
                // as well.
                if try await owner.requestRelease() {
                    asked = Asked(process: process, at: timeSource.monotonicTime)
                    logger.debug("process \(process) gives the store up")
                    answer = .goes
                } else {
                    answer = .stays
                }
            } catch {
                // The owner has ended meanwhile.
                answer = .silent
            }
        }
        try? await owner.close()
        return answer
    }
}

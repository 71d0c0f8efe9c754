import DiskAccess
import Glibc
internal import Logging
internal import OwnerSocket
internal import SegmentStorage
internal import StreamModel

/// Opens a store that somebody may have: asks who has it only as a guest, and waits.
struct StoreOpening: Sendable {
    let path: String
    let configuration: SegmentStore.Configuration
    let timeSource: any TimeSource
    let logger: Logger
    /// How long any owner is waited for; nil: one that goes, as long as that takes, and no other.
    let limit: Duration?

    /// How often it is tried; far below the second for which a guest leaves the store to who asked for it.
    static let step = Duration.milliseconds(20)
    /// How often at least an owner is asked that has said that it needs the store: with each such answer the pause is
    /// twice as long, up to this.
    static let longestStep = Duration.milliseconds(500)
    /// How long an owner is waited for that opens or closes the store, as far as can be seen.
    static let silence = Duration.seconds(2)
    /// How long one is waited for that has said that it goes.
    static let leaving = Duration.seconds(15)
    /// How often a process is asked again that said that it goes.
    private static let askingAgain = Duration.seconds(1)

    private enum Answer {
        /// It gives the store up.
        case goes
        /// It needs the store.
        case stays
        /// It serves nobody: it opens or closes the store, or it is none that does.
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
                    // A store of this process that serves nobody is no guest's, and nobody is about to close it.
                    if limit == nil, asked == nil, (busy.cause as? StoreHolder)?.process == getpid() { throw busy }
                }
                let rest = patience - (timeSource.monotonicTime - begun)
                guard rest > .zero else { throw busy }
                // The store of an owner that ends is free between two questions at the latest.
                try await timeSource.sleep(until: timeSource.monotonicTime + min(step, rest))
                step = answer == .stays ? min(step * 2, Self.longestStep) : Self.step
            }
        }
    }

    /// Asks the owner for the store, unless it has just said that it goes.
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
                // In the place of one that went another guest may have been faster than this process.
                if try await owner.requestRelease() {
                    asked = Asked(process: process, at: timeSource.monotonicTime)
                    logger.debug("process \(process) gives the store up")
                    answer = .goes
                } else {
                    answer = .stays
                }
            } catch {
                // It has ended by itself meanwhile.
                answer = .silent
            }
        }
        try? await owner.close()
        return answer
    }
}

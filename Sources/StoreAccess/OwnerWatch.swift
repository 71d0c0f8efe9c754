import DiskAccess
package import OwnerSocket
package import StreamModel

/// Reports, while calls wait for the process that has the store open, what keeps it from answering; otherwise a command
/// would hang without a reason. The calls go on waiting, since the owner may still do them.
package struct OwnerWatch: Sendable {
    /// How many times in a row the same must be found, a second apart: a stop may last only a moment.
    private static let looks = 2
    /// After how many seconds a call that should have been answered at once is late.
    private static let lateAfter = 10

    private let owner: @Sendable () -> OwnerClient?
    private let say: @Sendable (String) -> Void
    private let timeSource: any TimeSource

    /// Watches the owner that `owner` returns; nil: there is no other owner.
    ///
    /// - Parameter say: receives what keeps the owner from answering, as a line.
    package init(
        timeSource: any TimeSource = SystemTimeSource(), say: @escaping @Sendable (String) -> Void,
        _ owner: @escaping @Sendable () -> OwnerClient?
    ) {
        self.owner = owner
        self.say = say
        self.timeSource = timeSource
    }

    /// Runs `body`, and watches meanwhile.
    package func watching<Result: Sendable>(_ body: @Sendable () async throws -> Result) async throws -> Result {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await run() }
            defer { group.cancelAll() }
            return try await body()
        }
    }

    /// Watches until the task is cancelled.
    package func run() async {
        var oldest: UInt64?
        var age = 0
        var seen = 0
        while true {
            do { try await timeSource.sleep(until: timeSource.monotonicTime + .seconds(1)) } catch { return }
            let client = owner()
            let waiting = client?.waitingCalls
            age = waiting?.oldest != nil && waiting?.oldest == oldest ? age + 1 : 0
            oldest = waiting?.oldest
            guard let client, waiting?.any == true else {
                seen = 0
                continue
            }
            let isLate = age >= Self.lateAfter
            let wrong = try? await BlockingThreads.shared.run { client.whatIsWrong(isLate: isLate) }
            guard let wrong = wrong ?? nil else {
                seen = 0
                continue
            }
            seen += 1
            if seen == Self.looks { say("waiting: \(wrong)") }
        }
    }
}

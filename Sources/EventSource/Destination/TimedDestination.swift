import StreamModel

/// A failure destination whose deliveries may take only so long: one that takes longer is cancelled, and has failed
/// (ESM-D11).
package struct TimedDestination: FailureDestination, CustomStringConvertible {
    /// A delivery took too long.
    package struct TooLong: Error, CustomStringConvertible {
        let limit: Duration

        package var description: String { "it took longer than \(limit.optionText)" }
    }

    private let destination: any FailureDestination
    private let limit: Duration
    private let timeSource: any TimeSource

    package init(_ destination: any FailureDestination, limit: Duration, timeSource: any TimeSource) {
        self.destination = destination
        self.limit = limit
        self.timeSource = timeSource
    }

    package var description: String { "\(destination)" }

    package func deliver(_ document: FailureDocument) async throws {
        let (destination, limit, timeSource) = (destination, limit, timeSource)
        let deadline = timeSource.monotonicTime + limit
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await destination.deliver(document) }
            group.addTask {
                try await timeSource.sleep(until: deadline)
                throw TooLong(limit: limit)
            }
            defer { group.cancelAll() }
            // Whichever comes first; the destination ends when it is cancelled.
            try await group.next()
        }
    }
}

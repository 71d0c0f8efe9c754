import StreamModel

/// A store that waits for records itself; what its ``StoreEngine/read(_:)`` does with a request that may wait.
package protocol WaitingStore: StoreEngine {
    /// What is there now.
    func readNow(_ request: ReadRequest) async throws -> ReadResult
    /// Returns when there is something, or throws where the task is cancelled.
    func readWhenAvailable(_ request: ReadRequest) async throws -> ReadResult
}

extension WaitingStore {
    /// Reads what is there, and where nothing is, waits as the request says.
    package func readOrWait(_ request: ReadRequest) async throws -> ReadResult {
        let found = try await readNow(request)
        guard found.isNothing else { return found }
        switch request.wait {
        case .no: return found
        case .untilAvailable: return try await readWhenAvailable(request)
        case .atMost(let duration):
            let deadline = timeSource.monotonicTime + duration
            return try await withThrowingTaskGroup(of: ReadResult?.self) { group in
                group.addTask { try await self.readWhenAvailable(request) }
                group.addTask {
                    try await self.timeSource.sleep(until: deadline)
                    return nil
                }
                defer { group.cancelAll() }
                if let found = try await group.next() ?? nil { return found }
                return try await readNow(request)
            }
        }
    }
}

import StreamModel
import StreamStorage

extension StreamMapping {
    /// Whether something was asked of parked keys and paused shards that is not done yet.
    package func hasRequests() async throws -> Bool {
        try await !MappingRequest.all(of: id, in: stream.engine).isEmpty
    }

    /// Stores a request, together with a control action that tells of it in these words.
    func ask(_ request: MappingRequest, _ meant: String) async throws { try await ask([request], meant) }

    /// Stores requests that are one, in parts.
    func ask(_ requests: [MappingRequest], replacing earlier: [UTF8Key] = [], _ meant: String) async throws {
        guard let request = requests.first else { return }
        let words = "\(request.action.rawValue) \(meant)"
        let reason = request.reason
        try MappingControl(id, actor: request.actor, reason: reason).validate()
        let history = FunctionResponse.limited(
            reason.isEmpty ? words : "\(words): \(reason)", to: MappingControl.reasonLimit)
        let control = MappingControl(id, actor: request.actor, reason: history)
        // Requests are done in the order of their times.
        let time = String(max(0, stream.engine.timeSource.wallTime.milliseconds))
        let digits = String(repeating: "0", count: max(0, 16 - time.utf8.count)) + time
        let changes = requests.map { request in
            // The same request at the same moment is one.
            let name = MappingRequest.prefix(of: id) + digits + "-" + request.digest
            return Change.attribute(AttributeChange(.stream(stream.name), name, .set(request.value)))
        }
        let names = Set(
            changes.compactMap { if case .attribute(let change) = $0 { UTF8Key(change.name) } else { nil } })
        let removals = earlier.filter { !names.contains($0) }.map {
            Change.attribute(AttributeChange(.stream(stream.name), $0.string, .remove))
        }
        switch try await stream.engine.commit(removals + changes + [.control(control)]) {
        case .committed: return
        case .unknown(let cause):
            throw ShardlineError(
                .outcomeUnknown,
                "whether the request to '\(id)' is stored is not known; it changes nothing more if it is made again",
                cause: cause)
        case .conflict, .sealed:
            throw ShardlineError(.storeFailed, "the store refused a request as if it had been an append to a shard")
        }
    }
}

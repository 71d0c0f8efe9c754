import StreamModel

// What a key of its own may do (API-A-6).
extension KinesisOperations {
    /// Throws where the call names a stream that the caller's key is not for.
    func checkPermissions(_ operation: String, _ call: OperationCall) async throws {
        guard let permissions = call.caller.permissions else { return }
        for address in try await namedStreams(call) {
            guard address.account == call.caller.account, permissions.allow(stream: address.name) else {
                throw ServiceError(
                    code: "AccessDeniedException",
                    message:
                        "The key \(call.caller.keyID ?? "") is not authorized to perform: kinesis:\(operation) on resource: \(address.arn)"
                )
            }
        }
    }

    /// The streams that a call names, in any way. What names none is left to the operation.
    private func namedStreams(_ call: OperationCall) async throws -> [StreamAddress] {
        var streams: [StreamAddress] = []
        if let name = call.text("StreamName") {
            streams.append(StreamAddress(account: call.caller.account, region: call.caller.region, name: name))
        }
        for arn in [call.text("StreamARN"), call.text("ResourceARN"), call.text("ConsumerARN")].compactMap({ $0 }) {
            if let stream = StreamAddress(arn: arn) ?? ConsumerARN(arn)?.stream { streams.append(stream) }
        }
        if let text = call.text("ShardIterator"), let iterator = ShardIterator(text, try await seal()) {
            streams.append(scope.address(ofStoreName: iterator.stream))
        }
        return streams
    }
}

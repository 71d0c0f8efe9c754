import DataFormats
import StreamModel
import StreamStorage

// Resource policies: texts that are kept (API-PutResourcePolicy-1).
extension KinesisOperations {
    private static let policy = "policy"
    /// The most bytes of a policy.
    private static let policyLimit = 20 << 10

    @Sendable func putResourcePolicy(_ call: OperationCall) async throws -> Output {
        let resource = try await resource(call)
        let text = Array((call.text("Policy") ?? "").utf8)
        guard text.count <= Self.policyLimit else {
            throw ServiceError.invalidArgument(
                "The policy has \(text.count) bytes; at most \(Self.policyLimit) are allowed.")
        }
        guard let document = try? Document(json: text), document.root.kind == .object else {
            throw ServiceError.invalidArgument("The policy is not a valid JSON object.")
        }
        try await mapping(resource.stream.address) {
            try await engine.changeAttributes([AttributeChange(resource.owner, Self.policy, .set(text))])
        }
        return .nothing
    }

    @Sendable func getResourcePolicy(_ call: OperationCall) async throws -> Output {
        let policy = try await policy(of: try await resource(call))
        return .map(["Policy": .text(String(decoding: policy.value, as: UTF8.self))])
    }

    @Sendable func deleteResourcePolicy(_ call: OperationCall) async throws -> Output {
        let resource = try await resource(call)
        _ = try await policy(of: resource)
        try await mapping(resource.stream.address) {
            try await engine.changeAttributes([AttributeChange(resource.owner, Self.policy, .remove)])
        }
        return .nothing
    }

    private func policy(of resource: Resource) async throws -> Attribute {
        let found = try await mapping(resource.stream.address) {
            try await attributes(of: resource.owner, prefix: Self.policy).first { $0.name == Self.policy }
        }
        guard let found else {
            throw ServiceError.resourceNotFound("No resource policy found for resource ARN \(resource.arn).")
        }
        return found
    }
}

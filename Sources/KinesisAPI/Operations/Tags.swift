import StreamModel
import StreamStorage

// Tags of streams and consumers: an attribute for each.
extension KinesisOperations {
    @Sendable func addTagsToStream(_ call: OperationCall) async throws -> Output {
        try await add(call.map("Tags"), to: try await taggedStream(call), call)
    }

    @Sendable func removeTagsFromStream(_ call: OperationCall) async throws -> Output {
        try await remove(call.texts("TagKeys"), from: try await taggedStream(call), call)
    }

    @Sendable func listTagsForStream(_ call: OperationCall) async throws -> Output {
        let resource = try await taggedStream(call)
        let start = call.text("ExclusiveStartTagKey").map { UTF8Key($0) }
        let limit = call.int("Limit") ?? 50
        let tags = try await tags(of: resource).filter { tag in start.map { $0 < UTF8Key(tag.name) } ?? true }
        return .map([
            "Tags": .list(tags.prefix(limit).map { .map(["Key": .text($0.name), "Value": .text($0.value)]) }),
            "HasMoreTags": .bool(tags.count > limit),
        ])
    }

    @Sendable func tagResource(_ call: OperationCall) async throws -> Output {
        try await add(call.map("Tags"), to: try await resource(call), call)
    }

    @Sendable func untagResource(_ call: OperationCall) async throws -> Output {
        try await remove(call.texts("TagKeys"), from: try await resource(call), call)
    }

    @Sendable func listTagsForResource(_ call: OperationCall) async throws -> Output {
        let resource = try await resource(call)
        let tags = try await tags(of: resource)
        return .map(["Tags": .list(tags.map { .map(["Key": .text($0.name), "Value": .text($0.value)]) })])
    }

    /// A stream or a consumer.
    struct Resource: Sendable {
        var owner: AttributeOwner
        var stream: StreamFacts
        var arn: String
    }

    private func taggedStream(_ call: OperationCall) async throws -> Resource {
        let stream = try await stream(call)
        return Resource(owner: .stream(stream.storeName), stream: stream, arn: stream.address.arn)
    }

    /// The stream or consumer of `ResourceARN`.
    func resource(_ call: OperationCall) async throws -> Resource {
        let arn = call.text("ResourceARN") ?? ""
        guard let consumer = ConsumerARN(arn) else {
            let stream = try await stream(try address(arn: arn, call))
            return Resource(owner: .stream(stream.storeName), stream: stream, arn: arn)
        }
        let found = try await self.consumer(consumer, call)
        return Resource(owner: .consumer(consumer.name, of: found.stream.storeName), stream: found.stream, arn: arn)
    }

    /// The tags by key, in the order of the code points (API-Tags-3).
    private func tags(of resource: Resource) async throws -> [(name: String, value: String)] {
        try await mapping(resource.stream.address) {
            try await attributes(of: resource.owner, prefix: TagRules.prefix).map {
                (String($0.name.dropFirst(TagRules.prefix.count)), String(decoding: $0.value, as: UTF8.self))
            }
        }
    }

    private func add(
        _ tags: [(name: String, value: String)], to resource: Resource, _ call: OperationCall
    ) async throws -> Output {
        let address = resource.stream.address
        try TagRules.check(tags, adding: true, to: address.inTexts)
        // The attribute that counts changes lets two calls that add tags at once not pass the limit together.
        while true {
            let guardian = try await attributes(of: resource.owner, prefix: Self.tagChange).first
            let names = (try await self.tags(of: resource) + tags).map { UTF8Key($0.name) }
            guard Set(names).count <= TagRules.countLimit else {
                // API-Tags-2: the text kept the older limit.
                throw ServiceError.invalidArgument(
                    "Failed to add tags to \(address.inTexts) because a given stream cannot have more than 10 tags associated with it."
                )
            }
            var changes = tags.map {
                AttributeChange(resource.owner, TagRules.prefix + $0.name, .set(Array($0.value.utf8)))
            }
            changes.append(
                AttributeChange(
                    resource.owner, Self.tagChange, .set([]),
                    expected: guardian.map { .revision($0.revision) } ?? .absent))
            let written = changes
            do {
                try await mapping(address) { try await engine.changeAttributes(written) }
                return .nothing
            } catch let error as ShardlineError where error.code == .attributeChanged {
                continue
            }
        }
    }

    /// The attribute that changes with each addition of tags.
    private static let tagChange = "tags-changed"

    private func remove(_ keys: [String], from resource: Resource, _ call: OperationCall) async throws -> Output {
        try TagRules.check(keys.map { ($0, "") }, adding: false, to: resource.stream.address.inTexts)
        let changes = Set(keys.map { UTF8Key($0) }).map {
            AttributeChange(resource.owner, TagRules.prefix + $0.string, .remove)
        }
        try await mapping(resource.stream.address) { try await engine.changeAttributes(changes) }
        return .nothing
    }
}

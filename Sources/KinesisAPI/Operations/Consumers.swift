import StreamModel
import StreamStorage

// Registered consumers: an attribute of the stream for each, beside those that the consumer has itself.
extension KinesisOperations {
    /// A consumer of a stream.
    struct Consumer: Sendable {
        var stream: StreamFacts
        var name: String
        var creationSecond: Int64
        var transition: TransitionRegistry.State?

        var arn: ConsumerARN { ConsumerARN(stream: stream.address, name: name, creationSecond: creationSecond) }
        var status: String { transition?.rawValue ?? "ACTIVE" }
        /// Its name among the transitions.
        var transitionName: String { Consumer.transitionName(stream.storeName, name) }
        static func transitionName(_ stream: String, _ name: String) -> String { "\(stream)/consumer/\(name)" }

        func members(withStream: Bool) -> OutputValue {
            .map([
                "ConsumerName": .text(name), "ConsumerARN": .text(arn.text), "ConsumerStatus": .text(status),
                "ConsumerCreationTimestamp": .time(creationSecond * 1000),
                "StreamARN": withStream ? .text(stream.address.arn) : nil,
            ])
        }
    }

    private static let consumerPrefix = "consumer/"
    /// The latest creation second of a consumer, deregistered ones included: no ARN is given twice
    /// (API-RegisterStreamConsumer-2).
    private static let lastCreation = "last-consumer"
    /// API-L-5.
    static let consumerLimit = 20

    /// The consumers of a stream, by name.
    func consumers(of stream: StreamFacts) async throws -> [Consumer] {
        try await mapping(stream.address) {
            try await attributes(of: .stream(stream.storeName), prefix: Self.consumerPrefix).compactMap { attribute in
                let name = String(attribute.name.dropFirst(Self.consumerPrefix.count))
                return Int64(String(decoding: attribute.value, as: UTF8.self)).map { second in
                    Consumer(
                        stream: stream, name: name, creationSecond: second,
                        transition: transitions.state(of: Consumer.transitionName(stream.storeName, name)))
                }
            }
        }
    }

    @Sendable func registerStreamConsumer(_ call: OperationCall) async throws -> Output {
        let stream = try await stream(call)
        let name = call.text("ConsumerName") ?? ""
        let tags = call.map("Tags")
        try TagRules.check(tags, adding: true, to: stream.address.inTexts)
        let owner = AttributeOwner.stream(stream.storeName)
        while true {
            let last = try await attributes(of: owner, prefix: Self.lastCreation).first
            let consumers = try await consumers(of: stream)
            guard !consumers.contains(where: { $0.name == name }) else {
                throw ServiceError.resourceInUse(
                    "Consumer \(name) under stream \(stream.address.name) already exists for account \(stream.address.account)."
                )
            }
            guard consumers.count < Self.consumerLimit else {
                throw ServiceError.limitExceeded(
                    "Stream \(stream.address.name) under account \(stream.address.account) has already \(consumers.count) registered consumers; at most \(Self.consumerLimit) are allowed."
                )
            }
            if settings.enforcesLimits,
                creatingCount(stream.address.account, stream.address.region, consumers: true) >= Self.creatingLimit
            {
                throw ServiceError.limitExceeded(
                    "At most \(Self.creatingLimit) consumers of account \(stream.address.account) may be in state CREATING at a time."
                )
            }
            let before = last.flatMap { Int64(String(decoding: $0.value, as: UTF8.self)) }
            let second = max(Int64(now.second), (before ?? -1) + 1)
            var changes = [
                AttributeChange(owner, Self.consumerPrefix + name, .set(Array("\(second)".utf8)), expected: .absent),
                AttributeChange(
                    owner, Self.lastCreation, .set(Array("\(second)".utf8)),
                    expected: last.map { .revision($0.revision) } ?? .absent),
            ]
            changes += tags.map {
                AttributeChange(
                    .consumer(name, of: stream.storeName), TagRules.prefix + $0.name, .set(Array($0.value.utf8)))
            }
            let written = changes
            do {
                try await mapping(stream.address) { try await engine.changeAttributes(written) }
            } catch let error as ShardlineError where error.code == .attributeChanged {
                // Another call registered a consumer meanwhile.
                continue
            }
            let consumer = Consumer(stream: stream, name: name, creationSecond: second, transition: .creating)
            transitions.begin(.creating, of: consumer.transitionName)
            return .map(["Consumer": consumer.members(withStream: false)])
        }
    }

    @Sendable func deregisterStreamConsumer(_ call: OperationCall) async throws -> Output {
        let consumer = try await consumer(call)
        let own = AttributeOwner.consumer(consumer.name, of: consumer.stream.storeName)
        var changes = try await attributes(of: own, prefix: "").map { AttributeChange(own, $0.name, .remove) }
        changes.append(
            AttributeChange(
                .stream(consumer.stream.storeName), Self.consumerPrefix + consumer.name, .remove))
        let written = changes
        try await mapping(consumer.stream.address) { try await engine.changeAttributes(written) }
        subscriptions.end(with: Self.notFound(consumer.arn.text, consumer.stream.address)) {
            $0.key.consumer == consumer.arn
        }
        return .nothing
    }

    @Sendable func describeStreamConsumer(_ call: OperationCall) async throws -> Output {
        let consumer = try await consumer(call)
        return .map(["ConsumerDescription": consumer.members(withStream: true)])
    }

    @Sendable func listStreamConsumers(_ call: OperationCall) async throws -> Output {
        let stream = try await stream(call)
        let seal = try await seal()
        var after: UTF8Key?
        if let token = call.text("NextToken") {
            guard call.milliseconds("StreamCreationTimestamp") == nil else {
                throw ServiceError.invalidArgument(
                    "NextToken and StreamCreationTimestamp cannot be provided together.")
            }
            guard let page = PageToken(token, of: .consumers, seal), page.owner == stream.storeName,
                page.streamID == stream.summary.id.value
            else { throw Self.invalidToken }
            try checkAge(of: page)
            after = UTF8Key(page.after)
        }
        try checkCreation(call, stream)
        let limit = min(call.int("MaxResults") ?? 100, 100)
        let consumers = try await consumers(of: stream).filter { consumer in
            after.map { $0 < UTF8Key(consumer.name) } ?? true
        }
        let page = consumers.prefix(limit)
        let next = PageToken(
            list: .consumers, owner: stream.storeName, streamID: stream.summary.id.value,
            after: page.last?.name ?? "", filter: "", issuedAt: now)
        return .map([
            "Consumers": .list(page.map { $0.members(withStream: false) }),
            "NextToken": consumers.count > limit ? .text(next.text(seal)) : nil,
        ])
    }

    // MARK: Finding one

    /// The consumer that a request names, by its ARN or by its stream and name (API-Consumer-1).
    private func consumer(_ call: OperationCall) async throws -> Consumer {
        let (arn, name, streamARN) = (call.text("ConsumerARN"), call.text("ConsumerName"), call.text("StreamARN"))
        guard arn != nil || (name != nil && streamARN != nil) else {
            throw ServiceError.invalidArgument(
                "Either ConsumerARN, or both StreamARN and ConsumerName should be provided.")
        }
        guard let arn else {
            let address = try address(arn: streamARN ?? "", call)
            let stream = try await stream(address)
            guard let found = try await consumers(of: stream).first(where: { $0.name == name }) else {
                throw Self.notFound(name ?? "", address)
            }
            return found
        }
        guard let parsed = ConsumerARN(arn) else { throw ServiceError.invalidArgument("Invalid consumer ARN: \(arn).") }
        if name != nil && name != parsed.name || streamARN != nil && streamARN != parsed.stream.arn {
            throw ServiceError.invalidArgument(
                "ConsumerARN \(arn) does not name the consumer of StreamARN and ConsumerName.")
        }
        return try await consumer(parsed, call)
    }

    func consumer(_ arn: ConsumerARN, _ call: OperationCall) async throws -> Consumer {
        let address = try address(arn: arn.stream.arn, call)
        let stream: StreamFacts
        do {
            stream = try await self.stream(address)
        } catch let error as ServiceError where error.code == "ResourceNotFoundException" {
            throw Self.notFound(arn.text, address)
        }
        guard
            let found = try await consumers(of: stream).first(where: {
                $0.name == arn.name && $0.creationSecond == arn.creationSecond
            })
        else { throw Self.notFound(arn.text, address) }
        return found
    }

    private static func notFound(_ consumer: String, _ address: StreamAddress) -> ServiceError {
        .resourceNotFound("Consumer \(consumer), account \(address.account) not found.")
    }
}

import DataFormats
import StreamModel
import StreamStorage

// CreateStream, DeleteStream.
extension KinesisOperations {
    @Sendable func createStream(_ call: OperationCall) async throws -> Output {
        let address = StreamAddress(
            account: call.caller.account, region: call.caller.region, name: call.text("StreamName") ?? "")
        let shards = call.int("ShardCount")
        var properties = StreamProperties()
        // API-H-5.
        let mode = call.input["StreamModeDetails"]?["StreamMode"]?.text ?? (shards == nil ? "ON_DEMAND" : "PROVISIONED")
        properties.isOnDemand = mode == "ON_DEMAND"
        properties.warmThroughput = call.int("WarmThroughputMiBps")
        properties.distributesRecords = call.text("RecordDistributionStrategy") == "AUTO"
        guard properties.isOnDemand || shards != nil else {
            throw ServiceError.invalidArgument("ShardCount is required for a stream in PROVISIONED mode.")
        }
        try Self.check(properties)
        let tags = call.map("Tags")
        try TagRules.check(tags, adding: true, to: address.inTexts)
        let settings = StreamSettings(
            shards: properties.isOnDemand ? 4 : shards ?? 4,
            maximumRecordSize: (call.int("MaxRecordSizeInKiB") ?? 1024) << 10)
        let name = scope.storeName(of: address)
        guard transitions.remains(of: name) == nil else { throw Self.exists(address) }
        if try await isThere(name) { throw Self.exists(address) }
        try await checkShardLimit(call.caller, adding: settings.shards)
        try await checkStreamLimits(call.caller, isOnDemand: properties.isOnDemand)
        let attributes =
            properties.initial + tags.map { NewAttribute(TagRules.prefix + $0.name, Array($0.value.utf8)) }
        do {
            try await engine.createStream(name, settings: settings, attributes: attributes)
        } catch let error as ShardlineError where error.code == .streamExists {
            // API-CreateStream-5: the other one was first.
            throw Self.exists(address)
        }
        transitions.begin(.creating, of: name)
        return .nothing
    }

    private static func exists(_ address: StreamAddress) -> ServiceError {
        .resourceInUse("Stream \(address.name) under account \(address.account) already exists.")
    }

    /// Throws for properties that contradict each other (API-CreateStream-7, API-U-1).
    static func check(_ properties: StreamProperties) throws(ServiceError) {
        if properties.warmThroughput != nil, !properties.isOnDemand {
            throw .validation("WarmThroughputMiBps is only supported for streams in ON_DEMAND mode.")
        }
        if properties.distributesRecords, !properties.isOnDemand {
            throw .invalidArgument("RecordDistributionStrategy AUTO is only supported for streams in ON_DEMAND mode.")
        }
    }

    private func isThere(_ storeName: String) async throws -> Bool {
        do {
            _ = try await engine.summarizeStream(storeName)
            return true
        } catch let error as ShardlineError where error.code == .streamNotFound {
            return false
        }
    }

    /// The streams of the caller's account and region, all pages.
    func summaries(_ account: String, _ region: String) async throws -> [StreamSummary] {
        let first = StreamQuery(prefix: scope.prefix(account: account, region: region))
        return try await allPages(from: first) { query, all in
            let page = try await engine.streamSummaries(query)
            all += page.streams.filter {
                let address = scope.address(ofStoreName: $0.name)
                return address.account == account && address.region == region
            }
            guard page.hasMore, let last = page.streams.last else { return false }
            query.after = last.name
            return true
        }
    }

    /// Throws where the account would have too many open shards (API-CreateStream-6, API-Reshard-5).
    func checkShardLimit(_ caller: Caller, adding count: Int) async throws {
        let open = try await summaries(caller.account, caller.region).reduce(0) { $0 + $1.openShardCount }
        guard open + count > settings.shardLimit else { return }
        throw ServiceError.limitExceeded(
            "This request would exceed the shard limit for the account \(caller.account) in \(caller.region). Current shard count for the account: \(open). Limit: \(settings.shardLimit). Number of additional shards that would have resulted from this request: \(count). Refer to the AWS Service Limits page (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to request higher limits."
        )
    }

    /// The limits of an account that are enforced only where rates are (API-L-5).
    func checkStreamLimits(_ caller: Caller, isOnDemand: Bool) async throws {
        guard settings.enforcesLimits else { return }
        let creating = creatingCount(caller.account, caller.region, consumers: false)
        guard creating < Self.creatingLimit else {
            throw ServiceError.limitExceeded(
                "At most \(Self.creatingLimit) streams of account \(caller.account) may be in state CREATING at a time."
            )
        }
        guard isOnDemand else { return }
        let count = try await onDemandStreamCount(caller)
        guard count < Self.onDemandStreamLimit else {
            throw ServiceError.limitExceeded(
                "Account \(caller.account) has \(count) streams in ON_DEMAND mode in \(caller.region). Limit: \(Self.onDemandStreamLimit)."
            )
        }
    }

    /// How many streams, or consumers, of an account and region are being created.
    func creatingCount(_ account: String, _ region: String, consumers: Bool) -> Int {
        transitions.count(of: .creating) { name in
            let stream = scope.address(ofStoreName: String(name.prefix { $0 != "/" }))
            return name.contains("/") == consumers && stream.account == account && stream.region == region
        }
    }

    /// The most streams, and the most consumers of an account, that are being created at a time (API-L-5).
    static let creatingLimit = 5

    @Sendable func deleteStream(_ call: OperationCall) async throws -> Output {
        var stream = try await self.stream(call)
        // API-DeleteStream-2.
        try stream.requireActive()
        let (account, name) = (stream.address.account, stream.address.name)
        if !call.bool("EnforceConsumerDeletion"), try await !consumers(of: stream).isEmpty {
            throw ServiceError.resourceInUse(
                "DeleteStream can't delete \(account):\(name) because there are consumers associated with this data stream. To delete \(name) anyway, set the EnforceConsumerDeletion parameter to true."
            )
        }
        do {
            try await mapping(stream.address) { try await engine.deleteStream(stream.storeName) }
        } catch let error as ShardlineError where error.code == .mappingBusy {
            // Only Shardline has mappings in the same process as the stream.
            throw ServiceError.resourceInUse(error.message)
        }
        stream.transition = .deleting
        transitions.begin(.deleting, of: stream.storeName, remains: stream)
        subscriptions.end(with: StreamFacts.notFound(stream.address)) { $0.stream == stream.storeName }
        return .nothing
    }

    /// API-DeleteStream-3, API-GetShardIterator-2.
    static func shardGone(_ shard: ShardID, _ address: StreamAddress) -> ServiceError {
        .resourceNotFound("Shard \(shard) in \(address.inTexts) does not exist")
    }
}

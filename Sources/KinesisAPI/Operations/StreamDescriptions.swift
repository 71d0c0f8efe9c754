import StreamModel
import StreamStorage

// DescribeStream, DescribeStreamSummary, ListStreams, DescribeLimits.
extension KinesisOperations {
    @Sendable func describeStream(_ call: OperationCall) async throws -> Output {
        let stream = try await describedStream(call)
        let limit = min(call.int("Limit") ?? 100, 100)
        var after: ShardID?
        if let start = call.text("ExclusiveStartShardId") { after = try shard(start, in: stream.address) }
        var shards: [ShardDescription] = []
        var hasMore = false
        // API-C-2; of a stream that is deleted nothing is left.
        if stream.transition != .creating, stream.transition != .deleting {
            let page = try await mapping(stream.address) {
                try await engine.shardDescriptions(ShardQuery(stream.storeName, after: after, limit: limit))
            }
            shards = page.shards
            hasMore = page.hasMore
        }
        let description = KeyValuePairs<StaticString, OutputValue?>(
            dictionaryLiteral: ("StreamName", .text(stream.address.name)), ("StreamARN", .text(stream.address.arn)),
            ("StreamStatus", .text(stream.status)), ("StreamModeDetails", Self.mode(stream)),
            ("Shards", .list(shards.map(Self.output))), ("HasMoreShards", .bool(hasMore)),
            ("RetentionPeriodHours", .int(stream.retentionHours)),
            ("StreamCreationTimestamp", .time(Self.creation(stream.summary))),
            ("EnhancedMonitoring", Self.monitoring(stream)), ("EncryptionType", Self.encryption(stream)),
            ("KeyId", stream.properties.encryptionKey.map { .text($0) }))
        return .map(["StreamDescription": .map(description)])
    }

    @Sendable func describeStreamSummary(_ call: OperationCall) async throws -> Output {
        let stream = try await describedStream(call)
        let consumers = stream.transition == .deleting ? [] : try await self.consumers(of: stream)
        let description = KeyValuePairs<StaticString, OutputValue?>(
            dictionaryLiteral: ("StreamName", .text(stream.address.name)), ("StreamARN", .text(stream.address.arn)),
            ("StreamStatus", .text(stream.status)), ("StreamModeDetails", Self.mode(stream)),
            ("RetentionPeriodHours", .int(stream.retentionHours)),
            ("StreamCreationTimestamp", .time(Self.creation(stream.summary))),
            ("EnhancedMonitoring", Self.monitoring(stream)), ("EncryptionType", Self.encryption(stream)),
            ("KeyId", stream.properties.encryptionKey.map { .text($0) }),
            ("OpenShardCount", .int(stream.transition == .creating ? 0 : stream.summary.openShardCount)),
            ("ConsumerCount", .int(consumers.count)), ("WarmThroughput", Self.warmThroughput(stream.properties)),
            ("MaxRecordSizeInKiB", .int(stream.summary.maximumRecordSize >> 10)), ("ChannelCount", .int(0)),
            ("QueueCount", .int(0)), ("RecordDistributionStrategy", Self.strategy(stream)))
        return .map(["StreamDescriptionSummary": .map(description)])
    }

    @Sendable func listStreams(_ call: OperationCall) async throws -> Output {
        let (token, start) = (call.text("NextToken"), call.text("ExclusiveStartStreamName"))
        guard token == nil || start == nil else {
            throw ServiceError.invalidArgument(
                "NextToken and ExclusiveStartStreamName cannot be provided together.")
        }
        let seal = try await seal()
        let (account, region) = (call.caller.account, call.caller.region)
        let owner = "\(account):\(region)"
        var after = start
        if let token {
            guard let page = PageToken(token, of: .streams, seal), page.owner == owner else {
                throw Self.invalidToken
            }
            try checkAge(of: page)
            after = page.after
        }
        let limit = min(call.int("Limit") ?? 100, 100)
        let (streams, hasMore) = try await streams(account, region, after: after, limit: limit)
        let next = PageToken(
            list: .streams, owner: owner, streamID: 0, after: streams.last?.address.name ?? "", filter: "",
            issuedAt: now)
        return .map([
            "StreamNames": .list(streams.map { .text($0.address.name) }), "HasMoreStreams": .bool(hasMore),
            "NextToken": hasMore ? .text(next.text(seal)) : nil,
            "StreamSummaries": .list(
                streams.map {
                    .map([
                        "StreamName": .text($0.address.name), "StreamARN": .text($0.address.arn),
                        "StreamStatus": .text($0.status), "StreamModeDetails": Self.mode($0),
                        "StreamCreationTimestamp": .time(Self.creation($0.summary)),
                    ])
                }),
        ])
    }

    /// A page of the streams of an account and region, by the bytes of their names; those being deleted are listed.
    private func streams(
        _ account: String, _ region: String, after: String?, limit: Int
    ) async throws -> (streams: [StreamFacts], hasMore: Bool) {
        let prefix = scope.prefix(account: account, region: region)
        var query = StreamQuery(after: after.map { prefix + $0 }, prefix: prefix, limit: limit + 1)
        var found: [StreamFacts] = []
        while found.count <= limit {
            let page = try await engine.streamSummaries(query)
            for summary in page.streams {
                let address = scope.address(ofStoreName: summary.name)
                guard address.account == account, address.region == region else { continue }
                found.append(
                    StreamFacts(
                        address: address, storeName: summary.name, summary: summary,
                        properties: try await properties(of: summary.name),
                        transition: transitions.state(of: summary.name)))
            }
            guard page.hasMore, let last = page.streams.last else { break }
            query.after = last.name
        }
        let remaining = transitions.remaining.filter { remains in
            remains.address.account == account && remains.address.region == region
                && after.map { UTF8Key($0) < UTF8Key(remains.address.name) } ?? true
        }
        found.removeAll { stream in remaining.contains { $0.storeName == stream.storeName } }
        found = (found + remaining).sorted { UTF8Key($0.address.name) < UTF8Key($1.address.name) }
        return (Array(found.prefix(limit)), found.count > limit)
    }

    @Sendable func describeLimits(_ call: OperationCall) async throws -> Output {
        let streams = try await summaries(call.caller.account, call.caller.region)
        let onDemand = try await onDemandStreamCount(call.caller)
        return .map([
            "ShardLimit": .int(settings.shardLimit),
            "OpenShardCount": .int(streams.reduce(0) { $0 + $1.openShardCount }),
            "OnDemandStreamCount": .int(onDemand), "OnDemandStreamCountLimit": .int(Self.onDemandStreamLimit),
            "ChannelCount": .int(0), "ChannelCountLimit": .int(0),
        ])
    }

    func onDemandStreamCount(_ caller: Caller) async throws -> Int {
        var count = 0
        for stream in try await summaries(caller.account, caller.region)
        where try await properties(of: stream.name).isOnDemand { count += 1 }
        return count
    }

    /// API-L-5.
    static let onDemandStreamLimit = 50

    // MARK: Parts of descriptions

    static func mode(_ stream: StreamFacts) -> OutputValue {
        .map(["StreamMode": .text(stream.properties.isOnDemand ? "ON_DEMAND" : "PROVISIONED")])
    }

    private static func monitoring(_ stream: StreamFacts) -> OutputValue {
        .list([.map(["ShardLevelMetrics": .list(stream.properties.shardMetrics.map { .text($0) })])])
    }

    /// Descriptions always have it (API-C-6).
    private static func encryption(_ stream: StreamFacts) -> OutputValue {
        .text(stream.properties.encryptionKey == nil ? "NONE" : "KMS")
    }

    private static func strategy(_ stream: StreamFacts) -> OutputValue {
        .text(stream.properties.distributesRecords ? "AUTO" : "USER_PARTITION_KEY")
    }

    static func warmThroughput(_ properties: StreamProperties) -> OutputValue? {
        properties.warmThroughput.map { .map(["TargetMiBps": .int($0), "CurrentMiBps": .int($0)]) }
    }

    /// In whole seconds (API-C-5), as milliseconds.
    static func creation(_ summary: StreamSummary) -> Int64 { Int64(summary.createdAt.second) * 1000 }

    /// A `Shard` (API-H-4, API-Q-4).
    static func output(_ shard: ShardDescription) -> OutputValue {
        .map([
            "ShardId": .text(shard.id.description),
            "ParentShardId": shard.parents.first.map { .text($0.description) },
            "AdjacentParentShardId": shard.parents.dropFirst().first.map { .text($0.description) },
            "HashKeyRange": output(shard.hashKeyRange),
            "SequenceNumberRange": .map([
                "StartingSequenceNumber": .text(shard.startingNumber.description),
                "EndingSequenceNumber": shard.endingNumber.map { .text($0.description) },
            ]),
        ])
    }

    static func output(_ range: HashKeyRange) -> OutputValue {
        .map([
            "StartingHashKey": .text(range.first.description), "EndingHashKey": .text(range.last.description),
        ])
    }
}

extension ShardDescription {
    /// Before every record of the shard: index 0, arrived when the shard was created (API-Q-4).
    var startingNumber: KinesisSequenceNumber {
        KinesisSequenceNumber(
            shard: id, shardCreationSecond: creationSecond, sequenceNumber: .zero, arrivalSecond: creationSecond)
    }

    /// After every record of a closed shard: the greatest index, arrived when the shard was closed (API-Q-4).
    var endingNumber: KinesisSequenceNumber? {
        closedAt.map {
            KinesisSequenceNumber(
                shard: id, shardCreationSecond: creationSecond, sequenceNumber: .max,
                arrivalSecond: max($0.second, creationSecond))
        }
    }
}

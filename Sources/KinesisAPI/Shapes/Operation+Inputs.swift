import StreamModel

// The inputs of the operations, in the order of the model (botocore 1.44.8). A test compares them with the model itself.
extension Shape {
    private static let name = Shape.text(TextRule(length: 1...128, pattern: .name))
    private static let streamARN = Shape.text(TextRule(length: 1...2048, pattern: .streamARN))
    private static let resourceARN = Shape.text(TextRule(length: 1...2048, pattern: .resourceARN))
    private static let consumerARN = Shape.text(TextRule(length: 1...2048, pattern: .consumerARN))
    private static let sequenceNumber = Shape.text(TextRule(pattern: .sequenceNumber))
    private static let hashKey = Shape.text(TextRule(pattern: .hashKey))
    private static let token = Shape.text(TextRule(length: 1...1_048_576))
    private static let page = Shape.integer(minimum: 1, maximum: 10_000)
    private static let tags = Shape.map(
        key: TextRule(length: 1...128), value: TextRule(length: 0...256), count: 1...200)
    private static let tagKeys = Shape.list(of: .text(TextRule(length: 1...128)), count: 1...50)
    private static let metrics = Shape.list(
        of: .text(
            TextRule(values: [
                "IncomingBytes", "IncomingRecords", "OutgoingBytes", "OutgoingRecords",
                "WriteProvisionedThroughputExceeded", "ReadProvisionedThroughputExceeded", "IteratorAgeMilliseconds",
                "ALL",
            ])), count: 1...7)
    private static let mode = Shape.structure([
        Member("StreamMode", .text(TextRule(values: ["PROVISIONED", "ON_DEMAND"])), isRequired: true)
    ])
    private static let strategy = Shape.text(TextRule(values: ["AUTO", "USER_PARTITION_KEY"]))
    private static let encryption = Shape.text(TextRule(values: ["NONE", "KMS"]))
    /// The order that AWS was recorded with (API-E-26), which is not the model's.
    private static let iteratorType = Shape.text(
        TextRule(values: ["AFTER_SEQUENCE_NUMBER", "LATEST", "AT_TIMESTAMP", "AT_SEQUENCE_NUMBER", "TRIM_HORIZON"]))

    private static let id = Member("StreamId", .text(TextRule(length: 1...24, pattern: .streamID)))
    private static let dryRun = Member("DryRun", .boolean)

    /// `StreamName`, `StreamARN` and `StreamId`, none of which is required (API-N-3, API-S-1), and `members`.
    private static func ofStream(_ members: Member...) -> Shape {
        .structure([Member("StreamName", name)] + members + [Member("StreamARN", streamARN), id])
    }
    private static func ofARN(isRequired: Bool = true, _ members: Member...) -> Shape {
        .structure([Member("StreamARN", streamARN, isRequired: isRequired), id] + members)
    }
    private static func ofResource(_ members: Member...) -> Shape {
        .structure(members + [Member("ResourceARN", resourceARN, isRequired: true), id])
    }
    private static func required(_ name: StaticString, _ shape: Shape) -> Member {
        Member(name, shape, isRequired: true)
    }

    static let createStream = Shape.structure([
        required("StreamName", name), Member("ShardCount", .integer(minimum: 1)), Member("StreamModeDetails", mode),
        Member("Tags", tags), Member("WarmThroughputMiBps", .integer(minimum: 0)),
        Member("MaxRecordSizeInKiB", .integer(minimum: 1024, maximum: 10240)),
        Member("RecordDistributionStrategy", strategy),
    ])
    static let deleteStream = ofStream(Member("EnforceConsumerDeletion", .boolean))
    static let describeStream = ofStream(Member("Limit", page), Member("ExclusiveStartShardId", name))
    static let describeStreamSummary = ofStream()
    static let listStreams = Shape.structure([
        Member("Limit", page), Member("ExclusiveStartStreamName", name), Member("NextToken", token),
    ])
    static let empty = Shape.structure([])
    static let updateAccountSettings = Shape.structure([
        required(
            "MinimumThroughputBillingCommitment",
            .structure([required("Status", .text(TextRule(values: ["ENABLED", "DISABLED"])))]))
    ])
    static let updateStreamMode = ofARN(
        required("StreamModeDetails", mode), Member("WarmThroughputMiBps", .integer(minimum: 0)))
    static let updateMaxRecordSize = ofARN(
        isRequired: false, required("MaxRecordSizeInKiB", .integer(minimum: 1024, maximum: 10240)))
    static let updateStreamWarmThroughput = ofStream(required("WarmThroughputMiBps", .integer(minimum: 0)))
    static let updateStreamRecordDistributionStrategy = ofARN(required("RecordDistributionStrategy", strategy))
    static let retention = ofStream(required("RetentionPeriodHours", .integer()))

    static let putRecord = Shape.structure([
        Member("StreamName", name), required("Data", .blob(maximum: 10_485_760)),
        Member("PartitionKey", .text(TextRule(length: 1...256))), Member("ExplicitHashKey", hashKey),
        Member("SequenceNumberForOrdering", sequenceNumber), Member("StreamARN", streamARN), id, dryRun,
    ])
    static let putRecords = Shape.structure([
        required(
            "Records",
            .list(
                of: .structure([
                    required("Data", .blob(maximum: 10_485_760)), Member("ExplicitHashKey", hashKey),
                    Member("PartitionKey", .text(TextRule(length: 1...256))),
                ]), count: 1...500)), Member("StreamName", name), Member("StreamARN", streamARN), id, dryRun,
    ])
    static let getShardIterator = Shape.structure([
        Member("StreamName", name), required("ShardId", name), required("ShardIteratorType", iteratorType),
        Member("StartingSequenceNumber", sequenceNumber), Member("Timestamp", .timestamp),
        Member("StreamARN", streamARN), id, dryRun,
    ])
    static let getRecords = Shape.structure([
        required("ShardIterator", .text(TextRule(length: 1...512))), Member("Limit", page),
        Member("StreamARN", streamARN), id, dryRun,
    ])
    static let listShards = Shape.structure([
        Member("StreamName", name), Member("NextToken", token), Member("ExclusiveStartShardId", name),
        Member("MaxResults", page), Member("StreamCreationTimestamp", .timestamp),
        Member(
            "ShardFilter",
            .structure([
                required(
                    "Type",
                    .text(
                        TextRule(values: [
                            "AFTER_SHARD_ID", "AT_TRIM_HORIZON", "FROM_TRIM_HORIZON", "AT_LATEST", "AT_TIMESTAMP",
                            "FROM_TIMESTAMP",
                        ]))), Member("ShardId", name), Member("Timestamp", .timestamp),
            ])), Member("StreamARN", streamARN), id,
    ])

    static let splitShard = ofStream(required("ShardToSplit", name), required("NewStartingHashKey", hashKey))
    static let mergeShards = ofStream(required("ShardToMerge", name), required("AdjacentShardToMerge", name))
    static let updateShardCount = ofStream(
        required("TargetShardCount", .integer(minimum: 1)),
        required("ScalingType", .text(TextRule(values: ["UNIFORM_SCALING"]))))

    static let registerStreamConsumer = ofARN(required("ConsumerName", name), Member("Tags", tags))
    /// Also that of DescribeStreamConsumer.
    static let consumer = Shape.structure([
        Member("StreamARN", streamARN), Member("ConsumerName", name), Member("ConsumerARN", consumerARN), id,
    ])
    static let listStreamConsumers = ofARN(
        Member("NextToken", token), Member("MaxResults", page), Member("StreamCreationTimestamp", .timestamp))
    static let subscribeToShard = Shape.structure([
        required("ConsumerARN", consumerARN), id, required("ShardId", name),
        required(
            "StartingPosition",
            .structure([
                required("Type", iteratorType), Member("SequenceNumber", sequenceNumber),
                Member("Timestamp", .timestamp),
            ])), dryRun,
    ])

    static let addTagsToStream = ofStream(required("Tags", tags))
    static let removeTagsFromStream = ofStream(required("TagKeys", tagKeys))
    static let listTagsForStream = ofStream(
        Member("ExclusiveStartTagKey", .text(TextRule(length: 1...128))),
        Member("Limit", .integer(minimum: 1, maximum: 50)))
    static let tagResource = ofResource(required("Tags", tags))
    static let untagResource = ofResource(required("TagKeys", tagKeys))
    static let resource = ofResource()
    static let putResourcePolicy = ofResource(required("Policy", .text(TextRule())))

    static let monitoring = ofStream(required("ShardLevelMetrics", metrics))
    static let streamEncryption = ofStream(
        required("EncryptionType", encryption), required("KeyId", .text(TextRule(length: 1...2048))))
}

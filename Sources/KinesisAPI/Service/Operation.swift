import StreamModel

/// An operation of the API: its name, its input and what carries it out.
struct Operation: Sendable {
    let name: String
    let input: Shape
    /// How many calls a second an account may make where rates are enforced (API-L-4); nil: its rate is one of shards.
    let rate: Double?
    /// The method of the service.
    let run: @Sendable (KinesisOperations) -> (OperationCall) async throws -> Output

    private init(
        _ name: String, _ input: Shape, rate: Double? = 5,
        _ run: @escaping @Sendable (KinesisOperations) -> (OperationCall) async throws -> Output
    ) {
        self.name = name
        self.input = input
        self.rate = rate
        self.run = run
    }

    /// The operations by name. Queues and channels of the model are unknown here (API-U-4, API-U-5).
    static let named = all.reduce(into: [UTF8Key: Operation]()) { $0[UTF8Key($1.name)] = $1 }

    static let all: [Operation] = streams + settings + records + shards + consumers + tags + resources

    private static let streams = [
        Operation("CreateStream", .createStream) { $0.createStream },
        Operation("DeleteStream", .deleteStream) { $0.deleteStream },
        Operation("DescribeStream", .describeStream, rate: 10) { $0.describeStream },
        Operation("DescribeStreamSummary", .describeStreamSummary, rate: 20) { $0.describeStreamSummary },
        Operation("ListStreams", .listStreams) { $0.listStreams },
        Operation("ListShards", .listShards, rate: 1000) { $0.listShards },
        Operation("DescribeLimits", .empty, rate: 1) { $0.describeLimits },
        Operation("DescribeAccountSettings", .empty) { $0.describeAccountSettings },
        Operation("UpdateAccountSettings", .updateAccountSettings) { $0.updateAccountSettings },
    ]
    private static let settings = [
        Operation("UpdateStreamMode", .updateStreamMode) { $0.updateStreamMode },
        Operation("UpdateMaxRecordSize", .updateMaxRecordSize) { $0.updateMaxRecordSize },
        Operation("UpdateStreamWarmThroughput", .updateStreamWarmThroughput) { $0.updateStreamWarmThroughput },
        Operation("UpdateStreamRecordDistributionStrategy", .updateStreamRecordDistributionStrategy) {
            $0.updateStreamRecordDistributionStrategy
        },
        Operation("IncreaseStreamRetentionPeriod", .retention) { $0.increaseStreamRetentionPeriod },
        Operation("DecreaseStreamRetentionPeriod", .retention) { $0.decreaseStreamRetentionPeriod },
        Operation("EnableEnhancedMonitoring", .monitoring) { $0.enableEnhancedMonitoring },
        Operation("DisableEnhancedMonitoring", .monitoring) { $0.disableEnhancedMonitoring },
        Operation("StartStreamEncryption", .streamEncryption) { $0.startStreamEncryption },
        Operation("StopStreamEncryption", .streamEncryption) { $0.stopStreamEncryption },
    ]
    private static let records = [
        Operation("PutRecord", .putRecord, rate: nil) { $0.putRecord },
        Operation("PutRecords", .putRecords, rate: nil) { $0.putRecords },
        Operation("GetShardIterator", .getShardIterator, rate: nil) { $0.getShardIterator },
        Operation("GetRecords", .getRecords, rate: nil) { $0.getRecords },
    ]
    private static let shards = [
        Operation("SplitShard", .splitShard) { $0.splitShard },
        Operation("MergeShards", .mergeShards) { $0.mergeShards },
        Operation("UpdateShardCount", .updateShardCount, rate: 10) { $0.updateShardCount },
    ]
    private static let consumers = [
        Operation("RegisterStreamConsumer", .registerStreamConsumer) { $0.registerStreamConsumer },
        Operation("DeregisterStreamConsumer", .consumer) { $0.deregisterStreamConsumer },
        Operation("DescribeStreamConsumer", .consumer, rate: 20) { $0.describeStreamConsumer },
        Operation("ListStreamConsumers", .listStreamConsumers) { $0.listStreamConsumers },
        Operation("SubscribeToShard", .subscribeToShard, rate: nil) { $0.subscribeToShard },
    ]
    private static let tags = [
        Operation("AddTagsToStream", .addTagsToStream) { $0.addTagsToStream },
        Operation("RemoveTagsFromStream", .removeTagsFromStream) { $0.removeTagsFromStream },
        Operation("ListTagsForStream", .listTagsForStream) { $0.listTagsForStream },
        Operation("TagResource", .tagResource) { $0.tagResource },
        Operation("UntagResource", .untagResource) { $0.untagResource },
        Operation("ListTagsForResource", .resource) { $0.listTagsForResource },
    ]
    private static let resources = [
        Operation("PutResourcePolicy", .putResourcePolicy) { $0.putResourcePolicy },
        Operation("GetResourcePolicy", .resource) { $0.getResourcePolicy },
        Operation("DeleteResourcePolicy", .resource) { $0.deleteResourcePolicy },
    ]
}

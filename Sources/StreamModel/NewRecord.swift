/// A record that is to be put.
public struct NewRecord: Sendable {
    /// Decides the shard, by its MD5; records of one key stay in order. 1 to 256 characters; empty only together with an
    /// explicit hash key: such a record has no key (API-U-1).
    public var partitionKey: String
    /// Replaces the partition key's hash (Kinesis' `ExplicitHashKey`); nil: the hash decides the shard.
    public var explicitHashKey: HashKey?
    /// The bytes that the consumer receives, unchanged.
    public var data: [UInt8]

    /// A record of bytes.
    public init(_ data: [UInt8], partitionKey: String, explicitHashKey: HashKey? = nil) {
        self.partitionKey = partitionKey
        self.explicitHashKey = explicitHashKey
        self.data = data
    }

    /// A record of bytes that are held in another form, such as Foundation's `Data`.
    public init(_ data: some Sequence<UInt8>, partitionKey: String, explicitHashKey: HashKey? = nil) {
        self.init(Array(data), partitionKey: partitionKey, explicitHashKey: explicitHashKey)
    }

    /// A record of text, in UTF-8.
    public init(_ text: some StringProtocol, partitionKey: String, explicitHashKey: HashKey? = nil) {
        self.init(Array(text.utf8), partitionKey: partitionKey, explicitHashKey: explicitHashKey)
    }

    /// Throws ``ShardlineError`` (`invalidArgument`, `recordTooLarge`) where the record can't be put into a stream
    /// that takes `maximumRecordSize` bytes.
    public func validate(maximumRecordSize: Int) throws {
        // The UTF-8 length bounds the number of characters on both sides, so most keys are not walked.
        let length = partitionKey.utf8.count
        guard length > 0 || explicitHashKey != nil else {
            throw ShardlineError(
                .invalidArgument,
                "the partition key is empty; it must have 1 to \(Limits.partitionKeyLength.upperBound) characters")
        }
        if length > Limits.partitionKeyLength.upperBound {
            let characters = partitionKey.unicodeScalars.count
            guard Limits.partitionKeyLength.contains(characters) else {
                throw ShardlineError(
                    .invalidArgument,
                    "the partition key has \(characters) characters; at most \(Limits.partitionKeyLength.upperBound) are allowed"
                )
            }
        }
        guard data.count <= maximumRecordSize else {
            throw ShardlineError(
                .recordTooLarge,
                "the record has \(data.count) bytes of data; the stream takes at most \(maximumRecordSize) a record")
        }
    }
}

/// The result of a put for one record: where the record is now, durably.
public struct PutReceipt: Hashable, Sendable {
    /// The shard that took the record.
    public let shard: ShardID
    /// Its place in the shard.
    public let sequenceNumber: SequenceNumber
    /// When the store accepted it.
    public let approximateArrivalTimestamp: Timestamp
    /// When the shard was created, in seconds since 1970: part of the sequence number's text.
    public let shardCreationSecond: UInt64

    /// A receipt with these facts.
    public init(
        shard: ShardID, sequenceNumber: SequenceNumber, approximateArrivalTimestamp: Timestamp,
        shardCreationSecond: UInt64
    ) {
        self.shard = shard
        self.sequenceNumber = sequenceNumber
        self.approximateArrivalTimestamp = approximateArrivalTimestamp
        self.shardCreationSecond = shardCreationSecond
    }

    /// The sequence number as Kinesis writes it.
    public var kinesisSequenceNumber: KinesisSequenceNumber {
        KinesisSequenceNumber(
            shard: shard, shardCreationSecond: shardCreationSecond, sequenceNumber: sequenceNumber,
            arrivalSecond: approximateArrivalTimestamp.second)
    }
}

import StreamModel

/// What is told about records that were given up together: Lambda's document (ESM-D1), with the records, the error's
/// text and the attempts. ``FailureRecord`` reads it back.
public struct FailureDocument: Sendable {
    /// The last answer of the function, as the document tells it.
    public struct Response: Hashable, Sendable {
        /// `"Unhandled"` where the function failed; nil where it answered a report that can't be used (ESM-R14).
        public let functionError: String?
    }

    /// The same for the same records of the same mapping, also when the document is sent twice after a crash.
    public let id: String
    /// Why the records were given up.
    public let condition: GiveUpCondition
    /// The stream of the records.
    public let stream: String
    /// The name of the mapping that gave them up.
    public let mapping: String
    /// The shard of the records.
    public let shard: ShardID
    /// The first and the last record's number, as Kinesis writes them. Where records expired or were lost before they
    /// were read their arrival is not known, and is 0 in these numbers.
    public let startSequenceNumber: KinesisSequenceNumber
    /// See ``startSequenceNumber``.
    public let endSequenceNumber: KinesisSequenceNumber
    /// The records; empty where they expired or were lost before they were read.
    public let records: RecordBatch
    /// How many records; nil where that is not known.
    public let recordCount: Int?
    /// Invocations of exactly these records together; 0 where they were never sent.
    public let invocations: Int
    /// The id of the last invocation (``InvocationContext/requestID``).
    public let requestID: String
    /// The function's last answer; nil where the records were not given up because of one (ESM-G3).
    public let response: Response?
    /// Why the last invocation failed, at most 4 KiB; nil where none failed.
    public let errorText: String?
    /// The type of that error, at most 256 bytes, where it is known.
    public let errorType: String?
    /// When the document was written.
    public let timestamp: Timestamp

    let names: ResourceNames

    package init(
        _ giveUp: LaneCore.GiveUp, key: (stream: String, mapping: String), shard: ShardID, shardCreationSecond: UInt64,
        requestID: String, names: ResourceNames, awsCompatibleCounts: Bool, timestamp: Timestamp
    ) {
        condition = giveUp.condition
        stream = key.stream
        mapping = key.mapping
        self.shard = shard
        func number(_ sequenceNumber: SequenceNumber) -> KinesisSequenceNumber {
            KinesisSequenceNumber(
                shard: shard, shardCreationSecond: shardCreationSecond, sequenceNumber: sequenceNumber,
                arrivalSecond: 0)
        }
        records = giveUp.records
        startSequenceNumber = giveUp.records.first?.kinesisSequenceNumber ?? number(giveUp.first)
        endSequenceNumber = giveUp.records.last?.kinesisSequenceNumber ?? number(giveUp.last)
        id = "\(key.stream)/\(key.mapping)/\(shard):\(giveUp.first)-\(giveUp.last)"
        recordCount = giveUp.count
        invocations = awsCompatibleCounts ? max(1, giveUp.invocations) : giveUp.invocations
        self.requestID = requestID
        response = giveUp.response.map { Response(functionError: $0.functionError) }
        errorText = giveUp.failure.map { FunctionResponse.limited($0.text) }
        errorType = giveUp.failure?.type.map(FunctionResponse.limitedType)
        self.names = names
        self.timestamp = timestamp
    }

    /// What every ``json()`` begins with.
    static let beginning = Array(#"{"requestContext":{"requestId":"#.utf8)

    /// The document with its records as one line of JSON: Lambda's members, and beside them `id`, `error` (type, text,
    /// attempts) and `payload`, the whole invocation event (ESM-D6, ESM-D10), in which a record has its `explicitHashKey`
    /// where it was put with one.
    public func json() -> [UInt8] {
        var writer = JSONWriter(reserving: 2048)
        writer.object { document in
            writeMembers(to: &document)
            document.member("id", id)
            document.name("error")
            writeError(to: &document)
            document.name("payload")
            KinesisEvent(names: names, showsHashKeys: true).write(records, to: &document)
        }
        return writer.bytes
    }

    /// The document of one of its records as one line of JSON: `document`, `error`, `record` (ESM-D10).
    func json(of record: Record, head: [UInt8]) -> [UInt8] {
        var writer = JSONWriter(reserving: head.count + Base64.size(of: record.dataByteCount) + 256)
        writer.raw(head)
        writer.name("record")
        writer.object { entry in
            entry.member("partitionKey", record.partitionKey)
            if let key = record.explicitHashKey { entry.member("explicitHashKey", key.description) }
            entry.member("sequenceNumber", record.kinesisSequenceNumber.description)
            entry.name("approximateArrivalTimestamp")
            entry.seconds(ofMilliseconds: record.approximateArrivalTimestamp.milliseconds)
            entry.name("data")
            entry.base64(record.bytes)
        }
        return writer.bytes + [UInt8(ascii: "}")]
    }

    /// What the documents of all records of a unit begin with: the object's opening, `document` and `error`.
    func sharedHead() -> [UInt8] {
        var writer = JSONWriter(reserving: 1024)
        writer.object { head in
            head.name("document")
            head.object { writeMembers(to: &$0) }
            head.name("error")
            writeError(to: &head)
        }
        return writer.bytes.dropLast()
    }

    private func writeError(to writer: inout JSONWriter) {
        writer.object { error in
            error.member("type", errorType)
            error.member("text", errorText)
            error.member("attempts", invocations)
        }
    }

    private func writeMembers(to writer: inout JSONWriter) {
        writer.name("requestContext")
        writer.object { context in
            context.member("requestId", requestID)
            context.member("functionArn", names.function)
            context.member("condition", condition.rawValue)
            context.member("approximateInvokeCount", invocations)
        }
        if let response {
            writer.name("responseContext")
            writer.object { context in
                context.member("statusCode", 200)
                context.member("executedVersion", "$LATEST")
                context.member("functionError", response.functionError)
            }
        }
        writer.member("version", "1.0")
        writer.member("timestamp", timestamp.description)
        writer.name("KinesisBatchInfo")
        writer.object { info in
            info.member("shardId", shard.description)
            info.member("startSequenceNumber", startSequenceNumber.description)
            info.member("endSequenceNumber", endSequenceNumber.description)
            info.member(
                "approximateArrivalOfFirstRecord", records.first?.approximateArrivalTimestamp.description)
            info.member("approximateArrivalOfLastRecord", records.last?.approximateArrivalTimestamp.description)
            info.member("batchSize", recordCount)
            info.member("streamArn", names.stream)
        }
    }
}

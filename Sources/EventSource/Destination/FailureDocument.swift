import DataFormats
import StreamModel

/// The document about records that were given up together: Lambda's document (ESM-D1) with the records, the error's
/// text and the attempts added. ``FailureRecord`` reads it.
public struct FailureDocument: Sendable {
    /// What the document says about the function's last response.
    public struct Response: Hashable, Sendable {
        /// `"Unhandled"` if the function failed; nil if its report could not be used (ESM-R14).
        public let functionError: String?
    }

    /// Identifies the records and the mapping. A document that is sent again after a crash has the same id.
    public let id: String
    /// Why the records were given up.
    public let condition: GiveUpCondition
    /// The stream of the records.
    public let stream: String
    /// The name of the mapping that gave them up.
    public let mapping: String
    /// The shard of the records.
    public let shard: ShardID
    /// The sequence numbers of the first and the last record, as in Kinesis. If the records expired or were lost before
    /// they were read, the arrival time in these numbers is 0.
    public let startSequenceNumber: KinesisSequenceNumber
    /// See ``startSequenceNumber``.
    public let endSequenceNumber: KinesisSequenceNumber
    /// The records; empty if they expired or were lost before they were read.
    public let records: RecordBatch
    /// The number of records; nil if it is not known.
    public let recordCount: Int?
    /// The number of invocations with exactly these records; 0 if they were never sent. With
    /// ``EventSourceMapping/Configuration/awsCompatibleCounts`` at least 1.
    public let invocations: Int
    /// The id of the last invocation (``InvocationContext/requestID``).
    public let requestID: String
    /// The function's last response; nil if the records were given up for another reason (ESM-G3).
    public let response: Response?
    /// Why the last invocation failed, at most 4 KiB; nil if none failed.
    public let errorText: String?
    /// The type of that error, at most 256 bytes; nil if it is not known.
    public let errorType: String?
    /// The tumbling window whose final invocation was given up (ESM-T7); nil for records.
    public let window: TumblingWindow?
    /// The state of that window, as JSON; nil for records.
    public let windowState: [UInt8]?
    /// When the document was written.
    public let timestamp: Timestamp

    let names: ResourceNames

    /// What failures of the same kind have in common.
    public var group: FailureGroup {
        FailureCause.kept(condition, type: errorType, text: errorText, attempts: invocations).group
    }

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
        startSequenceNumber = giveUp.ends.first ?? number(giveUp.first)
        endSequenceNumber = giveUp.ends.last ?? number(giveUp.last)
        // The window's last record may have a document of its own.
        let ofWindow = giveUp.window.map { "/window-\($0.start)" } ?? ""
        id = "\(key.stream)/\(key.mapping)/\(shard):\(giveUp.first)-\(giveUp.last)\(ofWindow)"
        window = giveUp.window.map(TumblingWindow.init)
        windowState = giveUp.window.map { $0.state.isEmpty ? Array("{}".utf8) : $0.state }
        recordCount = giveUp.count
        invocations = awsCompatibleCounts ? max(1, giveUp.invocations) : giveUp.invocations
        self.requestID = requestID
        response = giveUp.response.map { Response(functionError: $0.functionError) }
        errorText = giveUp.failure.map { FunctionResponse.limited($0.text) }
        errorType = giveUp.failure?.type.map(FunctionResponse.limitedType)
        self.names = names
        self.timestamp = timestamp
    }

    /// The first bytes of every ``json()``.
    static let beginning = Array(#"{"requestContext":{"requestId":"#.utf8)

    /// The document with its records as one line of JSON: Lambda's members, and in addition `id`, `error` (type, text,
    /// attempts) and `payload`, the whole invocation event (ESM-D6, ESM-D10). In it a record has its `explicitHashKey`
    /// if it was put with one.
    public func json() -> [UInt8] {
        var writer = JSONWriter(reserving: 2048)
        writer.object { document in
            writeMembers(to: &document)
            document.member("id", id)
            document.name("error")
            writeError(to: &document)
            document.name("payload")
            KinesisEvent(names: names, showsHashKeys: true).writeEvent(of: records, to: &document)
        }
        return writer.bytes
    }

    /// The document for one of the records as one line of JSON: `document`, `error`, `record` (ESM-D10).
    func json(of record: Record, head: [UInt8]) -> [UInt8] {
        var writer = JSONWriter(reserving: head.count + Base64.size(of: record.dataByteCount) + 256)
        writer.raw(head)
        writer.name("record")
        writer.object { entry in
            let key = record.partitionKey
            if !key.isEmpty { entry.member("partitionKey", key) }
            if let key = record.explicitHashKey { entry.member("explicitHashKey", key.description) }
            entry.member("sequenceNumber", record.kinesisSequenceNumber.description)
            entry.name("approximateArrivalTimestamp")
            entry.seconds(ofMilliseconds: record.approximateArrivalTimestamp.milliseconds)
            entry.name("data")
            entry.base64(record.bytes)
        }
        return writer.bytes + [UInt8(ascii: "}")]
    }

    /// The common start of the documents of a unit's records: the opening brace, `document` and `error`.
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
            error.member("group", group.description)
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
        if let window, let windowState {
            writer.name("window")
            writer.window(from: window.start, to: window.end)
            writer.name("state")
            writer.raw(windowState)
        }
    }
}

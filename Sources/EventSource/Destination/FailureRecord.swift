public import StreamModel

/// What a failure destination was told of records that were given up, as it is read back: from a record of a dead-letter
/// stream, or from a line of a failure file.
///
/// ```swift
/// let failed = try FailureRecord(record)
/// print(failed.condition, failed.errorText ?? "", failed.records.map(\.partitionKey))
/// try await flights.put(contentsOf: failed.records.map(\.newRecord))
/// ```
///
/// A dead-letter stream has a record for each record that was given up, under its partition key, so that order per key
/// stays; a file has a line for all records that were given up together. Members and conditions that are not known here
/// are passed over, so what newer versions write can be read, and Lambda's own documents for Kinesis, which hold no
/// records. The page "Failure records" describes the JSON.
public struct FailureRecord: Hashable, Sendable {
    /// One of the records that were given up.
    public struct Entry: Hashable, Sendable {
        /// The key that the producer gave.
        public var partitionKey: String
        /// The hash key that the producer gave in place of the partition key's, if any. nil as well in documents of
        /// versions that did not write it.
        public var explicitHashKey: HashKey?
        /// The producer's data.
        public var data: [UInt8]
        /// The place that the record had: its text is Kinesis' 56 digits.
        public var sequenceNumber: KinesisSequenceNumber
        /// When the store took the record.
        public var approximateArrivalTimestamp: Timestamp

        /// The record as it was, to be put again.
        public var newRecord: NewRecord {
            NewRecord(data, partitionKey: partitionKey, explicitHashKey: explicitHashKey)
        }
    }

    /// The same for the same records of the same mapping, also when they were handed over twice after a crash: stream,
    /// mapping, shard, first and last counter.
    public var id: String
    /// Why the records were given up. Others than the known ones may come.
    public var condition: GiveUpCondition
    /// What the last error said, at most 4 KiB; nil where no call failed, and in Lambda's own documents.
    public var errorText: String?
    /// The type of that error, where it is known.
    public var errorType: String?
    /// `"Unhandled"` where the function failed; nil where it answered a report that can't be used, or did not answer.
    public var functionError: String?
    /// Calls with exactly these records together; 0 where they were never sent.
    public var attempts: Int
    /// The id of the last call (``InvocationContext/requestID``).
    public var requestID: String
    /// When the document was written.
    public var timestamp: Timestamp
    /// The stream that the records were in.
    public var stream: String
    /// The mapping that gave them up.
    public var mapping: String
    /// The shard that they were in.
    public var shard: ShardID
    /// The first number that was given up. Where the records expired or were lost before they were read, the arrival in
    /// it is 0.
    public var startSequenceNumber: KinesisSequenceNumber
    /// The last number that was given up.
    public var endSequenceNumber: KinesisSequenceNumber
    /// When the first of the records given up together arrived; nil where they were never read.
    public var approximateArrivalOfFirstRecord: Timestamp?
    /// When the last of them arrived; nil where they were never read.
    public var approximateArrivalOfLastRecord: Timestamp?
    /// How many were given up together; nil where that is not known. In a dead-letter stream each of them has a record of
    /// its own.
    public var recordCount: Int?
    /// The records in their order: one in a dead-letter stream, all of them in a file, none where they expired or were
    /// lost before they were read.
    public var records: [Entry]

    /// Reads a record of a dead-letter stream.
    ///
    /// - Throws: `invalidArgument` where the record is no failure document, with what is missing in it.
    public init(_ record: Record) throws { try self.init(json: record.bytes) }

    /// Reads a document: the data of a dead-letter stream's record, or a line of a failure file.
    ///
    /// - Throws: `invalidArgument` where the bytes are no failure document, with what is missing in them.
    public init(json bytes: some Sequence<UInt8>) throws {
        guard let json = JSONValue(Array(bytes)) else { throw Self.problem("it is not JSON") }
        guard case .object = json else { throw Self.problem("it is not a JSON object") }
        let part = Part(json, "")
        // In a stream the document stands beside the record, in a file and at Lambda it is the whole.
        let document = json["document"] == nil ? part : try part.part("document")
        try self.init(document: document)
        let error = try part.optionalPart("error")
        errorText = try error?.optionalText("text")
        errorType = try error?.optionalText("type")
        if json["document"] != nil {
            records = try part.optionalPart("record").map { [try Entry($0)] } ?? []
        } else {
            id = try part.optionalText("id") ?? id
            records = try Self.records(ofPayload: part)
        }
    }

    private init(document: Part) throws {
        let context = try document.part("requestContext")
        condition = GiveUpCondition(rawValue: try context.text("condition"))
        attempts = try context.number("approximateInvokeCount")
        requestID = try context.text("requestId")
        mapping = try context.name("functionArn", behind: ":function:")
        functionError = try document.optionalPart("responseContext")?.optionalText("functionError")
        timestamp = try document.time("timestamp")
        if document.json["DDBStreamBatchInfo"] != nil {
            throw Self.problem("it is about a DynamoDB stream, and only documents of Kinesis streams are read")
        }
        let batch = try document.part("KinesisBatchInfo")
        stream = try batch.name("streamArn", behind: ":stream/")
        guard let shard = ShardID(try batch.text("shardId")) else { throw batch.problem("shardId", "a shard's name") }
        self.shard = shard
        startSequenceNumber = try batch.sequenceNumber("startSequenceNumber")
        endSequenceNumber = try batch.sequenceNumber("endSequenceNumber")
        guard startSequenceNumber.shard == shard, endSequenceNumber.shard == shard,
            startSequenceNumber.sequenceNumber <= endSequenceNumber.sequenceNumber
        else { throw batch.problem("startSequenceNumber", "a number of its shard, up to the last one") }
        approximateArrivalOfFirstRecord = try batch.optionalTime("approximateArrivalOfFirstRecord")
        approximateArrivalOfLastRecord = try batch.optionalTime("approximateArrivalOfLastRecord")
        recordCount = try batch.optionalNumber("batchSize")
        id =
            "\(stream)/\(mapping)/\(shard):\(startSequenceNumber.sequenceNumber)-\(endSequenceNumber.sequenceNumber)"
        records = []
    }

    /// The records of an event: the payload of a document that is a whole, where it has one (ESM-D6).
    private static func records(ofPayload document: Part) throws -> [Entry] {
        guard let json = document.json["payload"], json != .null else { return [] }
        var payload = Part(json, "payload")
        // Lambda may write the event as text.
        if let text = json.text {
            guard let event = JSONValue(Array(text.utf8)) else { throw document.problem("payload", "an event") }
            payload = Part(event, "payload")
        }
        guard case .array(let list)? = payload.json["Records"] else { throw payload.problem("Records", "a list") }
        return try list.map { try Entry(Part($0, "payload.Records").part("kinesis")) }
    }

    fileprivate static func problem(_ reason: String) -> ShardlineError {
        ShardlineError(
            .invalidArgument,
            "this is no failure document: \(reason) (allowed: a record of a dead-letter stream, or a line of a failure file)"
        )
    }
}

extension FailureRecord.Entry {
    fileprivate init(_ part: FailureRecord.Part) throws {
        partitionKey = try part.text("partitionKey")
        sequenceNumber = try part.sequenceNumber("sequenceNumber")
        approximateArrivalTimestamp = try part.seconds("approximateArrivalTimestamp")
        guard let data = Base64.bytes(of: try part.text("data")) else { throw part.problem("data", "base64") }
        self.data = data
        if let text = try part.optionalText("explicitHashKey") {
            guard let key = HashKey(text) else { throw part.problem("explicitHashKey", "a hash key in decimal") }
            explicitHashKey = key
        }
    }
}

extension FailureRecord {
    /// An object of a document, and where in it.
    fileprivate struct Part {
        let json: JSONValue
        let path: String

        init(_ json: JSONValue, _ path: String) {
            self.json = json
            self.path = path
        }

        func problem(_ name: StaticString, _ expected: String) -> ShardlineError {
            FailureRecord.problem("its member '\(path.isEmpty ? "" : path + ".")\(name)' is not \(expected)")
        }

        /// nil where there is no such member, or it is null.
        private func member(_ name: StaticString) -> JSONValue? {
            guard let value = json["\(name)"], value != .null else { return nil }
            return value
        }

        func optionalPart(_ name: StaticString) throws -> Part? {
            guard let value = member(name) else { return nil }
            guard case .object = value else { throw problem(name, "an object") }
            return Part(value, path.isEmpty ? "\(name)" : "\(path).\(name)")
        }

        func part(_ name: StaticString) throws -> Part {
            guard let part = try optionalPart(name) else { throw problem(name, "an object") }
            return part
        }

        func optionalText(_ name: StaticString) throws -> String? {
            guard let value = member(name) else { return nil }
            guard let text = value.text else { throw problem(name, "text") }
            return text
        }

        func text(_ name: StaticString) throws -> String {
            guard let text = try optionalText(name) else { throw problem(name, "text") }
            return text
        }

        func optionalNumber(_ name: StaticString) throws -> Int? {
            guard let value = member(name) else { return nil }
            guard case .number(let text) = value, let number = Int(text), number >= 0 else {
                throw problem(name, "a whole number")
            }
            return number
        }

        func number(_ name: StaticString) throws -> Int {
            guard let number = try optionalNumber(name) else { throw problem(name, "a whole number") }
            return number
        }

        func sequenceNumber(_ name: StaticString) throws -> KinesisSequenceNumber {
            guard let number = KinesisSequenceNumber(try text(name)) else { throw problem(name, "a sequence number") }
            return number
        }

        func optionalTime(_ name: StaticString) throws -> Timestamp? {
            guard let text = try optionalText(name) else { return nil }
            guard let time = Timestamp(documented: text) else {
                throw problem(name, "a time such as 2019-11-14T00:38:06.021Z")
            }
            return time
        }

        func time(_ name: StaticString) throws -> Timestamp {
            guard let time = try optionalTime(name) else {
                throw problem(name, "a time such as 2019-11-14T00:38:06.021Z")
            }
            return time
        }

        /// Seconds since 1970 with up to three decimals.
        func seconds(_ name: StaticString) throws -> Timestamp {
            guard case .number(let text)? = member(name), let time = Timestamp(secondsText: text) else {
                throw problem(name, "a number of seconds")
            }
            return time
        }

        /// The name at the end of an ARN.
        func name(_ name: StaticString, behind mark: String) throws -> String {
            let text = try text(name)
            guard let range = text.firstRange(of: mark), range.upperBound < text.endIndex else {
                throw problem(name, "an ARN with '\(mark)'")
            }
            return String(text[range.upperBound...])
        }
    }
}

extension Timestamp {
    /// Reads what ``description`` writes of the years 0 to 9999, with or without milliseconds.
    fileprivate init?(documented text: String) {
        guard let match = text.wholeMatch(of: #/(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{3}))?Z/#) else {
            return nil
        }
        func number(_ text: Substring?) -> Int64 { text.flatMap { Int64($0) } ?? 0 }
        let (year, month, day) = (number(match.1), number(match.2), number(match.3))
        guard (1...12).contains(month), (1...31).contains(day) else { return nil }
        // Years begin in March, so that the leap day is the last.
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        let seconds = days * 86_400 + number(match.4) * 3600 + number(match.5) * 60 + number(match.6)
        self.init(milliseconds: seconds * 1000 + number(match.7))
        // A day that the month has not, or an hour that the day has not, is another time.
        guard description.prefix(19) == text.prefix(19) else { return nil }
    }

    /// Reads seconds with up to three decimals, exactly.
    fileprivate init?(secondsText text: String) {
        guard let match = text.wholeMatch(of: #/(-?)(\d{1,13})(?:\.(\d{1,3}))?/#) else { return nil }
        var thousandths = String(match.3 ?? "")
        while thousandths.utf8.count < 3 { thousandths.append("0") }
        guard let seconds = Int64(match.2), let rest = Int64(thousandths) else { return nil }
        let milliseconds = seconds * 1000 + rest
        self.init(milliseconds: match.1.isEmpty ? milliseconds : -milliseconds)
    }
}

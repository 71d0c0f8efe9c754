import DataFormats

public import StreamModel

/// A failure document as it is read: from a record of a dead-letter stream, or from a line of a failure file.
///
/// ```swift
/// let failed = try FailureRecord(record)
/// print(failed.condition, failed.errorText ?? "", failed.records.map(\.partitionKey))
/// try await flights.put(contentsOf: failed.records.map(\.newRecord))
/// ```
///
/// A dead-letter stream has one record for each record that was given up, with the same partition key, which keeps the
/// order of each key. A file has one line for all records that were given up together. Unknown members are ignored and
/// unknown conditions are kept, so that documents of newer versions can be read, and Lambda's own documents for
/// Kinesis, which contain no records. The page "Failure records" describes the JSON.
public struct FailureRecord: Hashable, Sendable {
    /// One of the records that were given up.
    public struct Entry: Hashable, Sendable {
        /// The key that the producer gave.
        public var partitionKey: String
        /// The explicit hash key that the producer gave, if any. Also nil in documents of versions that did not write
        /// it.
        public var explicitHashKey: HashKey?
        /// The producer's data.
        public var data: [UInt8]
        /// The record's sequence number; its text has Kinesis' 56 digits.
        public var sequenceNumber: KinesisSequenceNumber
        /// When the record arrived at the store.
        public var approximateArrivalTimestamp: Timestamp

        /// The same record, for putting it again.
        public var newRecord: NewRecord {
            NewRecord(data, partitionKey: partitionKey, explicitHashKey: explicitHashKey)
        }
    }

    /// Identifies the records and the mapping: stream, mapping, shard, first and last number. A document that was
    /// delivered again after a crash has the same id.
    public var id: String
    /// Why the records were given up. Newer versions may write unknown conditions.
    public var condition: GiveUpCondition
    /// The text of the last error, at most 4 KiB; nil if no call failed, and in Lambda's own documents.
    public var errorText: String?
    /// The type of that error; nil if it is not known.
    public var errorType: String?
    /// What failures of the same kind have in common, as for parked keys; computed for documents of versions that did not
    /// write it.
    public var group: FailureGroup {
        FailureCause.kept(condition, type: errorType, text: errorText, attempts: attempts).group
    }
    /// `"Unhandled"` if the function failed; nil if its report could not be used, or if the records were given up for
    /// another reason.
    public var functionError: String?
    /// The number of calls with exactly these records; 0 if they were never sent.
    public var attempts: Int
    /// The id of the last call (``InvocationContext/requestID``).
    public var requestID: String
    /// When the document was written.
    public var timestamp: Timestamp
    /// The stream that the records were in, with account and region (``StreamName``) where they are not the mapping's.
    public var stream: String
    /// The mapping that gave them up.
    public var mapping: String
    /// The shard that they were in.
    public var shard: ShardID
    /// The first number that was given up. If the records expired or were lost before they were read, the arrival time
    /// in it is 0.
    public var startSequenceNumber: KinesisSequenceNumber
    /// The last number that was given up.
    public var endSequenceNumber: KinesisSequenceNumber
    /// When the first of the records given up together arrived; nil if they were never read.
    public var approximateArrivalOfFirstRecord: Timestamp?
    /// When the last of them arrived; nil if they were never read.
    public var approximateArrivalOfLastRecord: Timestamp?
    /// The number of records that were given up together; nil if it is not known. In a dead-letter stream each of them
    /// has its own record.
    public var recordCount: Int?
    /// The tumbling window whose final invocation was given up; nil for records (ESM-T7).
    public var window: Range<Timestamp>?
    /// The state of that window, as JSON; nil for records.
    public var windowState: [UInt8]?
    /// The records in order: one in a dead-letter stream, all of them in a file, none if they expired or were lost
    /// before they were read.
    public var records: [Entry]

    /// Reads a record of a dead-letter stream.
    ///
    /// - Throws: `invalidArgument` if the record is not a failure document; the message says what is missing.
    public init(_ record: Record) throws { try self.init(json: record.bytes) }

    /// Reads a document: the data of a dead-letter stream's record, or a line of a failure file.
    ///
    /// - Throws: `invalidArgument` if the bytes are not a failure document; the message says what is missing.
    public init(json bytes: some Sequence<UInt8>) throws {
        guard let json = JSONValue(Array(bytes)) else { throw Self.problem("it is not JSON") }
        guard case .object = json else { throw Self.problem("it is not a JSON object") }
        let part = Part(json, "")
        // In a stream the document is the member `document`; in a file and from Lambda it is the whole object.
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
        let name = try batch.name("streamArn", behind: ":stream/")
        let owner = try batch.owner("streamArn")
        // Who owns a stream with a plain name owns the mapping too.
        let isPlain = owner == (try context.owner("functionArn"))
        stream = isPlain ? name : StreamName(name, account: owner.account, region: owner.region)?.description ?? name
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
        if let part = try document.optionalPart("window") {
            let (start, end) = (try part.time("start"), try part.time("end"))
            guard start < end else { throw part.problem("end", "a time after the start") }
            window = start..<end
            windowState = document.json["state"]?.bytes
        }
        id =
            "\(stream)/\(mapping)/\(shard):\(startSequenceNumber.sequenceNumber)-\(endSequenceNumber.sequenceNumber)"
        records = []
    }

    /// The records of the event in a document's `payload`, if it has one (ESM-D6).
    private static func records(ofPayload document: Part) throws -> [Entry] {
        guard let json = document.json["payload"], json != .null else { return [] }
        var payload = Part(json, "payload")
        // Lambda may write the event as a string.
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
        partitionKey = try part.optionalText("partitionKey") ?? ""
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
    /// An object of a document, and its path.
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

        /// nil if the member is missing or null.
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

        /// The account and region of an ARN; empty where it has none.
        func owner(_ name: StaticString) throws -> (account: String, region: String) {
            let parts = try text(name).split(separator: ":", omittingEmptySubsequences: false)
            return parts.count > 4 ? (String(parts[4]), String(parts[3])) : ("", "")
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
        // Years start in March here, so that the leap day is the last one.
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        let seconds = days * 86_400 + number(match.4) * 3600 + number(match.5) * 60 + number(match.6)
        self.init(milliseconds: seconds * 1000 + number(match.7))
        // A day or an hour out of range gives another time, which is refused.
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

public import StreamModel

/// A filter of an event source mapping: a JSON object that says which records the function gets.
///
/// Patterns are those of Lambda's event source mappings and of Amazon EventBridge, so they can be taken over from there:
///
/// ```swift
/// var settings = EventSourceMapping.Configuration()
/// settings.filters = [
///     #"{"data": {"type": ["order"], "amount": [{"numeric": [">=", 1000]}]}}"#,
///     #"{"partitionKey": [{"prefix": "vip-"}]}"#,
/// ]
/// ```
///
/// `data` stands for the JSON of the record's data. Beside it a pattern can name what the event for functions outside
/// Swift says of the record: `partitionKey`, `sequenceNumber`, `approximateArrivalTimestamp`, `kinesisSchemaVersion`,
/// `eventSource`, `eventID`, `eventName`, `awsRegion` and `eventSourceARN`. All fields that a pattern names must match.
/// Each has an object of further fields or a list of alternatives:
///
/// | alternative | matches |
/// | --- | --- |
/// | `"a"`, `5`, `true`, `null`, `""` | the same value; numbers by value |
/// | `{"exists": true}`, `{"exists": false}` | any value, no value |
/// | `{"prefix": "a"}`, `{"suffix": "a"}` | text; `{"prefix": {"equals-ignore-case": "a"}}` ignores case |
/// | `{"equals-ignore-case": "a"}` | text in upper and lower case |
/// | `{"wildcard": "a*b"}` | text, where `*` is any run of characters |
/// | `{"numeric": [">", 0, "<=", 5]}` | numbers: `=`, `<`, `<=`, `>`, `>=` |
/// | `{"cidr": "10.0.0.0/24"}` | addresses of IPv4 and IPv6 as text |
/// | `{"anything-but": …}` | any value but a text, a number, one of a list, or what an operator for text matches |
///
/// `"$or": [{…}, {…}]` beside fields matches if one of its objects does. Of a list in a record one element is enough. A
/// record whose data are not a JSON object in UTF-8 matches no pattern that names `data`.
///
/// A pattern has at most 4,096 characters and 100 levels of fields. It is checked together with the other settings:
/// ``validate()``, ``EventSourceMapping/Configuration/validate()``. The rules ESM-F1 to ESM-F20 in
/// `Documentation/Rules/EventSourceMappings.md` say everything about patterns.
public struct FilterPattern: Hashable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
    /// The pattern's JSON, unchanged.
    public let json: String

    /// A pattern with this JSON. It is not checked: ``validate()``.
    public init(_ json: String) { self.json = json }

    /// A pattern with this JSON. It is not checked: ``validate()``.
    public init(stringLiteral json: String) { self.json = json }

    /// The pattern's JSON.
    public var description: String { json }

    /// Throws `invalidArgument` if this is no pattern. The message says where it is wrong, by path and byte, and what is
    /// allowed there (ESM-F19).
    public func validate() throws {
        _ = try RecordFilter(patterns: [json])
    }

    /// Whether a mapping with this filter alone would keep the record, for tests of a pattern. Region and stream are those
    /// of the default settings and of a stream named `stream`. Throws `invalidArgument` if this is no pattern.
    public func matches(_ record: Record) throws -> Bool {
        try RecordFilter(patterns: [json]).matches(RecordBatch([record]).runs[0], at: 0)
    }

    /// Patterns are equal when the bytes of their JSON are.
    public static func == (left: FilterPattern, right: FilterPattern) -> Bool {
        left.json.utf8.elementsEqual(right.json.utf8)
    }

    /// Hashes the bytes of the JSON.
    public func hash(into hasher: inout Hasher) { hasher.combine(UTF8Key(json)) }
}

/// A pattern is coded as its text, so in JSON it is a string that holds JSON.
extension FilterPattern: Codable {
    /// Reads the text. It is not checked: ``validate()``.
    public init(from decoder: any Decoder) throws {
        json = try decoder.singleValueContainer().decode(String.self)
    }

    /// Writes the text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(json)
    }
}

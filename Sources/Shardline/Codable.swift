public import FoundationEssentials
public import EventSource
public import StreamModel
public import StreamStorage

// Values as JSON. These calls are in this module because the model does not import Foundation.

extension NewRecord {
    /// A record whose data is the JSON of `value`.
    ///
    /// - Parameters:
    ///   - value: the value.
    ///   - partitionKey: decides the shard; 1 to 256 characters.
    ///   - explicitHashKey: replaces the partition key's hash.
    ///   - encoder: the encoder to use. Default: one with default settings.
    /// - Throws: `EncodingError`.
    public init(
        encoding value: some Encodable, partitionKey: String, explicitHashKey: HashKey? = nil,
        encoder: JSONEncoder = JSONEncoder()
    ) throws {
        self.init(try encoder.encode(value), partitionKey: partitionKey, explicitHashKey: explicitHashKey)
    }
}

extension RecordStream {
    /// Puts one record whose data is the JSON of `value`, and returns when it is durable. Bytes that are JSON already,
    /// in `Data` or an array, are put with `put(_:partitionKey:explicitHashKey:)`.
    ///
    /// ```swift
    /// try await orders.put(encoding: order, partitionKey: order.customer)
    /// ```
    ///
    /// - Parameters:
    ///   - value: the value.
    ///   - partitionKey: decides the shard; 1 to 256 characters.
    ///   - explicitHashKey: replaces the partition key's hash.
    ///   - encoder: the encoder to use. Default: one with default settings.
    /// - Throws: `EncodingError` where nothing was put; the errors of `put(_:partitionKey:explicitHashKey:)`.
    @discardableResult
    public func put(
        encoding value: some Encodable, partitionKey: String, explicitHashKey: HashKey? = nil,
        encoder: JSONEncoder = JSONEncoder()
    ) async throws -> PutReceipt {
        let record = try NewRecord(
            encoding: value, partitionKey: partitionKey, explicitHashKey: explicitHashKey, encoder: encoder)
        return try await put(contentsOf: [record])[0]
    }
}

extension Producer {
    /// Accepts a record whose data is the JSON of `value`. As ``enqueue(_:tag:)``; throws `EncodingError` too, and the
    /// producer goes on.
    public func enqueue(
        encoding value: some Encodable, partitionKey: String, explicitHashKey: HashKey? = nil, tag: UInt64 = 0,
        encoder: JSONEncoder = JSONEncoder()
    ) async throws {
        let record = try NewRecord(
            encoding: value, partitionKey: partitionKey, explicitHashKey: explicitHashKey, encoder: encoder)
        try await enqueue(record, tag: tag)
    }
}

extension Record {
    /// The value whose JSON the record's data is.
    ///
    /// ```swift
    /// for record in batch { try await ship(record.decode(as: Order.self)) }
    /// ```
    ///
    /// - Parameters:
    ///   - type: the value's type.
    ///   - decoder: the decoder to use. Default: one with default settings.
    /// - Throws: ``PermanentFailure`` with the record and ``MalformedRecord`` as its cause, which says what does not fit.
    ///   A function that lets it through has the record given up at once, without retries; the others go on.
    public func decode<Value: Decodable>(
        as type: Value.Type = Value.self, decoder: JSONDecoder = JSONDecoder()
    ) throws -> Value {
        try decode(bytes, as: type, decoder)
    }

    fileprivate func decode<Value: Decodable>(
        _ bytes: ArraySlice<UInt8>, as type: Value.Type, _ decoder: JSONDecoder
    ) throws -> Value {
        do {
            return try decoder.decode(type, from: Data(bytes))
        } catch let error as DecodingError {
            throw PermanentFailure(self, because: .malformed(error.details))
        } catch {
            // A type's own rule, in its `init(from:)`.
            throw PermanentFailure(self, because: .malformed("\(error)"))
        }
    }
}

extension UserRecord {
    /// The value whose JSON the user record's data is.
    ///
    /// - Parameters:
    ///   - type: the value's type.
    ///   - decoder: the decoder to use. Default: one with default settings.
    /// - Throws: ``PermanentFailure`` as ``Record/decode(as:decoder:)`` does. A function that lets it through
    ///   has the whole record given up, with all user records that are in it.
    public func decode<Value: Decodable>(
        as type: Value.Type = Value.self, decoder: JSONDecoder = JSONDecoder()
    ) throws -> Value {
        try record.decode(bytes, as: type, decoder)
    }
}

extension FailureRecord.Entry {
    /// The value whose JSON the record's data is. Throws `DecodingError`, and what the value's type throws.
    public func decode<Value: Decodable>(
        as type: Value.Type = Value.self, decoder: JSONDecoder = JSONDecoder()
    ) throws -> Value {
        try decoder.decode(type, from: Data(data))
    }
}

extension DecodingError {
    /// What does not fit, and where in the JSON.
    fileprivate var details: String {
        let (what, context): (String, Context) =
            switch self {
            case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
                (context.debugDescription, context)
            case .keyNotFound(let key, let context): ("there is no member '\(key.stringValue)'", context)
            @unknown default: ("\(self)", Context(codingPath: [], debugDescription: ""))
            }
        let path = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? ".\($0.stringValue)" }.joined()
        return path.isEmpty ? what : "\(what) at \(path)"
    }
}

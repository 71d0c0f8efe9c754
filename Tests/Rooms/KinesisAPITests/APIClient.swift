import DataFormats
import KinesisAPI
import Logging
import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import Testing

/// A client of a service on a store in memory, in virtual time.
struct APIClient {
    let time: VirtualTime
    let store: InMemoryStore
    let service: KinesisService
    var caller = Caller(account: "000000000000", region: "us-east-1", keyID: "test")

    /// The time at which a client's clock begins: 2026-11-29T10:00:00Z.
    static let start = Timestamp(milliseconds: 1_795_946_400_000)

    init(_ change: (inout ServiceSettings) -> Void = { _ in }) {
        time = VirtualTime(wallTime: Self.start)
        store = InMemoryStore(timeSource: time)
        service = Self.service(store, change)
    }

    static func service(
        _ store: any StreamStore, _ change: (inout ServiceSettings) -> Void = { _ in }
    ) -> KinesisService {
        // Not secure, and good enough to tell whether a text was changed.
        var settings = ServiceSettings { message, key in
            var hash = UInt64(0xCBF2_9CE4_8422_2325)
            return (0..<32).map { round in
                for byte in key + message + [UInt8(round)] { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
                return UInt8(truncatingIfNeeded: hash >> 32)
            }
        }
        change(&settings)
        return KinesisService(
            store: store, settings: settings, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// The whole answer to a request with this body.
    func respond(
        target: String?, contentType: String? = "application/x-amz-json-1.1", body: [UInt8],
        authenticate: @Sendable (String?) throws(ServiceError) -> Caller
    ) async -> ServiceResponse {
        await service.respond(
            to: ServiceRequest(target: target, contentType: contentType, body: body, requestID: "r"),
            authenticate: authenticate)
    }

    func respond(_ operation: String, _ body: String) async -> ServiceResponse {
        let caller = caller
        return await respond(target: "Kinesis_20131202.\(operation)", body: Array(body.utf8)) { _ in caller }
    }

    /// The answer of a call that must succeed.
    @discardableResult
    func call(_ operation: String, _ body: String = "{}", _ place: SourceLocation = #_sourceLocation) async throws
        -> Reply
    {
        let response = await respond(operation, body)
        let bytes = try response.bytes
        try #require(response.status == 200, "\(String(decoding: bytes, as: UTF8.self))", sourceLocation: place)
        return try Reply(bytes)
    }

    /// The code and the text of a call that must fail.
    func error(_ operation: String, _ body: String = "{}", _ place: SourceLocation = #_sourceLocation) async throws
        -> Failure
    {
        let response = await respond(operation, body)
        try #require(response.status != 200, "it succeeded", sourceLocation: place)
        let reply = try Reply(try response.bytes)
        let failure = Failure(
            code: reply["__type"]?.text ?? "", text: reply["message"]?.text ?? reply["Message"]?.text ?? "",
            status: response.status)
        #expect(failure.code == response.errorCode, sourceLocation: place)
        return failure
    }

    struct Failure: Equatable {
        var code: String
        var text: String
        var status = 400
    }

    /// A document that was answered.
    struct Reply {
        let root: Document.Value?

        init(_ bytes: [UInt8]) throws { root = bytes.isEmpty ? nil : try Document(json: bytes).root }

        subscript(_ name: StaticString) -> Document.Value? { root?[name] }
    }

    // MARK: What many tests do

    func makeStream(_ name: String = "s", shards: Int = 1) async throws {
        try await call("CreateStream", #"{"StreamName":"\#(name)","ShardCount":\#(shards)}"#)
    }

    /// Puts one record and returns its number.
    @discardableResult
    func put(_ text: String, key: String = "k", stream: String = "s", hash: String? = nil) async throws -> String {
        let data = base64(Array(text.utf8))
        let explicit = hash.map { #","ExplicitHashKey":"\#($0)""# } ?? ""
        let reply = try await call(
            "PutRecord", #"{"StreamName":"\#(stream)","PartitionKey":"\#(key)","Data":"\#(data)"\#(explicit)}"#)
        return try #require(reply["SequenceNumber"]?.text)
    }

    func iterator(
        _ type: String = "TRIM_HORIZON", stream: String = "s", shard: Int = 0, _ more: String = ""
    ) async throws -> String {
        let reply = try await call(
            "GetShardIterator",
            #"{"StreamName":"\#(stream)","ShardId":"\#(shard)","ShardIteratorType":"\#(type)"\#(more)}"#)
        return try #require(reply["ShardIterator"]?.text)
    }

    func records(_ iterator: String, limit: Int? = nil) async throws -> (texts: [String], reply: Reply) {
        let limit = limit.map { #","Limit":\#($0)"# } ?? ""
        let reply = try await call("GetRecords", #"{"ShardIterator":"\#(iterator)"\#(limit)}"#)
        let texts = try reply["Records"]?.elements.map { String(decoding: try $0["Data"]?.blob() ?? [], as: UTF8.self) }
        return (texts ?? [], reply)
    }

    func shards(_ stream: String = "s", _ more: String = "") async throws -> [Document.Value] {
        try await call("ListShards", #"{"StreamName":"\#(stream)"\#(more)}"#)["Shards"]?.elements.map { $0 } ?? []
    }

    func ids(_ shards: [Document.Value]) -> [Int] {
        shards.compactMap { $0["ShardId"]?.text.flatMap { ShardID($0) } }.map { Int($0.number) }
    }
}

func base64(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    Base64.append(bytes.span, to: &text)
    return String(decoding: text, as: UTF8.self)
}

extension ServiceResponse {
    var bytes: [UInt8] {
        get throws {
            guard case .bytes(let bytes) = body else { throw ServiceError.internalFailure }
            return bytes
        }
    }
    var text: String { get throws { String(decoding: try bytes, as: UTF8.self) } }
}

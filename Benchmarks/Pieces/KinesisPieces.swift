import Benchmark
import DataFormats
import KinesisAPI
import Logging
import SegmentStorage
import StreamModel
import StreamStorage

/// Requests of Kinesis' API without a transport: puts of 500 records of 100 bytes and reads of as many, on a store that
/// syncs each put.
func kinesisPieces() {
    for format in [DocumentFormat.json, .cbor] {
        Benchmark("kinesis: \(format), a put of 500 is answered, per record") { benchmark in
            try await KinesisSamples.withService { service in
                let body = DocumentSamples.put(format)
                try await Cost.measure(500 * 40, benchmark) {
                    for _ in 0..<40 { try await service.call("PutRecords", format, body) }
                }
            }
        }
        Benchmark("kinesis: \(format), a read of 500 is answered, per record") { benchmark in
            try await KinesisSamples.withService { service in
                try await service.call("PutRecords", format, DocumentSamples.put(format))
                let iterator = try await service.iterator()
                var body = DocumentWriter(format)
                body.beginMap(1)
                body.key("ShardIterator")
                body.string(iterator)
                body.endMap()
                try await Cost.measure(500 * 40, benchmark) {
                    for _ in 0..<40 { try await service.call("GetRecords", format, body.bytes) }
                }
            }
        }
    }
}

private struct KinesisSamples {
    let service: KinesisService
    private static let caller = Caller(account: "000000000000", region: "us-east-1")

    /// Calls `body` with a service on a new store that has one stream with one shard.
    static func withService(_ body: (KinesisSamples) async throws -> Void) async throws {
        let directory = try TemporaryDirectory.make()
        defer { TemporaryDirectory.remove(directory) }
        let store = try await SegmentStore.openIfFree(at: directory)
        try await store.createStream("orders", settings: StreamSettings())
        // A code that costs next to nothing: what an answer's one code costs is not measured here.
        let settings = ServiceSettings { message, key in Array((key + message).suffix(32)) }
        try await body(
            KinesisSamples(service: KinesisService(store: store, settings: settings, logger: Logger(label: "pieces"))))
        try await store.close()
    }

    @discardableResult
    func call(_ operation: String, _ format: DocumentFormat, _ body: [UInt8]) async throws -> [UInt8] {
        let response = await service.respond(
            to: ServiceRequest(
                target: "Kinesis_20131202.\(operation)", contentType: format.contentType, body: body, requestID: "r")
        ) { _ in Self.caller }
        guard response.status == 200, case .bytes(let bytes) = response.body else { throw ServiceError.internalFailure }
        return bytes
    }

    func iterator() async throws -> String {
        let answer = try await call(
            "GetShardIterator", .json,
            Array(#"{"StreamName":"orders","ShardId":"0","ShardIteratorType":"TRIM_HORIZON"}"#.utf8))
        return try Document(json: answer).root["ShardIterator"]?.text ?? ""
    }
}

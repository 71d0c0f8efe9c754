#if Server
import DiskAccess
import EndpointBench
import Foundation
import KinesisServer
import Logging
import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import Testing
import ThroughputBench

/// A bench of a server: what is right is proved, and what is wrong is found.
@Suite(.timeLimit(.minutes(2)))
struct EndpointBenchTests {
    private static func settings(records: Int = 1_000) -> BenchSettings {
        var settings = BenchSettings()
        settings.data = .json(size: 100)
        settings.records = records
        settings.shards = 3
        settings.producers = 2
        settings.batch = 97
        return settings
    }

    /// Records of seven keys, so that each answer has several of one.
    private static func fewKeys() -> BenchSettings {
        var settings = settings()
        settings.data = .given(
            (0..<1_000).map { NewRecord("record \($0) of the input, long enough", partitionKey: "key \($0 % 7)") })
        settings.producers = 1
        settings.consumesFromHalf = true
        return settings
    }

    private static func run(
        _ settings: BenchSettings, _ transport: any Transport, cbor: Bool = false, subscribes: Bool = false
    ) async throws -> BenchReport {
        var endpoint = EndpointBench.Settings(stream: "bench-test")
        endpoint.usesCBOR = cbor
        endpoint.subscribes = subscribes
        endpoint.server = getpid()
        let bench = try EndpointBench(settings, endpoint, transport: transport, timeSource: SystemTimeSource())
        let result: Result<BenchReport, any Error>
        do {
            result = .success(try await bench.run(at: "http://test"))
        } catch {
            result = .failure(error)
        }
        #expect(await bench.end() == nil)
        return try result.get()
    }

    @Test(arguments: [false, true], [false, true])
    func `a right server is proved, and its stream deleted`(cbor: Bool, subscribes: Bool) async throws {
        for settings in [Self.settings(), Self.fewKeys()] {
            let transport = ServiceTransport(timeSource: SystemTimeSource())
            let report = try await Self.run(settings, transport, cbor: cbor, subscribes: subscribes)
            #expect(report.isProved && report.isDone, "\(report.violations)")
            #expect(report.records == 1_000 && report.putRecordsPerS > 0 && report.consumedRecordsPerS > 0)
            #expect(report.latencyMs != nil && report.putAckMs != nil && report.serverCpuS != nil)
            #expect(report.reader == (subscribes ? "SubscribeToShard" : "GetRecords"))
            #expect(report.retries == 0 && report.endpoint == "http://test")
            #expect(transport.requests.contains("GetRecords") != subscribes)
            #expect(try await transport.store.listStreams().isEmpty && transport.isClosed)
        }
    }

    /// Changes the records of the first answer that has two of one key.
    private static func changingRecords(
        _ change: @escaping @Sendable (inout [[String: Any]], _ first: Int, _ second: Int) -> Void
    ) -> ServiceTransport {
        let isDone = Once()
        let changed: ServiceTransport.Change = { request, body in
            guard request.operation == "GetRecords",
                var answer = try? JSONSerialization.jsonObject(with: Data(body)) as? [String: Any],
                var records = answer["Records"] as? [[String: Any]]
            else { return body }
            for first in records.indices {
                let key = records[first]["PartitionKey"] as? String
                let second = records.indices.dropFirst(first + 1).first {
                    records[$0]["PartitionKey"] as? String == key
                }
                guard let second, isDone.take() else { continue }
                change(&records, first, second)
                answer["Records"] = records
                guard let changed = try? JSONSerialization.data(withJSONObject: answer) else { return body }
                return [UInt8](changed)
            }
            return body
        }
        return ServiceTransport(timeSource: SystemTimeSource(), change: changed)
    }

    @Test func `a server that swaps two records of a key is found out`() async throws {
        let transport = Self.changingRecords { records, first, second in
            (records[first]["Data"], records[second]["Data"]) = (records[second]["Data"], records[first]["Data"])
        }
        let report = try await Self.run(Self.fewKeys(), transport)
        #expect(!report.isProved && !report.ordered)
        #expect(report.violations.first?.contains("sequence number") == true, "\(report.violations)")
    }

    @Test func `a server that loses a record is found out`() async throws {
        var settings = Self.fewKeys()
        // On a slow machine others count as lost, too.
        settings.patience = .milliseconds(500)
        let report = try await Self.run(
            settings, Self.changingRecords { records, first, _ in records.remove(at: first) })
        #expect(!report.isProved && report.lost >= 1, "\(report.violations)")
    }

    @Test func `a server that hands a record out twice is found out`() async throws {
        let transport = Self.changingRecords { records, first, _ in records.insert(records[first], at: first) }
        let report = try await Self.run(Self.fewKeys(), transport)
        #expect(!report.isProved && report.duplicates > 0, "\(report.violations)")
    }

    @Test func `what the server asks to try again is tried again, and the order holds`() async throws {
        let transport = ServiceTransport(timeSource: SystemTimeSource()) { request, number in
            switch (request.operation, number) {
            case ("PutRecords", 0): APIAnswer(status: 500, body: Array(#"{"__type":"InternalFailure"}"#.utf8))
            case ("PutRecords", 3), ("GetRecords", 1):
                APIAnswer(
                    status: 400,
                    body: Array(#"{"__type":"ProvisionedThroughputExceededException","message":"Slow."}"#.utf8))
            default: nil
            }
        }
        let report = try await Self.run(Self.settings(), transport)
        #expect(report.isProved && report.retries == 3, "\(report.violations)")
    }

    @Test func `another error ends the bench with the server's text`() async throws {
        let transport = ServiceTransport(timeSource: SystemTimeSource()) { request, _ in
            guard request.operation == "PutRecords" else { return nil }
            return APIAnswer(
                status: 400, body: Array(#"{"__type":"com.amazonaws#ValidationException","message":"Not so."}"#.utf8))
        }
        let error = await #expect(throws: ShardlineError.self) { _ = try await Self.run(Self.settings(), transport) }
        #expect(error?.message == "PutRecords: the server answered 400 ValidationException: Not so.")
        #expect(try await transport.store.listStreams().isEmpty)
    }

    @Test func `a call of more than 500 records is refused`() throws {
        var settings = Self.settings()
        settings.batch = 501
        #expect {
            try EndpointBench.validate(settings)
        } throws: { ($0 as? ShardlineError)?.message == "--batch 501 (allowed with --endpoint: 1 to 500)" }
    }

    // MARK: Over HTTP

    /// Calls `body` with the URL of a server on a store in memory.
    private static func serving<Result: Sendable>(
        _ credentials: KinesisServer.Credentials?, _ body: @Sendable (EndpointURL) async throws -> Result
    ) async throws -> Result {
        var configuration = KinesisServer.Configuration()
        configuration.port = 0
        configuration.credentials = credentials
        let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let server = KinesisServer(
            store: InMemoryStore(timeSource: SystemTimeSource()), configuration: configuration, logger: silent)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try? await server.run() }
            defer { group.cancelAll() }
            return try await body(EndpointURL(try await server.endpoints()[0].url))
        }
    }

    private static func run(
        at endpoint: EndpointURL, key: RequestSigner.Key?, subscribes: Bool = false
    ) async throws -> BenchReport {
        let settings = settings()
        let signer = RequestSigner(key: key, region: "us-east-1", timeSource: SystemTimeSource())
        return try await run(
            settings,
            HTTPTransport(
                endpoint, signer: signer,
                connections: EndpointBench.connections(settings, subscribes: subscribes)), subscribes: subscribes)
    }

    @Test(arguments: [false, true])
    func `our own server is proved over HTTP`(subscribes: Bool) async throws {
        let report = try await Self.serving(nil) { try await Self.run(at: $0, key: nil, subscribes: subscribes) }
        #expect(report.isProved && report.isDone, "\(report.violations)")
    }

    @Test func `requests are signed with a key, so that a server with keys takes them`() async throws {
        let keys = KinesisServer.Credentials(keys: [.init(id: "one", secret: "secret")])
        try await Self.serving(keys) { endpoint in
            let report = try await Self.run(at: endpoint, key: RequestSigner.Key(id: "one", secret: "secret"))
            #expect(report.isProved, "\(report.violations)")
            let error = await #expect(throws: ShardlineError.self) {
                _ = try await Self.run(at: endpoint, key: RequestSigner.Key(id: "one", secret: "other"))
            }
            #expect(error?.message.contains("InvalidSignatureException") == true, "\(String(describing: error))")
        }
    }
}

/// Something that is done once.
private final class Once: Sendable {
    private let isTaken = Atomic(false)
    func take() -> Bool { !isTaken.exchange(true, ordering: .relaxed) }
}
#endif

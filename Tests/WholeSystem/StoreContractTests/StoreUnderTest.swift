import Logging
import OwnerSocket
import ShardlineTesting
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import SegmentStorage

/// A kind of store that the contract is tested against. A new one is one more line in ``all``.
struct StoreKind: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// Whether the store is another process', as far as the test can tell.
    var isElsewhere = false
    /// Makes an empty store that goes by `time`, hands it to `body` and cleans up behind it.
    let withStore:
        @Sendable (_ time: VirtualTime, _ body: @Sendable (any StoreEngine) async throws -> Void) async throws -> Void

    static let all: [StoreKind] = [.inMemory, .embedded, .embeddedFlushed, .throughSocket]

    static let inMemory = StoreKind(testDescription: "InMemoryStore") { time, body in
        let store = InMemoryStore(timeSource: time)
        try await body(store)
        try await store.close()
    }

    /// The same store behind its owner's socket.
    static let throughSocket = StoreKind(testDescription: "OwnerClient", isElsewhere: true) { time, body in
        let directory = TestDirectory()
        let store = InMemoryStore(timeSource: time)
        let server = try OwnerSocketServer(store: store, at: directory.path)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            defer { server.stop() }
            let client = try await OwnerClient.connect(at: directory.path, timeSource: time)
            try await body(client)
            try await client.close()
        }
    }
}

extension StoreKind {
    static let embedded = embedded("SegmentStore", SegmentStore.Internals())

    /// Each commit is flushed to segments at once, so that what is read comes from there, or is on its way there.
    static let embeddedFlushed: StoreKind = {
        var internals = SegmentStore.Internals()
        internals.memtableSize = 1
        return embedded("SegmentStore that flushes every commit", internals)
    }()

    private static func embedded(_ name: String, _ internals: SegmentStore.Internals) -> StoreKind {
        StoreKind(testDescription: name) { time, body in
            let directory = TestDirectory()
            let store = try await SegmentStore.open(
                at: directory.path, configuration: SegmentStore.Configuration(), timeSource: time,
                logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), internals: internals)
            try await body(store)
            try await store.close()
        }
    }
}

extension StoreKind {
    /// Runs `body` with an empty store in virtual time.
    func test(_ body: @Sendable (any StoreEngine, VirtualTime) async throws -> Void) async throws {
        let time = VirtualTime()
        try await withStore(time) { store in try await body(store, time) }
    }

    /// Runs `body` with a store that holds an empty stream "s".
    func test(
        shards: Int, retention: Duration = Limits.defaultRetention,
        maximumRecordSize: Int = Limits.defaultRecordSize,
        _ body: @Sendable (any StoreEngine, VirtualTime) async throws -> Void
    ) async throws {
        try await test { store, time in
            try await store.createStream(
                "s", shards: shards, retention: retention, maximumRecordSize: maximumRecordSize)
            try await body(store, time)
        }
    }
}

/// Expects `body` to throw a ``ShardlineError`` of this kind, with a message of one line.
func expect<Value>(
    _ code: ShardlineError.Code, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Value
) async {
    do {
        _ = try await body()
        Issue.record("nothing was thrown; expected \(code)", sourceLocation: sourceLocation)
    } catch let error as ShardlineError {
        #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
        #expect(!error.message.isEmpty && !error.message.contains("\n"), sourceLocation: sourceLocation)
    } catch {
        Issue.record("\(error) was thrown; expected \(code)", sourceLocation: sourceLocation)
    }
}

let shard0 = ShardID(0)
let shard1 = ShardID(1)

extension StoreEngine {
    /// Commits and expects `committed`.
    @discardableResult
    func committed(
        _ changes: Change..., sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> [ChangeReceipt] {
        guard case .committed(let receipts) = try await commit(changes) else {
            Issue.record("not committed", sourceLocation: sourceLocation)
            return []
        }
        #expect(receipts.count == changes.count, sourceLocation: sourceLocation)
        return receipts
    }

    /// Puts texts into one shard of "s", in one commit.
    func put(_ texts: [String], shard: ShardID = shard0) async throws {
        try await committed(.append(texts, shard: shard))
    }

    /// Reads "s" from `position` to the tip, at once.
    func texts(
        of stream: String = "s", shard: ShardID = shard0, after position: SequenceNumber = .zero
    ) async throws -> [String] {
        var texts: [String] = []
        var request = ReadRequest(stream: stream, shard: shard, after: position)
        while true {
            let result = try await read(request)
            texts += result.batch.map { String(decoding: $0.bytes, as: UTF8.self) }
            if result.batch.isEmpty, result.expired == nil { return texts }
            request.after = result.next
        }
    }

    /// The texts that reading from `start` delivers.
    func texts(from start: StartingPosition, shard: ShardID = shard0) async throws -> [String] {
        let position = try await position(of: start, in: "s", shard: shard)
        return try await texts(shard: shard, after: position)
    }
}

extension Change {
    static func append(
        _ texts: [String], shard: ShardID = shard0, stream: String = "s", expectedLast: SequenceNumber? = nil,
        epoch: UInt64 = 0
    ) -> Change {
        .append(
            Append(
                texts.map { NewRecord($0, partitionKey: "k") }, to: stream, target: .shard(shard),
                expectedLast: expectedLast, epoch: epoch))
    }

    static func checkpoint(
        _ mapping: MappingID, epoch: UInt64, shard: ShardID = shard0, at position: UInt64, state: [UInt8] = []
    ) -> Change {
        .checkpoint(
            CheckpointMove(
                mapping: mapping, epoch: epoch,
                checkpoint: ShardCheckpoint(shard: shard, position: SequenceNumber(position), state: state)))
    }
}

extension SequenceNumber: ExpressibleByIntegerLiteral {
    /// The number with this counter.
    public init(integerLiteral value: UInt64) { self.init(value) }
}

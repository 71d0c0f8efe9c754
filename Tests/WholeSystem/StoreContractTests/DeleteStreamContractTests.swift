import Logging
import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import Testing

/// A stream that a running mapping uses is not deleted under it, unless by force.
@Suite(.timeLimit(.minutes(1)))
struct DeleteStreamContractTests {
    private func make(_ name: String, of stream: String = "s", in store: any StoreEngine) async throws -> MappingID {
        let key = MappingID(stream: stream, name: name)
        try await store.createMapping(MappingDefinition(key: key, startingPosition: .trimHorizon))
        return key
    }

    private func refusal(_ body: () async throws -> Void) async -> String {
        do { try await body() } catch let error as ShardlineError where error.code == .mappingBusy {
            return error.message
        } catch {
            Issue.record("\(error)")
        }
        return ""
    }

    @Test(arguments: StoreKind.all) func `a stream stays while one of its mappings is claimed, which is named`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            try await store.put(["a"])
            _ = try await make("idle", in: store)
            let key = try await make("busy", in: store)
            let claim = try await store.claimMapping(key)
            let message = await refusal { try await store.deleteStream("s") }
            #expect(message.contains("'busy'") && message.contains("'s'") && !message.contains("idle"), "\(message)")
            #expect(try await store.texts() == ["a"])
            #expect(try await store.listMappings(of: "s").count == 2)
            // What was refused leaves no trace: the other mapping can be claimed.
            let other = try await store.claimMapping(MappingID(stream: "s", name: "idle"))
            try await store.releaseMapping(other.key, epoch: other.epoch)
            try await store.releaseMapping(key, epoch: claim.epoch)
            try await store.deleteStream("s")
            await expect(.streamNotFound) { try await store.describeStream("s") }
        }
    }

    @Test(arguments: StoreKind.all) func `by force it goes all the same, and its mapping with it`(kind: StoreKind)
        async throws
    {
        try await kind.test(shards: 1) { store, _ in
            let key = try await make("m", in: store)
            _ = try await store.claimMapping(key)
            try await store.deleteStream("s", force: true)
            try await store.createStream("s", shards: 1)
            await expect(.mappingNotFound) { try await store.describeMapping(key) }
            // The claim went too.
            _ = try await make("m", in: store)
            _ = try await store.claimMapping(key)
        }
    }

    @Test(arguments: StoreKind.all) func `a stream stays while a running mapping gives up to it`(kind: StoreKind)
        async throws
    {
        try await kind.test(shards: 1) { store, _ in
            try await store.createStream("letters", shards: 1)
            try await store.createStream("other", shards: 1)
            let key = try await make("m", in: store)
            let claim = try await store.claimMapping(key, with: MappingClaim(failureStream: "letters"))
            let message = await refusal { try await store.deleteStream("letters") }
            #expect(message.contains("'m'") && message.contains("'s'") && message.contains("'letters'"), "\(message)")
            try await store.deleteStream("other")
            try await store.releaseMapping(key, epoch: claim.epoch)
            // A claim without one takes the place of the one before.
            _ = try await store.claimMapping(key)
            try await store.deleteStream("letters")
        }
    }

    @Test(arguments: StoreKind.all) func `a mapping that was claimed and deleted is in nobody's way`(kind: StoreKind)
        async throws
    {
        try await kind.test(shards: 1) { store, _ in
            let key = try await make("m", in: store)
            let claim = try await store.claimMapping(key, with: MappingClaim(failureStream: "s"))
            await expect(.mappingBusy) { try await store.deleteMapping(key) }
            try await store.releaseMapping(key, epoch: claim.epoch)
            try await store.deleteMapping(key)
            try await store.deleteStream("s")
            await expect(.streamNotFound) { try await store.deleteStream("s", force: true) }
        }
    }

    @Test(arguments: StoreKind.all) func `a stream says what it was created with, whatever became of it`(
        kind: StoreKind
    ) async throws {
        try await kind.test { store, _ in
            let settings = StreamSettings(shards: 2, retention: .seconds(60), maximumRecordSize: 99)
            let made = try await store.createStream("s", settings: settings)
            #expect(made.initialSettings == settings)
            for parent in 0..<2 {
                let range = made.shards[parent].hashKeyRange
                let middle = range.first.value / 2 + range.last.value / 2
                try await store.committed(
                    .seal(
                        Seal(
                            stream: "s", parents: [made.shards[parent].id],
                            children: [
                                HashKeyRange(first: range.first, last: HashKey(middle)),
                                HashKeyRange(first: HashKey(middle + 1), last: range.last),
                            ])))
            }
            let split = try await store.createStreamIfNeeded("s", shards: 2)
            #expect(split.initialSettings == settings && split.shards.count == 6)
        }
    }

    @Test func `what a stream was created with is compared, not what became of it`() {
        var stream = StreamDescription(
            name: "s", id: StreamID(1), createdAt: Timestamp(milliseconds: 0), retention: .seconds(120),
            maximumRecordSize: 10, isFailureStream: false,
            initialSettings: StreamSettings(shards: 8, retention: .seconds(60), maximumRecordSize: 10), shards: [])
        #expect(stream.differenceOfCreation(shards: 8, retention: nil, maximumRecordSize: nil) == nil)
        #expect(stream.differenceOfCreation(shards: 8, retention: .seconds(60), maximumRecordSize: 10) == nil)
        // It was changed to that since.
        #expect(stream.differenceOfCreation(shards: 8, retention: .seconds(120), maximumRecordSize: nil) == nil)
        stream.initialSettings.shards = 1
        #expect(
            stream.differenceOfCreation(shards: 4, retention: .seconds(30), maximumRecordSize: 11)
                == "the stream 's' was created with 1 shard, not 4, a retention of 1m, not 30s, a maximum record size of 10 bytes, not 11; it stays as it is"
        )
    }

    @Test func `a stream that is there with other shards is told of once, and is no error`() async throws {
        let lines = Lines()
        let store = InMemoryStore(logger: Logger(label: "test") { _ in lines })
        try await store.createStream("s", shards: 8)
        try await store.createStreamIfNeeded("s", shards: 8)
        #expect(lines.all == [])
        let found = try await store.createStreamIfNeeded("s", shards: 4)
        #expect(found.shards.count == 8)
        #expect(
            lines.all == ["warning the stream 's' was created with 8 shards, not 4; it stays as it is"])
        try await store.createStreamIfNeeded("t", shards: 4)
        #expect(lines.all.count == 1)
    }
}

/// Keeps what is logged.
private struct Lines: LogHandler {
    private final class Kept: Sendable {
        let lines = Mutex<[String]>([])
    }
    private let kept = Kept()
    var all: [String] { kept.lines.withLock { $0 } }
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }
    func log(event: LogEvent) { kept.lines.withLock { $0.append("\(event.level) \(event.message)") } }
}

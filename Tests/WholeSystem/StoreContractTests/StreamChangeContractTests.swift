import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

/// The record size of a stream is changed, and a stream is created with attributes.
@Suite(.timeLimit(.minutes(1)))
struct StreamChangeContractTests {
    private static func put(_ count: Int, to store: any StoreEngine, _ stream: String = "s") async throws {
        try await store.stream(stream).put([UInt8](repeating: 7, count: count), partitionKey: "k")
    }

    @Test(arguments: StoreKind.all) func `another record size holds for what is put from then on (STORE-Q4)`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1, retention: .seconds(500), maximumRecordSize: 100) { store, _ in
            let before = try await store.describeStream("s")
            await expect(.recordTooLarge) { try await Self.put(101, to: store) }
            let larger = try await store.stream("s").update(maximumRecordSize: 2_000)
            var expected = before
            expected.maximumRecordSize = 2_000
            #expect(larger == expected && larger.initialSettings.maximumRecordSize == 100)
            #expect(try await store.summarizeStream("s").maximumRecordSize == 2_000)
            try await Self.put(2_000, to: store)
            await expect(.recordTooLarge) { try await Self.put(2_001, to: store) }
            // A smaller one leaves what is there.
            let both = try await store.updateStream("s", retention: .seconds(900), maximumRecordSize: 10)
            #expect(both.maximumRecordSize == 10 && both.retention == .seconds(900))
            await expect(.recordTooLarge) { try await Self.put(11, to: store) }
            try await Self.put(10, to: store)
            let found = try await store.read(ReadRequest(stream: "s", shard: shard0, after: .zero))
            #expect(found.batch.map(\.dataByteCount) == [2_000, 10])
            // What is not named stays.
            #expect(try await store.updateStream("s", retention: nil, maximumRecordSize: nil).maximumRecordSize == 10)
            #expect(try await store.updateStream("s", retention: .seconds(60)).maximumRecordSize == 10)
            #expect(try await store.updateStream("s", retention: nil, maximumRecordSize: 11).retention == .seconds(60))
        }
    }

    @Test(arguments: StoreKind.all) func `a record size outside its limits is refused, and with it the whole change`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            let before = try await store.describeStream("s")
            for wrong in [Int.min, 0, Limits.largestRecordSize + 1, Limits.largestFailureRecordSize, Int.max] {
                await expect(.invalidArgument) {
                    try await store.updateStream("s", retention: .seconds(60), maximumRecordSize: wrong)
                }
            }
            await expect(.invalidArgument) {
                try await store.updateStream("s", retention: .milliseconds(1), maximumRecordSize: 7)
            }
            #expect(try await store.describeStream("s") == before)
            for right in [1, Limits.largestRecordSize] {
                let changed = try await store.updateStream("s", retention: nil, maximumRecordSize: right)
                #expect(changed.maximumRecordSize == right)
            }
            try await store.createStream("f", settings: StreamSettings(isFailureStream: true))
            let largest = Limits.largestFailureRecordSize
            #expect(
                try await store.updateStream("f", retention: nil, maximumRecordSize: largest).maximumRecordSize
                    == largest)
            await expect(.invalidArgument) {
                try await store.updateStream("f", retention: nil, maximumRecordSize: largest + 1)
            }
            await expect(.streamNotFound) {
                try await store.updateStream("none", retention: nil, maximumRecordSize: 7)
            }
            await expect(.streamNotFound) {
                try await store.updateStream("none", retention: nil, maximumRecordSize: nil)
            }
        }
    }

    @Test(arguments: StoreKind.all) func `a producer that runs takes larger records when the stream does`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1, maximumRecordSize: 10) { store, _ in
            let stream = store.stream("s")
            try await stream.withProducer { producer in
                await expect(.recordTooLarge) {
                    try await producer.enqueue([UInt8](repeating: 1, count: 11), partitionKey: "k")
                }
                try await stream.update(maximumRecordSize: 11)
                try await producer.enqueue([UInt8](repeating: 1, count: 11), partitionKey: "k")
            }
            #expect(try await stream.recordCount() == 1)
        }
    }

    @Test(arguments: StoreKind.all) func `a stream and its first attributes come together (STORE-Q5)`(
        kind: StoreKind
    ) async throws {
        try await kind.test { store, _ in
            let attributes = [NewAttribute("tag/b", [2]), NewAttribute("tag/a", []), NewAttribute("ü", [0, 255])]
            func values(_ stream: String) async throws -> [String: [UInt8]] {
                let page = try await store.attributes(AttributeQuery(.stream(stream)))
                return Dictionary(uniqueKeysWithValues: page.attributes.map { ($0.name, $0.value) })
            }
            let made = try await store.createStream("s", settings: StreamSettings(shards: 2), attributes: attributes)
            #expect(try await store.describeStream("s") == made && made.shards.count == 2)
            #expect(try await values("s") == ["tag/a": [], "tag/b": [2], "ü": [0, 255]])
            // What is there stays as it is.
            await expect(.streamExists) {
                try await store.createStream("s", settings: StreamSettings(), attributes: [NewAttribute("no", [])])
            }
            #expect(try await values("s").count == 3)
            // They change as any others.
            let known = try await store.attributes(AttributeQuery(.stream("s"))).attributes[0]
            await expect(.attributeChanged) {
                try await store.changeAttributes([
                    AttributeChange(.stream("s"), known.name, .remove, expected: .absent)
                ])
            }
            try await store.changeAttributes([
                AttributeChange(.stream("s"), known.name, .remove, expected: .revision(known.revision))
            ])
            #expect(try await values("s") == ["tag/b": [2], "ü": [0, 255]])
            // Of what is refused nothing is there.
            let many = (0...AttributeChange.countLimit).map { NewAttribute("\($0)", []) }
            for wrong in [
                [NewAttribute("", [])], [NewAttribute("a", []), NewAttribute("a", [])], many,
                [NewAttribute("a", [UInt8](repeating: 0, count: AttributeChange.valueLimit + 1))],
                [NewAttribute(String(repeating: "n", count: 513), [])],
            ] {
                await expect(.invalidArgument) {
                    try await store.createStream("t", settings: StreamSettings(), attributes: wrong)
                }
            }
            let large = (0..<65).map {
                NewAttribute("\($0)", [UInt8](repeating: 0, count: AttributeChange.valueLimit))
            }
            await expect(.commitTooLarge) {
                try await store.createStream("t", settings: StreamSettings(), attributes: large)
            }
            await expect(.streamNotFound) { try await store.describeStream("t") }
            // A stream of the same name has none of them.
            try await store.deleteStream("s")
            try await store.createStream("s", settings: StreamSettings(), attributes: [])
            #expect(try await values("s").isEmpty)
        }
    }

    @Test func `an engine without them says so`() async throws {
        try await StoreKind.defaults.test(shards: 1) { store, _ in
            try await store.createStream("t", settings: StreamSettings(), attributes: [])
            await expect(.invalidArgument) {
                try await store.createStream("u", settings: StreamSettings(), attributes: [NewAttribute("a", [])])
            }
            await expect(.invalidArgument) {
                try await store.updateStream("s", retention: nil, maximumRecordSize: 7)
            }
            let changed = try await store.stream("s").update(retention: .seconds(7), maximumRecordSize: nil)
            #expect(changed.retention == .seconds(7))
            #expect(try await store.stream("s").update(maximumRecordSize: nil) == changed)
        }
    }
}

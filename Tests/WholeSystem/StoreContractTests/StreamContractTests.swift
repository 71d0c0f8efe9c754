import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

/// Streams are made, listed, described and deleted.
@Suite(.timeLimit(.minutes(1)))
struct StreamContractTests {
    @Test(arguments: StoreKind.all) func `a new stream is as it was asked for`(kind: StoreKind) async throws {
        try await kind.test { store, time in
            let settings = StreamSettings(
                shards: 3, retention: .seconds(3600), maximumRecordSize: 5_000_000, isFailureStream: true)
            let made = try await store.createStream("orders", settings: settings)
            #expect(made.name == "orders")
            #expect(made.createdAt == time.wallTime)
            #expect(made.retention == .seconds(3600))
            #expect(made.maximumRecordSize == 5_000_000)
            #expect(made.isFailureStream)
            #expect(made.shards.map(\.id.number) == [0, 1, 2])
            #expect(made.shards.map(\.hashKeyRange) == HashKeyRange.even(3))
            for shard in made.shards {
                #expect(shard.parents.isEmpty)
                #expect(shard.creationSecond == time.wallTime.second)
                #expect(shard.openedAt == time.wallTime)
                #expect(shard.closedAt == nil)
                #expect(shard.trimHorizon == .zero)
                #expect(shard.tip == .zero)
            }
            #expect(try await store.describeStream("orders") == made)
        }
    }

    @Test(arguments: StoreKind.all) func `a stream that is there stays as it is where one is made if needed`(
        kind: StoreKind
    ) async throws {
        try await kind.test { store, _ in
            let made = try await store.createStreamIfNeeded("s", shards: 2, retention: .seconds(60))
            #expect(made.shards.count == 2 && made.retention == .seconds(60))
            try await store.put(["a"])
            let found = try await store.createStreamIfNeeded("s", shards: 5, maximumRecordSize: 99)
            #expect(found == (try await store.describeStream("s")))
            #expect(found.shards.map(\.tip) == [1, 0] && found.retention == .seconds(60))
            #expect(found.maximumRecordSize == made.maximumRecordSize)
            await expect(.invalidArgument) { try await store.createStreamIfNeeded("s", shards: 0) }
            await expect(.invalidArgument) { try await store.createStreamIfNeeded("a b", shards: 1) }
        }
    }

    @Test(arguments: StoreKind.all) func `streams are listed by name`(kind: StoreKind) async throws {
        try await kind.test { store, _ in
            #expect(try await store.listStreams().isEmpty)
            for name in ["b", "a", "c.x-1_Z"] { try await store.createStream(name, shards: 1) }
            let listed = try await store.listStreams()
            #expect(listed.map(\.name) == ["a", "b", "c.x-1_Z"])
            #expect(try await store.describeStream("a") == listed[0])
        }
    }

    @Test(arguments: StoreKind.all) func `a name is taken until its stream is deleted`(kind: StoreKind) async throws {
        try await kind.test(shards: 2) { store, _ in
            await expect(.streamExists) { try await store.createStream("s", shards: 1) }
            try await store.put(["old"])
            try await store.deleteStream("s")
            await expect(.streamNotFound) { try await store.describeStream("s") }
            await expect(.streamNotFound) { try await store.deleteStream("s") }
            #expect(try await store.listStreams().isEmpty)
            try await store.createStream("s", shards: 1)
            #expect(try await store.describeStream("s").shards.map(\.tip) == [.zero])
            #expect(try await store.texts() == [])
        }
    }

    @Test(arguments: StoreKind.all) func `names outside the rule are refused`(kind: StoreKind) async throws {
        try await kind.test { store, _ in
            let long = String(repeating: "n", count: Limits.nameLength.upperBound)
            let account = "123456789012"
            for name in [
                "", ".", "..", "a b", "a/b", "ä", "a\u{0}", long + "n", "a:b", "\(account):us-east-1:", "1:us-east-1:a",
                "\(account)::a", "\(account):us/east:a", "\(account):us-east-1:..", "\(account):us-east-1:a:b",
            ] {
                await expect(.invalidArgument) { try await store.createStream(name, shards: 1) }
            }
            try await store.createStream(long, shards: 1)
            #expect(try await store.describeStream(long).name == long)
        }
    }

    @Test(arguments: StoreKind.all) func `streams of several accounts and regions share a store (STORE-Q3)`(
        kind: StoreKind
    ) async throws {
        try await kind.test { store, _ in
            let long = String(repeating: "n", count: Limits.nameLength.upperBound)
            let names = [
                "000000000000:eu-west-1:\(long)", "123456789012:eu-west-1:s", "123456789012:us-east-1:s",
                "123456789012:us-east-1:t", "s",
            ]
            for name in names { try await store.createStream(name, shards: 1) }
            await expect(.streamExists) { try await store.createStream(names[1], shards: 1) }
            for (index, name) in names.enumerated() { try await store.stream(name).put("\(index)", partitionKey: "k") }
            for (index, name) in names.enumerated() {
                #expect(try await store.texts(of: name) == ["\(index)"])
                #expect(try await store.describeStream(name).name == name)
            }
            let region = StreamQuery(prefix: "123456789012:us-east-1:")
            #expect(try await store.streamSummaries(region).streams.map(\.name) == [names[2], names[3]])
            let plain = StreamQuery(limit: 1, plainOnly: true)
            #expect(try await store.streamSummaries(plain).streams.map(\.name) == ["s"])
            #expect(try await store.streamSummaries(plain).hasMore == false)
            let key = MappingID(stream: names[2], name: "m")
            try await store.createMapping(MappingDefinition(key: key, startingPosition: .trimHorizon))
            #expect(try await store.describeMapping(key).key == key)
            await expect(.invalidArgument) {
                try await store.createMapping(
                    MappingDefinition(
                        key: MappingID(stream: "s", name: names[2]), startingPosition: .trimHorizon))
            }
            await expect(.mappingNotFound) { try await store.describeMapping(MappingID(stream: "s", name: "m")) }
            try await store.deleteStream(names[2])
            #expect(try await store.listStreams().map(\.name) == names.filter { $0 != names[2] })
        }
    }

    @Test(arguments: StoreKind.all) func `settings outside their limits are refused`(kind: StoreKind) async throws {
        try await kind.test { store, _ in
            let wrong = [
                StreamSettings(shards: 0), StreamSettings(shards: Limits.shards.upperBound + 1),
                StreamSettings(retention: .milliseconds(999)),
                StreamSettings(retention: Limits.retention.upperBound + .seconds(1)),
                StreamSettings(maximumRecordSize: 0),
                StreamSettings(maximumRecordSize: Limits.largestRecordSize + 1),
                StreamSettings(maximumRecordSize: Limits.largestFailureRecordSize + 1, isFailureStream: true),
            ]
            for settings in wrong {
                await expect(.invalidArgument) { try await store.createStream("s", settings: settings) }
            }
            let streams = try await store.listStreams()
            #expect(streams.isEmpty)
        }
    }

    @Test(arguments: StoreKind.all) func `a stream may have 10,000 shards`(kind: StoreKind) async throws {
        try await kind.test(shards: Limits.shards.upperBound) { store, _ in
            let shards = try await store.describeStream("s").shards
            #expect(shards.map(\.hashKeyRange) == HashKeyRange.even(Limits.shards.upperBound))
            let receipt = try await store.stream("s").put(
                "x", partitionKey: "k", explicitHashKey: HashKey(UInt128.max))
            #expect(receipt.shard == ShardID(UInt32(Limits.shards.upperBound - 1)))
        }
    }

    @Test(arguments: StoreKind.all) func `what is unknown is said to be`(kind: StoreKind) async throws {
        try await kind.test(shards: 2) { store, _ in
            let none = ShardID(2)
            await expect(.streamNotFound) { try await store.commit([.append(["a"], stream: "none")]) }
            await expect(.streamNotFound) { try await store.stream("none").put("a", partitionKey: "k") }
            await expect(.streamNotFound) {
                try await store.read(ReadRequest(stream: "none", shard: shard0, after: .zero))
            }
            await expect(.streamNotFound) { try await store.position(of: .latest, in: "none", shard: shard0) }
            await expect(.shardNotFound) { try await store.commit([.append(["a"], shard: none)]) }
            await expect(.shardNotFound) {
                try await store.read(ReadRequest(stream: "s", shard: none, after: .zero))
            }
            await expect(.shardNotFound) {
                try await store.read(ReadRequest(stream: "s", shard: none, after: .zero, wait: .untilAvailable))
            }
            await expect(.shardNotFound) { try await store.position(of: .latest, in: "s", shard: none) }
        }
    }

    @Test(arguments: StoreKind.all) func `a closed store says that it is closed`(kind: StoreKind) async throws {
        try await kind.test(shards: 1) { store, _ in
            try await store.close()
            try await store.close()
            await expect(.closed) { try await store.put(["a"]) }
            await expect(.closed) { try await store.texts() }
            await expect(.closed) { try await store.listStreams() }
            await expect(.closed) { try await store.createStream("t", shards: 1) }
        }
    }
}

import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

/// Which positions every store takes, and which it refuses.
@Suite(.timeLimit(.minutes(1)))
struct PositionContractTests {
    private static func first(of stream: String, _ store: any StoreEngine, shard: ShardID = shard0) async throws
        -> KinesisSequenceNumber
    {
        let result = try await store.read(ReadRequest(stream: stream, shard: shard, after: .zero))
        return try #require(result.batch.first).kinesisSequenceNumber
    }

    /// Everything that takes a number refuses this one.
    private static func refused(
        _ number: KinesisSequenceNumber, in stream: String, _ store: any StoreEngine, saying words: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let key = MappingID(stream: stream, name: "refused")
        let known = MappingID(stream: stream, name: "known")
        try await store.createMapping(MappingDefinition(key: known, startingPosition: .trimHorizon))
        for start in [StartingPosition.at(number), .after(number)] {
            await expect(.invalidArgument, sourceLocation: sourceLocation) {
                try await store.position(of: start, in: stream, shard: shard0)
            }
            await expect(.invalidArgument, sourceLocation: sourceLocation) {
                try await store.createMapping(MappingDefinition(key: key, startingPosition: start))
            }
            await expect(.invalidArgument, sourceLocation: sourceLocation) {
                try await store.seekMapping(known, to: start, shard: shard0)
            }
            let error = await #expect(throws: ShardlineError.self, sourceLocation: sourceLocation) {
                try await store.position(of: start, in: stream, shard: shard0)
            }
            #expect(error?.message.contains(words) == true, "\(error!)", sourceLocation: sourceLocation)
        }
        try await store.deleteMapping(known)
    }

    @Test(arguments: StoreKind.all) func `a sequence number of the shard itself is a place in it`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, time in
            for text in ["a", "b", "c"] {
                try await store.put([text])
                time.advance(by: .seconds(2))
            }
            let records = try await store.read(ReadRequest(stream: "s", shard: shard0, after: .zero)).batch
            let second = records[1].kinesisSequenceNumber
            #expect(try await store.texts(from: .at(second)) == ["b", "c"])
            #expect(try await store.texts(from: .after(second)) == ["c"])
            let key = MappingID(stream: "s", name: "m")
            let made = try await store.createMapping(MappingDefinition(key: key, startingPosition: .at(second)))
            #expect(made.checkpoints.map(\.position) == [1])
            #expect(made.startingPosition == .atSequenceNumber(2))
            let moved = try await store.seekMapping(key, to: .after(second), shard: shard0)
            #expect(moved.checkpoints.map(\.position) == [2])
        }
    }

    /// API-Q-8
    @Test(arguments: StoreKind.all) func `a sequence number of another stream is refused, made in the same second too`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            try await store.createStream("t", shards: 1)
            try await store.put(["a"])
            try await store.committed(.append(["b"], stream: "t"))
            try await Self.refused(
                Self.first(of: "t", store), in: "s", store, saying: "of shardId-000000000000 of the stream 't'")
            try await Self.refused(
                Self.first(of: "s", store), in: "t", store, saying: "of shardId-000000000000 of the stream 's'")
        }
    }

    @Test(arguments: StoreKind.all) func `a sequence number of another shard is refused, a parent's too`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 2) { store, _ in
            try await store.put(["a"])
            try await store.put(["b"], shard: shard1)
            let other = try await Self.first(of: "s", store, shard: shard1)
            await expect(.invalidArgument) { try await store.position(of: .at(other), in: "s", shard: shard0) }
            try await store.committed(
                .seal(Seal(stream: "s", parents: [shard0, shard1], children: HashKeyRange.even(1))))
            for shard in [shard0, ShardID(2)] {
                await expect(.invalidArgument) { try await store.position(of: .after(other), in: "s", shard: shard) }
            }
        }
    }

    /// API-Q-8
    @Test(arguments: StoreKind.all) func `a sequence number of a deleted stream is refused in one with its name`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, time in
            // In the same second, after the clock went back, and after streams that were made faster than seconds go by.
            for step in [Duration.zero, .seconds(-100), .seconds(1)] {
                try await store.put(["a"])
                let old = try await Self.first(of: "s", store)
                try await store.createStream("other", shards: 3)
                try await store.deleteStream("s")
                try await store.deleteStream("other")
                time.setWallTime(time.wallTime + step)
                try await store.createStream("s", shards: 1)
                try await store.put(["a"])
                try await Self.refused(old, in: "s", store, saying: "no longer there")
            }
        }
    }

    /// API-Q-8
    @Test(arguments: StoreKind.all)
    func `a stream that was made with the clock far ahead leaves no trace in later ones`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, time in
            let now = time.wallTime
            time.setWallTime(now + .seconds(75 * 365 * 86_400))
            try await store.createStream("ahead", shards: 1)
            try await store.deleteStream("ahead")
            time.setWallTime(now)
            for round in 0..<3 {
                try await store.createStream("t", shards: 1)
                try await store.committed(.append(["a"], stream: "t"))
                let read = try await store.read(ReadRequest(stream: "t", shard: shard0, after: .zero))
                #expect(read.batch.first?.approximateArrivalTimestamp == now, "\(round)")
                let shard = try #require(try await store.describeStream("t").shards.first)
                #expect(shard.creationSecond <= now.second)
                try await store.deleteStream("t")
            }
        }
    }

    @Test(arguments: StoreKind.all) func `streams that are made faster than seconds go by are not ahead of the clock`(
        kind: StoreKind
    ) async throws {
        try await kind.test { store, time in
            var seconds: Set<UInt64> = []
            for index in 0..<20 {
                let made = try await store.createStream("s\(index)", shards: 2)
                #expect(Set(made.shards.map(\.creationSecond)).count == 1)
                #expect(made.createdAt == time.wallTime)
                seconds.insert(made.shards[0].creationSecond)
                try await store.committed(.append(["a"], stream: "s\(index)"))
                let read = try await store.read(ReadRequest(stream: "s\(index)", shard: shard0, after: .zero))
                #expect(read.batch.first?.approximateArrivalTimestamp == time.wallTime)
            }
            #expect(seconds.count == 20 && seconds.allSatisfy { Int64($0) * 1000 <= time.wallTime.milliseconds })
        }
    }

    @Test(arguments: StoreKind.all)
    func `children share no second with shards of another stream that have their numbers`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            // A split's children are 1 and 2, later than their parent: so are the other stream's, made then.
            try await store.createStream("t", shards: 1)
            let seal = { (stream: String) in
                Change.seal(Seal(stream: stream, parents: [shard0], children: HashKeyRange.even(2)))
            }
            try await store.committed(seal("s"))
            try await store.committed(seal("t"))
            var places: Set<[UInt64]> = []
            for stream in try await store.listStreams() {
                for shard in stream.shards { places.insert([UInt64(shard.id.number), shard.creationSecond]) }
                let seconds = stream.shards.map(\.creationSecond)
                #expect(seconds[1] > seconds[0] && seconds[1] == seconds[2])
            }
            #expect(places.count == 6)
        }
    }

    @Test(arguments: StoreKind.all) func `reading after the newest record is refused`(kind: StoreKind) async throws {
        try await kind.test(shards: 1) { store, _ in
            await expect(.invalidArgument) { try await store.read(ReadRequest(stream: "s", shard: shard0, after: 1)) }
            try await store.put(["a", "b"])
            for after: SequenceNumber in [3, 1_000_000, .max] {
                for wait in [ReadRequest.Wait.no, .atMost(.seconds(1)), .untilAvailable] {
                    await expect(.invalidArgument) {
                        try await store.read(ReadRequest(stream: "s", shard: shard0, after: after, wait: wait))
                    }
                }
                let key = MappingID(stream: "s", name: "m")
                await expect(.invalidArgument) {
                    try await store.createMapping(
                        MappingDefinition(key: key, startingPosition: .afterSequenceNumber(after)))
                }
            }
            #expect(try await store.read(ReadRequest(stream: "s", shard: shard0, after: 2)).batch.isEmpty)
        }
    }

    @Test(arguments: StoreKind.all) func `a read that allows no record or no byte is refused`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            try await store.put(["a", "b"])
            for limit in [0, -1, .min] {
                await expect(.invalidArgument) {
                    try await store.read(
                        ReadRequest(stream: "s", shard: shard0, after: .zero, maximumRecords: limit))
                }
                await expect(.invalidArgument) {
                    try await store.read(ReadRequest(stream: "s", shard: shard0, after: .zero, maximumBytes: limit))
                }
            }
            let one = ReadRequest(stream: "s", shard: shard0, after: .zero, maximumRecords: 1, maximumBytes: 1)
            #expect(try await store.read(one).batch.count == 1)
        }
    }
}

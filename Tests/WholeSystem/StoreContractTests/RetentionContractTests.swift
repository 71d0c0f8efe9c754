import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

/// How long records are kept can be changed, and what is gone stays gone.
@Suite(.timeLimit(.minutes(1)))
struct RetentionContractTests {
    @Test(arguments: StoreKind.all) func `a shorter retention removes what is older at once`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, time in
            try await store.put(["a", "b"])
            time.advance(by: .seconds(100))
            try await store.put(["c"])
            let changed = try await store.updateStream("s", retention: .seconds(100))
            #expect(changed.retention == .seconds(100))
            #expect(changed.shards.map(\.trimHorizon) == [2])
            #expect(try await store.describeStream("s") == changed)
            let result = try await store.read(ReadRequest(stream: "s", shard: shard0, after: .zero))
            #expect(result.expired == 1...2)
            #expect(result.batch.map(\.sequenceNumber) == [3])
        }
    }

    @Test(arguments: StoreKind.all) func `a longer retention keeps what is there and brings nothing back`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1, retention: .seconds(50)) { store, time in
            try await store.put(["a"])
            time.advance(by: .seconds(40))
            try await store.put(["b"])
            time.advance(by: .seconds(10))
            // Nobody has looked since "a" expired.
            _ = try await store.updateStream("s", retention: .seconds(500))
            #expect(try await store.texts() == ["b"])
            time.setWallTime(time.wallTime + .seconds(-30))
            #expect(try await store.texts() == ["b"])
            time.advance(by: .seconds(400))
            #expect(try await store.texts() == ["b"])
            // Back and forth: only the shortest there ever was counts.
            _ = try await store.updateStream("s", retention: .seconds(1))
            _ = try await store.updateStream("s", retention: .seconds(500))
            #expect(try await store.texts() == [])
            try await store.put(["c"])
            #expect(try await store.texts() == ["c"])
        }
    }

    @Test(arguments: StoreKind.all) func `the retention in force, its limits, and a stream that is not there`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 2, retention: .seconds(50)) { store, time in
            let before = try await store.describeStream("s")
            #expect(try await store.updateStream("s", retention: .seconds(50)) == before)
            for wrong in [
                Duration.zero, .seconds(-1), .milliseconds(999), Limits.retention.upperBound + .milliseconds(1),
            ] {
                await expect(.invalidArgument) { try await store.updateStream("s", retention: wrong) }
            }
            await expect(.streamNotFound) { try await store.updateStream("none", retention: .seconds(1)) }
            #expect(try await store.describeStream("s") == before)
            for right in [Limits.retention.lowerBound, Limits.retention.upperBound] {
                #expect(try await store.updateStream("s", retention: right).retention == right)
            }
            // Nothing else changes, of a failure stream neither.
            let settings = StreamSettings(retention: .seconds(9), maximumRecordSize: 99, isFailureStream: true)
            var failures = try await store.createStream("f", settings: settings)
            failures.retention = .seconds(90)
            #expect(try await store.updateStream("f", retention: .seconds(90)) == failures)
        }
    }

    @Test(arguments: StoreKind.all) func `a seek to a number that has expired goes to the oldest record that is kept`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1, retention: .seconds(50)) { store, time in
            let key = MappingID(stream: "s", name: "m")
            try await store.put(["a", "b", "c"])
            try await store.createMapping(MappingDefinition(key: key, startingPosition: .latest))
            time.advance(by: .seconds(50))
            try await store.put(["d"])
            for number in [SequenceNumber(1), SequenceNumber(2)] {
                // What was done of what has expired would be told as undone.
                let moved = try await store.seekMapping(key, to: .atSequenceNumber(number), shard: shard0)
                #expect(moved.checkpoints.map(\.position) == [3])
            }
            let ahead = try await store.seekMapping(key, to: .afterSequenceNumber(4), shard: shard0)
            #expect(ahead.checkpoints.map(\.position) == [4])
        }
    }
}

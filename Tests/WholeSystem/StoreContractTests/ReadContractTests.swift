import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

/// Reading: limits, starting positions, retention.
@Suite(.timeLimit(.minutes(1)))
struct ReadContractTests {
    @Test(arguments: StoreKind.all) func `reading goes on where the last read ended`(kind: StoreKind) async throws {
        try await kind.test(shards: 1) { store, _ in
            let texts = (1...25).map { "\($0)" }
            try await store.put(Array(texts[..<10]))
            for text in texts[10...] { try await store.put([text]) }
            var request = ReadRequest(stream: "s", shard: shard0, after: .zero, maximumRecords: 4)
            var read: [String] = []
            while true {
                let result = try await store.read(request)
                #expect(result.batch.count <= 4)
                #expect(result.tip == 25)
                #expect(result.endOfShard == nil && result.expired == nil && result.lost == nil)
                if result.batch.isEmpty {
                    #expect(result.next == request.after)
                    break
                }
                #expect(result.next == result.batch.last?.sequenceNumber)
                #expect(result.batch.first?.sequenceNumber == request.after.advanced(by: 1))
                read += result.batch.map { String(decoding: $0.bytes, as: UTF8.self) }
                request.after = result.next
            }
            #expect(read == texts)
        }
    }

    @Test(arguments: StoreKind.all) func `bytes bound a read, the first record comes always`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            let record = NewRecord([UInt8](repeating: 1, count: 1000), partitionKey: "k")
            try await store.stream("s").put(contentsOf: Array(repeating: record, count: 10))
            var request = ReadRequest(stream: "s", shard: shard0, after: .zero, maximumBytes: 2500)
            #expect(try await store.read(request).batch.count == 3)
            request.maximumBytes = 1
            #expect(try await store.read(request).batch.count == 1)
            request.maximumBytes = 1 << 20
            #expect(try await store.read(request).batch.count == 10)
        }
    }

    @Test(arguments: StoreKind.all) func `no record arrives before the time that a read at the tip tells (ESM-T5)`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            for number in 0..<5 {
                let before = store.timeSource.wallTime
                let result = try await store.read(
                    ReadRequest(stream: "s", shard: shard0, after: SequenceNumber(UInt64(number))))
                let told = try #require(result.earliestNextArrival)
                #expect(result.batch.isEmpty && told >= before)
                try await store.put(["\(number)"])
                let next = try await store.read(
                    ReadRequest(stream: "s", shard: shard0, after: SequenceNumber(UInt64(number))))
                #expect(try #require(next.batch.first).approximateArrivalTimestamp >= told)
            }
        }
    }

    @Test(arguments: StoreKind.all) func `an empty shard reads as empty`(kind: StoreKind) async throws {
        try await kind.test(shards: 2) { store, _ in
            try await store.put(["a"])
            let result = try await store.read(ReadRequest(stream: "s", shard: shard1, after: .zero))
            #expect(result.batch.isEmpty && result.next == .zero && result.tip == .zero)
            #expect(result.endOfShard == nil && result.expired == nil && result.lost == nil)
        }
    }

    @Test(arguments: StoreKind.all) func `a batch outlives its stream`(kind: StoreKind) async throws {
        try await kind.test(shards: 1) { store, _ in
            try await store.put(["a", "b"])
            let batch = try await store.read(ReadRequest(stream: "s", shard: shard0, after: .zero)).batch
            try await store.deleteStream("s")
            #expect(batch.map { String(decoding: $0.bytes, as: UTF8.self) } == ["a", "b"])
        }
    }

    @Test(arguments: StoreKind.all) func `starting positions deliver what they say (ESM-P3)`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, time in
            let start = time.wallTime
            #expect(try await store.texts(from: .trimHorizon) == [])
            #expect(try await store.texts(from: .latest) == [])
            #expect(try await store.texts(from: .atTimestamp(start)) == [])
            for text in ["a", "b", "c", "d"] {
                try await store.put([text])
                time.advance(by: .seconds(1))
            }
            #expect(try await store.texts(from: .trimHorizon) == ["a", "b", "c", "d"])
            #expect(try await store.texts(from: .latest) == [])
            #expect(try await store.texts(from: .atSequenceNumber(3)) == ["c", "d"])
            #expect(try await store.texts(from: .afterSequenceNumber(3)) == ["d"])
            #expect(try await store.texts(from: .atSequenceNumber(1)) == ["a", "b", "c", "d"])
            let times: [(Int, [String])] = [
                (-1000, ["a", "b", "c", "d"]), (0, ["a", "b", "c", "d"]), (1, ["b", "c", "d"]),
                (1000, ["b", "c", "d"]),
                (2999, ["d"]), (3000, ["d"]), (3001, []), (4000, []),
            ]
            for (offset, expected) in times {
                let found = try await store.texts(from: .atTimestamp(start + .milliseconds(offset)))
                #expect(found == expected, "\(offset) ms")
            }
            let latest = try await store.position(of: .latest, in: "s", shard: shard0)
            try await store.put(["e"])
            #expect(try await store.texts(after: latest) == ["e"])
        }
    }

    @Test(arguments: StoreKind.all) func `a position beyond the newest record is refused`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            try await store.put(["a", "b"])
            await expect(.invalidArgument) {
                try await store.position(of: .afterSequenceNumber(3), in: "s", shard: shard0)
            }
            await expect(.invalidArgument) {
                try await store.position(of: .atSequenceNumber(4), in: "s", shard: shard0)
            }
            #expect(try await store.texts(from: .afterSequenceNumber(2)) == [])
            #expect(try await store.texts(from: .atSequenceNumber(3)) == [])
        }
    }

    @Test(arguments: StoreKind.all) func `a time in the future, or before 1970, is no position (ESM-S23, API-T-4)`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, time in
            try await store.put(["a", "b"])
            let key = MappingID(stream: "s", name: "m")
            for moment in [time.wallTime + .milliseconds(1), Timestamp(milliseconds: -1)] {
                let start = StartingPosition.atTimestamp(moment)
                await expect(.invalidArgument) { try await store.position(of: start, in: "s", shard: shard0) }
                await expect(.invalidArgument) {
                    try await store.createMapping(MappingDefinition(key: key, startingPosition: start))
                }
            }
            // Nothing was made, and now itself is allowed, as is what is long past.
            await expect(.mappingNotFound) { try await store.describeMapping(key) }
            try await store.createMapping(MappingDefinition(key: key, startingPosition: .atTimestamp(time.wallTime)))
            await expect(.invalidArgument) {
                try await store.seekMapping(key, to: .atTimestamp(time.wallTime + .seconds(1)), shard: nil)
            }
            try await store.seekMapping(key, to: .atTimestamp(Timestamp(milliseconds: 0)), shard: nil)
            #expect(try await store.describeMapping(key).checkpoints.map(\.position) == [0])
        }
    }

    @Test(arguments: StoreKind.all) func `retention takes records after their time, and says so (ESM-G4)`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1, retention: .seconds(10)) { store, time in
            try await store.put(["a", "b"])
            time.advance(by: .seconds(4))
            try await store.put(["c"])
            time.advance(by: .milliseconds(5999))
            #expect(try await store.texts(from: .trimHorizon) == ["a", "b", "c"])
            time.advance(by: .milliseconds(1))
            let first = try await store.read(ReadRequest(stream: "s", shard: shard0, after: .zero))
            #expect(first.expired == 1...2)
            let behind = try await store.read(ReadRequest(stream: "s", shard: shard0, after: 1))
            #expect(behind.expired == 2...2)
            let kept = try await store.read(ReadRequest(stream: "s", shard: shard0, after: 2))
            #expect(kept.expired == nil)
            #expect(kept.batch.map(\.sequenceNumber) == [3])
            #expect(try await store.texts() == ["c"])
            #expect(try await store.texts(from: .trimHorizon) == ["c"])
            #expect(try await store.describeStream("s").shards[0].trimHorizon == 2)
            time.advance(by: .seconds(60))
            let empty = try await store.read(ReadRequest(stream: "s", shard: shard0, after: 2))
            #expect(empty.batch.isEmpty && empty.expired == 3...3 && empty.next == 3)
            try await store.put(["d"])
            let next = try await store.read(ReadRequest(stream: "s", shard: shard0, after: empty.next))
            #expect(next.batch.map(\.sequenceNumber) == [4])
        }
    }
}

import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

/// Records are put: where they go, which numbers they get, what is refused.
@Suite(.timeLimit(.minutes(1)))
struct AppendContractTests {
    @Test(arguments: StoreKind.all) func `the hash of the key chooses the shard (API-H-1)`(kind: StoreKind) async throws
    {
        try await kind.test(shards: 7) { store, _ in
            let ranges = HashKeyRange.even(7)
            let keys = (0..<200).map { "key-\($0)" } + ["ä", "🙂", String(repeating: "x", count: 256)]
            let receipts = try await store.stream("s").put(
                contentsOf: keys.map { NewRecord($0, partitionKey: $0) })
            for (key, receipt) in zip(keys, receipts) {
                let shard = ranges.firstIndex { $0.contains(HashKey(partitionKey: key)) }
                #expect(Int(receipt.shard.number) == shard, "\(key)")
            }
            for number in 0..<7 {
                let id = ShardID(UInt32(number))
                let expected = zip(keys, receipts).filter { $0.1.shard == id }.map(\.0)
                #expect(!expected.isEmpty)
                #expect(try await store.texts(shard: id) == expected)
            }
        }
    }

    @Test(arguments: StoreKind.all) func `an explicit hash key takes the hash's place`(kind: StoreKind) async throws {
        try await kind.test(shards: 4) { store, _ in
            for (number, range) in HashKeyRange.even(4).enumerated() {
                for hash in [range.first, range.last] {
                    let receipt = try await store.stream("s").put("x", partitionKey: "same", explicitHashKey: hash)
                    #expect(Int(receipt.shard.number) == number)
                }
                let id = ShardID(UInt32(number))
                let batch = try await store.read(ReadRequest(stream: "s", shard: id, after: .zero)).batch
                #expect(batch.map(\.explicitHashKey) == [range.first, range.last])
                #expect(batch.map(\.partitionKey) == ["same", "same"])
            }
        }
    }

    @Test(arguments: StoreKind.all) func `numbers rise in the order of the records`(kind: StoreKind) async throws {
        try await kind.test(shards: 2) { store, _ in
            var last: [ShardID: SequenceNumber] = [:]
            for round in 0..<20 {
                let receipts = try await store.stream("s").put(
                    contentsOf: (0..<10).map { NewRecord("\(round).\($0)", partitionKey: "\($0)") })
                for receipt in receipts {
                    if store.capabilities.contains(.denseSequenceNumbers) {
                        #expect(receipt.sequenceNumber.rawValue == (last[receipt.shard]?.rawValue ?? 0) + 1)
                    } else {
                        #expect(receipt.sequenceNumber > last[receipt.shard] ?? .zero)
                    }
                    last[receipt.shard] = receipt.sequenceNumber
                }
            }
            for shard in try await store.describeStream("s").shards { #expect(shard.tip == last[shard.id]) }
        }
    }

    @Test(arguments: StoreKind.all) func `a record is read as it was put`(kind: StoreKind) async throws {
        try await kind.test(shards: 1) { store, time in
            time.advance(by: .milliseconds(1234))
            let data: [UInt8] = [0, 255, 10, 13, 0]
            let records = [NewRecord(data, partitionKey: "ключ\n\u{0}"), NewRecord([], partitionKey: "e")]
            let receipts = try await store.stream("s").put(contentsOf: records)
            let batch = try await store.read(ReadRequest(stream: "s", shard: shard0, after: .zero)).batch
            #expect(batch.count == 2)
            for ((record, put), receipt) in zip(zip(batch, records), receipts) {
                #expect(Array(record.bytes) == put.data)
                #expect(record.partitionKey == put.partitionKey)
                #expect(record.explicitHashKey == nil)
                #expect(record.shard == shard0)
                #expect(record.sequenceNumber == receipt.sequenceNumber)
                #expect(record.approximateArrivalTimestamp == time.wallTime)
                #expect(record.kinesisSequenceNumber == receipt.kinesisSequenceNumber)
            }
        }
    }

    @Test(arguments: StoreKind.all) func `arrivals never decrease when the wall clock jumps`(kind: StoreKind)
        async throws
    {
        try await kind.test(shards: 1) { store, time in
            let start = time.wallTime
            for offset in [0, 5000, -60_000, 1000, 9000] {
                time.setWallTime(start + .milliseconds(offset))
                try await store.put(["\(offset)"])
            }
            let batch = try await store.read(ReadRequest(stream: "s", shard: shard0, after: .zero)).batch
            let arrivals = batch.map { $0.approximateArrivalTimestamp - start }
            #expect(arrivals == [0, 5000, 5000, 5000, 9000].map { Duration.milliseconds($0) })
        }
    }

    @Test(arguments: StoreKind.all) func `a commit of nothing is done`(kind: StoreKind) async throws {
        try await kind.test(shards: 1) { store, _ in
            guard case .committed(let receipts) = try await store.commit([]) else {
                Issue.record("an empty commit was not done")
                return
            }
            #expect(receipts.isEmpty)
            let empty = try await store.committed(.append([]))
            guard case .appended(let puts) = empty.first else {
                Issue.record("an empty append has no receipt")
                return
            }
            #expect(puts.isEmpty)
            #expect(try await store.describeStream("s").shards[0].tip == .zero)
        }
    }

    @Test(arguments: StoreKind.all) func `bad keys and large records are refused whole`(kind: StoreKind) async throws {
        try await kind.test(shards: 1, maximumRecordSize: 100) { store, _ in
            let stream = store.stream("s")
            let good = NewRecord("x", partitionKey: "k")
            let longKey = String(repeating: "k", count: 257)
            let longWide = String(repeating: "ü", count: 257)
            for key in ["", longKey, longWide] {
                await expect(.invalidArgument) {
                    try await stream.put(contentsOf: [good, NewRecord("x", partitionKey: key)])
                }
            }
            await expect(.recordTooLarge) {
                try await stream.put(contentsOf: [
                    good, NewRecord([UInt8](repeating: 1, count: 101), partitionKey: "k"),
                ])
            }
            #expect(try await store.texts() == [])
            // 256 characters are 512 bytes here: characters count, not bytes.
            try await stream.put([UInt8](repeating: 1, count: 100), partitionKey: String(longWide.dropLast()))
            #expect(try await store.texts().count == 1)
        }
    }

    @Test(arguments: StoreKind.all) func `the largest record comes back whole`(kind: StoreKind) async throws {
        try await kind.test(shards: 2, maximumRecordSize: Limits.largestRecordSize) { store, _ in
            var generator = SystemRandomNumberGenerator()
            var data = [UInt8](repeating: 0, count: Limits.largestRecordSize)
            for index in stride(from: 0, to: data.count, by: 8) {
                data[index] = UInt8.random(in: 0...255, using: &generator)
            }
            let receipt = try await store.stream("s").put(data, partitionKey: "k")
            try await store.put(["after"], shard: receipt.shard)
            let result = try await store.read(
                ReadRequest(stream: "s", shard: receipt.shard, after: .zero, maximumBytes: 1))
            #expect(result.batch.count == 1)
            #expect(result.batch.first.map { Array($0.bytes) == data } == true)
            #expect(try await store.texts(shard: receipt.shard, after: result.next) == ["after"])
        }
    }

    @Test(arguments: StoreKind.all) func `a call over 64 MiB is refused, one of 20 is not`(kind: StoreKind) async throws
    {
        try await kind.test(shards: 1, maximumRecordSize: 4 << 20) { store, _ in
            let record = NewRecord([UInt8](repeating: 7, count: 4 << 20), partitionKey: "k")
            await expect(.commitTooLarge) {
                try await store.stream("s").put(contentsOf: Array(repeating: record, count: 17))
            }
            #expect(try await store.describeStream("s").shards[0].tip == .zero)
            try await store.stream("s").put(contentsOf: Array(repeating: record, count: 5))
            let batch = try await store.read(
                ReadRequest(stream: "s", shard: shard0, after: .zero, maximumBytes: 64 << 20)
            ).batch
            #expect(batch.count == 5)
            #expect(batch.allSatisfy { $0.bytes.count == 4 << 20 && $0.bytes.last == 7 })
        }
    }

    @Test(arguments: StoreKind.all) func `concurrent producers each keep their order`(kind: StoreKind) async throws {
        try await kind.test(shards: 2) { store, _ in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for producer in 0..<8 {
                    group.addTask {
                        for index in 0..<50 {
                            try await store.stream("s").put("\(producer) \(index)", partitionKey: "\(producer)")
                        }
                    }
                }
                try await group.waitForAll()
            }
            let all = try await store.texts(shard: shard0) + store.texts(shard: shard1)
            #expect(all.count == 400)
            for producer in 0..<8 {
                #expect(all.filter { $0.hasPrefix("\(producer) ") } == (0..<50).map { "\(producer) \($0)" })
            }
        }
    }
}

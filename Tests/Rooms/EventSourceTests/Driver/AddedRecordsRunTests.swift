import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import TestTraits
import Testing

@testable import EventSource

@Suite("Records that functions add to their units' commits", .timeLimit(.minutes(2)), .restingExecutor)
struct AddedRecordsRunTests {
    private func bench(shards: Int = 1) async throws -> Bench {
        let bench = try await Bench(shards: shards)
        try await bench.store.createStream("out", shards: 2)
        return bench
    }

    @Test(arguments: [1, 4])
    func `ESM-O1 a function's records are appended in the order of their keys, once`(factor: Int) async throws {
        let bench = try await bench(shards: 2)
        try await bench.put(1...60, keys: 6)
        var settings = EventSourceMapping.Configuration()
        settings.parallelizationFactor = factor
        settings.batchSize = 7
        let mapping = try await bench.mapping("m", settings) { batch, context in
            for record in batch {
                try context.add(NewRecord(record.bytes, partitionKey: record.partitionKey), to: "out", from: record)
            }
        }
        try await mapping.run(until: .caughtUp)
        let texts = try await bench.texts(in: "out")
        #expect(texts.sorted { Int($0)! < Int($1)! } == (1...60).map(String.init))
        for key in 0..<6 {
            let own = texts.filter { Int($0)! % 6 == key }
            #expect(own == own.sorted { Int($0)! < Int($1)! })
        }
    }

    @Test func `ESM-O1 a function that returns records is a stage of a chain`() async throws {
        let bench = try await bench()
        try await bench.put(1...10)
        let mapping = try await EventSourceMapping(
            "m", from: bench.stream, into: bench.store.stream("out")
        ) { batch, _ in batch.map { NewRecord("<\(String(decoding: $0.bytes, as: UTF8.self))>", partitionKey: "k") } }
        try await mapping.run(until: .caughtUp)
        #expect(try await bench.texts(in: "out") == (1...10).map { "<\($0)>" })
    }

    @Test func `ESM-O1 records go into another stream of the same store, which is there`() async throws {
        let bench = try await bench()
        let other = try await self.bench()
        for output in [bench.stream, bench.store.stream("nowhere"), other.store.stream("out")] {
            await #expect(throws: ShardlineError.self) {
                try await EventSourceMapping("m", from: bench.stream, into: output) { _, _ in [] }
            }
        }
    }

    @Test func `ESM-O1 more than one commit holds is written in several`() async throws {
        let bench = try await bench()
        try await bench.store.updateStream("out", retention: nil, maximumRecordSize: 10 << 20)
        try await bench.put(1...12, keys: 4)
        var settings = EventSourceMapping.Configuration()
        settings.batchSize = 1
        settings.parallelizationFactor = 4
        settings.maximumUncheckpointedBatches = 100
        let mapping = try await bench.mapping("m", settings) { batch, context in
            try context.add(NewRecord([UInt8](repeating: 7, count: 9 << 20), partitionKey: "k"), to: "out")
        }
        try await mapping.run(until: .caughtUp)
        let shards = try await bench.store.describeStream("out").shards
        #expect(
            try await bench.store.countRecords(
                in: shards.map { RecordSpan(shard: $0.id, after: .zero) }, of: "out"
            ).reduce(0, +) == 12)
    }

    @Test func `ESM-O1 what a failed attempt has added is dropped`() async throws {
        let bench = try await bench()
        try await bench.put(1...4)
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = 0
        settings.batchSize = 4
        let mapping = try await bench.mapping("m", settings) { batch, context in
            for record in batch {
                let text = String(decoding: record.bytes, as: UTF8.self)
                try context.add(NewRecord(text, partitionKey: "k"), to: "out")
                if text == "3" { throw MalformedRecord() }
            }
        }
        try await mapping.run(until: .caughtUp)
        #expect(try await bench.texts(in: "out") == ["1", "2", "4"])
        #expect(mapping.statistics.givenUp == 1)
    }

    @Test func `ESM-O1 a stream that is not there, or takes only smaller records, makes the call fail with its name`()
        async throws
    {
        let bench = try await bench()
        try await bench.put(1...2)
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = 0
        let mapping = try await bench.mapping("m", settings) { batch, context in
            let isFirst = batch.contains { String(decoding: $0.bytes, as: UTF8.self) == "1" }
            let data = [UInt8](repeating: 0, count: isFirst ? 3 : 2 << 20)
            try context.add(NewRecord(data, partitionKey: "k"), to: isFirst ? "nowhere" : "out")
        }
        try await mapping.run(until: .caughtUp)
        #expect(mapping.statistics.givenUp == 2)
        let documents = try await bench.store.stream("s.m.failed").mapping("none").stream.describe()
        #expect(documents.shards.count == 1)
        let texts = try await bench.texts(in: "s.m.failed").joined()
        #expect(texts.contains("the stream 'nowhere', which is not there"))
        #expect(texts.contains("'out', which takes at most 1048576 a record"))
    }

    @Test func `ESM-O1 more than an invocation may add is refused, and so is what comes after its end`() async throws {
        let added = AddedRecords(nil, of: RecordBatch())
        for _ in 0..<AddedRecords.mostRecords {
            try added.add(AddedRecord(NewRecord("a", partitionKey: "k"), to: "out"))
        }
        #expect(throws: ShardlineError.self) {
            try added.add(AddedRecord(NewRecord("a", partitionKey: "k"), to: "out"))
        }
        let large = AddedRecords(nil, of: Records.batch(["a"]))
        try large.add(AddedRecord(NewRecord([UInt8](repeating: 0, count: 10 << 20), partitionKey: "k"), to: "out"))
        #expect(throws: ShardlineError.self) {
            try large.add(AddedRecord(NewRecord([UInt8](repeating: 0, count: 7 << 20), partitionKey: "k"), to: "out"))
        }
        #expect(throws: ShardlineError.self) {
            try large.add(AddedRecord(NewRecord("a", partitionKey: ""), to: "out"))
        }
        #expect(throws: ShardlineError.self) {
            try large.add(AddedRecord(NewRecord("a", partitionKey: "k"), to: "a/b"))
        }
        #expect(throws: ShardlineError.self) {
            try large.add(AddedRecord(NewRecord("a", partitionKey: "k"), to: "out", from: SequenceNumber(2)))
        }
        large.end()
        #expect(throws: ShardlineError.self) {
            try large.add(AddedRecord(NewRecord("a", partitionKey: "k"), to: "out"))
        }
        #expect(await large.take(after: .cancelled).records.isEmpty)
    }

    @Test func `ESM-O1 ESM-N2 what is made of redriven records is added once, and of those that fail again nothing`()
        async throws
    {
        let bench = try await bench()
        try await bench.put(1...12, keys: 2)
        var settings = EventSourceMapping.Configuration()
        settings.whenExhausted = .parkKey
        settings.maximumRetryAttempts = 0
        settings.batchSize = 3
        func run(refusing bad: Set<String>) async throws {
            let mapping = try await bench.mapping("m", settings) { batch, context in
                for record in batch {
                    let text = String(decoding: record.bytes, as: UTF8.self)
                    try context.add(NewRecord(text, partitionKey: record.partitionKey), to: "out", from: record)
                    if bad.contains(text) { throw BatchFailure(from: record, because: MalformedRecord()) }
                }
            }
            try await mapping.run(until: .caughtUp)
        }
        try await run(refusing: ["3", "7"])
        #expect(try await bench.texts(in: "out").sorted() == ["1", "10", "12", "2", "4", "6", "8"])
        try await bench.stream.mapping("m").release()
        try await run(refusing: ["7"])
        let texts = try await bench.texts(in: "out")
        #expect(texts.filter { Int($0)! % 2 == 1 } == ["1", "3", "5"])
        try await bench.stream.mapping("m").release()
        try await run(refusing: [])
        #expect(try await bench.texts(in: "out").filter { Int($0)! % 2 == 1 } == ["1", "3", "5", "7", "9", "11"])
        #expect(try await bench.texts(in: "out").count == 12)
    }

    @Test func `ESM-O2 the success stream is another stream of the store, which is there`() async throws {
        let bench = try await bench()
        var settings = EventSourceMapping.Configuration()
        settings.successStream = "s"
        await #expect(throws: ShardlineError.self) { try await bench.mapping("m", settings) }
        settings.successStream = "nowhere"
        await #expect(throws: ShardlineError.self) { try await bench.mapping("m", settings) }
        settings.successStream = "a/b"
        #expect(throws: ShardlineError.self) { try settings.validate() }
        settings.successStream = "out"
        #expect(try EventSourceMapping.Configuration(json: settings.json) == settings)
        _ = try await bench.mapping("m", settings)
    }
}

import DiskAccess
import Foundation
import ShardlineTesting
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import ShardlineCLI

/// `tail` on a store in memory.
@Suite struct TailRunTests {
    static func withStore(
        shards: Int = 4, _ body: (InMemoryStore, VirtualTime, Recorder) async throws -> Void
    ) async throws {
        let folder = TestDirectory()
        let time = VirtualTime()
        let store = InMemoryStore(timeSource: time)
        try await store.createStream("s", shards: shards)
        try await body(store, time, try Recorder(in: folder))
    }

    static func run(
        _ store: InMemoryStore, _ recorder: Recorder, from: StartingPosition = .trimHorizon, shard: ShardID? = nil,
        limit: Int = .max, json: Bool = true, deaggregates: Bool = false
    ) async throws -> TailRun {
        try await TailRun(
            stream: store.stream("s"), from: from, shard: shard, limit: limit,
            printer: RecordPrinter(
                form: json ? .json : .text, output: recorder.output, deaggregates: deaggregates),
            warnings: recorder.output)
    }

    static func data(_ recorder: Recorder) throws -> [String] {
        try recorder.lines.map { line in
            let object = try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            let data = try #require(Data(base64Encoded: object["data"] as? String ?? ""))
            return String(decoding: data, as: UTF8.self)
        }
    }

    @Test func `what is there is printed merged by arrival, in order within each shard`() async throws {
        try await Self.withStore { store, time, recorder async throws in
            var expected: [String] = []
            for number in 0..<2500 {
                // Some arrive at the same moment.
                if number % 3 == 0 { time.advance(by: .milliseconds(1)) }
                try await store.stream("s").put("\(number)", partitionKey: "\(number % 17)")
                expected.append("\(number)")
            }
            try await Self.run(store, recorder).printWhatIsThere(until: Interruption())
            let printed = try Self.data(recorder)
            #expect(printed.sorted { Int($0)! < Int($1)! } == expected)
            let moments = printed.map { Int($0)! / 3 }
            #expect(moments == moments.sorted())
            for key in 0..<17 {
                let own = printed.compactMap { Int($0) }.filter { $0 % 17 == key }
                #expect(own == own.sorted())
            }
        }
    }

    /// Looking through all shards for each record takes minutes.
    @Test(.timeLimit(.minutes(1))) func `the records of the most shards are merged in moments`() async throws {
        try await Self.withStore(shards: 10_000) { store, time, recorder async throws in
            let stream = store.stream("s")
            for round in 0..<3 {
                for part in 0..<4 {
                    time.advance(by: .milliseconds(1))
                    try await stream.put(
                        contentsOf: (0..<2500).map { NewRecord("\(round * 4 + part)", partitionKey: "\(part) \($0)") })
                }
            }
            try await Self.run(store, recorder).printWhatIsThere(until: Interruption())
            let printed = try Self.data(recorder).compactMap { Int($0) }
            #expect(printed.count == 30_000)
            #expect(printed == printed.sorted())
        }
    }

    @Test func `a record is printed with Kinesis' names`() async throws {
        try await Self.withStore(shards: 1) { store, _, recorder async throws in
            let receipt = try await store.stream("s").put([0, 255], partitionKey: "a\"b")
            try await Self.run(store, recorder).printWhatIsThere(until: Interruption())
            let arrival = receipt.approximateArrivalTimestamp.milliseconds
            let digits = "\(1000 + arrival % 1000)".dropFirst()
            #expect(
                recorder.lines == [
                    #"{"shardId":"shardId-000000000000","sequenceNumber":"\#(receipt.kinesisSequenceNumber)","partitionKey":"a\"b","approximateArrivalTimestamp":\#(arrival / 1000).\#(digits),"data":"AP8="}"#
                ])
        }
    }

    @Test(arguments: [false, true])
    func `user records are printed one by one, with the place of their record (API-K-5)`(follow: Bool) async throws {
        try await Self.withStore(shards: 1) { store, _, recorder async throws in
            let aggregate = AggregateEncoder.aggregate([
                .init("a", [1]), .init("b", hashKey: "7", [2]), .init("c", [3]),
            ])
            let receipts = try await store.stream("s").put(
                contentsOf: [NewRecord([9], partitionKey: "plain"), NewRecord(aggregate, partitionKey: "outer")])
            let run = try await Self.run(store, recorder, limit: 3, deaggregates: true)
            if follow {
                try await run.follow(until: Interruption())
            } else {
                try await run.printWhatIsThere(until: Interruption())
            }
            #expect(recorder.lines.count == 3 && recorder.lines[0].contains(#""partitionKey":"plain""#))
            #expect(!recorder.lines[0].contains("aggregated"))
            let place =
                #"{"shardId":"shardId-000000000000","sequenceNumber":"\#(receipts[1].kinesisSequenceNumber)","subSequenceNumber"#
            #expect(recorder.lines[1].hasPrefix(place + #"":0,"aggregated":true,"partitionKey":"a","approx"#))
            #expect(
                recorder.lines[2].hasPrefix(place + #"":1,"aggregated":true,"partitionKey":"b","explicitHashKey":"7","#)
            )
            #expect(try Self.data(recorder) == ["\t", "\u{1}", "\u{2}"])
        }
    }

    @Test func `an aggregate of many user records is printed whole, and without the flag as it is`() async throws {
        try await Self.withStore(shards: 1) { store, _, recorder async throws in
            let users = (0..<2500).map { AggregateEncoder.User("k", Array("\($0)".utf8)) }
            let aggregate = AggregateEncoder.aggregate(users)
            try await store.stream("s").put(aggregate, partitionKey: "outer")
            try await Self.run(store, recorder, deaggregates: true).printWhatIsThere(until: Interruption())
            #expect(try Self.data(recorder) == (0..<2500).map { "\($0)" })
            try await Self.run(store, recorder).printWhatIsThere(until: Interruption())
            #expect(recorder.lines.count == 2501 && recorder.lines[2500].contains(#""partitionKey":"outer""#))
        }
    }

    @Test func `positions, shards and limits select`() async throws {
        try await Self.withStore { store, time, recorder async throws in
            var receipts: [PutReceipt] = []
            for number in 0..<20 {
                receipts.append(try await store.stream("s").put("\(number)", partitionKey: "\(number)"))
                time.advance(by: .seconds(1))
            }
            try await Self.run(store, recorder, from: .atTimestamp(receipts[15].approximateArrivalTimestamp))
                .printWhatIsThere(until: Interruption())
            #expect(try Self.data(recorder) == ["15", "16", "17", "18", "19"])
        }
        try await Self.withStore { store, time, recorder async throws in
            for number in 0..<20 {
                try await store.stream("s").put("\(number)", partitionKey: "\(number)")
                time.advance(by: .seconds(1))
            }
            try await Self.run(store, recorder, limit: 3).printWhatIsThere(until: Interruption())
            #expect(try Self.data(recorder) == ["0", "1", "2"])
        }
        try await Self.withStore { store, _, recorder async throws in
            let receipt = try await store.stream("s").put("one", partitionKey: "a")
            try await store.stream("s").put("two", partitionKey: "a")
            try await Self.run(
                store, recorder, from: .atSequenceNumber(SequenceNumber(2)), shard: receipt.shard
            ).printWhatIsThere(until: Interruption())
            #expect(try Self.data(recorder) == ["two"])
        }
    }

    @Test func `an unknown shard is named`() async throws {
        try await Self.withStore { store, _, recorder async throws in
            let error = await #expect(throws: ShardlineError.self) {
                try await Self.run(store, recorder, shard: ShardID(4))
            }
            #expect(error?.code == .shardNotFound)
        }
    }

    @Test func `following prints what comes, up to the limit`() async throws {
        try await Self.withStore { store, _, recorder async throws in
            try await store.stream("s").put("before", partitionKey: "a")
            let run = try await Self.run(store, recorder, from: .latest, limit: 30)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await run.follow(until: Interruption()) }
                for number in 0..<30 { try await store.stream("s").put("\(number)", partitionKey: "\(number)") }
                try await group.waitForAll()
            }
            #expect(try Self.data(recorder).sorted { Int($0) ?? -1 < Int($1) ?? -1 } == (0..<30).map { "\($0)" })
        }
    }

    @Test func `following ends with the interruption`() async throws {
        try await Self.withStore { store, _, recorder async throws in
            let interruption = Interruption()
            let run = try await Self.run(store, recorder)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await run.follow(until: interruption) }
                try await store.stream("s").put("one", partitionKey: "a")
                await eventually { !recorder.text.isEmpty }
                interruption.interrupt()
                try await group.waitForAll()
            }
            #expect(try Self.data(recorder) == ["one"])
        }
    }

    @Test func `text is one line with arrival, shard and key`() async throws {
        try await Self.withStore(shards: 1) { store, _, recorder async throws in
            let receipt = try await store.stream("s").put("hello\u{1B}", partitionKey: "a\tb")
            try await Self.run(store, recorder, json: false).printWhatIsThere(until: Interruption())
            // No terminal: the data is as it was put.
            #expect(
                recorder.text == "\(receipt.approximateArrivalTimestamp)  shardId-000000000000  a\\tb  hello\u{1B}\n")
        }
    }
}

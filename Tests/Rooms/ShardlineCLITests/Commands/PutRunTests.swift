import DiskAccess
import Foundation
import ShardlineTesting
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import ShardlineCLI

/// `put` on a store in memory.
@Suite struct PutRunTests {
    struct Result {
        var failure: CommandFailure?
        var said: [String]
        var printed: [[String: Any]]
        var records: [String]
    }

    static func put(
        _ inputs: [[UInt8]], keys: KeySource = .jsonField("k"), shards: Int = 1, rate: Double? = nil,
        isStrict: Bool = false,
        batch: Int = 2, interruption: Interruption = Interruption(), time: VirtualTime = VirtualTime(),
        prepare: (InMemoryStore) -> Void = { _ in }
    ) async throws -> Result {
        var result = Result(failure: nil, said: [], printed: [], records: [])
        let folder = TestDirectory()
        let store = InMemoryStore(timeSource: time)
        try await store.createStream("s", shards: shards, maximumRecordSize: 100)
        prepare(store)
        var paths: [String] = []
        for (index, input) in inputs.enumerated() {
            let file = folder.url("\(index).txt")
            try Data(input).write(to: file)
            paths.append(file.path)
        }
        let pump = try InputPump(paths: paths)
        pump.start(keySource: keys, maximumRecordSize: 100, limits: .init(records: batch, bytes: 1 << 20))
        let (output, errors) = (try Recorder(in: folder), try Recorder(in: folder))
        var run = PutRun(
            stream: store.stream("s"), pump: pump, rate: rate, isStrict: isStrict, printsJSON: true,
            interruption: interruption, output: output.output, errors: errors.output)
        do {
            try await run.run()
        } catch let failure as CommandFailure {
            result.failure = failure
        }
        result.failure?.message?.replace(folder.path + "/", with: "")
        result.said = errors.lines.map { $0.replacing(folder.path + "/", with: "") }
        result.printed = try output.lines.map {
            try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
        for shard in 0..<shards {
            let batch = try await store.read(ReadRequest(stream: "s", shard: ShardID(UInt32(shard)), after: .zero))
                .batch
            result.records += batch.map { String(decoding: $0.bytes, as: UTF8.self) }
        }
        return result
    }

    static func put(
        _ inputs: [String], keys: KeySource = .jsonField("k"), shards: Int = 1, rate: Double? = nil,
        isStrict: Bool = false, batch: Int = 2, interruption: Interruption = Interruption(),
        prepare: (InMemoryStore) -> Void = { _ in }
    ) async throws -> Result {
        try await put(
            inputs.map { Array($0.utf8) }, keys: keys, shards: shards, rate: rate, isStrict: isStrict, batch: batch,
            interruption: interruption, prepare: prepare)
    }

    static func lines(_ range: ClosedRange<Int>) -> String { range.map { "{\"k\":\"\($0)\"}\n" }.joined() }

    @Test func `all lines are put in order, and each is acknowledged with its number`() async throws {
        let result = try await Self.put([Self.lines(1...5)])
        #expect(result.failure == nil)
        #expect(result.records == (1...5).map { "{\"k\":\"\($0)\"}" })
        #expect(result.printed.map { $0["line"] as? Int } == [1, 2, 3, 4, 5])
        #expect(result.printed.map { $0["partitionKey"] as? String } == ["1", "2", "3", "4", "5"])
        #expect(result.printed.allSatisfy { $0["file"] == nil })
        for (index, line) in result.printed.enumerated() {
            let number = try #require(KinesisSequenceNumber(line["sequenceNumber"] as? String ?? ""))
            #expect(number.sequenceNumber == SequenceNumber(UInt64(index + 1)))
            #expect(line["shardId"] as? String == "shardId-000000000000")
            #expect(line["approximateArrivalTimestamp"] is Double)
        }
        #expect(result.said.count == 1)
        #expect(result.said.first?.hasPrefix("shardline: put 5 records into 's'") == true)
    }

    @Test func `of several files each acknowledgement names its own`() async throws {
        let result = try await Self.put([Self.lines(1...1), Self.lines(2...3)])
        #expect(result.printed.map { ($0["file"] as? String)?.hasSuffix("/0.txt") } == [true, false, false])
        #expect(result.printed.map { $0["line"] as? Int } == [1, 1, 2])
    }

    @Test func `a malformed line is reported with its place, and the others are put`() async throws {
        let result = try await Self.put([Self.lines(1...1) + "nonsense\n" + Self.lines(3...4)])
        #expect(result.failure?.status == .badData)
        #expect(result.failure?.message == "1 malformed line was not put")
        #expect(result.said.count == 2)
        #expect(result.said.first?.hasPrefix("shardline: 0.txt:2: the line is not") == true)
        #expect(result.printed.map { $0["line"] as? Int } == [1, 3, 4])
    }

    @Test(arguments: [1, 2, 100])
    func `strict stops at a malformed line and says how much was acknowledged`(batch: Int) async throws {
        let result = try await Self.put(
            [Self.lines(1...3) + "nonsense\n" + Self.lines(5...9)], isStrict: true, batch: batch)
        #expect(result.failure?.status == .badData)
        #expect(
            result.failure?.message?.hasSuffix(
                "; stopped there (--strict), 3 records were acknowledged, the last one is 0.txt:3") == true)
        #expect(result.failure?.message?.hasPrefix("0.txt:4: ") == true)
        #expect(result.printed.count == 3)
        #expect(result.records.count == 3)
    }

    static let damaged = [
        Array(lines(1...3).utf8), InputPumpTests.packed(lines(4...6)) + Array("garbage".utf8), Array(lines(7...8).utf8),
        Array("nonsense\n".utf8),
    ]

    @Test func `of a damaged file the lines before the damage are put, and the other files`() async throws {
        let result = try await Self.put(Self.damaged)
        #expect(result.records == (1...8).map { "{\"k\":\"\($0)\"}" })
        #expect(result.failure?.status == .badData)
        #expect(
            result.failure?.message
                == "1 malformed line was not put; 1.txt was not read to its end; 8 records were acknowledged, the last one is 2.txt:2"
        )
        #expect(
            result.said.contains(
                "shardline: 1.txt is damaged gzip data: incorrect header check, after line 3; what follows in it is not put"
            ))
    }

    @Test func `strict stops at the damage of a file and names those that were not read`() async throws {
        let result = try await Self.put(Self.damaged, isStrict: true)
        #expect(result.records.count == 6)
        #expect(result.failure?.status == .badData)
        #expect(
            result.failure?.message
                == "1.txt is damaged gzip data: incorrect header check, after line 3; stopped there (--strict), "
                + "6 records were acknowledged, the last one is 1.txt:3; not read: 2.txt, 3.txt")
    }

    @Test func `an owner that goes away under a batch leaves it in doubt, and it is named`() async throws {
        let result = try await Self.put([Self.lines(1...6)]) { store in
            let answered = Counter()
            store.answerCommits { _ in answered.next() == 2 ? .unknown(written: false) : nil }
        }
        #expect(result.failure?.status == .busy)
        let message = result.failure?.message ?? ""
        #expect(
            message.contains(
                "; 2 records were acknowledged, the last one is 0.txt:2; 0.txt:3 to 4 are in doubt: look"), "\(message)"
        )
        // Never sent again by itself.
        #expect(result.records.count == 2)
        #expect(result.printed.count == 2)
    }

    @Test func `a batch that was surely not sent is not called in doubt`() async throws {
        let result = try await Self.put([Self.lines(1...6)]) { store in
            let answered = Counter()
            store.answerCommits { _ in
                answered.next() == 2 ? .failure(ShardlineError(.ownerGone, "the owner of the store is gone")) : nil
            }
        }
        #expect(result.failure?.status == .busy)
        #expect(
            result.failure?.message
                == "the owner of the store is gone; 2 records were acknowledged, the last one is 0.txt:2; "
                + "nothing is in doubt: 0.txt:3 and what follows was not put")
        #expect(result.records.count == 2)
        #expect(result.printed.count == 2)
    }

    @Test func `a full disk is said with what was acknowledged`() async throws {
        let result = try await Self.put([Self.lines(1...2)]) { store in
            store.answerCommits { _ in .failure(ShardlineError(.diskFull, "the disk is full")) }
        }
        #expect(result.failure?.status == .inputOutput)
        #expect(result.failure?.message == "the disk is full; no record was acknowledged")
    }

    @Test func `an interruption stops after the batch that is on its way`() async throws {
        let interruption = Interruption()
        let result = try await Self.put([Self.lines(1...50)], interruption: interruption) { store in
            let answered = Counter()
            store.answerCommits { _ in
                if answered.next() == 3 { interruption.interrupt() }
                return nil
            }
        }
        #expect(result.failure?.status == .failed)
        #expect(result.failure?.message?.hasPrefix("interrupted; 6 records were acknowledged") == true)
        #expect(result.records.count == 6)
        #expect(result.printed.count == 6)
    }

    @Test func `a rate is kept`() async throws {
        let time = VirtualTime()
        async let put = Self.put([Array(Self.lines(1...5).utf8)], rate: 20, time: time)
        // The first goes at once, the others 50 ms apart.
        for _ in 0..<4 {
            await time.sleepers(1)
            time.advance(by: .milliseconds(50))
        }
        #expect(try await put.records.count == 5)
        #expect(time.monotonicTime.sinceOrigin == .milliseconds(200))
    }
}

/// 1, 2, 3 …
private final class Counter: @unchecked Sendable {
    private let lock = NSLock()
    private var last = 0
    func next() -> Int {
        lock.withLock {
            last += 1
            return last
        }
    }
}

import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import Testing

/// A log that tasks write to.
final class Events<Event: Sendable>: Sendable {
    private let events = Mutex<[Event]>([])
    var all: [Event] { events.withLock { $0 } }
    func append(_ event: Event) { events.withLock { $0.append(event) } }
}

/// A store with a stream "s" in virtual time, and a producer's settings that send only what is full.
struct ProducerSetup: Sendable {
    let time = VirtualTime()
    let store: InMemoryStore
    let stream: RecordStream
    let configuration: Producer.Configuration

    init(shards: Int = 1, _ configure: (inout Producer.Configuration) -> Void = { _ in }) async throws {
        var configuration = Producer.Configuration()
        configuration.linger = .seconds(3600)
        configure(&configuration)
        self.configuration = configuration
        store = InMemoryStore(timeSource: time)
        try await store.createStream("s", shards: shards, maximumRecordSize: 1000)
        stream = store.stream("s")
    }

    /// What one shard holds; waits for the first record.
    func texts(_ shard: Int = 0, wait: ReadRequest.Wait = .untilAvailable) async throws -> [String] {
        let request = ReadRequest(stream: "s", shard: ShardID(UInt32(shard)), after: .zero, wait: wait)
        return try await store.read(request).batch.map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    /// Runs `body` while time passes by itself, from one sleeper to the next.
    func whileTimePasses(_ body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while !Task.isCancelled {
                    await time.sleepers(1)
                    time.advanceToNextSleeper()
                }
            }
            defer { group.cancelAll() }
            try await body()
        }
    }

    func run(
        onAcknowledged: (@Sendable (Producer.Acknowledgement) async throws -> Void)? = nil,
        _ body: (Producer) async throws -> Void
    ) async throws {
        try await stream.withProducer(configuration: configuration, onAcknowledged: onAcknowledged, body)
    }
}

/// How a producer gathers records into batches.
@Suite(.timeLimit(.minutes(1)))
struct ProducerBatchTests {
    @Test func `a record waits for company as long as the linger, no longer`() async throws {
        let setup = try await ProducerSetup { $0.linger = .milliseconds(5) }
        try await setup.run { producer in
            try await producer.enqueue("a", partitionKey: "k")
            await setup.time.sleepers(1)
            setup.time.advance(by: .milliseconds(3))
            try await producer.enqueue("b", partitionKey: "k")
            setup.time.advance(by: .microseconds(1999))
            #expect(setup.store.commitCount == 0)
            #expect(setup.time.sleeperCount == 1)
            setup.time.advance(by: .microseconds(1))
            // The first record's time counts.
            #expect(try await setup.texts() == ["a", "b"])
            #expect(setup.store.commitCount == 1)
        }
    }

    @Test func `a batch of enough records goes at once`() async throws {
        let setup = try await ProducerSetup { $0.maximumBatchRecords = 3 }
        try await setup.run { producer in
            for text in ["a", "b", "c", "d"] { try await producer.enqueue(text, partitionKey: "k") }
            #expect(try await setup.texts() == ["a", "b", "c"])
        }
        #expect(try await setup.texts() == ["a", "b", "c", "d"])
        #expect(setup.store.commitCount == 2)
    }

    @Test func `a batch of enough bytes goes at once, and holds no more`() async throws {
        let setup = try await ProducerSetup { $0.maximumBatchBytes = 300 }
        let sizes = Events<Int>()
        try await setup.run(onAcknowledged: { sizes.append($0.receipts.count) }) { producer in
            // 100 bytes each with its key.
            for _ in 0..<3 { try await producer.enqueue([UInt8](repeating: 1, count: 99), partitionKey: "k") }
            _ = try await setup.texts()
            for size in [199, 199, 899, 9] {
                try await producer.enqueue([UInt8](repeating: 1, count: size), partitionKey: "k")
            }
        }
        #expect(sizes.all == [3, 1, 1, 1, 1])
    }

    @Test func `what comes while a commit is on its way goes in one batch`() async throws {
        let setup = try await ProducerSetup { $0.linger = .zero }
        setup.store.answerNextCommit(with: .late(by: .seconds(1)))
        try await setup.run { producer in
            try await producer.enqueue("0", partitionKey: "k")
            await setup.time.sleepers(1)
            for index in 1...50 { try await producer.enqueue("\(index)", partitionKey: "k") }
            setup.time.advance(by: .seconds(1))
        }
        #expect(setup.store.commitCount == 2)
        #expect(try await setup.texts() == (0...50).map { "\($0)" })
    }

    @Test func `a flush sends at once and returns when all is durable`() async throws {
        let setup = try await ProducerSetup()
        try await setup.run { producer in
            try await producer.flush()
            #expect(setup.store.commitCount == 0)
            for round in 1...3 {
                try await producer.enqueue("a", partitionKey: "k")
                try await producer.enqueue("b", partitionKey: "k")
                try await producer.flush()
                #expect(try await setup.texts(wait: .no).count == 2 * round)
            }
        }
        #expect(setup.store.commitCount == 3)
    }

    @Test func `the end sends what is left`() async throws {
        let setup = try await ProducerSetup()
        try await setup.run { producer in
            try await producer.enqueue("a", partitionKey: "k")
            #expect(setup.store.commitCount == 0)
        }
        #expect(try await setup.texts(wait: .no) == ["a"])
    }

    @Test func `a full buffer suspends until a batch is acknowledged`() async throws {
        for bytes in [false, true] {
            let setup = try await ProducerSetup {
                if bytes { $0.bufferedBytes = 20 } else { $0.bufferedRecords = 2 }
            }
            let events = Events<String>()
            try await setup.run(onAcknowledged: { events.append("acknowledged \($0.receipts.count)") }) { producer in
                for text in ["123456789", "abcdefghi"] { try await producer.enqueue(text, partitionKey: "k") }
                #expect(setup.store.commitCount == 0)
                // That someone waits for room lets the two go without company.
                try await producer.enqueue("third", partitionKey: "k")
                events.append("accepted")
            }
            #expect(events.all == ["acknowledged 2", "accepted", "acknowledged 1"])
        }
    }

    @Test func `a record larger than the buffer is accepted alone`() async throws {
        let setup = try await ProducerSetup { $0.bufferedBytes = 10 }
        try await setup.run { producer in
            for size in [5, 900, 5, 900] {
                try await producer.enqueue([UInt8](repeating: 1, count: size), partitionKey: "k")
            }
        }
        let request = ReadRequest(stream: "s", shard: ShardID(0), after: .zero)
        #expect(try await setup.store.read(request).batch.map(\.bytes.count) == [5, 900, 5, 900])
    }

    @Test func `keys keep their order with many tasks and little room`() async throws {
        let setup = try await ProducerSetup(shards: 4) {
            $0.bufferedRecords = 7
            $0.maximumBatchRecords = 3
        }
        let acknowledged = Events<UInt64>()
        try await setup.run(onAcknowledged: { $0.tags.forEach(acknowledged.append) }) { producer in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<5 {
                    group.addTask {
                        for index in 0..<100 {
                            try await producer.enqueue(
                                "\(task) \(index)", partitionKey: "\(task)", tag: UInt64(task * 100 + index))
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
        var texts: [String] = []
        for shard in 0..<4 { texts += try await setup.texts(shard, wait: .no) }
        for task in 0..<5 {
            #expect(texts.filter { $0.hasPrefix("\(task) ") } == (0..<100).map { "\(task) \($0)" })
            let range = UInt64(task * 100)..<UInt64(task * 100 + 100)
            #expect(acknowledged.all.filter(range.contains) == Array(range))
        }
        #expect(acknowledged.all.count == 500)
    }
}

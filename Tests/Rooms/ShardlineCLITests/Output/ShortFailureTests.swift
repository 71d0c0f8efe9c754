import DiskAccess
import EventSource
import ShardlineTesting
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import ShardlineCLI

/// What `tail` shows of a failure stream.
@Suite struct ShortFailureTests {
    @Test func `a person reads when, which key, why, how often, and the data`() async throws {
        let folder = TestDirectory()
        let time = VirtualTime()
        let store = InMemoryStore(timeSource: time)
        try await store.createStream("s", shards: 1)
        try await store.stream("s").put("{\"total\":\u{1B}x\n}", partitionKey: "a\tda")
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = 0
        try await EventSourceMapping("m", from: store.stream("s"), configuration: settings) { _, _ in
            throw MalformedRecord("no \u{1B}[2J number")
        }.run(until: .caughtUp)
        let documents = try await store.read(ReadRequest(stream: "s.m.failed", shard: ShardID(0), after: .zero))
            .batch
        let recorder = try Recorder(in: folder)
        var printer = RecordPrinter(form: .text, output: recorder.output, shortensFailures: true)
        try await printer.print(documents.map { UserRecord($0) })
        #expect(
            recorder.lines == [
                "\(time.wallTime)  a\\tda  the record is malformed: no \\x1B[2J number (RetryAttemptsExhausted, 1 attempt)  {\"total\":\\x1Bx\\n}"
            ])
        // Anything else is printed as always, and so is everything for a program.
        let plain = try Recorder(in: folder)
        printer.output = plain.output
        try await printer.print(
            try await store.read(ReadRequest(stream: "s", shard: ShardID(0), after: .zero)).batch.map { UserRecord($0) }
        )
        #expect(plain.text.contains("shardId-000000000000"))
        let json = try Recorder(in: folder)
        printer = RecordPrinter(form: .json, output: json.output, shortensFailures: true)
        try await printer.print(documents.map { UserRecord($0) })
        #expect(json.lines.count == 1 && json.text.hasPrefix("{\"shardId\""))
    }

    @Test func `records that were never read are told by their number`() async throws {
        let time = VirtualTime()
        let store = InMemoryStore(timeSource: time)
        let text = """
            {"document":{"requestContext":{"condition":"RecordsExpired"},"KinesisBatchInfo":{"batchSize":7}},\
            "error":{"type":null,"text":null,"attempts":0}}
            """
        try await store.createStream("s", shards: 1)
        try await store.stream("s").put(text, partitionKey: "shardId-000000000000")
        let record = try await store.read(ReadRequest(stream: "s", shard: ShardID(0), after: .zero)).batch[0]
        let line = try #require(ShortFailure(record)).line
        #expect(
            line.hasSuffix("  shardId-000000000000  no error (RecordsExpired, 0 attempts, 7 records never read)"),
            "\(line)")
    }
}

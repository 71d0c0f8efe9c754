import Logging
import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import Testing

@testable import EventSource

/// What an operator reads of a mapping in trouble.
@Suite("The log of a mapping")
struct LogTests {
    /// Keeps what is logged from a level on.
    private struct Recorder: LogHandler {
        final class Lines: Sendable {
            let all = Mutex<[String]>([])
            var lines: [String] { all.withLock { $0 } }
        }
        let lines: Lines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.warning
        var showsValues = false
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) {
            let all = metadata.merging(event.metadata ?? [:]) { $1 }
            let facts = showsValues ? "\(all)" : all.keys.sorted().joined(separator: " ")
            lines.all.withLock { $0.append("\(event.message) (\(facts))") }
        }
    }

    private static func logger() -> (Logger, Recorder.Lines) {
        let lines = Recorder.Lines()
        return (Logger(label: "test") { _ in Recorder(lines: lines) }, lines)
    }

    /// Everything that is logged at any level, with all values beside the text.
    private static func talkativeLogger() -> (Logger, Recorder.Lines) {
        let lines = Recorder.Lines()
        return (Logger(label: "test") { _ in Recorder(lines: lines, logLevel: .trace, showsValues: true) }, lines)
    }

    /// The record's name outside, as a reader of the stream sees it.
    private func name(of number: Int, in bench: Bench) async throws -> String {
        let result = try await bench.store.read(ReadRequest(stream: "s", shard: ShardID(0), after: .zero))
        return result.batch[number - 1].kinesisSequenceNumber.description
    }

    @Test func `a unit that fails without end is told of at the first failure and at each doubling`() async throws {
        let bench = try await Bench()
        try await bench.put(1...1)
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = nil
        let (logger, lines) = Self.logger()
        let mapping = try await bench.mapping("m", settings, logger: logger) { _, context in
            if context.attempt <= 11 { throw MalformedRecord("boom") }
        }
        async let run: Void = mapping.run(until: .caughtUp)
        await bench.advanceThroughPauses { if case .succeeded = $0 { true } else { false } }
        try await run
        let told = lines.lines
        #expect(told.count == 4, "\(told)")
        let record = try await name(of: 1, in: bench)
        for (line, attempt) in zip(told, [1, 2, 4, 8]) {
            let opening = "the function failed with record \(record) (key 'k0', "
            #expect(line.hasPrefix(opening) && line.contains(" old), attempt \(attempt), next in "), "\(line)")
            #expect(line.hasSuffix("s: the record is malformed: boom (mapping shard stream)"), "\(line)")
        }
    }

    @Test func `data of a record are not logged at any level, its key only where an operator has to look for it`()
        async throws
    {
        let bench = try await Bench()
        try await bench.stream.put(
            contentsOf: (1...9).map { NewRecord("secret data \($0)", partitionKey: "secret key \($0)") })
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = 0
        let (logger, lines) = Self.talkativeLogger()
        let mapping = try await bench.mapping("m", settings, logger: logger) { batch, _ in
            if batch.count > 1 || batch[0].sequenceNumber == SequenceNumber(5) { throw MalformedRecord("boom") }
        }
        try await mapping.run(until: .caughtUp)
        let told = lines.lines
        #expect(told.count > 20 && told.contains { $0.contains("gave up 1 record") }, "\(told)")
        #expect(told.filter { $0.contains("secret data") } == [])
        let named = told.filter { $0.contains("key 'secret key ") }
        #expect(named.count == 2 && named.contains { $0.contains("gave up 1 record") && $0.contains("'secret key 5'") })
        #expect(named.allSatisfy { $0.hasPrefix("gave up ") || $0.hasPrefix("the function failed ") }, "\(named)")
    }

    @Test func `the end of a window is told with its reason (ESM-T5, ESM-T6, ESM-S29)`() {
        let record = Records.batch(["a"])[0]
        let span = LaneCore.UnitSpan(
            unit: 1, lane: 0, first: record.sequenceNumber, last: record.sequenceNumber, count: 0,
            head: LaneCore.RecordName(record))
        func text(_ early: LaneCore.EarlyEnd?) -> String { LaneLog.text(of: .windowEnded(span, early: early)) }
        let ended = "the window of record \(record.sequenceNumber) has ended"
        #expect(text(nil) == ended)
        #expect(text(.stateTooLarge) == "\(ended) early: its state has more than 1048576 bytes")
        #expect(text(.severalLanes) == "\(ended) early: the mapping has a parallelization factor above 1 now")
    }

    @Test func `a given-up record is one line with its error, its number and where it went`() async throws {
        let bench = try await Bench()
        try await bench.put(1...8)
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = 0
        let (logger, lines) = Self.logger()
        let mapping = try await bench.mapping("m", settings, logger: logger) { batch, _ in
            if batch.contains(where: { Array($0.bytes) == Array("5".utf8) }) { throw MalformedRecord("five") }
        }
        try await mapping.run(until: .caughtUp)
        let told = lines.lines
        #expect(told.count == 2, "\(told)")
        let (first, fifth) = (try await name(of: 1, in: bench), try await name(of: 5, in: bench))
        #expect(
            told.first
                == "the function failed with a batch of 8 from \(first) (key 'k0', 0s old), attempt 1, the batch is cut in two: the record is malformed: five (mapping shard stream)"
        )
        #expect(
            told.last
                == "gave up 1 record to the stream s.m.failed, \(fifth) (key 'k0', 0s old), after 1 attempt (RetryAttemptsExhausted): the record is malformed: five (mapping shard stream)"
        )
    }

    @Test func `a unit that is given up whole is one line too`() async throws {
        let bench = try await Bench()
        try await bench.put(1...3)
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = 0
        settings.bisectOnError = false
        settings.failureDestination = .none
        let (logger, lines) = Self.logger()
        try await bench.mapping("m", settings, logger: logger) { _, _ in throw MalformedRecord() }
            .run(until: .caughtUp)
        let (first, last) = (try await name(of: 1, in: bench), try await name(of: 3, in: bench))
        #expect(
            lines.lines == [
                "gave up 3 records, kept nowhere, \(first) to \(last) (first key 'k0', 0s old), after 1 attempt (RetryAttemptsExhausted): the record is malformed (mapping shard stream)"
            ])
    }

    @Test func `many given-up records are a few lines and a sum`() async throws {
        let bench = try await Bench()
        try await bench.put(1...317)
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = 0
        settings.batchSize = 1
        let (logger, lines) = Self.logger()
        try await bench.mapping("m", settings, logger: logger) { batch, _ in
            throw PermanentFailure(batch[0], because: MalformedRecord())
        }.run(until: .caughtUp)
        let told = lines.lines
        #expect(told.count == 6, "\(told)")
        #expect(told.last == "… and 312 more records given up in the last second (mapping stream)")
    }

    @Test func `a function that can't be reached is told of at each doubling`() async throws {
        let (logger, lines) = Self.logger()
        var log = LaneLog(logger: logger, shard: Self.shard, destination: nil, throttle: LogThrottle())
        let span = LaneCore.UnitSpan(
            unit: 1, lane: 0, first: SequenceNumber(1), last: SequenceNumber(2), count: 2,
            head: LaneCore.RecordName(Self.record("k")))
        let time = VirtualTime()
        for _ in 0..<9 {
            log.write(
                [.notReached(span, LaneCore.FunctionFailure("no such file"), wait: .milliseconds(500))],
                at: Moment(time))
            time.advance(by: .seconds(2))
        }
        #expect(lines.lines.count == 4)
        #expect(lines.lines.last?.contains("try 8, next in 500ms: no such file") == true)
    }

    @Test func `a destination that fails is an error at each doubling`() {
        let (logger, lines) = Self.logger()
        var log = LaneLog(logger: logger, shard: Self.shard, destination: "the file x", throttle: LogThrottle())
        for failures in 1...9 {
            log.write(
                [.destinationFailed("the disk is full", failures: failures, wait: .seconds(1))],
                at: Moment(VirtualTime()))
        }
        #expect(lines.lines.count == 4)
        #expect(
            lines.lines.last
                == "the failure destination failed, try 8, next in 1s, the shard waits: the disk is full ()")
    }

    @Test func `records that were never read are named as far as they can be`() {
        let (logger, lines) = Self.logger()
        var log = LaneLog(logger: logger, shard: Self.shard, destination: "the file x", throttle: LogThrottle())
        let span = LaneCore.GivenUpSpan(
            condition: .recordsExpired, first: SequenceNumber(3), last: SequenceNumber(9), count: 7, invocations: 0,
            failure: nil, kept: true, ends: [], head: nil)
        log.write([.gaveUp(span)], at: Moment(VirtualTime()))
        let names = [3, 9].map {
            KinesisSequenceNumber(
                shard: ShardID(0), shardCreationSecond: 1, sequenceNumber: SequenceNumber($0), arrivalSecond: 0)
        }
        #expect(
            lines.lines == ["gave up 7 records to the file x, \(names[0]) to \(names[1]), unseen (RecordsExpired) ()"])
    }

    @Test func `what was not written in a second is counted at its end, and the next one begins again`() {
        let time = VirtualTime()
        let (logger, lines) = Self.logger()
        let throttle = LogThrottle()
        func admitted(_ kind: LogThrottle.Kind, _ count: Int) -> Int {
            (0..<count).count { _ in throttle.admits(kind, at: time.monotonicTime, logger) }
        }
        #expect(admitted(.failure, 6) == 5)
        #expect(admitted(.givenUp(records: 100), 8) == 5)
        time.advance(by: .milliseconds(999))
        throttle.endSecond(at: time.monotonicTime, logger)
        #expect(admitted(.failure, 1) == 0)
        #expect(lines.lines.isEmpty)
        time.advance(by: .milliseconds(1))
        throttle.endSecond(at: time.monotonicTime, logger)
        #expect(
            lines.lines == [
                "… and 2 more failed calls of the function in the last second ()",
                "… and 300 more records given up in the last second ()",
            ])
        #expect(admitted(.givenUp(records: 1), 6) == 5)
        throttle.end(logger)
        throttle.end(logger)
        #expect(lines.lines.last == "… and 1 more record given up in the last second ()")
        #expect(lines.lines.count == 3)
    }

    @Test func `a record that failed is named by its key, shortened and in one line, and by its age`() {
        let (logger, lines) = Self.logger()
        var log = LaneLog(logger: logger, shard: Self.shard, destination: nil, throttle: LogThrottle())
        let records = [Self.record("a\u{1B}[2J\nb\u{9B}"), Self.record(String(repeating: "é", count: 200))]
        let now = Moment(
            monotonic: MonotonicTime(sinceOrigin: .zero),
            wall: records[0].approximateArrivalTimestamp + .seconds(3 * 3600 + 12 * 60 + 59))
        for (unit, record) in records.enumerated() {
            let span = LaneCore.UnitSpan(
                unit: unit, lane: 0, first: SequenceNumber(1), last: SequenceNumber(3), count: 3,
                head: LaneCore.RecordName(Self.record("head")), failing: LaneCore.RecordName(record))
            log.write([.failed(span, attempt: 1, LaneCore.FunctionFailure("boom"))], at: now)
        }
        let number = records[0].kinesisSequenceNumber
        #expect(
            lines.lines
                == [#"$'a\x1B[2J\nb\u009B'"#, "'" + String(repeating: "é", count: 64) + "…'"].map {
                    "the function failed with record \(number) (key \($0), 3h 12m old) in a batch of 3, attempt 1: boom ()"
                })
    }

    @Test func `ages are read in their two largest units`() {
        let ages: [(Double, String)] = [
            (0, "0s"), (-5, "0s"), (59.9, "59s"), (60, "1m"), (725, "12m 5s"), (3600, "1h"), (11_579, "3h 12m"),
            (86_400, "1d"), (187_200, "2d 4h"),
        ]
        for (seconds, text) in ages { #expect(RecordText.age(.milliseconds(Int(seconds * 1000))) == text) }
    }

    private static func record(_ key: String) -> Record { Records.batch(["x"], keys: [key], shard: 0)[0] }

    private static let shard = ShardDescription(
        id: ShardID(0), hashKeyRange: HashKeyRange.even(1)[0], parents: [], creationSecond: 1,
        openedAt: Timestamp(milliseconds: 0), closedAt: nil, trimHorizon: .zero, tip: .zero, recordCount: 0)
}

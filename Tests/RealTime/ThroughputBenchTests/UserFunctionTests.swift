import DiskAccess
import EventSource
import Logging
import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import Testing

@testable import ThroughputBench

/// With a function of the user's, what counts is what that has done.
@Suite(.timeLimit(.minutes(2)))
struct UserFunctionTests {
    /// Answers what a closure says.
    private struct Function: OutsideFunction {
        let answer: @Sendable (RecordBatch) async -> OutsideAnswer

        func invoke(_ records: RecordBatch, event: [UInt8], context: InvocationContext) async -> OutsideAnswer {
            await answer(records)
        }
    }

    /// The system's clocks, which a test lets jump.
    private final class JumpingTime: TimeSource {
        private let system = SystemTimeSource()
        private let ahead = Mutex(Duration.zero)

        var wallTime: Timestamp { system.wallTime }
        var monotonicTime: MonotonicTime { system.monotonicTime + ahead.withLock { $0 } }
        func sleep(until deadline: MonotonicTime) async throws {
            try await system.sleep(until: deadline + (.zero - ahead.withLock { $0 }))
        }
        func jump(by duration: Duration) { ahead.withLock { $0 += duration } }
    }

    private static let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
    private static let failure = OutsideAnswer.answered(Array(#"{"errorMessage":"no luck"}"#.utf8))
    private static let permanent = OutsideAnswer.answered(Array(#"{"errorMessage":"no luck","permanent":true}"#.utf8))
    private static let success = OutsideAnswer.answered(Array("{}".utf8))

    private static func report(from record: Record, isPermanent: Bool) -> OutsideAnswer {
        .answered(
            Array(
                """
                {"batchItemFailures":[{"itemIdentifier":"\(record.kinesisSequenceNumber)","permanent":\(isPermanent)}]}
                """.utf8))
    }

    private func run(
        records: Int, time: any TimeSource = SystemTimeSource(), _ change: (inout BenchSettings) -> Void = { _ in },
        progress: BenchProgress = BenchProgress(), answer: @escaping @Sendable (RecordBatch) async -> OutsideAnswer
    ) async throws -> BenchReport {
        var settings = BenchSettings()
        settings.data = .json(size: 100)
        settings.records = records
        settings.shards = 2
        settings.producers = 2
        settings.retryPause = .milliseconds(1)
        change(&settings)
        let store = InMemoryStore(timeSource: time)
        return try await BenchRun(settings, on: store, function: Function(answer: answer), logger: Self.silent)
            .run(progress)
    }

    @Test(arguments: [10, 3_000], [false, true])
    func `a function that fails every call ends the run, and nothing counts as consumed`(
        records: Int, isPermanent: Bool
    ) async throws {
        let report = try await run(records: records) { _ in isPermanent ? Self.permanent : Self.failure }
        #expect(!report.isDone)
        #expect(report.givenUp + report.unfinished == records)
        #expect(report.failedInvocations > 0)
        #expect(report.consumedRecordsPerS == 0 && report.latencyMs == nil)
        #expect(report.functionError == "no luck")
        // The log has done nothing wrong.
        #expect(report.isProved && report.lost == 0, "\(report.violations)")
    }

    @Test func `producers that are not done end with a function that does nothing but fail`() async throws {
        // At this rate the last record is due after a hundred seconds.
        let report = try await run(records: 2_000) {
            $0.rate = 20
            $0.batch = 1
        } answer: { _ in
            Self.failure
        }
        #expect(report.unfinished > 1_500 && report.isProved, "\(report.violations)")
    }

    @Test func `a failure that a retry mends costs nothing but its invocation`() async throws {
        let calls = Atomic(0)
        let progress = BenchProgress()
        let report = try await run(records: 2_000, progress: progress) { _ in
            calls.add(1, ordering: .relaxed).newValue % 3 == 0 ? Self.failure : Self.success
        }
        #expect(report.isDone && report.isProved, "\(report.violations)")
        #expect(report.failedInvocations > 0 && report.failedInvocations < report.invocations)
        #expect(progress.deliveredCount == 2_000)
        #expect(report.latencyMs != nil)
    }

    @Test func `of a batch that is done in part that part counts, once`() async throws {
        let calls = Atomic(0)
        let progress = BenchProgress()
        let report = try await run(records: 2_000, progress: progress) { records in
            guard calls.add(1, ordering: .relaxed).newValue % 2 == 0 else { return Self.success }
            return Self.report(from: records[records.count / 2], isPermanent: false)
        }
        #expect(report.isDone && report.isProved, "\(report.violations)")
        #expect(report.failedInvocations > 0)
        #expect(progress.deliveredCount == 2_000)
    }

    @Test func `records that are given up are counted as that, and neither as consumed nor as lost`() async throws {
        let progress = BenchProgress()
        let report = try await run(records: 1_000, progress: progress) { records in
            guard let bad = records.first(where: { $0.sequenceNumber.rawValue % 50 == 0 }) else { return Self.success }
            return Self.report(from: bad, isPermanent: true)
        }
        #expect(report.givenUp > 0 && report.givenUp <= 20)
        #expect(progress.deliveredCount == 1_000 - report.givenUp)
        #expect(report.isProved && !report.isDone && report.unfinished == 0, "\(report.violations)")
    }

    @Test func `a record is consumed when the function has done it, not when it is sent`() async throws {
        let time = JumpingTime()
        let report = try await run(records: 1, time: time) { _ in
            time.jump(by: .seconds(3))
            return Self.success
        }
        let latency = try #require(report.latencyMs)
        #expect(latency.p50 >= 2_990)
        #expect(report.seconds >= 3)
    }

    @Test func `a function that never answers ends the run when patience does`() async throws {
        let report = try await run(records: 10, { $0.patience = .milliseconds(50) }) { _ in
            // Ends when it is cancelled.
            let (never, hold) = AsyncStream.makeStream(of: Void.self)
            for await _ in never {}
            hold.finish()
            return Self.success
        }
        #expect(report.unfinished == 10 && !report.isDone)
        #expect(report.functionError?.contains("no answer") == true)
        #expect(report.lost == 0)
    }

    @Test func `hope is lost when each shard has failed so often that nothing was done meanwhile`() {
        let health = FunctionHealth()
        func fail(_ times: Int, isNewShard: Bool = false) {
            for time in 0..<times {
                health.begins(isNewShard: isNewShard && time == 0)
                health.ended(done: 0, failure: "no luck")
            }
        }
        fail(FunctionHealth.allowedFailures - 1, isNewShard: true)
        #expect(!health.isHopeless)
        // A second shard that is sent something may fail as often, and success begins the count again.
        fail(FunctionHealth.allowedFailures, isNewShard: true)
        #expect(!health.isHopeless)
        health.begins(isNewShard: false)
        health.ended(done: 1, failure: nil)
        fail(2 * FunctionHealth.allowedFailures - 1)
        #expect(!health.isHopeless)
        fail(1)
        #expect(health.isHopeless && health.failure == "no luck")
        // Those that the end of the run cancels say nothing of why it ends.
        health.begins(isNewShard: false)
        health.ended(done: 0, failure: "cancelled")
        #expect(health.failure == "no luck")
    }
}

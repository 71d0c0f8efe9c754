import Foundation
import Shardline

/// An event for an observer of the job.
public enum JobEvent: Codable, Sendable {
    /// The job has begun, and the stream held this many lines.
    case started(stored: Int)
    /// An invocation of the function has begun or ended, with the figures at this moment.
    case invocation(InvocationReport, JobFigures)
    /// The job has ended.
    case finished(JobReport)
}

/// Figures about the mapping's work.
public struct JobFigures: Codable, Equatable, Sendable {
    /// Calls of the function.
    public var invocations = 0
    /// Calls with a unit that had been tried before.
    public var retries = 0
    /// Units that were halved.
    public var splits = 0
    /// Batches by the reason why they were closed.
    public var batches: [String: Int] = [:]

    /// All figures 0.
    public init() {}

    /// The figures of a mapping.
    init(_ statistics: MappingStatistics) {
        invocations = statistics.invocations
        retries = statistics.retries
        splits = statistics.splits
        batches = Dictionary(uniqueKeysWithValues: statistics.batches.map { ($0.key.rawValue, $0.value) })
    }

    /// The sum of the figures of two executions.
    public static func + (left: JobFigures, right: JobFigures) -> JobFigures {
        var sum = left
        sum.invocations += right.invocations
        sum.retries += right.retries
        sum.splits += right.splits
        sum.batches.merge(right.batches, uniquingKeysWith: +)
        return sum
    }
}

/// The result of the job.
public struct JobReport: Codable, Equatable, Sendable {
    /// Records in each shard.
    public var recordsPerShard: [Int]
    /// Isolated records of each shard, by the documents in the failure stream.
    public var isolatedPerShard: [Int]
    /// Aircraft that flew.
    public var aircraft: Int
    /// The aircraft with the longest runs.
    public var longest: [LateRun]
    /// Figures about the mapping's work.
    public var figures = JobFigures()

    /// Reads the report from the store and the results.
    init(of job: LateRunsJob, store: some StoreEngine, results: LateRunsResults) async throws {
        let stream = try await store.describeStream(LateRunsJob.stream)
        recordsPerShard = try await store.countRecords(
            in: stream.shards.map { RecordSpan(shard: $0.id, after: .zero) }, of: LateRunsJob.stream)
        isolatedPerShard = Array(repeating: 0, count: stream.shards.count)
        for shard in try await store.describeStream(LateRunsJob.failureStream).shards {
            var position = shard.trimHorizon
            while position < shard.tip {
                let result = try await store.read(
                    ReadRequest(stream: LateRunsJob.failureStream, shard: shard.id, after: position))
                for record in result.batch {
                    let document = try JSONDecoder().decode(FailureDocument.self, from: Data(record.bytes))
                    guard let source = ShardID(document.document.KinesisBatchInfo.shardId) else { continue }
                    isolatedPerShard[Int(source.number)] += 1
                }
                position = result.next
            }
        }
        aircraft = try await results.allRuns().count
        longest = try await results.longestRuns(atMost: 5)
    }

    /// The part of a failure document that names the record's shard.
    private struct FailureDocument: Decodable {
        struct Document: Decodable {
            struct BatchInfo: Decodable { var shardId: String }
            var KinesisBatchInfo: BatchInfo
        }
        var document: Document
    }
}

import Foundation
import Shardline

/// What an observer of the job is told.
public enum JobEvent: Codable, Sendable {
    /// The job has begun, and the stream held this many lines.
    case started(stored: Int)
    /// An invocation of the function has begun or ended; and the figures at this moment.
    case invocation(InvocationReport, JobFigures)
    /// The job has ended.
    case finished(JobReport)
}

/// How the mapping worked.
public struct JobFigures: Codable, Equatable, Sendable {
    /// Calls of the function.
    public var invocations = 0
    /// Calls with a unit that had been tried before.
    public var retries = 0
    /// Units that were halved.
    public var splits = 0
    /// Batches, by what closed them.
    public var batches: [String: Int] = [:]

    /// Nothing done yet.
    public init() {}

    /// What a mapping has done so far.
    init(_ statistics: MappingStatistics) {
        invocations = statistics.invocations
        retries = statistics.retries
        splits = statistics.splits
        batches = statistics.batches
    }

    /// The figures of two runs together.
    public static func + (left: JobFigures, right: JobFigures) -> JobFigures {
        var sum = left
        sum.invocations += right.invocations
        sum.retries += right.retries
        sum.splits += right.splits
        sum.batches.merge(right.batches, uniquingKeysWith: +)
        return sum
    }
}

/// What the job came to.
public struct JobReport: Codable, Equatable, Sendable {
    /// Records in each shard.
    public var recordsPerShard: [Int]
    /// Records of each shard that were isolated, as the documents in the failure stream say.
    public var isolatedPerShard: [Int]
    /// Aircraft that flew.
    public var aircraft: Int
    /// The aircraft with the longest runs.
    public var longest: [LateRun]
    /// How the mapping worked.
    public var figures = JobFigures()

    /// Reads what is in the store and in the results.
    init(of job: LateRunsJob, store: some StreamStore, results: LateRunsResults) async throws {
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

    /// Of a failure document, what says which shard the record is of.
    private struct FailureDocument: Decodable {
        struct Document: Decodable {
            struct BatchInfo: Decodable { var shardId: String }
            var KinesisBatchInfo: BatchInfo
        }
        var document: Document
    }
}

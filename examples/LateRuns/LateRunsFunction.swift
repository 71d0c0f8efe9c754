import GRDB
import Shardline

/// The consumer function: follows each aircraft's departures in order and keeps its longest run of late departures.
///
/// It throws at a record that is not a departure, as most functions would. Finding that record among the others of its
/// batch, and setting it aside, is the mapping's work.
public struct LateRunsFunction: BatchFunction {
    private let columns: FlightColumns
    private let results: LateRunsResults
    private let observe: @Sendable (InvocationReport) -> Void

    /// A function that reads lines with these columns and writes into these results.
    ///
    /// `observe` is called at the beginning and the end of each invocation, on a thread that may block.
    public init(
        columns: FlightColumns, results: LateRunsResults,
        observe: @escaping @Sendable (InvocationReport) -> Void = { _ in }
    ) {
        self.columns = columns
        self.results = results
        self.observe = observe
    }

    /// Follows one unit of records in one transaction. Throws ``NotADeparture`` before anything is written.
    public mutating func handle(_ batch: RecordBatch, context: InvocationContext) async throws {
        let (columns, observe) = (columns, observe)
        let (stream, shard) = (context.streamID, context.shard)
        try await results.perform { db in
            let begun = InvocationReport(
                shard: shard, first: batch[0].sequenceNumber, last: batch[batch.count - 1].sequenceNumber)
            observe(begun)
            var ended = begun
            do {
                let departures = try batch.map { ($0.sequenceNumber, try columns.departure(in: $0.bytes)) }
                ended.followedBefore = try LateRunsResults.follow(
                    departures, stream: stream, shard: shard, in: db)
                ended.outcome = .done
            } catch {
                ended.outcome = .failed
                observe(ended)
                throw error
            }
            observe(ended)
        }
    }
}

/// An observer's report on one invocation of the function.
public struct InvocationReport: Codable, Equatable, Sendable {
    /// The state of an invocation.
    public enum Outcome: String, Codable, Sendable {
        /// It has begun.
        case running
        /// Its records are done.
        case done
        /// It has thrown an error.
        case failed
    }

    /// The shard's number.
    public var shard: UInt32
    /// The first record's number.
    public var first: UInt64
    /// The last record's number.
    public var last: UInt64
    /// The state of the invocation.
    public var outcome = Outcome.running
    /// Records that were in the results already because they had been delivered before.
    public var followedBefore = 0

    init(shard: ShardID, first: SequenceNumber, last: SequenceNumber) {
        self.shard = shard.number
        self.first = first.rawValue
        self.last = last.rawValue
    }
}

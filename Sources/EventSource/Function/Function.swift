import FoundationEssentials
import StreamModel

/// The consumer code as a closure.
///
/// It gets the records of one unit, in order, all of one shard. To return means that all are done; to throw a
/// ``BatchFailure`` that those before the named record are done; a ``PermanentFailure`` that a record can never be
/// done; anything else that the whole unit has failed. It runs for several shards at the same time, never twice at
/// once for the same one.
///
/// Delivery is at least once: after a crash or a failure records come again.
public typealias EventFunction = @concurrent @Sendable (RecordBatch, InvocationContext) async throws -> Void

/// Consumer code with state: one instance a shard, which nobody else touches, so it needs no lock.
///
/// The state lives in memory: where it must survive, store it together with the sequence number reached in one
/// transaction, and skip what is behind that number when it comes again. An instance lives as long as its mapping
/// runs, also across failures: a throwing call must leave the state so that the same records can come again.
public protocol BatchFunction {
    /// Handles one unit of records, in order, all of one shard. What to throw: see ``EventFunction``.
    mutating func handle(_ batch: RecordBatch, context: InvocationContext) async throws
}

/// Says that a unit has failed from one record on: what is before it is done, it and what follows comes again.
///
/// Without ``EventSourceMapping/Configuration/reportsBatchItemFailures`` the whole unit counts as failed.
public struct BatchFailure: Error, Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    /// The first record that is not done.
    public let sequenceNumber: SequenceNumber
    /// Why it is not.
    public let cause: any Error

    /// Says that everything before `record` is done.
    ///
    /// - Parameters:
    ///   - record: the first record of the unit that is not done. A record of another unit fails the whole unit.
    ///   - cause: what the documents and logs say.
    public init(from record: Record, because cause: some Error) {
        sequenceNumber = record.sequenceNumber
        self.cause = cause
    }

    /// Says that everything before `record` is done, in words.
    public init(from record: Record, because reason: String) {
        sequenceNumber = record.sequenceNumber
        cause = StatedReason(reason)
    }

    /// What is said of it in logs and documents.
    public var description: String { "from record \(sequenceNumber) on: \(cause)" }
    /// The same.
    public var debugDescription: String { description }
}

/// Says that a record can never be handled, so that retrying it would be in vain (ESM-R20).
///
/// The named record is given up at once, without retries; what is before it is done, what is after it goes on. Without
/// a record the unit is bisected until the failing record is alone, and that one given up at once.
public struct PermanentFailure: Error, Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    /// The record that can't be handled; nil where it is not known which one.
    public let sequenceNumber: SequenceNumber?
    /// Why it can't.
    public let cause: any Error

    /// Says that `record` can never be handled.
    public init(_ record: Record, because cause: some Error) {
        sequenceNumber = record.sequenceNumber
        self.cause = cause
    }

    /// Says that `record` can never be handled, in words.
    public init(_ record: Record, because reason: String) {
        sequenceNumber = record.sequenceNumber
        cause = StatedReason(reason)
    }

    /// Says that a record of the unit can never be handled, but not which.
    public init(because cause: some Error) {
        sequenceNumber = nil
        self.cause = cause
    }

    /// What is said of it in logs and documents.
    public var description: String {
        sequenceNumber.map { "record \($0), for good: \(cause)" } ?? "for good: \(cause)"
    }
    /// The same.
    public var debugDescription: String { description }
}

/// The usual reason for a ``PermanentFailure``: the record can't be decoded.
public struct MalformedRecord: Error, Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible {
    /// What is wrong with it; empty where nobody said.
    public var details: String

    /// A record that can't be decoded, because of `details`.
    public init(_ details: String = "") { self.details = details }

    /// What is said of it in logs and documents.
    public var description: String {
        details.isEmpty ? "the record is malformed" : "the record is malformed: \(details)"
    }
    /// The same.
    public var debugDescription: String { description }
}

extension Error where Self == MalformedRecord {
    /// The record can't be decoded.
    public static var malformed: MalformedRecord { MalformedRecord() }
    /// The record can't be decoded, because of `details`.
    public static func malformed(_ details: String) -> MalformedRecord { MalformedRecord(details) }
}

/// A reason that was given as text.
struct StatedReason: LocalizedError, CustomStringConvertible, CustomDebugStringConvertible {
    let description: String
    var debugDescription: String { description }
    var errorDescription: String? { description }
    init(_ text: String) { description = text }
}

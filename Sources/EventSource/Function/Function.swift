import FoundationEssentials
import StreamModel

/// The consumer code as a closure.
///
/// It gets the records of one unit, in order, all of one shard (with a
/// ``EventSourceMapping/Configuration/parallelizationFactor`` above 1: of one lane of it). Returning means that all records are done. Throwing a
/// ``BatchFailure`` means that the records before the named one are done; a ``PermanentFailure`` that a record can
/// never succeed; any other error that the whole unit has failed. It runs for several shards at the same time, but
/// never twice at the same time for one shard, or with several lanes for one partition key.
///
/// Delivery is at least once: after a crash or a failure, records are delivered again.
public typealias EventFunction = @concurrent @Sendable (RecordBatch, InvocationContext) async throws -> Void

/// Consumer code with state. Each shard, or with several lanes each lane, has its own instance, which is called once at
/// a time, so it needs no lock.
///
/// The state is in memory. If it must survive the process, store it in one transaction together with the last sequence
/// number, and skip records up to that number when they are delivered again. An instance lives as long as its mapping's
/// run, also after failures: a call that throws must leave the state so that the same records can be delivered again.
public protocol BatchFunction {
    /// Handles one unit of records, in order, all of one shard. ``EventFunction`` says what errors mean.
    mutating func handle(_ batch: RecordBatch, context: InvocationContext) async throws
}

/// Says that a unit has failed from one record on: the records before it are done; it and the later ones are delivered
/// again.
///
/// Without ``EventSourceMapping/Configuration/reportsBatchItemFailures`` the whole unit counts as failed.
public struct BatchFailure: Error, Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    /// The first record that is not done.
    public let sequenceNumber: SequenceNumber
    /// Why the record is not done.
    public let cause: any Error

    /// Says that everything before `record` is done.
    ///
    /// - Parameters:
    ///   - record: the first record of the unit that is not done. A record of another unit fails the whole unit.
    ///   - cause: the reason in logs and failure documents.
    public init(from record: Record, because cause: some Error) {
        sequenceNumber = record.sequenceNumber
        self.cause = cause
    }

    /// Says that everything before `record` is done, with the reason as text.
    public init(from record: Record, because reason: String) {
        sequenceNumber = record.sequenceNumber
        cause = StatedReason(reason)
    }

    /// The text for logs and failure documents.
    public var description: String { "from record \(sequenceNumber) on: \(cause)" }
    /// The same as ``description``.
    public var debugDescription: String { description }
}

/// Says that a record can never succeed, so that a retry would fail again (ESM-R20).
///
/// The named record is given up at once, without retries. The records before it are done, and the later ones are
/// delivered next. Without a named record the unit is bisected until the failing record is alone, and that one is given
/// up at once.
public struct PermanentFailure: Error, Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    /// The record that can't be handled; nil if it is not known which one.
    public let sequenceNumber: SequenceNumber?
    /// Why the record can't be handled.
    public let cause: any Error

    /// Says that `record` can never be handled.
    public init(_ record: Record, because cause: some Error) {
        sequenceNumber = record.sequenceNumber
        self.cause = cause
    }

    /// Says that `record` can never be handled, with the reason as text.
    public init(_ record: Record, because reason: String) {
        sequenceNumber = record.sequenceNumber
        cause = StatedReason(reason)
    }

    /// Says that an unknown record of the unit can never be handled.
    public init(because cause: some Error) {
        sequenceNumber = nil
        self.cause = cause
    }

    /// The text for logs and failure documents.
    public var description: String {
        sequenceNumber.map { "record \($0), permanently: \(cause)" } ?? "permanently: \(cause)"
    }
    /// The same as ``description``.
    public var debugDescription: String { description }
}

/// The usual reason for a ``PermanentFailure``: the record can't be decoded.
public struct MalformedRecord: Error, Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible {
    /// What is wrong with the record; empty if not given.
    public var details: String

    /// A record that can't be decoded, because of `details`.
    public init(_ details: String = "") { self.details = details }

    /// The text for logs and failure documents.
    public var description: String {
        details.isEmpty ? "the record is malformed" : "the record is malformed: \(details)"
    }
    /// The same as ``description``.
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

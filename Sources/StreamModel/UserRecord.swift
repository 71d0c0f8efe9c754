/// A record as a producer's code gave it: a record of the stream, or a part of one that the Kinesis Producer Library (KPL)
/// has aggregated.
///
/// ``RecordBatch/deaggregated()`` and ``Record/deaggregated()`` make them.
///
/// The stream's record stays what is numbered, stored and read. So it is what fails, what is delivered again and what a
/// checkpoint counts: a failure that names a user record names its ``record``, and after it all user records of that
/// record are delivered again. The user records of one record have its ``sequenceNumber`` and differ in their
/// ``subSequenceNumber``.
public struct UserRecord: Sendable {
    /// The record of the stream, whose data is an aggregate if ``isAggregated``.
    public let record: Record
    /// The place among the user records of ``record``, from 0; 0 for a record that is no aggregate.
    public let subSequenceNumber: Int
    private let aggregate: KPLAggregate?

    init(_ record: Record, _ aggregate: KPLAggregate?, at index: Int) {
        self.record = record
        self.aggregate = aggregate
        subSequenceNumber = index
    }

    /// The record as it is, whatever its data is.
    public init(_ record: Record) { self.init(record, nil, at: 0) }

    /// Whether the record was taken out of an aggregate.
    public var isAggregated: Bool { aggregate != nil }

    /// The key that the producer's code gave. It can belong to another shard than the aggregate, which has one key for all.
    public var partitionKey: String {
        guard let aggregate else { return record.partitionKey }
        return String(decoding: part(aggregate.key(of: subSequenceNumber)), as: UTF8.self)
    }

    /// The producer's data, without a copy. The span is valid as long as the record's variable.
    public var data: Span<UInt8> {
        @_lifetime(borrow self)
        get { record.data.extracting(dataRange) }
    }

    /// The producer's data as a slice that may be kept; it shares the memory of ``record``.
    public var bytes: ArraySlice<UInt8> { aggregate == nil ? record.bytes : part(dataRange) }

    /// The hash key that the producer's code gave in place of the partition key's, if any.
    public var explicitHashKey: HashKey? {
        guard let aggregate else { return record.explicitHashKey }
        return aggregate.hashKey(of: subSequenceNumber, in: record.data)
    }

    /// The hash key that the record would have by itself. An aggregate is stored by that of ``record``.
    public var hashKey: HashKey { explicitHashKey ?? HashKey(partitionKey: partitionKey) }

    /// The shard that ``record`` is in.
    public var shard: ShardID { record.shard }
    /// The place of ``record`` in its shard.
    public var sequenceNumber: SequenceNumber { record.sequenceNumber }
    /// The sequence number of ``record`` as Kinesis writes it.
    public var kinesisSequenceNumber: KinesisSequenceNumber { record.kinesisSequenceNumber }
    /// When the store accepted ``record``.
    public var approximateArrivalTimestamp: Timestamp { record.approximateArrivalTimestamp }

    package var dataByteCount: Int { dataRange.count }

    private var dataRange: Range<Int> { aggregate?.data(of: subSequenceNumber) ?? 0..<record.dataByteCount }

    private func part(_ range: Range<Int>) -> ArraySlice<UInt8> {
        let bytes = record.bytes
        return bytes[bytes.startIndex + range.lowerBound..<bytes.startIndex + range.upperBound]
    }
}

/// The user records of one record, at least one. Made by ``Record/deaggregated()``.
public struct UserRecords: RandomAccessCollection, Sendable {
    private let record: Record
    private let aggregate: KPLAggregate?

    /// The user records of `record`, or the record itself where it is not to be taken apart.
    package init(_ record: Record, deaggregates: Bool = true) {
        self.record = record
        aggregate = deaggregates ? KPLAggregate(record.data) : nil
    }

    /// Always 0.
    public var startIndex: Int { 0 }
    /// The number of user records: 1 for a record that is no aggregate.
    public var endIndex: Int { aggregate?.count ?? 1 }

    /// The user record with this ``UserRecord/subSequenceNumber``.
    public subscript(position: Int) -> UserRecord {
        precondition(position >= 0 && position < endIndex, "there is no user record \(position), only \(endIndex)")
        return UserRecord(record, aggregate, at: position)
    }
}

extension Record {
    /// The user records of this record, in order: those that the Kinesis Producer Library has aggregated in it, or the
    /// record itself if its data is no aggregate (API-K-5).
    ///
    /// Data that begins like an aggregate and is not one in every respect, with a wrong checksum or cut short, is no
    /// aggregate, and neither is one without user records: no record is left out. Tags are ignored.
    public func deaggregated() -> UserRecords { UserRecords(self) }
}

extension RecordBatch {
    /// The user records of all records, in order: see ``Record/deaggregated()``.
    ///
    /// ```swift
    /// for user in batch.deaggregated() { try await count(user.partitionKey, user.bytes) }
    /// ```
    ///
    /// A function that names a failed user record, `BatchFailure(from: user, because: error)`, names the record of the
    /// stream: that one, with all of its user records, is delivered again or given up. So a function whose effects must
    /// not be repeated keeps ``UserRecord/sequenceNumber`` and ``UserRecord/subSequenceNumber`` of what it has done.
    public func deaggregated() -> DeaggregatedBatch { DeaggregatedBatch(records: self) }
}

/// The user records of a batch. Made by ``RecordBatch/deaggregated()``; each iteration reads the aggregates again.
public struct DeaggregatedBatch: Sequence, Sendable {
    let records: RecordBatch

    /// Walks the records of the batch and the user records of each.
    public struct Iterator: IteratorProtocol {
        private var records: RecordBatch.Iterator
        private var current: UserRecords?
        private var index = 0

        init(_ batch: RecordBatch) { records = batch.makeIterator() }

        /// The next user record; nil after the last.
        public mutating func next() -> UserRecord? {
            if let current, index < current.endIndex {
                defer { index += 1 }
                return current[index]
            }
            guard let record = records.next() else { return nil }
            let users = record.deaggregated()
            current = users
            index = 1
            return users[0]
        }
    }

    /// Walks the user records in order.
    public func makeIterator() -> Iterator { Iterator(records) }
}

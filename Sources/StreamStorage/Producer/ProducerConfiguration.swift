import StreamModel

extension Producer {
    /// How a producer batches records.
    public struct Configuration: Hashable, Sendable {
        /// The most records in one commit. Default 10,000; at least 1.
        public var maximumBatchRecords = 10_000
        /// The most bytes of keys and data in one commit; a larger record is sent alone. Default 1 MiB; at least 1, at
        /// most 16 MiB.
        public var maximumBatchBytes = 1 << 20
        /// How long a record waits at most for its batch to fill. Default 5 ms; 0 sends at once; up to 24 hours.
        ///
        /// While a commit is in flight the next batch grows in any case.
        public var linger = Duration.milliseconds(5)
        /// The most records that are accepted and not yet acknowledged; ``Producer/enqueue(_:tag:)`` suspends above it.
        /// Default 100,000; at least 1.
        public var bufferedRecords = 100_000
        /// The same in bytes of keys and data. Default 8 MiB; at least 1. A larger record is accepted alone.
        public var bufferedBytes = 8 << 20

        /// The defaults.
        public init() {}

        /// Throws `invalidArgument` with every value outside its limits.
        func validate() throws {
            var wrong: [String] = []
            if maximumBatchRecords < 1 {
                wrong.append("maximumBatchRecords \(maximumBatchRecords) (allowed: at least 1)")
            }
            if !(1...16 << 20).contains(maximumBatchBytes) {
                wrong.append("maximumBatchBytes \(maximumBatchBytes) (allowed: 1 to \(16 << 20))")
            }
            if linger < .zero || linger > .seconds(86_400) {
                wrong.append("linger \(linger.optionText) (allowed: 0s to 1d)")
            }
            if bufferedRecords < 1 { wrong.append("bufferedRecords \(bufferedRecords) (allowed: at least 1)") }
            if bufferedBytes < 1 { wrong.append("bufferedBytes \(bufferedBytes) (allowed: at least 1)") }
            guard wrong.isEmpty else { throw ShardlineError(.invalidArgument, wrong.joined(separator: "; ")) }
        }
    }

    /// A batch that is durable.
    public struct Acknowledgement: Sendable {
        /// The tags that the records were enqueued with, in the order in which they were accepted.
        public let tags: [UInt64]
        /// Where each of the records is now, in the same order.
        public let receipts: [PutReceipt]
    }
}

/// The records that a producer had not acknowledged when it failed: the cause of the error that it throws.
public struct UnacknowledgedRecords: Error, Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    /// How many records were acknowledged before.
    public let acknowledged: Int
    /// The tags of the records that may have been written. Read the stream to find out; don't just send them again.
    public let inDoubt: [UInt64]
    /// The tags of accepted records that were certainly not written.
    public let notWritten: [UInt64]
    /// What ended the producer.
    public let reason: any Error

    /// How many records are acknowledged, in doubt and not written.
    public var description: String {
        "\(acknowledged) records were acknowledged, \(inDoubt.count) are in doubt, \(notWritten.count) were not written"
    }
    /// The same.
    public var debugDescription: String { description }
}

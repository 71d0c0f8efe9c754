public import StreamModel

/// The records of all shards of a stream, in order within each shard and across splits and merges. Made by
/// ``RecordStream/records(from:follow:onGap:)`` and ``RecordStream/records(after:follow:onGap:)``.
public struct StreamRecords: AsyncSequence, Sendable {
    let settings: ReaderSettings
    let start: ShardReaders.Start

    /// Reads from the start.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }

    /// One reader of the stream. It belongs to one task at a time.
    public struct AsyncIterator: AsyncIteratorProtocol {
        private let records: StreamRecords
        private var batch = RecordBatch().makeIterator()
        private var readers: ShardReaders?
        private var isFinished = false

        init(_ records: StreamRecords) { self.records = records }

        /// The next record, as soon as it is there; nil at the end, and after an error.
        public mutating func next() async throws -> Record? {
            if let record = batch.next() { return record }
            guard !isFinished else { return nil }
            isFinished = true
            // Taken out, so that there is one owner and nothing is copied.
            var readers =
                if let readers = readers.take() { readers } else {
                    try await ShardReaders(records.settings, records.start)
                }
            guard let found = try await readers.next() else { return nil }
            self.readers = consume readers
            isFinished = false
            batch = found.makeIterator()
            return batch.next()
        }
    }
}

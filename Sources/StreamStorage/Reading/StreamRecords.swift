public import StreamModel

/// The records of all shards of a stream, in order within each shard and across splits and merges. Made by
/// ``RecordStream/records(from:follow:onGap:)``.
public struct StreamRecords: AsyncSequence, Sendable {
    let settings: ReaderSettings

    /// Reads from the start.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(settings: settings) }

    /// One reader of the stream.
    public struct AsyncIterator: AsyncIteratorProtocol {
        private let settings: ReaderSettings
        private var batch = RecordBatch().makeIterator()
        private var readers: ShardReaders?

        init(settings: ReaderSettings) { self.settings = settings }

        /// The next record, as soon as it is there; nil at the end.
        public mutating func next() async throws -> Record? {
            if let record = batch.next() { return record }
            try Task.checkCancellation()
            var readers = if let readers { readers } else { try await ShardReaders(settings) }
            let found = try await readers.next()
            self.readers = readers
            guard let found else { return nil }
            batch = found.makeIterator()
            return batch.next()
        }
    }
}

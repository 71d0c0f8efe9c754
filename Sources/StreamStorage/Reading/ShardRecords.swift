public import StreamModel

/// The records of one shard in order. Made by ``RecordStream/records(in:from:follow:onGap:)``.
public struct ShardRecords: AsyncSequence, Sendable {
    let settings: ReaderSettings
    let shard: ShardID

    /// Reads from the start.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(settings: settings, shard: shard) }

    /// One reader of the shard.
    public struct AsyncIterator: AsyncIteratorProtocol {
        private let settings: ReaderSettings
        private let shard: ShardID
        private var reader: ShardReader?
        private var batch = RecordBatch().makeIterator()
        private var isFinished = false

        init(settings: ReaderSettings, shard: ShardID) {
            self.settings = settings
            self.shard = shard
        }

        /// The next record, as soon as it is there; nil at the end.
        public mutating func next() async throws -> Record? {
            if let record = batch.next() { return record }
            while !isFinished {
                try Task.checkCancellation()
                var reader = if let reader { reader } else { try await begin() }
                var step = try await reader.read()
                if case .nothing = step, settings.follow { step = try await reader.read(.untilAvailable) }
                self.reader = reader
                switch step {
                case .records(let found):
                    batch = found.makeIterator()
                    return batch.next()
                case .nothing: continue
                case .end: isFinished = true
                case .removed:
                    isFinished = true
                    try await reader.reportRemoval()
                }
            }
            return nil
        }

        private func begin() async throws -> ShardReader {
            let stream = settings.stream
            let position = try await stream.engine.position(of: settings.start, in: stream.name, shard: shard)
            guard let description = try await stream.describe().shards.first(where: { $0.id == shard }) else {
                throw ShardlineError(.shardNotFound, "the stream '\(stream.name)' has no shard \(shard.number)")
            }
            return ShardReader(description, at: position, settings: settings)
        }
    }
}

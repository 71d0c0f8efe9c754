public import StreamModel

/// The records of one shard in order. Made by ``RecordStream/records(in:from:follow:onGap:)``.
public struct ShardRecords: AsyncSequence, Sendable {
    let settings: ReaderSettings
    let shard: ShardID
    let start: StartingPosition

    /// Reads from the start.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }

    /// One reader of the shard. It belongs to one task at a time.
    public struct AsyncIterator: AsyncIteratorProtocol {
        private enum Phase {
            case beginning
            case reading(ShardReader)
            case finished
        }

        private let records: ShardRecords
        private var phase = Phase.beginning
        private var batch = RecordBatch().makeIterator()

        init(_ records: ShardRecords) { self.records = records }

        /// The next record, as soon as it is there; nil at the end, and after an error.
        public mutating func next() async throws -> Record? {
            if let record = batch.next() { return record }
            let phase = self.phase
            self.phase = .finished
            var reader: ShardReader
            switch phase {
            case .beginning: reader = try await records.begin()
            case .reading(let last): reader = last
            case .finished: return nil
            }
            guard let found = try await records.next(&reader) else { return nil }
            self.phase = .reading(reader)
            batch = found.makeIterator()
            return batch.next()
        }
    }

    private func begin() async throws -> ShardReader {
        let position = try await settings.stream.engine.position(of: start, in: settings.stream.name, shard: shard)
        return ShardReader(shard, at: position, settings: settings)
    }

    /// The records of the next read that finds any; nil at the end.
    private func next(_ reader: inout ShardReader) async throws -> RecordBatch? {
        while true {
            try Task.checkCancellation()
            var step = try await reader.read()
            if case .nothing = step, reader.waitsForRecords {
                guard let result = try await settings.wait(for: [reader.request(.untilAvailable)])[0] else { continue }
                step = try await reader.take(result)
            }
            switch step {
            case .records(let batch): return batch
            case .nothing: continue
            case .end: return nil
            case .removed:
                try await reader.reportRemoval()
                return nil
            }
        }
    }
}

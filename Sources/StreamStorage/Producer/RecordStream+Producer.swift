import StreamModel

extension RecordStream {
    /// Runs `body` with a producer for the stream and returns when everything that it accepted is durable.
    ///
    /// Where `body` throws, the records that were accepted before are still written, and then `body`'s error is thrown.
    /// Where the task is cancelled, the commit in flight is awaited and nothing more is sent.
    ///
    /// - Parameters:
    ///   - configuration: the sizes of batches and buffer, and how long a record may wait for its batch to fill.
    ///   - onAcknowledged: called for every durable batch, one after the other, before the next one is sent. An error
    ///     that it throws ends the producer.
    ///   - body: enqueues the records, from one task or several.
    /// - Throws: `streamNotFound`, `invalidArgument` (the configuration) before `body` runs; the failure that ended the
    ///   producer, as ``ShardlineError`` with ``UnacknowledgedRecords`` as its cause; the error that `body` throws.
    public func withProducer<Result>(
        configuration: Producer.Configuration = Producer.Configuration(),
        onAcknowledged: (@Sendable (Producer.Acknowledgement) async throws -> Void)? = nil,
        _ body: (Producer) async throws -> Result
    ) async throws -> Result {
        let producer = try await Producer(to: self, configuration: configuration, onAcknowledged: onAcknowledged)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await producer.runUntilFinished() }
            do {
                let result = try await body(producer)
                producer.finish()
                try await group.waitForAll()
                return result
            } catch {
                producer.finish()
                while await group.nextResult() != nil {}
                throw error
            }
        }
    }
}

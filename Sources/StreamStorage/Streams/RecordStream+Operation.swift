import StreamModel

extension RecordStream {
    /// The stream with its settings and its shards as they are now. Throws `streamNotFound`.
    public func describe() async throws -> StreamDescription { try await engine.describeStream(name) }

    /// Changes how long the stream's records are kept, durably, for all of its records from this moment on. A running
    /// mapping applies it at once. Returns the stream after the change.
    ///
    /// A shorter retention removes older records at once. A longer one keeps the records that are there for longer.
    /// Records that have expired stay removed, also after a restart and after the clock was set back.
    ///
    /// - Parameter retention: 1 second to 365 days. The current one changes nothing.
    ///
    /// Throws `streamNotFound`, `invalidArgument`, `diskFull`, `storeFailed`, `closed`.
    @discardableResult
    public func update(retention: Duration) async throws -> StreamDescription {
        try await engine.updateStream(name, retention: retention)
    }

    /// Changes how long the stream's records are kept, as ``update(retention:)``, and how large they may be, durably and
    /// together. Returns the stream after the change.
    ///
    /// The size holds for calls that begin after this one; larger records that are there stay readable.
    ///
    /// - Parameters:
    ///   - retention: 1 second to 365 days. Default: as it is.
    ///   - maximumRecordSize: the most bytes of data in one record: 1 byte to 10 MiB, 16 MiB for a failure stream.
    ///     Default: as it is.
    ///
    /// Throws `streamNotFound`, `invalidArgument`, `diskFull`, `storeFailed`, `closed`.
    @discardableResult
    public func update(retention: Duration? = nil, maximumRecordSize: Int?) async throws -> StreamDescription {
        try await engine.updateStream(name, retention: retention, maximumRecordSize: maximumRecordSize)
    }

    /// Deletes the stream with its records, its mappings and their checkpoints, durably.
    ///
    /// - Parameter force: whether to delete it although a mapping of the stream runs, or a running mapping gives
    ///   records up to it. The execution of that mapping ends with an error, or waits with the records that it gives up
    ///   until the stream exists again. Default: false.
    /// - Throws: `mappingBusy` with the name of the running mapping; `streamNotFound`.
    public func delete(force: Bool = false) async throws { try await engine.deleteStream(name, force: force) }

    /// The stream's mappings with their checkpoints, by name. Throws `streamNotFound`.
    public func mappings() async throws -> [MappingDescription] { try await engine.listMappings(of: name) }

    /// The mapping of this name, whether or not it exists or runs; its calls throw `mappingNotFound` until it does.
    public func mapping(_ name: String) -> StreamMapping { StreamMapping(stream: self, name: name) }

    /// How many records are in the shards now, together. Throws `streamNotFound`.
    public func recordCount() async throws -> Int {
        try await describe().shards.reduce(0) { $0 + $1.recordCount }
    }
}

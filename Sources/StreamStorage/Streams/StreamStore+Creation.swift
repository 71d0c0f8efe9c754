import Logging
public import StreamModel

extension StreamStore {
    /// Creates a stream, durably. Throws `streamExists`, `invalidArgument`.
    ///
    /// - Parameters:
    ///   - name: 1 to 128 characters of `[a-zA-Z0-9_.-]`, also with an account and a region before it
    ///     (``StreamName``).
    ///   - shards: 1 to 10,000.
    ///   - retention: how long records are kept; 1 second to 365 days, 24 hours by default.
    ///   - maximumRecordSize: the most bytes of data in one record; up to 10 MiB, 1 MiB by default.
    @discardableResult
    public func createStream(
        _ name: String, shards: Int, retention: Duration = Limits.defaultRetention,
        maximumRecordSize: Int = Limits.defaultRecordSize
    ) async throws -> StreamDescription {
        try await engine.createStream(
            name,
            settings: StreamSettings(shards: shards, retention: retention, maximumRecordSize: maximumRecordSize))
    }

    /// Creates a stream, durably, unless one of this name exists. An existing stream stays unchanged, whatever its
    /// shards and settings; the returned description shows them. A program can therefore call this at every start.
    ///
    /// Where the existing stream was created with other shards or settings, the store's ``logger`` gets a warning. That
    /// is no error, because streams are split and merged, and their settings change.
    ///
    /// The parameters are those of ``createStream(_:shards:retention:maximumRecordSize:)``, and must be within their
    /// limits even where the stream exists. nil means the default; for an existing stream, nil matches any value.
    /// Throws `invalidArgument`.
    ///
    /// - Returns: the stream that was created, or the existing one.
    @discardableResult
    public func createStreamIfNeeded(
        _ name: String, shards: Int, retention: Duration? = nil, maximumRecordSize: Int? = nil
    ) async throws -> StreamDescription {
        do {
            return try await createStream(
                name, shards: shards, retention: retention ?? Limits.defaultRetention,
                maximumRecordSize: maximumRecordSize ?? Limits.defaultRecordSize)
        } catch let error as ShardlineError where error.code == .streamExists {
            let stream = try await stream(name).describe()
            if let difference = stream.differenceOfCreation(
                shards: shards, retention: retention, maximumRecordSize: maximumRecordSize)
            {
                logger.warning("\(difference)")
            }
            return stream
        }
    }
}

import DiskAccess
import StreamModel
public import StreamStorage

/// Parked keys: the partition keys whose records wait aside, because one of them could not be processed
/// (``EventSourceMapping/Configuration/whenExhausted``) or because somebody asked for it.
extension StreamMapping {
    /// The stream in which the records of parked keys wait: `{stream}.{mapping}.parked`.
    public var parkingStream: String { ParkingStream.name(of: id) }

    /// The keys that are parked and meant, by shard and in the order of their bytes. Throws `streamNotFound`,
    /// `mappingNotFound`, and `corrupt` for what a newer version has written.
    public func parkedKeys(_ selection: ParkedKeySelection = .all) async throws -> [ParkedKey] {
        let stream = ParkingStream(mapping: id, store: stream.engine, logger: stream.engine.logger)
        return try await stream.keys().filter(selection.contains)
    }

    /// Parks keys by hand, durably: their records that are in no batch yet, and later ones, wait until the keys are released
    /// or discarded. A key that is being released waits again after what is under way.
    ///
    /// The process that runs the mapping does it; where none does, the next one. A key of which no record comes is parked
    /// all the same.
    ///
    /// - Parameters:
    ///   - keys: 1 to 100 partition keys.
    ///   - reason: why, for people; at most 1,024 bytes. It is kept with the keys and in the mapping's history.
    ///   - actor: who; 1 to 256 bytes. Default: this process.
    /// - Throws: `invalidArgument`, also where the mapping has tumbling windows; `streamNotFound`, `mappingNotFound`, and
    ///   the store's errors.
    public func park(_ keys: [String], reason: String = "", by actor: String? = nil) async throws {
        guard (1...100).contains(keys.count) else {
            throw ShardlineError(.invalidArgument, "\(keys.count) keys to park (allowed: 1 to 100 at a time)")
        }
        for key in keys where !Limits.partitionKeyLength.contains(key.unicodeScalars.count) {
            throw ShardlineError(
                .invalidArgument,
                "a partition key of \(key.unicodeScalars.count) characters (allowed: \(Limits.partitionKeyLength.lowerBound) to \(Limits.partitionKeyLength.upperBound))"
            )
        }
        let settings = try StoredSettings(json: try await describe().configuration).configuration
        guard settings.tumblingWindow == nil else {
            throw ShardlineError(
                .invalidArgument,
                "the mapping '\(id)' has tumbling windows, whose state is over all keys (allowed: a mapping without windows)"
            )
        }
        try await ParkingStream(mapping: id, store: stream.engine, logger: stream.engine.logger).ensure()
        let selection = ParkedKeySelection(keys: Set(keys.map { UTF8Key($0) }))
        try await ask(
            MappingRequest(.park, selection, actor: actor ?? ProcessName.own, reason: reason), selection.words)
    }

    /// Hands the waiting records of parked keys back to the function, durably: per key in order, and before the key's later
    /// records, with the mapping's batching and retries. A key of which nothing waits any more flows again. Where
    /// the attempts for a record are used up again, its key is parked there.
    ///
    /// The process that runs the mapping does it; where none does, the next one. Returns the number of the keys that are
    /// meant now.
    ///
    /// Throws as ``park(_:reason:by:)``.
    @discardableResult
    public func release(
        _ selection: ParkedKeySelection = .all, reason: String = "", by actor: String? = nil
    ) async throws -> Int {
        let meant = try await parkedKeys(selection).count
        try await ask(
            MappingRequest(.release, selection, actor: actor ?? ProcessName.own, reason: reason), selection.words)
        return meant
    }

    /// Drops the waiting records of parked keys, durably, after which the keys flow again. The parking stream has the records
    /// until it removes them by its retention. As ``release(_:reason:by:)``.
    @discardableResult
    public func discard(
        _ selection: ParkedKeySelection, reason: String = "", by actor: String? = nil
    ) async throws -> Int {
        let meant = try await parkedKeys(selection).count
        // A discard that is done late, or again, does not mean what is parked later.
        var bounded = selection
        let now = stream.engine.timeSource.wallTime + .milliseconds(1)
        bounded.before = min(selection.before ?? now, now)
        try await ask(
            MappingRequest(.discard, bounded, actor: actor ?? ProcessName.own, reason: reason), selection.words)
        return meant
    }
}

extension ParkedKeySelection {
    /// What is meant, in a few words.
    var words: String {
        var parts: [String] = []
        if let keys {
            let names = keys.sorted().prefix(3).map { RecordText.key($0.string) }.joined(separator: ", ")
            parts.append("\(keys.count == 1 ? "key" : "\(keys.count) keys") \(names)\(keys.count > 3 ? " …" : "")")
        }
        if let group { parts.append("group \(group)") }
        if let errorType { parts.append("error \(errorType)") }
        if let since { parts.append("since \(since)") }
        if let before { parts.append("before \(before)") }
        return parts.isEmpty ? "all parked keys" : parts.joined(separator: ", ")
    }
}

import DiskAccess
import StreamModel
public import StreamStorage

extension StreamMapping {
    /// Changes the mapping's settings, durably. A process that runs it uses them from the next invocation of each lane
    /// on; what is under way keeps those that it began with (ESM-L4). The failure destination is created if it is not
    /// there. Returns the mapping after the change.
    ///
    /// ```swift
    /// try await delays.update(reason: "the database is slow") { $0.concurrency = 2 }
    /// ```
    ///
    /// The settings stay until the next update, or until a program starts the mapping with other settings than it, or
    /// the one before it, had before. ``EventSourceMapping/Configuration/account`` and
    /// ``EventSourceMapping/Configuration/region`` can be changed as all others.
    ///
    /// - Parameters:
    ///   - reason: why, for people; at most 1,024 bytes.
    ///   - actor: who; 1 to 256 bytes. Default: this process.
    ///   - change: changes the settings in force. It is called again where somebody else changed them meanwhile.
    /// - Throws: `invalidArgument`, which names every setting outside its limits, for stored settings that this version
    ///   can't read, and for tumbling windows where the function of the process that runs the mapping has none (and the
    ///   reverse), as far as the store can ask it: a run that begins later throws it; `mappingChanged` if others kept changing them; `mappingNotFound`, `streamNotFound`; and the
    ///   store's errors.
    @discardableResult
    public func update(
        reason: String = "", by actor: String? = nil,
        _ change: (inout EventSourceMapping.Configuration) throws -> Void
    ) async throws -> MappingDescription {
        for _ in 0..<Self.attempts {
            let before = try await describe()
            var configuration = try StoredSettings(json: before.configuration).configuration
            try change(&configuration)
            do {
                return try await update(to: configuration, reason: reason, by: actor, ifRevision: before.revision)
            } catch let error as ShardlineError where error.code == .mappingChanged {}
        }
        throw ShardlineError(
            .mappingChanged,
            "others changed the mapping '\(id)' at each of \(Self.attempts) attempts; nothing was done, try again")
    }

    /// How often a change is tried where others change the mapping, too.
    private static let attempts = 16

    /// Replaces the mapping's settings, durably. As ``update(reason:by:_:)``.
    ///
    /// - Parameters:
    ///   - configuration: all settings from now on.
    ///   - revision: the revision that they are based on (``MappingDescription/revision``); nil: any.
    ///   - reason: why, for people; at most 1,024 bytes.
    ///   - actor: who; 1 to 256 bytes. Default: this process.
    @discardableResult
    public func update(
        to configuration: EventSourceMapping.Configuration, reason: String = "", by actor: String? = nil,
        ifRevision revision: UInt64? = nil
    ) async throws -> MappingDescription {
        try configuration.validate(mapping: name, stream: stream.name)
        let setup = MappingSetup(
            key: id, store: stream.engine, configuration: configuration, logger: stream.engine.logger)
        _ = try await describe()
        // What can't be used is refused here, and not where the mapping runs.
        let stored = try await setup.settings()
        try await setup.ensureParkingStream()
        if let failures = stored.failureStream(of: id) {
            try await setup.ensureFailureStream(failures, for: try await stream.describe())
        }
        return try await stream.engine.controlMapping(
            MappingControl(
                id, expectedRevision: revision, configuration: stored.json, actor: actor ?? ProcessName.own,
                reason: reason))
    }
}

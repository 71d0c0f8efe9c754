import DataFormats
import Logging
import StreamModel
import StreamStorage

/// Creates or checks what a mapping needs in its store.
struct MappingSetup {
    let key: MappingID
    let store: any StoreEngine
    let configuration: EventSourceMapping.Configuration
    let logger: Logger

    /// The settings with the name of the mapping's dead-letter stream: the name that the mapping has, or for a new
    /// mapping the first name that no other mapping uses.
    func settings() async throws -> StoredSettings {
        do {
            let mapping = try await store.describeMapping(key)
            // Settings that this version can't read have no name.
            let known = try? StoredSettings(json: mapping.configuration)
            let name = known?.deadLetterStream ?? StoredSettings.plainName(of: key)
            // A mapping that had another destination so far has never used its name.
            if let before = known?.configuration.failureDestination, before != .deadLetterStream {
                try await check(name)
            }
            return StoredSettings(configuration, deadLetterStream: name)
        } catch let error as ShardlineError where error.code == .mappingNotFound {}
        let names = StoredSettings.defaultNames(of: key)
        var isTaken = false
        for other in StoredSettings.namesakes(of: key) where names.count > 1 && !isTaken {
            isTaken = try await hasPlainName(other)
        }
        let name = isTaken ? names[1] : names[0]
        try await check(name)
        return StoredSettings(configuration, deadLetterStream: name)
    }

    /// Warns if the mapping's new failure stream is also that of other mappings. That may be intended, as failure
    /// records name their mapping; it may also be a chosen name that equals another mapping's default name.
    func warnOfShared(_ settings: StoredSettings) async throws {
        guard let name = settings.failureStream(of: key) else { return }
        func givesUpToIt(_ mapping: MappingDescription) -> Bool {
            (try? StoredSettings(json: mapping.configuration))?.failureStream(of: mapping.key) == name
        }
        do {
            // A stream that the mapping used before was warned of before.
            if givesUpToIt(try await store.describeMapping(key)) { return }
        } catch let error as ShardlineError where error.code == .mappingNotFound {}
        let others = try await store.listMappings(of: nil).filter { $0.key != key && givesUpToIt($0) }
        guard let first = others.first else { return }
        let more = others.count == 1 ? "" : " and of \(others.count - 1) more"
        logger.warning(
            "the stream '\(name)' takes what this mapping gives up, and also that of the mapping '\(first.key.name)' of '\(first.key.stream)'\(more); each failure record names its mapping; where one stream for all is not wanted, name another failure destination"
        )
    }

    /// Whether the mapping exists and has the plain name, as older versions gave it to every mapping.
    private func hasPlainName(_ other: MappingID) async throws -> Bool {
        do {
            let mapping = try await store.describeMapping(other)
            let name = (try? StoredSettings(json: mapping.configuration))?.deadLetterStream
            return name == nil || name == StoredSettings.plainName(of: other)
        } catch let error as ShardlineError where [.mappingNotFound, .streamNotFound].contains(error.code) {
            return false
        }
    }

    /// Throws `invalidArgument` if the mapping is to use this dead-letter stream and can't.
    private func check(_ name: String) async throws {
        guard case .deadLetterStream = configuration.failureDestination else { return }
        guard Limits.isStreamName(name) else {
            throw ShardlineError(
                .invalidArgument, "failureDestination \(EventSourceMapping.Configuration.tooLong(name))")
        }
        do {
            guard try await store.summarizeStream(name).isFailureStream else {
                throw ShardlineError(
                    .invalidArgument,
                    "the dead-letter stream of the mapping '\(key.name)' would be '\(name)', which is there and was not made for failures: name one (stream:NAME, also this one) or a file (file:PATH) as failure destination"
                )
            }
        } catch let error as ShardlineError where error.code == .streamNotFound {}
    }

    /// Where failure documents go. Creates the stream or the file if it is missing.
    func target(own destination: (any FailureDestination)?, _ settings: StoredSettings) async throws -> DeliveryTarget {
        let source = try await store.describeStream(key.stream)
        try await ensureParkingStream()
        try await checkSuccessStream()
        if let destination { return .own(destination) }
        if let name = settings.failureStream(of: key) {
            try await ensureFailureStream(name, for: source)
            return .stream(name)
        }
        if case .own(let text) = configuration.failureDestination {
            throw ShardlineError(
                .invalidArgument,
                "failureDestination own:\(text) (allowed: only where the program that runs the mapping brings such a destination); name a stream (stream:NAME) or a file (file:PATH)"
            )
        }
        guard case .file(let path) = configuration.failureDestination else { return .none }
        let file = FileDestination(path: path)
        try await file.open()
        return .own(file)
    }

    /// Creates the mapping with its starting position resolved; true if it exists already.
    func createOrResume(startingAt start: StartingPosition, _ settings: StoredSettings) async throws -> Bool {
        let definition = MappingDefinition(key: key, startingPosition: start, configuration: settings.json)
        do {
            try await store.createMapping(definition)
            // A store without attributes has no requests.
            try? await MappingRequest.removeAll(of: key, in: store)
            logger.info("mapping made", metadata: ["start": "\(start)"])
            return false
        } catch let error as ShardlineError where error.code == .mappingExists {
            let mapping = try await store.describeMapping(key)
            for checkpoint in mapping.checkpoints {
                logger.info("mapping resumes after \(checkpoint.position)", metadata: ["shard": "\(checkpoint.shard)"])
            }
            return true
        }
    }

    /// Creates the parking stream where the settings need it.
    func ensureParkingStream() async throws {
        guard configuration.whenExhausted == .parkKey else { return }
        try await ParkingStream(mapping: key, store: store, logger: logger).ensure()
    }

    /// Throws `invalidArgument` where the stream that gets returned records is not there.
    func checkSuccessStream() async throws {
        guard let name = configuration.successStream else { return }
        do {
            _ = try await store.summarizeStream(name)
        } catch let error as ShardlineError where error.code == .streamNotFound {
            throw ShardlineError(
                .invalidArgument,
                "successStream (--on-success) '\(name)', which is not there (allowed: a stream of the same store)",
                cause: error)
        }
    }

    func ensureFailureStream(_ name: String, for source: StreamDescription) async throws {
        let needed = Self.documentSize(ofRecord: source.maximumRecordSize)
        let size = min(max(needed, Limits.defaultRecordSize), Limits.largestFailureRecordSize)
        let settings = StreamSettings(
            shards: min(max(1, source.shards.count { $0.closedAt == nil }), 4), retention: Limits.failureRetention,
            maximumRecordSize: size, isFailureStream: true)
        do {
            try await store.createStream(name, settings: settings)
            logger.info("created the stream '\(name)' for records that are given up")
        } catch let error as ShardlineError where error.code == .streamExists {
            let existing = try await store.summarizeStream(name)
            let least = min(needed, Limits.largestFailureRecordSize)
            guard existing.maximumRecordSize < least else { return }
            // The source takes larger records than when the stream was made.
            if await store.raiseRecordSize(ofFailureStream: name, to: least, logger) { return }
            throw ShardlineError(
                .invalidArgument,
                "the failure stream '\(name)' takes records of at most \(existing.maximumRecordSize) bytes, but the document of a record of '\(key.stream)' may have \(needed) (allowed: a stream with a maximum record size of at least \(least), or one that isn't there yet: it is made with the mapping)"
            )
        }
    }

    /// The maximum size of the document of a record with this many bytes of data: base64, key, error text and the
    /// document's own members (ESM-D10).
    static func documentSize(ofRecord size: Int) -> Int { Base64.size(of: size) + (32 << 10) }
}

extension StoreEngine {
    /// Raises the record size of a stream that was made for failures; false where it was not, or that can't be done.
    func raiseRecordSize(ofFailureStream name: String, to size: Int, _ logger: Logger) async -> Bool {
        do {
            let stream = try await summarizeStream(name)
            guard stream.isFailureStream, stream.maximumRecordSize < size else { return false }
            try await updateStream(name, retention: nil, maximumRecordSize: size)
            logger.info("raised the record size of the failure stream '\(name)' to \(size) bytes")
            return true
        } catch {
            return false
        }
    }
}

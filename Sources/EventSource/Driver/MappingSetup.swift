import Logging
import StreamModel
import StreamStorage

/// Makes what a mapping needs in its store, or finds it there.
struct MappingSetup {
    let key: MappingKey
    let store: any StreamStore
    let configuration: EventSourceMapping.Configuration
    let logger: Logger

    /// Where documents go, made if need be.
    func target(own destination: (any FailureDestination)?) async throws -> DeliveryTarget {
        let source = try await store.describeStream(key.stream)
        if let destination { return .own(destination) }
        if let name = configuration.failureStream(of: key.stream, mapping: key.name) {
            try await ensureFailureStream(name, for: source)
            return .stream(name)
        }
        guard case .file(let path) = configuration.failureDestination else { return .none }
        let file = FileDestination(path: path)
        try await file.open()
        return .own(file)
    }

    /// Makes the mapping with its starting position resolved, or finds it; true where it was there.
    func createOrResume(startingAt start: StartingPosition) async throws -> Bool {
        let definition = MappingDefinition(
            key: key, startingPosition: start, configuration: configuration.json)
        do {
            try await store.createMapping(definition)
            logger.info("mapping made", metadata: ["start": "\(start)"])
            return false
        } catch let error as ShardlineError where error.code == .mappingExists {
            let mapping = try await store.describeMapping(key)
            for checkpoint in mapping.checkpoints {
                logger.info("mapping resumes behind \(checkpoint.position)", metadata: ["shard": "\(checkpoint.shard)"])
            }
            return true
        }
    }

    private func ensureFailureStream(_ name: String, for source: StreamDescription) async throws {
        let needed = Self.documentSize(ofRecord: source.maximumRecordSize)
        let size = min(max(needed, Limits.defaultRecordSize), Limits.largestFailureRecordSize)
        let settings = StreamSettings(
            shards: min(max(1, source.shards.count { $0.closedAt == nil }), 4), retention: Limits.failureRetention,
            maximumRecordSize: size, isFailureStream: true)
        do {
            try await store.createStream(name, settings: settings)
            logger.info("made the stream '\(name)' for records that are given up")
        } catch let error as ShardlineError where error.code == .streamExists {
            let existing = try await store.describeStream(name)
            guard existing.maximumRecordSize >= min(needed, Limits.largestFailureRecordSize) else {
                throw ShardlineError(
                    .invalidArgument,
                    "the failure stream '\(name)' takes records of at most \(existing.maximumRecordSize) bytes, but the document of a record of '\(key.stream)' may have \(needed) (allowed: a stream with a maximum record size of at least \(min(needed, Limits.largestFailureRecordSize)), or one that isn't there yet: it is made with the mapping)"
                )
            }
        }
    }

    /// The largest document of a record with so many bytes of data: base64, key, error text and the document's own
    /// members (ESM-D10).
    static func documentSize(ofRecord size: Int) -> Int { Base64.size(of: size) + (32 << 10) }
}

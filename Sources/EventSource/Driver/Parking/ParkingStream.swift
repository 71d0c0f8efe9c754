import Logging
import StreamModel
import StreamStorage

/// The stream of a mapping in which the records of parked keys wait (ESM-N1).
struct ParkingStream: Sendable {
    let mapping: MappingID
    let store: any StoreEngine
    let logger: Logger

    /// `{stream}.{mapping}.parked`; where the mapping's name has dots, their number follows, so that no two mappings have
    /// the same one.
    static func name(of mapping: MappingID) -> String {
        StoredSettings.numbered("\(mapping.stream).\(mapping.name).parked", of: mapping)
    }

    var name: String { Self.name(of: mapping) }

    /// How long parked records are kept: as long as a stream can, 365 days.
    static let retention = Limits.retention.upperBound

    /// Creates the stream if it is not there, and raises its record size where the source takes larger records now.
    ///
    /// Throws `invalidArgument` where a stream of that name was made for something else.
    func ensure() async throws {
        let source = try await store.describeStream(mapping.stream)
        let needed = min(source.maximumRecordSize + 2048 + ParkedRecord.overhead, Limits.largestFailureRecordSize)
        let settings = StreamSettings(
            shards: min(max(1, source.shards.count { $0.closedAt == nil }), 16), retention: Self.retention,
            maximumRecordSize: max(needed, Limits.defaultRecordSize), isFailureStream: true)
        guard Limits.isStreamName(name) else {
            throw ShardlineError(
                .invalidArgument,
                "whenExhausted park-key: the parking stream's name '\(name)' would have more than \(Limits.nameLength.upperBound) characters; give the mapping a shorter name"
            )
        }
        do {
            try await store.createStream(name, settings: settings)
            logger.info("created the stream '\(name)' for records of parked keys")
        } catch let error as ShardlineError where error.code == .streamExists {
            let existing = try await store.summarizeStream(name)
            guard existing.isFailureStream else {
                throw ShardlineError(
                    .invalidArgument,
                    "the parking stream of the mapping '\(mapping.name)' would be '\(name)', which is there and was made for something else; give the mapping another name"
                )
            }
            guard existing.maximumRecordSize < needed else { return }
            _ = await store.raiseRecordSize(ofFailureStream: name, to: needed, logger)
        }
    }

    /// The parked keys that the store has, by shard and key: those that may be meant, by their stored values.
    func keys(where isMeant: (StoredParkedKey) -> Bool = { _ in true }) async throws -> [ParkedKey] {
        var keys: [ParkedKey] = []
        var query = ParkedKeyQuery(mapping)
        while true {
            let page = try await store.parkedKeys(query)
            for stored in page.keys where isMeant(stored) { keys.append(try ParkedKey(stored)) }
            guard let next = page.next else { return keys }
            query.after = next
        }
    }
}

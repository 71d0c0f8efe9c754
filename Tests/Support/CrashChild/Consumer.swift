import EventSource
import Logging
import Shardline
import StreamModel
import StreamStorage

/// The mapping of the crash tests: says what its function is given, before the function returns.
struct Consumer {
    let reporter: Reporter

    /// What a function throws now and then, so that units are halved and tried again.
    struct PassingTrouble: Error {}

    func mapping(on store: any StoreEngine) async throws -> EventSourceMapping {
        var settings = EventSourceMapping.Configuration()
        settings.batchSize = 40
        settings.batchWindow = .milliseconds(3)
        // Without end: only what is refused permanently is given up, so the ledger knows what must become of each record.
        settings.maximumRetryAttempts = nil
        settings.backOff = .init(first: .milliseconds(1), longest: .milliseconds(5))
        let reporter = reporter
        return try await EventSourceMapping(
            CrashStore.mapping.name, from: store.stream(CrashStore.mapped), configuration: settings,
            logger: Logger(label: "crash") { _ in SwiftLogNoOpLogHandler() }
        ) { batch, _ in try Self.handle(batch, reporter) }
    }

    private static func handle(_ batch: RecordBatch, _ reporter: Reporter) throws {
        guard let first = batch.first else { reporter.fail("the function was given no records") }
        // Halves that begin with the same record fail again, until it is alone.
        if batch.count > 1, first.sequenceNumber.rawValue % 5 == 0 { throw PassingTrouble() }
        let place = Place(CrashStore.mapped, first.shard.number, first.sequenceNumber.rawValue)
        var digest = Digest()
        var count = 0
        for record in batch {
            let data = Array(record.bytes)
            guard let stamp = Stamp(data), stamp.key == record.partitionKey else {
                reporter.fail("the function was given the damaged record \(record.sequenceNumber)")
            }
            if stamp.isMalformed {
                var reports: [Report] = count == 0 ? [] : [.handled(first: place, count: count, digest: digest.value)]
                reports.append(.refused(Place(place.stream, place.shard, record.sequenceNumber.rawValue)))
                reporter.send(reports)
                throw PermanentFailure(record, because: "the stamp says so")
            }
            digest.add(Stamp.checksum(data))
            count += 1
        }
        reporter.send(.handled(first: place, count: count, digest: digest.value))
    }
}

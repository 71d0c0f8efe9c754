import Shardline

/// The README's program. What it imports is what the README shows; `ReadmeTests` holds both together line for line.
struct QuickStart {
    /// What a test looks at.
    let store: SegmentStore
    let delays: EventSourceMapping
    let receipt: PutReceipt

    /// Runs it in `directory`, which stands for the current one.
    init(in directory: String) async throws {
        let store = try await SegmentStore.open(at: directory + "/flights")
        try await store.createStreamIfNeeded("departures", shards: 4, retention: .seconds(86_400))
        let departures = store.stream("departures")

        // Returns when the record is on disk, and says where it is.
        let receipt = try await departures.put("N14228,2", partitionKey: "N14228")
        print(receipt.shard, receipt.sequenceNumber)

        // Many at once: one call, one sync.
        let lines = ["N24211,4", "N619AA,2", "N14228,-3"]
        try await departures.put(contentsOf: lines.map { NewRecord($0, partitionKey: String($0.prefix(6))) })

        try await departures.withProducer { producer in
            for minute in 1...1_000 {
                try await producer.enqueue("N14228,\(minute)", partitionKey: "N14228")
            }
        }

        var settings = EventSourceMapping.Configuration()
        settings.batchSize = 500
        settings.batchWindow = .milliseconds(200)
        let delays = try await EventSourceMapping(
            "delays", from: departures, startingAt: .trimHorizon, configuration: settings
        ) { batch, context in
            for record in batch {
                let fields = String(decoding: record.bytes, as: UTF8.self).split(separator: ",")
                guard fields.count == 2, let delay = Int(fields[1]) else {
                    throw PermanentFailure(record, because: .malformed)
                }
                if delay > 999 { print("\(fields[0]) was very late, says \(context.shard)") }
            }
        }
        try await delays.run(until: .caughtUp)
        print(delays.statistics)

        (self.store, self.delays, self.receipt) = (store, delays, receipt)
    }
}

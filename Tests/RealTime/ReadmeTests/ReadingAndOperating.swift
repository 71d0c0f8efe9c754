import Shardline
import Testing

/// The code of the page "Reading and operating from Swift".
@Suite(.timeLimit(.minutes(1)))
struct ReadingAndOperating {
    @Test func `the page's code runs`() async throws {
        let store = ListEngine()
        try await store.createStream("orders", shards: 2)
        let orders = store.stream("orders")

        struct Order: Codable {
            var customer: String
            var total: Int
        }
        try await orders.put(encoding: Order(customer: "ada", total: 12), partitionKey: "ada")
        try await orders.withProducer { producer in
            for total in 1...100 {
                try await producer.enqueue(encoding: Order(customer: "eva", total: total), partitionKey: "eva")
            }
        }

        var spent: [String: Int] = [:]
        for try await record in orders.records(from: .trimHorizon, follow: false) {
            let order = try record.decode(as: Order.self)
            spent[order.customer, default: 0] += order.total
        }
        #expect(spent == ["ada": 12, "eva": 5_050])

        var last: [ShardID: KinesisSequenceNumber] = [:]
        for try await record in orders.records(after: last, follow: false) {
            last[record.shard] = record.kinesisSequenceNumber
        }
        #expect(last.count == 2)

        let shard = try await orders.describe().shards[0]
        for try await record in orders.records(in: shard.id, from: .trimHorizon, follow: false) {
            print(record.kinesisSequenceNumber, record.partitionKey, record.bytes.count)
        }

        let totals = try await EventSourceMapping("totals", from: orders) { batch, context in
            for record in batch {
                let order = try record.decode(as: Order.self)
                if order.total > 99 { print(order.customer, "spends a lot in", context.shard) }
            }
        }
        try await totals.run(until: .caughtUp)
        #expect(totals.statistics.delivered == 101)

        for stream in try await store.streams() {
            print(stream.name, stream.shards.count, stream.retention)
        }
        for mapping in try await orders.mappings() {
            print(mapping.key, mapping.isClaimed ? "runs" : "does not run")
        }

        let mapping = orders.mapping("totals")
        for state in try await mapping.shardStates() ?? [] where state.isFailing {
            print(state.shard, "failed \(state.attempts) times:", state.lastError ?? "")
            print("record", state.unit?.sequenceNumber.description ?? "?", "of", state.unit?.partitionKey ?? "?")
        }

        let backlog = try await mapping.backlog()
        let settings = try await mapping.describe().settings()
        print(backlog.records, "records to do, in batches of", settings.batchSize)
        #expect(backlog.records == 0 && backlog.oldest == nil && settings.batchSize == 100)

        try await mapping.update(reason: "the night job") { $0.batchSize = 500 }
        try await mapping.disable(reason: "the database moves")
        print(try await mapping.describe().state)
        try await mapping.enable()
        for action in try await mapping.history() { print(action.time, action.actor, action.reason) }
        #expect(try await mapping.history().map(\.reason) == ["the night job", "the database moves", ""])

        try await mapping.seek(to: .trimHorizon)
        #expect(try await mapping.backlog().records == 101)
        #expect(try await mapping.backlog().oldest != nil)
        try await totals.run(until: .caughtUp)
        #expect(totals.statistics.delivered == 202)

        try await orders.update(retention: .seconds(7 * 86_400))
        try await mapping.delete()
        try await orders.delete()
        #expect(try await store.streams().map(\.name) == ["orders.totals.failed"])
    }
}

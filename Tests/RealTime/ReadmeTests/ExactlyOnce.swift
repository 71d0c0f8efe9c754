import GRDB
import Shardline

/// The function of the page "Exactly once".
struct Totals: BatchFunction {
    let database: DatabaseQueue

    func handle(_ batch: RecordBatch, context: InvocationContext) async throws {
        let (stream, shard) = (context.streamID.description, context.shard.description)
        try await database.write { db in
            for record in batch {
                let reached = """
                    INSERT INTO reached VALUES (?, ?, ?, ?) ON CONFLICT (stream, shard, key)
                    DO UPDATE SET number = excluded.number WHERE number < excluded.number
                    """
                let (key, number) = (record.partitionKey, record.sequenceNumber.rawValue)
                try db.execute(sql: reached, arguments: [stream, shard, key, number])
                guard db.changesCount > 0 else { continue }
                let count = "INSERT INTO total VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET records = records + 1"
                try db.execute(sql: count, arguments: [key])
            }
        }
    }
}

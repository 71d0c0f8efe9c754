import GRDB
import Shardline

/// The function of the page "Exactly once".
struct Totals: BatchFunction {
    let database: DatabaseQueue

    func handle(_ batch: RecordBatch, context: InvocationContext) async throws {
        let (stream, shard) = (context.streamID.description, context.shard.description)
        try await database.write { db in
            let reached = try Int64.fetchOne(
                db, sql: "SELECT number FROM reached WHERE stream = ? AND shard = ?", arguments: [stream, shard])
            for record in batch where record.sequenceNumber.rawValue > reached ?? 0 {
                try db.execute(
                    sql: "INSERT INTO total VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET records = records + 1",
                    arguments: [record.partitionKey])
            }
            let last = max(reached ?? 0, Int64(batch[batch.count - 1].sequenceNumber.rawValue))
            try db.execute(sql: "INSERT OR REPLACE INTO reached VALUES (?, ?, ?)", arguments: [stream, shard, last])
        }
    }
}

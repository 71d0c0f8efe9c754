import GRDB
import Shardline

/// The customers' totals in an SQLite file, and with them which records are in them.
///
/// Both change in one transaction. A record may come again, after a crash or because another one of its batch has failed:
/// its number is reached then, and it changes nothing. What is reached is known for each key of each shard of a stream. The
/// number of a shard alone would not do: parked records come later than records of other keys with higher numbers.
public struct Totals: Sendable {
    /// An order that is in a total.
    public struct Booking: Equatable, Sendable {
        /// The order's number among those of its customer.
        public var number: Int
        /// The customer's total with it.
        public var total: Int

        /// A booking with these facts.
        public init(number: Int, total: Int) {
            self.number = number
            self.total = total
        }
    }

    private let database: DatabaseQueue

    /// Opens or creates the file at `path`.
    public init(path: String) throws {
        // A transaction is on disk when the function returns, as the checkpoint moves then.
        database = try DatabaseQueue(path: path)
        try database.write { db in
            try db.execute(
                sql: """
                    CREATE TABLE IF NOT EXISTS total (customer TEXT PRIMARY KEY, cents INTEGER NOT NULL);
                    CREATE TABLE IF NOT EXISTS booking (
                        place INTEGER PRIMARY KEY, customer TEXT NOT NULL, number INTEGER NOT NULL, total INTEGER NOT NULL);
                    CREATE TABLE IF NOT EXISTS reached (
                        stream TEXT, shard TEXT, key TEXT, number INTEGER NOT NULL, PRIMARY KEY (stream, shard, key));
                    """)
        }
    }

    /// Adds the orders of a batch, those that are not in the totals yet, in one transaction.
    func add(_ batch: RecordBatch, of stream: StreamID, _ shard: ShardID, readsEuros: Bool) async throws {
        try await database.write { db in
            for record in batch {
                try db.cachedStatement(
                    sql: """
                        INSERT INTO reached VALUES (?, ?, ?, ?) ON CONFLICT (stream, shard, key)
                        DO UPDATE SET number = excluded.number WHERE number < excluded.number
                        """
                ).execute(arguments: [
                    stream.description, shard.description, record.partitionKey,
                    Int64(record.sequenceNumber.rawValue),
                ])
                guard db.changesCount > 0 else { continue }
                // Where it throws, nothing of the batch was done: the transaction is undone.
                try book(Order(record.bytes, readsEuros: readsEuros), in: db)
            }
        }
    }

    private func book(_ order: Order, in db: Database) throws {
        try db.cachedStatement(
            sql: "INSERT INTO total VALUES (?, ?) ON CONFLICT (customer) DO UPDATE SET cents = cents + excluded.cents"
        ).execute(arguments: [order.customer, order.cents])
        try db.cachedStatement(
            sql: "INSERT INTO booking (customer, number, total) SELECT customer, ?, cents FROM total WHERE customer = ?"
        ).execute(arguments: [order.number, order.customer])
    }

    /// The totals in cents, by customer.
    public func all() async throws -> [(customer: String, cents: Int)] {
        try await database.read { db in
            try Row.fetchAll(db, sql: "SELECT customer, cents FROM total ORDER BY customer").map { ($0[0], $0[1]) }
        }
    }

    /// The orders in a customer's total, as they came.
    public func bookings(of customer: String) async throws -> [Booking] {
        try await database.read { db in
            try Row.fetchAll(
                db, sql: "SELECT number, total FROM booking WHERE customer = ? ORDER BY place", arguments: [customer]
            ).map { Booking(number: $0[0], total: $0[1]) }
        }
    }

    /// Closes the file.
    public func close() throws { try database.close() }
}

/// The function: adds each order to the total of its customer.
public struct TotalsFunction: BatchFunction {
    private let totals: Totals
    private let readsEuros: Bool
    private let afterTransaction: @Sendable () -> Void

    /// A function that adds to these totals. `afterTransaction` is called when a batch is in them, before the function
    /// returns: what happens there happens between the transaction and the checkpoint.
    public init(_ totals: Totals, readsEuros: Bool, afterTransaction: @escaping @Sendable () -> Void = {}) {
        self.totals = totals
        self.readsEuros = readsEuros
        self.afterTransaction = afterTransaction
    }

    /// Adds the orders of a batch. Throws ``MalformedRecord`` where one is none.
    public func handle(_ batch: RecordBatch, context: InvocationContext) async throws {
        try await totals.add(batch, of: context.streamID, context.shard, readsEuros: readsEuros)
        afterTransaction()
    }
}

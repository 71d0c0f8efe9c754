import GRDB
import Shardline

/// The results so far, in an SQLite file: each aircraft's runs of late departures, and for each shard of a stream the
/// number of the last record that they include.
///
/// Both are written in one transaction, which makes redelivery harmless: the number of a record that comes again is not
/// above the stored one, so it changes nothing. The stream is identified by its id, so a stream that was deleted and
/// created again starts from the beginning.
///
/// One number for each shard is enough because the mapping has one lane and parks no keys; `CustomerTotals` shows the other case.
public struct LateRunsResults: Sendable {
    private let database: DatabaseQueue

    /// Opens or creates the file at `path`.
    public init(path: String) throws {
        var configuration = GRDB.Configuration()
        configuration.journalMode = .wal
        database = try DatabaseQueue(path: path, configuration: configuration)
        // With a write-ahead log GRDB may lose the last transactions in a power failure. They must be synced before the
        // function returns, because the checkpoint moves then.
        try database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        try database.write { db in
            try db.execute(
                sql: """
                    CREATE TABLE IF NOT EXISTS aircraft (
                        tailnum TEXT PRIMARY KEY, departures INTEGER NOT NULL, current INTEGER NOT NULL,
                        longest INTEGER NOT NULL) WITHOUT ROWID;
                    CREATE TABLE IF NOT EXISTS reached (
                        stream TEXT, shard INTEGER, sequence INTEGER NOT NULL, PRIMARY KEY (stream, shard)) WITHOUT ROWID;
                    CREATE TABLE IF NOT EXISTS job (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
                    """)
        }
    }

    /// Runs `body` on the database's own queue, where SQLite's calls may block.
    func perform<Result: Sendable>(_ body: @escaping @Sendable (Database) throws -> Result) async throws -> Result {
        try await database.writeWithoutTransaction(body)
    }

    /// Follows the departures of one batch, in one transaction. Returns how many of them had been followed before.
    static func follow(
        _ departures: [(number: SequenceNumber, departure: Departure)], stream: StreamID, shard: ShardID,
        in db: Database
    ) throws -> Int {
        var before = 0
        try db.inTransaction {
            let reached = try UInt64(
                Int64.fetchOne(
                    db.cachedStatement(sql: "SELECT sequence FROM reached WHERE stream = ? AND shard = ?"),
                    arguments: [stream.description, Int64(shard.number)]) ?? 0)
            let statement = try db.cachedStatement(
                sql: """
                    INSERT INTO aircraft (tailnum, departures, current, longest) VALUES (:tailnum, 1, :late, :late)
                    ON CONFLICT (tailnum) DO UPDATE SET
                        departures = departures + 1,
                        current = (current + 1) * :late,
                        longest = max(longest, (current + 1) * :late)
                    """)
            for (number, departure) in departures {
                guard number.rawValue > reached else {
                    before += 1
                    continue
                }
                try statement.execute(arguments: ["tailnum": departure.aircraft, "late": departure.isLate ? 1 : 0])
            }
            if let last = departures.last?.number.rawValue, last > reached {
                try db.cachedStatement(sql: "INSERT OR REPLACE INTO reached VALUES (?, ?, ?)")
                    .execute(arguments: [stream.description, Int64(shard.number), Int64(last)])
            }
            return .commit
        }
        return before
    }

    /// The aircraft with the longest runs of late departures, equally long ones by tail number.
    public func longestRuns(atMost limit: Int) async throws -> [LateRun] {
        try await database.read { db in
            try Row.fetchAll(
                db, sql: "SELECT tailnum, longest FROM aircraft ORDER BY longest DESC, tailnum LIMIT ?",
                arguments: [limit]
            ).map { LateRun(tailnum: $0["tailnum"], longest: $0["longest"]) }
        }
    }

    /// The longest run of every aircraft that flew, by tail number; 0 for one that never left late.
    public func allRuns() async throws -> [LateRun] {
        try await database.read { db in
            try Row.fetchAll(db, sql: "SELECT tailnum, longest FROM aircraft ORDER BY tailnum")
                .map { LateRun(tailnum: $0["tailnum"], longest: $0["longest"]) }
        }
    }

    /// A note about the job itself; nil where none was made.
    func note(_ key: String) async throws -> String? {
        try await database.read { db in
            try String.fetchOne(db, sql: "SELECT value FROM job WHERE key = ?", arguments: [key])
        }
    }

    /// Creates or replaces a note about the job itself.
    func setNote(_ key: String, to value: String) async throws {
        try await database.write { db in
            try db.execute(sql: "INSERT OR REPLACE INTO job (key, value) VALUES (?, ?)", arguments: [key, value])
        }
    }

    /// Closes the file.
    public func close() throws { try database.close() }
}

/// The longest run of late departures of one aircraft.
public struct LateRun: Codable, Equatable, Sendable {
    /// The aircraft's tail number.
    public var tailnum: String
    /// Departures in a row that were late.
    public var longest: Int

    /// A run with these facts.
    public init(tailnum: String, longest: Int) {
        self.tailnum = tailnum
        self.longest = longest
    }
}

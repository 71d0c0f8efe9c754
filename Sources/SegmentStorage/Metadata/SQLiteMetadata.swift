import DiskAccess
import Foundation
import GRDB
import GRDBSQLite

/// The SQLite database: one connection in WAL mode whose commits are synced. GRDB's queue serializes calls from all
/// threads.
package final class SQLiteMetadata: MetadataStore {
    private let queue: DatabaseQueue
    package let path: String

    /// Opens or creates the database.
    ///
    /// GRDB sets `synchronous = NORMAL` when it turns WAL on. With it a power cut could undo a start position after the
    /// journal files before it are reused. So `FULL` is set afterwards and read back: a database that does not answer 2
    /// and `wal` is not used.
    package init(path: String) throws(MetadataError) {
        self.path = path
        var configuration = Configuration()
        configuration.journalMode = .wal
        configuration.label = "shardline.metadata"
        configuration.busyMode = .timeout(5)
        do {
            // SQLite would create it readable for other users. The files beside it get this file's permissions.
            let disk = POSIXFileSystem()
            if try disk.status(path) == nil { _ = try disk.open(path, .create) }
            queue = try DatabaseQueue(path: path, configuration: configuration)
            try queue.writeWithoutTransaction { database in
                try database.execute(sql: "PRAGMA synchronous = FULL")
                try database.execute(sql: "PRAGMA wal_autocheckpoint = 256")
            }
        } catch {
            throw Self.explain(error, path)
        }
        try Self.require(try durability(), path)
        do {
            try queue.write { database in
                for table in MetadataTable.allCases { try database.execute(sql: table.definition) }
            }
        } catch {
            throw Self.explain(error, path)
        }
    }

    /// The durability that SQLite promises for a commit on the writing connection.
    package struct Durability: Hashable, Sendable {
        var synchronous: Int
        var journalMode: String
    }

    static func require(_ level: Durability, _ path: String) throws(MetadataError) {
        guard level == Durability(synchronous: 2, journalMode: "wal") else {
            throw MetadataError(
                .notDurable,
                "'\(path)' answers synchronous = \(level.synchronous) and journal_mode = \(level.journalMode), where 2 and wal are needed: a power cut could undo what it says is written"
            )
        }
    }

    package func durability() throws(MetadataError) -> Durability {
        do {
            return try queue.writeWithoutTransaction { database in
                Durability(
                    synchronous: try Int.fetchOne(database, sql: "PRAGMA synchronous") ?? -1,
                    journalMode: try String.fetchOne(database, sql: "PRAGMA journal_mode") ?? "none")
            }
        } catch {
            throw explain(error)
        }
    }

    package func read() throws(MetadataError) -> MetadataContents {
        do {
            return try queue.read { database in
                // A damaged page can hide rows although every row's checksum is right.
                let faults = try String.fetchAll(database, sql: "PRAGMA quick_check(3)")
                guard faults == ["ok"] else {
                    throw MetadataError(
                        .damaged,
                        "'\(path)': \(faults.joined(separator: "; ").split(separator: "\n").joined(separator: "; "))"
                    )
                }
                var contents = MetadataContents()
                for table in MetadataTable.allCases { try Self.read(table, database, into: &contents) }
                return contents
            }
        } catch let error as MetadataError {
            throw error
        } catch {
            throw explain(error)
        }
    }

    /// Reads a table and verifies the checksum of every row.
    package static func read(
        _ table: MetadataTable, _ database: Database, into contents: inout MetadataContents
    ) throws {
        let columns = table.columns
        let order = columns.prefix(table.keyCount).joined(separator: ", ")
        let statement = try database.makeStatement(
            sql: "SELECT \(columns.joined(separator: ", ")), crc FROM \(table.rawValue) ORDER BY \(order)")
        let cursor = try Row.fetchCursor(statement)
        var rows: [MetadataRow] = []
        while try cursor.next() != nil {
            let values = (0...columns.count).map { value(at: Int32($0), of: statement.sqliteStatement) }
            let row = MetadataRow(table, values.dropLast())
            if case .integer(let stored)? = values.last, stored == Int64(row.checksum) {
                rows.append(row)
            } else {
                contents.damaged.append(
                    .init(table: table, key: row.key.map { "\($0)" }.joined(separator: ", ")))
            }
        }
        contents.rows[table] = rows
    }

    package func apply(_ changes: [MetadataChange]) throws(MetadataError) {
        guard !changes.isEmpty else { return }
        do {
            try queue.write { database in
                var insertions: [MetadataTable: Statement] = [:]
                for change in changes {
                    switch change {
                    case .put(let row):
                        let insertion = try insertions[row.table] ?? Self.insertion(into: row.table, database)
                        insertions[row.table] = insertion
                        try Self.put(row, by: insertion)
                    case .remove(let table, let key):
                        let equal = table.columns.prefix(key.count).map { " AND \($0) IS ?" }.joined()
                        let statement = try database.cachedStatement(
                            sql: "DELETE FROM \(table.rawValue) WHERE 1\(equal)")
                        try statement.execute(arguments: StatementArguments(key.map(Self.argument)))
                    }
                }
            }
        } catch {
            throw explain(error)
        }
    }

    /// Writes a row with its checksum.
    package static func put(_ row: MetadataRow, _ database: Database) throws {
        try put(row, by: insertion(into: row.table, database))
    }

    /// The statement that inserts or replaces a row of a table.
    private static func insertion(into table: MetadataTable, _ database: Database) throws -> Statement {
        let marks = repeatElement("?", count: table.columns.count + 1).joined(separator: ",")
        return try database.cachedStatement(sql: "INSERT OR REPLACE INTO \(table.rawValue) VALUES (\(marks))")
    }

    /// A flush of a thousand shards writes two thousand rows of 15 values, so values are bound without GRDB's boxes,
    /// copies and lists.
    private static func put(_ row: MetadataRow, by insertion: Statement) throws {
        // Clears the earlier arguments and skips GRDB's check of their number: the loop binds every column.
        insertion.setUncheckedArguments(StatementArguments())
        let values = row.values + [.integer(Int64(row.checksum))]
        for (index, value) in values.enumerated() {
            let code = bind(value, at: Int32(index + 1), of: insertion.sqliteStatement)
            guard code == SQLITE_OK else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
        }
        try insertion.execute()
    }

    /// Binds a value. SQLite copies it.
    private static func bind(_ value: MetadataValue, at index: Int32, of statement: OpaquePointer) -> Int32 {
        // SQLITE_TRANSIENT, a cast that Swift does not import.
        let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        switch value {
        case .null: return sqlite3_bind_null(statement, index)
        case .integer(let number): return sqlite3_bind_int64(statement, index, number)
        case .text(let text):
            return text.withCString { sqlite3_bind_text(statement, index, $0, Int32(text.utf8.count), copied) }
        case .blob(let bytes):
            // With a null address SQLite would bind NULL.
            if bytes.isEmpty { return sqlite3_bind_zeroblob(statement, index, 0) }
            return bytes.withUnsafeBytes {
                sqlite3_bind_blob(statement, index, $0.baseAddress, Int32($0.count), copied)
            }
        }
    }

    package func close() throws(MetadataError) {
        do { try queue.close() } catch { throw Self.explain(error, path) }
    }

    /// A column of the statement's current row. Text is read with its length, since it may hold NUL, where GRDB ends
    /// it.
    private static func value(at index: Int32, of statement: OpaquePointer) -> MetadataValue {
        func bytes(_ start: UnsafeRawPointer?) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : Int(sqlite3_column_bytes(statement, index)))
        }
        switch sqlite3_column_type(statement, index) {
        case SQLITE_NULL: return .null
        case SQLITE_INTEGER: return .integer(sqlite3_column_int64(statement, index))
        // No column is ever written as a floating-point number. It is damage, which the checksum detects.
        case SQLITE_FLOAT: return .bits(sqlite3_column_double(statement, index).bitPattern)
        case SQLITE_TEXT: return .text(String(decoding: bytes(sqlite3_column_text(statement, index)), as: UTF8.self))
        default: return .blob(Array(bytes(sqlite3_column_blob(statement, index))))
        }
    }

    private static func argument(_ value: MetadataValue) -> (any DatabaseValueConvertible)? {
        switch value {
        case .null: nil
        case .integer(let number): number
        case .text(let text): text
        case .blob(let bytes): Data(bytes)
        }
    }

    /// For errors on the connection, which knows the system's error number.
    private func explain(_ error: any Error) -> MetadataError {
        Self.explain(error, path, systemError: queue.inDatabase { sqlite3_system_errno($0.sqliteConnection) })
    }

    static func explain(_ error: any Error, _ path: String, systemError: Int32 = 0) -> MetadataError {
        if let error = error as? FileError {
            return MetadataError(error.isNoSpace ? .noSpace : .failed, error.description)
        }
        guard let error = error as? DatabaseError else { return MetadataError(.failed, "'\(path)': \(error)") }
        let message = "'\(path)': \(error.message ?? "SQLite error \(error.resultCode.rawValue)")"
        let isOfDisk = [.SQLITE_IOERR, .SQLITE_CANTOPEN].contains(error.resultCode)
        // The quota is used up, or the directory has no room for another name. A failed sync is not counted as a full
        // disk: what the disk then holds is unknown.
        let isNoSpace =
            isOfDisk && error.extendedResultCode != .SQLITE_IOERR_FSYNC
            && FileError(.write, path, code: systemError).isNoSpace
        // SQLite reports SHMSIZE only where the `-shm` file can't grow.
        if isNoSpace || error.extendedResultCode == .SQLITE_IOERR_SHMSIZE {
            return MetadataError(.noSpace, "'\(path)': the disk has no room for what SQLite writes beside it")
        }
        switch error.resultCode {
        case .SQLITE_FULL: return MetadataError(.noSpace, message)
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: return MetadataError(.damaged, message)
        default: return MetadataError(.failed, message)
        }
    }
}

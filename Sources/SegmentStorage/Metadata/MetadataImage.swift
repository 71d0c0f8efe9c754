import DiskAccess
import GRDB
import GRDBSQLite

/// A metadata database as bytes in memory. It is read without touching the file or its write-ahead log, or created so
/// that one rename can put it in place.
///
/// SQLite opens a database in WAL mode only by writing beside it, so code that only inspects a store must not open it
/// there.
package struct MetadataImage {
    /// The contents of a database, as far as they could be read.
    package struct Reading {
        package var contents = MetadataContents()
        /// The faults that SQLite's integrity check finds, and the tables that can't be read.
        package var faults: [String] = []
        /// Whether the write-ahead log holds transactions that are not in the main file.
        var hasLog = false

        package init(contents: MetadataContents = MetadataContents(), faults: [String] = [], hasLog: Bool = false) {
            self.contents = contents
            self.faults = faults
            self.hasLog = hasLog
        }
    }

    /// Reads the database of the store in `directory`; nil where it has no database.
    package static func load(
        in directory: String, _ fileSystem: any FileSystem, file: String = StoreLayout.metadataFile
    ) throws -> Reading? {
        let path = "\(directory)/\(file)"
        guard try fileSystem.status(path) != nil else { return nil }
        let main = try everything(of: path, fileSystem)
        let log = try fileSystem.status(path + "-wal").map { _ in try everything(of: path + "-wal", fileSystem) }
        return read(merging(main, log: log ?? []))
    }

    private static func everything(of path: String, _ fileSystem: any FileSystem) throws -> [UInt8] {
        let file = try fileSystem.open(path, .read)
        return try file.bytes(at: 0, count: try file.size())
    }

    // MARK: The write-ahead log

    /// The main file with the log's committed transactions applied (SQLite's "Database File Format", "The
    /// Write-Ahead Log").
    static func merging(_ main: [UInt8], log: [UInt8]) -> (image: [UInt8], hasLog: Bool) {
        func word(_ at: Int) -> UInt32 { LittleEndian.read(UInt32.self, from: log, at: at).byteSwapped }
        guard log.count >= 32, word(0) & ~1 == 0x377F_0682, word(4) == 3_007_000 else { return (main, false) }
        let pageSize = Int(word(8))
        guard (512...65_536).contains(pageSize), pageSize & (pageSize - 1) == 0 else { return (main, false) }
        var sum = LogChecksum(isBigEndian: word(0) & 1 == 1)
        sum.add(log, 0..<24)
        guard sum.first == word(24), sum.second == word(28) else { return (main, false) }
        var image = main
        var pages: [(number: Int, at: Int)] = []
        var hasLog = false
        var at = 32
        while at + 24 + pageSize <= log.count, word(at + 8) == word(16), word(at + 12) == word(20) {
            sum.add(log, at..<at + 8)
            sum.add(log, at + 24..<at + 24 + pageSize)
            guard sum.first == word(at + 16), sum.second == word(at + 20) else { break }
            pages.append((Int(word(at)), at + 24))
            let size = Int(word(at + 4))
            at += 24 + pageSize
            // A WAL frame that gives the database's size commits a transaction. Frames after the last such frame are
            // not committed.
            guard size > 0 else { continue }
            let length = size * pageSize
            if image.count < length { image.append(contentsOf: repeatElement(0, count: length - image.count)) }
            for page in pages where page.number >= 1 && page.number <= size {
                image.replaceSubrange(
                    (page.number - 1) * pageSize..<page.number * pageSize, with: log[page.at..<page.at + pageSize])
            }
            image.removeLast(image.count - length)
            pages = []
            hasLog = true
        }
        return (image, hasLog)
    }

    private struct LogChecksum {
        let isBigEndian: Bool
        var first: UInt32 = 0
        var second: UInt32 = 0

        init(isBigEndian: Bool) { self.isBigEndian = isBigEndian }

        mutating func add(_ bytes: [UInt8], _ range: Range<Int>) {
            for at in stride(from: range.lowerBound, to: range.upperBound, by: 8) {
                var left = LittleEndian.read(UInt32.self, from: bytes, at: at)
                var right = LittleEndian.read(UInt32.self, from: bytes, at: at + 4)
                if isBigEndian { (left, right) = (left.byteSwapped, right.byteSwapped) }
                first = first &+ left &+ second
                second = second &+ right &+ first
            }
        }
    }

    // MARK: Reading

    private static func read(_ merged: (image: [UInt8], hasLog: Bool)) -> Reading {
        var reading = Reading(hasLog: merged.hasLog)
        var image = merged.image
        guard image.count >= 512 else {
            reading.faults.append("it has \(image.count) bytes, which no database has")
            return reading
        }
        // A database in memory can't be in WAL mode, and the log is already applied, so the header is set to rollback
        // mode. SQLite refuses any other version.
        guard (1...2).contains(image[18]), (1...2).contains(image[19]) else {
            reading.faults.append("its header asks for another version of SQLite")
            return reading
        }
        (image[18], image[19]) = (1, 1)
        do {
            let queue = try DatabaseQueue()
            try queue.inDatabase { database in
                try load(image, into: database)
                try database.execute(sql: "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON")
                let faults = try String.fetchAll(database, sql: "PRAGMA integrity_check(10)")
                if faults != ["ok"] { reading.faults += faults.flatMap { $0.split(separator: "\n").map(String.init) } }
                let tables = try String.fetchAll(database, sql: "SELECT name FROM sqlite_master WHERE type = 'table'")
                for table in MetadataTable.allCases {
                    if table.isLater, !tables.contains(table.rawValue) { continue }
                    do {
                        try SQLiteMetadata.read(table, database, into: &reading.contents)
                    } catch {
                        reading.faults.append("table \(table.rawValue): \(describe(error))")
                    }
                }
            }
        } catch {
            reading.faults.append(describe(error))
        }
        return reading
    }

    private static func describe(_ error: any Error) -> String {
        guard let error = error as? DatabaseError else { return "\(error)" }
        return error.message ?? "SQLite error \(error.resultCode.rawValue)"
    }

    private static func load(_ image: [UInt8], into database: Database) throws {
        guard let room = sqlite3_malloc64(UInt64(image.count)) else { throw DatabaseError(resultCode: .SQLITE_NOMEM) }
        image.withUnsafeBytes { room.copyMemory(from: $0.baseAddress!, byteCount: image.count) }
        // SQLite frees the memory, even if this call fails.
        let code = sqlite3_deserialize(
            database.sqliteConnection, "main", room.assumingMemoryBound(to: UInt8.self), Int64(image.count),
            Int64(image.count),
            UInt32(SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_READONLY))
        guard code == SQLITE_OK else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
    }

    // MARK: Making

    /// A database file with exactly these rows, as bytes.
    package static func encode(_ contents: MetadataContents) throws(MetadataError) -> [UInt8] {
        do {
            let queue = try DatabaseQueue()
            return try queue.writeWithoutTransaction { database in
                try database.inTransaction {
                    for table in MetadataTable.allCases {
                        try database.execute(sql: table.definition)
                        for row in contents[table] { try SQLiteMetadata.put(row, database) }
                    }
                    return .commit
                }
                var size: Int64 = 0
                guard let bytes = sqlite3_serialize(database.sqliteConnection, "main", &size, 0) else {
                    throw DatabaseError(resultCode: .SQLITE_NOMEM)
                }
                defer { sqlite3_free(bytes) }
                return Array(UnsafeBufferPointer(start: bytes, count: Int(size)))
            }
        } catch {
            throw MetadataError(.failed, "making a database in memory: \(describe(error))")
        }
    }
}

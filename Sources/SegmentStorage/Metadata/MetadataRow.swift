import StreamModel

/// A column's value, in one of SQLite's own types. Text is compared by its bytes, as SQLite does.
package enum MetadataValue: Hashable, Sendable {
    case null
    case integer(Int64)
    case text(String)
    case blob([UInt8])

    /// An unsigned 64-bit number, stored with the same bits.
    package static func bits(_ value: UInt64) -> MetadataValue { .integer(Int64(bitPattern: value)) }
    package static func number(_ value: some FixedWidthInteger) -> MetadataValue { .integer(Int64(value)) }
    package static func optional(_ value: (some FixedWidthInteger)?) -> MetadataValue {
        value.map { .integer(Int64($0)) } ?? .null
    }

    package static func == (left: MetadataValue, right: MetadataValue) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.integer(let left), .integer(let right)): left == right
        case (.text(let left), .text(let right)): UTF8Key(left) == UTF8Key(right)
        case (.blob(let left), .blob(let right)): left == right
        default: false
        }
    }

    package func hash(into hasher: inout Hasher) {
        switch self {
        case .null: break
        case .integer(let value): hasher.combine(value)
        case .text(let value): hasher.combine(UTF8Key(value))
        case .blob(let value): hasher.combine(value)
        }
    }

    fileprivate func append(to bytes: inout [UInt8]) {
        switch self {
        case .null: bytes.append(0)
        case .integer(let value):
            bytes.append(1)
            LittleEndian.append(value, to: &bytes)
        case .text(let value):
            bytes.append(2)
            LittleEndian.append(UInt64(value.utf8.count), to: &bytes)
            bytes.append(contentsOf: value.utf8)
        case .blob(let value):
            bytes.append(3)
            LittleEndian.append(UInt64(value.count), to: &bytes)
            bytes.append(contentsOf: value)
        }
    }
}

/// The tables of `metadata.sqlite` (STORE-T2). The last column of each is the row's checksum, `crc`.
package enum MetadataTable: String, CaseIterable, Sendable {
    case store, journal, stream, shard, mapping, checkpoint, parked, segment, section
    case segmentStream = "segment_stream"
    case lostRange = "lost_range"
    case deletedShard = "deleted_shard"
    /// The numbers that a shard's numbers have jumped over (STORE-C4).
    case skipped
    /// The creation seconds of removed shards: the latest one, and all of them.
    case retired
    /// The settings that a stream was created with.
    case streamCreation = "stream_creation"
    /// Up to which arrival a stream's records have expired permanently.
    case streamExpiry = "stream_expiry"
    /// What control actions have made of a mapping.
    case mappingControl = "mapping_control"
    /// The last control actions of each mapping.
    case mappingAction = "mapping_action"
    /// What is kept by name for accounts, streams and consumers.
    case attribute

    /// Whether stores of earlier versions may lack the table. Opening such a store creates it.
    package var isLater: Bool {
        switch self {
        case .journal, .skipped, .retired, .streamCreation, .streamExpiry, .mappingControl, .mappingAction, .attribute:
            true
        default: false
        }
    }

    /// The number of leading columns that form the key.
    package var keyCount: Int {
        switch self {
        case .store, .journal, .stream, .shard, .mapping, .segment, .deletedShard, .skipped, .retired,
            .streamCreation, .streamExpiry, .mappingControl:
            1
        case .checkpoint, .section, .segmentStream, .lostRange, .mappingAction: 2
        case .parked, .attribute: 3
        }
    }

    package var columns: [String] {
        switch self {
        case .store:
            [
                "id", "format", "incarnation", "start_file", "start_block", "start_commit", "start_chain",
                "next_shard_key", "next_segment", "next_stream", "next_mapping",
            ]
        case .journal: ["id", "last_commit"]
        case .stream:
            [
                "id", "name", "retention_ms", "created_ms", "max_record_bytes", "failure_stream", "next_shard_number",
                "at_commit",
            ]
        case .shard:
            [
                "key", "stream", "number", "first_hash", "last_hash", "parent", "adjacent", "created_s", "opened_ms",
                "closed_ms", "children", "origin", "last_sequence", "floor", "last_arrival", "epoch", "at_commit",
            ]
        case .mapping: ["id", "stream", "name", "starting", "configuration", "created_ms", "epoch", "at_commit"]
        case .checkpoint:
            [
                "mapping", "shard", "epoch", "revision", "position", "shard_end", "ranges", "state", "attempt_first",
                "attempt_last", "attempt_count", "attempt_cause", "at_commit",
            ]
        case .parked: ["mapping", "shard", "key", "value", "at_commit"]
        case .segment:
            [
                "id", "state", "class", "bytes", "footer_offset", "footer_crc", "first_commit", "last_commit",
                "created_ms",
            ]
        case .section:
            ["segment", "offset", "index_offset", "index_length", "index_crc", "first_commit", "last_commit"]
        case .segmentStream: ["segment", "stream", "shards", "first_arrival", "last_arrival", "bytes"]
        case .lostRange: ["shard", "first", "last", "reason"]
        case .deletedShard: ["key", "at_commit"]
        case .skipped: ["shard", "ranges"]
        case .retired: ["id", "created_s"]
        case .streamCreation: ["stream", "shards", "retention_ms", "max_record_bytes", "failure_stream"]
        case .streamExpiry: ["stream", "expired_ms"]
        case .mappingControl: ["mapping", "revision", "enabled", "brought"]
        case .mappingAction: ["mapping", "revision", "time_ms", "actor", "reason", "settings", "enabled"]
        case .attribute: ["stream", "part", "name", "value", "revision", "at_commit"]
        }
    }

    fileprivate var seed: UInt32 { Self.seeds[self]! }
    private static let seeds = Dictionary(
        uniqueKeysWithValues: allCases.map { ($0, Checksum.crc32c(Array($0.rawValue.utf8))) })

    /// The statement that creates the table. Columns have no declared type, so that SQLite stores each value unchanged.
    package var definition: String {
        "CREATE TABLE IF NOT EXISTS \(rawValue) (\(columns.joined(separator: ", ")), crc NOT NULL, "
            + "PRIMARY KEY (\(columns.prefix(keyCount).joined(separator: ", ")))) WITHOUT ROWID"
    }
}

/// A row of a table: the columns' values in order, the key first.
package struct MetadataRow: Hashable, Sendable {
    package let table: MetadataTable
    package let values: [MetadataValue]

    package init(_ table: MetadataTable, _ values: [MetadataValue]) {
        precondition(values.count == table.columns.count)
        self.table = table
        self.values = values
    }

    package var key: [MetadataValue] { Array(values.prefix(table.keyCount)) }

    /// CRC-32C of the values, seeded with the table. It detects changed values: SQLite's pages have no checksum, and
    /// `integrity_check` verifies only the structure.
    package var checksum: UInt32 {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(16 * values.count)
        for value in values { value.append(to: &bytes) }
        return Checksum.crc32c(bytes, seed: table.seed)
    }
}

/// One change of a transaction.
package enum MetadataChange: Hashable, Sendable {
    /// Inserts a row, or replaces the row with the same key.
    case put(MetadataRow)
    /// Removes all rows whose key begins with these values.
    case remove(MetadataTable, key: [MetadataValue])
}

/// The contents of a database, as read at opening.
package struct MetadataContents: Sendable {
    /// A row with a wrong checksum. None of its values is used.
    package struct DamagedRow: Hashable, Sendable {
        package var table: MetadataTable
        package var key: String
    }

    package var rows: [MetadataTable: [MetadataRow]] = [:]
    package var damaged: [DamagedRow] = []

    package init() {}

    package subscript(table: MetadataTable) -> [MetadataRow] { rows[table] ?? [] }
}

/// A store's metadata database: a snapshot as of a journal position. The journal holds every change first, except
/// checkpoints and attempts that are saved while the disk is full (STORE-C9).
/// Implemented by SQLite, and by a model in memory for simulations. All calls block, so only the package's own threads
/// make them. Errors are ``MetadataError``.
package protocol MetadataStore: AnyObject, Sendable {
    /// Everything; the checksum of each row is verified.
    func read() throws(MetadataError) -> MetadataContents
    /// Applies all changes durably, or none.
    func apply(_ changes: [MetadataChange]) throws(MetadataError)
    /// Closes the database. Further calls do nothing.
    func close() throws(MetadataError)
}

/// Why the database failed.
package struct MetadataError: Error, Sendable, CustomStringConvertible {
    package enum Kind: Sendable {
        /// The disk is full. The transaction was surely not written.
        case noSpace
        /// The database is damaged.
        case damaged
        /// Its settings don't make commits durable, so it is not used.
        case notDurable
        /// Any other failure. Whether the last transaction was written is not known.
        case failed
    }

    package var kind: Kind
    package var message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    package var description: String { message }
}

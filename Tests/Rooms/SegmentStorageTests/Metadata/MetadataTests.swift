import DiskAccess
import Foundation
import GRDB
import Glibc
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import SegmentStorage

/// STORE-T1, STORE-T2: what SQLite must promise, and what is noticed where it doesn't keep it.
@Suite struct MetadataTests {
    private let directory = TestDirectory()
    private var path: String { directory.path + "/metadata.sqlite" }

    /// A catalogue with something in every table and column.
    private static func catalogue() -> (Catalogue, DirtyRows) {
        var stand = JournalStandIn()
        stand.createStream("orders", shards: 3)
        stand.createStream("other", retention: .milliseconds(1_500))
        stand.put([[1], [2]], in: "orders", shard: 1, at: 5_000)
        var catalogue = stand.catalogue
        let shard = stand.shard("orders", 1)
        let number = MappingNumber(catalogue.nextMapping)
        let starts = [MappingCreatedEntry.Start(shard: shard.key, position: SequenceNumber(1))]
        for (index, start) in [
            StartingPosition.trimHorizon, .latest, .atTimestamp(Timestamp(milliseconds: -5)),
            .atSequenceNumber(SequenceNumber(9)), .afterSequenceNumber(SequenceNumber(8)),
        ].enumerated() {
            catalogue.apply(
                .mappingCreated(
                    MappingCreatedEntry(
                        number: MappingNumber(number.rawValue + UInt32(index)), stream: shard.stream, name: "m\(index)",
                        startingPosition: start, createdAt: Timestamp(milliseconds: 77), configuration: [1, 2, 3],
                        starts: starts)), commit: 10)
        }
        for (revision, isEnabled) in zip(UInt64(1)..., [nil, false, true, nil, false]) {
            catalogue.apply(
                .mappingControlled(
                    MappingControlledEntry(
                        number: number,
                        action: MappingAction(
                            revision: revision, time: Timestamp(milliseconds: 9), actor: "ops\0", reason: "warum: ü",
                            changedSettings: isEnabled == nil, isEnabled: isEnabled),
                        configuration: isEnabled == nil ? [UInt8(revision)] : nil, isBrought: revision == 1)),
                commit: 11)
        }
        catalogue.apply(
            .checkpoint(
                CheckpointEntry(
                    mapping: number, shard: shard.key, epoch: 4, revision: 9, position: SequenceNumber(2),
                    isShardEnd: false,
                    ranges: [SequenceNumber(4)...SequenceNumber(6), SequenceNumber(9)...SequenceNumber(9)],
                    state: [9, 8, 7])), commit: 12)
        catalogue.apply(
            .attempts(
                AttemptsEntry(
                    mapping: number, shard: shard.key,
                    note: AttemptNote(first: SequenceNumber(3), last: SequenceNumber(5), count: 2, cause: "it's\0 gone")
                )),
            commit: 13)
        catalogue.apply(
            .parked(ParkedEntry(mapping: number, shard: shard.key, partitionKey: "k", value: [5])), commit: 14)
        // Two keys that String takes for one, and two that a C string would.
        for (index, text) in ["caf\u{E9}", "cafe\u{301}", "nul", "nul\0", "nul\0end"].enumerated() {
            catalogue.apply(
                .parked(
                    ParkedEntry(mapping: number, shard: shard.key, partitionKey: text, value: [UInt8(index)])),
                commit: 14)
        }
        catalogue.apply(
            .seal(
                SealEntry(
                    stream: shard.stream, closedAt: Timestamp(milliseconds: 6_000),
                    parents: [.init(shard: shard.key, lastSequence: SequenceNumber(2))],
                    children: [
                        NewShard(
                            key: ShardNumber(catalogue.nextShard), id: ShardID(3), range: shard.range,
                            creationSecond: 6,
                            origin: SequenceNumber(2))
                    ])), commit: 15)
        for commit: UInt64 in 16...17 {
            catalogue.apply(
                .opened(OpenedEntry(incarnation: 2, cutCommit: 0, finding: "", numberJump: OpenedEntry.jump)),
                commit: commit)
            let first = catalogue.shards[ShardNumber(1)]?.nextSequence ?? .zero
            _ = catalogue.shards.update(ShardNumber(1)) { $0.advance(to: first, at: Timestamp(milliseconds: 1)) }
        }
        for second: UInt64 in [7, 9, 4_102_444_800] { catalogue.retired.insert(second) }
        catalogue.apply(
            .streamChanged(
                StreamChangedEntry(
                    key: shard.stream, retention: .seconds(7), maximumRecordSize: 9, isFailureStream: true,
                    expiredThrough: Timestamp(milliseconds: 123_456))), commit: 18)
        for (index, part) in ["", "caf\u{E9}", "cafe\u{301}", "nul\0"].enumerated() {
            for stream in [AttributeEntry.accounts, shard.stream] {
                for value in [[], [UInt8(index), 255]] {
                    catalogue.apply(
                        .attributeChanged(
                            AttributeEntry(
                                stream: stream, part: part, name: "ü\0\(value.count)", revision: .max, value: value)),
                        commit: 19)
                }
            }
        }
        var dirty = DirtyRows()
        dirty.attributes = catalogue.attributePlaces
        dirty.parked = catalogue.parkedPlaces
        dirty.streams = Set(catalogue.streams.keys)
        dirty.shards = ShardSet(catalogue.shards.keys)
        dirty.jumped = dirty.shards
        // Of a stream that is gone.
        dirty.shards.insert(ShardNumber(1000))
        dirty.mappings = Set(catalogue.mappings.keys)
        for (number, mapping) in catalogue.mappings {
            dirty.actions.formUnion(mapping.control.actions.map { .init(mapping: number, revision: $0.revision) })
            dirty.checkpoints.formUnion(mapping.checkpoints.keys.map { .init(mapping: number, shard: $0) })
        }
        return (catalogue, dirty)
    }

    private static func segmentRows() -> [MetadataRow] {
        var part = SegmentStreamRow(segment: 3, stream: 1, shards: [], firstArrival: 5, lastArrival: 9, bytes: 100)
        part.insert(shard: 11)
        return [
            SegmentRow(
                id: 3, state: .open, grouping: SegmentGrouping(retentionMilliseconds: 86_400_000, isOwn: true),
                bytes: 9_000, footerOffset: 0, footerChecksum: 0, commits: 1...9, created: 44
            ).row,
            SectionRow(
                segment: 3, offset: 4096, indexOffset: 8_000, indexLength: 1_000, indexChecksum: .max, commits: 1...9
            ).row, part.row, MetadataRow(.lostRange, [.number(1), .number(5), .number(9), .text("damage")]),
            MetadataRow(.deletedShard, [.number(77), .number(2)]), MetadataRow(.journal, [.number(1), .bits(15)]),
        ]
    }

    private static func fill(_ metadata: any MetadataStore) throws -> (Catalogue, StoreRow) {
        let (catalogue, dirty) = catalogue()
        var store = StoreRow(
            id: JournalStandIn.store.bytes, incarnation: 3, startFile: 4, startBlock: 5, startCommit: 6)
        store.nextShard = catalogue.nextShard
        store.nextStream = UInt64(catalogue.nextStream)
        store.nextMapping = UInt64(catalogue.nextMapping)
        try metadata.apply(catalogue.changes(dirty) + segmentRows().map { .put($0) } + [.put(store.row)])
        return (catalogue, store)
    }

    @Test func `the level of sync is read back on the connection that writes`() throws {
        let metadata = try SQLiteMetadata(path: path)
        #expect(try metadata.durability() == .init(synchronous: 2, journalMode: "wal"))
    }

    @Test(arguments: [(1, "wal"), (2, "delete"), (0, "wal"), (1, "memory")])
    func `a database that can't promise its commits is not used`(level: Int, mode: String) {
        #expect { try SQLiteMetadata.require(.init(synchronous: level, journalMode: mode), path) } throws: {
            ($0 as? MetadataError)?.kind == .notDurable
        }
    }

    @Test(arguments: ["", "-wal", "-shm"])
    func `SQLite is not let near a database that can't be written`(suffix: String) async throws {
        let path = "/store/metadata.sqlite"
        let disk = MemoryFileSystem(contents: [path: [], path + "-wal": [], path + "-shm": []])
        disk.onOperation { $0.kind == .open && $0.path == path + suffix ? .error(suffix.isEmpty ? EACCES : -1) : nil }
        // There is no such directory in truth: SQLite would say so.
        let backing = SegmentBacking(
            fileSystem: disk, directory: "/store", timeSource: HandClock(0), logger: silent)
        let error = await expectError(.notAccessible) { _ = try backing.load() }
        #expect(
            error?.message.contains(
                suffix.isEmpty ? "Permission denied; give this user the right" : "it is no regular file") == true,
            "\(error as Any)")
    }

    @Test func `that SQLite finds no room is told as that, however it says it`() {
        func kind(_ code: ResultCode, _ systemError: Int32 = 0) -> MetadataError.Kind {
            SQLiteMetadata.explain(DatabaseError(resultCode: code), path, systemError: systemError).kind
        }
        #expect(kind(.SQLITE_FULL) == .noSpace)
        #expect(kind(.SQLITE_IOERR_SHMSIZE) == .noSpace)
        #expect(kind(.SQLITE_IOERR_WRITE, ENOSPC) == .noSpace)
        #expect(kind(.SQLITE_IOERR_WRITE, EDQUOT) == .noSpace)
        #expect(kind(.SQLITE_CANTOPEN, ENOSPC) == .noSpace)
        #expect(kind(.SQLITE_IOERR_WRITE, EIO) == .failed)
        // What a failed sync has left is not known.
        #expect(kind(.SQLITE_IOERR_FSYNC, ENOSPC) == .failed)
        #expect(kind(.SQLITE_BUSY, ENOSPC) == .failed)
    }

    @Test(arguments: [false, true])
    func `the catalogue comes back as it was`(isModel: Bool) throws {
        var metadata: any MetadataStore = isModel ? ModelMetadata() : try SQLiteMetadata(path: path)
        let (catalogue, store) = try Self.fill(metadata)
        if !isModel {
            try metadata.close()
            metadata = try SQLiteMetadata(path: path)
        }
        let contents = try metadata.read()
        #expect(contents.damaged.isEmpty)
        let row = try StoreRow(try #require(contents[.store].first))
        #expect(row == store)
        var read = try Catalogue(contents, store: row)
        read.incarnation = catalogue.incarnation
        #expect(read.deletedShards == [ShardNumber(77): 2])
        read.deletedShards = [:]
        #expect(read == catalogue)
        #expect(try contents[.segment].map { try $000000000000.segmentRow().row } == [Self.segmentRows()[0]])
        #expect(try contents[.section].map { try $0.sectionRow().row } == [Self.segmentRows()[1]])
        #expect(
            try contents[.segmentStream].map { try $000000000000.segmentStreamRow().row } == [Self.segmentRows()[2]])
    }

    @Test func `removed shards' seconds are read as earlier builds have saved them`() throws {
        let metadata = try SQLiteMetadata(path: path)
        let (catalogue, store) = try Self.fill(metadata)
        func ranges() throws -> [ClosedRange<UInt64>] {
            try Catalogue(metadata.read(), store: store).retired.ranges
        }
        #expect(try ranges() == [7...7, 9...9, 4_102_444_800...4_102_444_800])
        // The latest one alone, at first, and after this build has saved all of them.
        try metadata.apply([.put(MetadataRow(.retired, [.number(1), .bits(4_102_444_803)]))])
        #expect(try ranges() == [7...7, 9...9, 4_102_444_800...4_102_444_803])
        try metadata.apply([
            .remove(.retired, key: []), .put(MetadataRow(.retired, [.number(1), .bits(10)])),
        ])
        #expect(try ranges() == [0...10])
        try metadata.apply(catalogue.retiredRows.dropFirst().map { .put($0) })
        #expect(try ranges() == catalogue.retired.ranges)
    }

    @Test func `what is deleted takes its rows with it`() throws {
        let metadata = try SQLiteMetadata(path: path)
        var (catalogue, store) = try Self.fill(metadata)
        try metadata.apply([.remove(.deletedShard, key: [])])
        let mapping = try #require(catalogue.mappings.keys.min())
        catalogue.apply(.mappingDeleted(mapping), commit: 20)
        var dirty = DirtyRows()
        dirty.mappings = [mapping]
        let stream = try catalogue.stream("other")
        catalogue.apply(.streamDeleted(stream.key), commit: 21)
        dirty.streams = [stream.key]
        dirty.shards = ShardSet(stream.shards.values)
        try metadata.apply(catalogue.changes(dirty))
        let contents = try metadata.read()
        #expect(contents[.stream].count == 1)
        #expect(contents[.parked].isEmpty)
        #expect(catalogue.deletedShards.values.map { $0 } == [21])
        store.incarnation = catalogue.incarnation
        #expect(try Catalogue(contents, store: store) == catalogue)
    }

    @Test(arguments: [false, true])
    func `a transaction is whole or absent`(isModel: Bool) throws {
        let metadata: any MetadataStore = isModel ? ModelMetadata() : try SQLiteMetadata(path: path)
        _ = try Self.fill(metadata)
        let before = try metadata.read().rows
        if let model = metadata as? ModelMetadata {
            model.fail(with: MetadataError(.noSpace, "full"))
            #expect(throws: MetadataError.self) { try model.apply([.remove(.stream, key: [])]) }
        } else {
            // The second change breaks a rule of the table, so the first must not be there either.
            let queue = try DatabaseQueue(path: path)
            try queue.write {
                try $0.execute(sql: "CREATE TRIGGER no BEFORE INSERT ON stream BEGIN SELECT RAISE(ABORT, 'no'); END")
            }
            let row = try #require(before[.stream]?.first)
            #expect(throws: MetadataError.self) { try metadata.apply([.remove(.shard, key: []), .put(row)]) }
        }
        #expect(try metadata.read().rows == before)
    }

    @Test func `every changed value of every row is noticed`() throws {
        let metadata = try SQLiteMetadata(path: path)
        _ = try Self.fill(metadata)
        let queue = try DatabaseQueue(path: path)
        for table in MetadataTable.allCases {
            let rows = try metadata.read()[table]
            #expect(!rows.isEmpty, "\(table) is empty")
            for column in table.columns + ["crc"] {
                for change in ["\(column) + 1", "\(column) || 'x'", "CAST(\(column) || 'y' AS BLOB)", "NULL"] {
                    // As the test takes it back, the key's order stays.
                    let before = try queue.read { try Row.fetchAll($0, sql: "SELECT * FROM \(table.rawValue)") }
                    let changed: Void? = try? queue.write {
                        try $0.execute(
                            sql:
                                "UPDATE \(table.rawValue) SET \(column) = \(change) WHERE \(table.columns[0]) = (SELECT min(\(table.columns[0])) FROM \(table.rawValue))"
                        )
                    }
                    guard changed != nil,
                        try queue.read({ try Row.fetchAll($0, sql: "SELECT * FROM \(table.rawValue)") }) != before
                    else { continue }
                    #expect(try !metadata.read().damaged.isEmpty, "\(table).\(column) = \(change)")
                    try queue.write { try $0.execute(sql: "DELETE FROM \(table.rawValue)") }
                    try metadata.apply(rows.map { .put($0) })
                    #expect(try metadata.read().damaged.isEmpty)
                }
            }
        }
    }

    @Test func `only this user may read what is in it`() throws {
        let before = umask(0)
        defer { umask(before) }
        let metadata = try SQLiteMetadata(path: path)
        _ = try Self.fill(metadata)
        for suffix in ["", "-wal", "-shm"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: path + suffix)
            #expect(attributes[.posixPermissions] as? Int == 0o600, "\(suffix)")
        }
        try metadata.close()
    }

    @Test func `a flipped byte anywhere in the file never changes what is read`() throws {
        let metadata = try SQLiteMetadata(path: path)
        _ = try Self.fill(metadata)
        let whole = try metadata.read()
        try metadata.close()
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        let copy = directory.path + "/flipped.sqlite"
        var noticed = 0
        // A prime as stride, so that every place within a page is met in some page.
        for index in stride(from: 0, to: bytes.count, by: 211) {
            bytes[index] ^= 0x21
            try Data(bytes).write(to: URL(fileURLWithPath: copy))
            bytes[index] ^= 0x21
            do {
                let read = try SQLiteMetadata(path: copy).read()
                // Unused bytes of a page may change; rows may not, unless that is reported.
                if read.damaged.isEmpty { #expect(read.rows == whole.rows, "byte \(index)") } else { noticed += 1 }
            } catch {
                noticed += 1
            }
            for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: copy + suffix) }
        }
        #expect(noticed > 0)
    }

    @Test func `the model can lose its last transaction`() throws {
        let model = ModelMetadata()
        let (_, store) = try Self.fill(model)
        var newer = store
        newer.startCommit = 99
        try model.apply([.put(newer.row)])
        model.loseLastTransaction()
        #expect(try StoreRow(try #require(model.read()[.store].first)) == store)
    }
}

extension SQLiteMetadata {
    /// Damages one row, as a flipped bit on the disk would.
    func overwriteChecksum(of row: MetadataRow) throws {
        let queue = try DatabaseQueue(path: path)
        try queue.write { try $0.execute(sql: "UPDATE \(row.table.rawValue) SET crc = crc + 1") }
        try queue.close()
    }
}

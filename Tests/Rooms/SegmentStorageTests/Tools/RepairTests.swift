import DiskAccess
import Foundation
import GRDB
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import OfflineStore
@testable import SegmentStorage

/// Repair makes a damaged store whole again: what is whole is served, what is not is told as a gap (STORE-D3,
/// STORE-D5).
@Suite(.timeLimit(.minutes(2))) struct RepairTests {
    private func repair(
        _ directory: TestDirectory, _ clock: HandClock, dryRun: Bool = false
    ) async throws -> RepairReport {
        try await SegmentStore.repair(at: directory.path, dryRun: dryRun, timeSource: clock, logger: silent)
    }

    /// Repairs, and expects that every record is served or told to be lost, and that all is whole then.
    @discardableResult
    private func expectMended(
        _ directory: TestDirectory, _ clock: HandClock, lost count: UInt64?, total: Int? = 200,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> RepairReport {
        let before = try directory.contents()
        let plan = try await repair(directory, clock, dryRun: true)
        #expect(try directory.contents() == before, "saying it changes something", sourceLocation: sourceLocation)
        #expect(plan.isNeeded && !plan.isApplied && !plan.steps.isEmpty, sourceLocation: sourceLocation)
        let report = try await repair(directory, clock)
        #expect(report.isApplied, sourceLocation: sourceLocation)
        #expect(report.steps == plan.steps, sourceLocation: sourceLocation)
        #expect(report.lost == plan.lost, sourceLocation: sourceLocation)
        if let count {
            #expect(report.lost.reduce(0) { $0 + $1.count } == count, "\(report)", sourceLocation: sourceLocation)
        }
        let check = try await SegmentStore.check(at: directory.path, timeSource: clock)
        #expect(check.verdict == .whole, "\(check.findings)", sourceLocation: sourceLocation)
        #expect(check.lostRanges.reduce(0) { $0 + $1.count } == report.lost.reduce(0) { $0 + $1.count })
        // Nothing is left to do.
        let again = try await repair(directory, clock)
        #expect(!again.isNeeded && again.steps.isEmpty, "\(again)", sourceLocation: sourceLocation)
        let store = try await SegmentStore.open(at: directory.path, timeSource: clock, logger: silent)
        let found = try await store.everything(of: "orders")
        let lost = found.lost.reduce(0) { $0 + $1.count }
        if let total {
            #expect(found.texts.count + lost == total, "\(report)", sourceLocation: sourceLocation)
        }
        let count = try await store.describeStream("orders").shards.reduce(0) { $0 + $1.recordCount }
        #expect(count == found.texts.count, "\(report)", sourceLocation: sourceLocation)
        let all = Set((0..<200).map(UsedStore.text))
        #expect(Set(found.texts).isSubset(of: all) && Set(found.texts).count == found.texts.count)
        // It goes on, in front of nothing that anybody has seen.
        let tips = try await store.describeStream("orders").shards.map(\.tip)
        let receipt = try await store.stream("orders").put("new", partitionKey: "customer 1")
        #expect(receipt.sequenceNumber > tips.max()!, sourceLocation: sourceLocation)
        #expect(try await store.everything(of: "orders").texts.last == "new", sourceLocation: sourceLocation)
        let spans = try await store.describeStream("orders").shards.map { RecordSpan(shard: $0.id, after: .zero) }
        let counts = try await store.countRecords(in: spans, of: "orders")
        #expect(counts.reduce(0, +) == found.texts.count + 1, "\(report)", sourceLocation: sourceLocation)
        try await store.close()
        let end = try await SegmentStore.check(at: directory.path, timeSource: clock)
        #expect(end.verdict == .whole, "\(end.findings)", sourceLocation: sourceLocation)
        return report
    }

    @Test func `a store that is whole stays as it is`() async throws {
        let used = try await UsedStore()
        let before = try used.directory.contents()
        let report = try await repair(used.directory, used.clock)
        #expect(!report.isNeeded && !report.isApplied)
        #expect(try used.directory.contents().filter { $0.key != "lock" } == before.filter { $0.key != "lock" })
    }

    @Test func `a damaged commit head keeps the store shut, and is passed: later commits say what is lost (STORE-J8)`()
        async throws
    {
        let (directory, clock) = try await UsedStore.killed()
        let (journal, block) = try directory.commit(beforeLast: 8)
        try directory.flip(journal, at: block * 4_096 + 9)
        await expectError(.corrupt) {
            try await SegmentStore.open(at: directory.path, timeSource: clock, logger: silent)
        }
        let report = try await expectMended(directory, clock, lost: 1)
        #expect(report.found.findings.first?.file == journal)
        // The damaged bytes are kept.
        let kept = try directory.contents().filter { $0.key.hasPrefix("quarantine/") }
        #expect(kept.keys.contains { $0.contains("\(block * 4_096)") }, "\(kept.keys)")
    }

    @Test func `a commit whose head is whole keeps its other entries and names its records exactly`() async throws {
        let (directory, clock) = try await UsedStore.killed()
        let (journal, block) = try directory.commit(beforeLast: 8)
        let bytes = try #require(try directory.contents()[journal])
        let header = try CommitHeader(bytes[block * 4_096..<block * 4_096 + 80])
        try directory.flip(journal, at: block * 4_096 + header.headCount + 2)
        let report = try await expectMended(directory, clock, lost: 1)
        #expect(report.found.findings.first?.lost.count == 1)
    }

    @Test func `a file of the journal that is gone costs its records and nothing else`() async throws {
        let (directory, clock) = try await UsedStore.killed()
        let (newest, _) = try directory.commit(beforeLast: 1)
        for journal in try directory.files(in: "journal") {
            let copy = try directory.copy()
            try FileManager.default.removeItem(atPath: "\(copy.path)/\(journal)")
            guard try await SegmentStore.check(at: copy.path, timeSource: clock).verdict == .damaged else { continue }
            // What was lost at the end can't be known, if nothing saved says it.
            let report = try await expectMended(copy, clock, lost: nil, total: journal == newest ? nil : 200)
            #expect(!report.unknown.isEmpty)
        }
    }

    @Test func `damage in segments: blocks are given up, indexes recreated`() async throws {
        let used = try await UsedStore()
        for segment in try used.directory.files(in: "segments") {
            let bytes = try #require(try used.directory.contents()[segment])
            for offset in [0, 4_096, 4_200, bytes.count - 1, bytes.count - 100, bytes.count / 2 + 2_048] {
                let copy = try used.directory.copy()
                try copy.flip(segment, at: offset)
                guard try await SegmentStore.check(at: copy.path, timeSource: used.clock).verdict == .damaged else {
                    continue
                }
                let report = try await expectMended(copy, used.clock, lost: nil)
                if offset == 0 || offset >= bytes.count - 100 { #expect(report.lost.isEmpty) }
                if offset == 4_200 { #expect(!report.lost.isEmpty) }
            }
            let copy = try used.directory.copy()
            let file = try POSIXFileSystem().open("\(copy.path)/\(segment)", .readWrite)
            try file.truncate(to: bytes.count / 2 + 2_048)
            try await expectMended(copy, used.clock, lost: nil)
            let other = try used.directory.copy()
            try FileManager.default.removeItem(atPath: "\(other.path)/\(segment)")
            try await expectMended(other, used.clock, lost: nil)
        }
    }

    @Test func `metadata that are gone are made of segments and journal`() async throws {
        let used = try await UsedStore()
        let (killed, clock) = try await UsedStore.killed()
        for directory in [used.directory, killed] {
            for suffix in ["", "-wal", "-shm"] {
                try? FileManager.default.removeItem(atPath: "\(directory.path)/metadata.sqlite\(suffix)")
            }
            let report = try await expectMended(directory, clock, lost: 0)
            #expect(!report.unknown.isEmpty)
            let store = try await SegmentStore.open(at: directory.path, timeSource: clock, logger: silent)
            let orders = try await store.describeStream("orders")
            #expect(orders.retention == .seconds(365 * 86_400))
            #expect(orders.shards.map(\.hashKeyRange) == HashKeyRange.even(2))
            try await store.close()
        }
    }

    @Test func `a row of any table that was changed is recreated, and nothing is lost`() async throws {
        let (directory, clock) = try await UsedStore.killed()
        try SQLiteMetadata(path: directory.path + "/metadata.sqlite").close()
        for table in MetadataTable.allCases {
            let copy = try directory.copy()
            let queue = try DatabaseQueue(path: copy.path + "/metadata.sqlite")
            let changed = try await queue.write { database -> Int in
                try database.execute(sql: "UPDATE \(table.rawValue) SET crc = crc + 1")
                return database.changesCount
            }
            try queue.close()
            guard changed > 0 else { continue }
            let report = try await expectMended(copy, clock, lost: 0)
            let store = try await SegmentStore.open(at: copy.path, timeSource: clock, logger: silent)
            // The name of a stream without records is in no segment.
            let names = try await store.listStreams().map(\.name)
            // The flush may not have released the journal's first file yet, which has the name.
            let isNameless = table == .stream && names == ["orders", "recovered-2"]
            #expect(isNameless || names == ["audit", "orders"], "\(table)")
            if ![.mapping, .stream].contains(table) {
                #expect(try await store.listMappings(of: nil).count == 1, "\(table)")
                let parked = try await store.parkedKeys(ParkedKeyQuery(UsedStore.mapping)).keys.map(\.partitionKey)
                let isTold = report.unknown.contains { $0.hasPrefix("keys that were parked") }
                #expect(parked == Array(UsedStore.parked.dropFirst()) || (table == .parked && isTold), "\(table)")
            }
            try await store.close()
        }
    }

    /// Its shard has no record, so no segment describes it (STORE-E4).
    @Test func `a key that was parked in a shard of which nothing is left is told`() async throws {
        let (directory, clock) = (TestDirectory(), HandClock(1_700_000_000_000))
        let key = MappingID(stream: "s", name: "m")
        let store = try await SegmentStore.open(at: directory.path, timeSource: clock, logger: silent)
        try await store.createStream("s", shards: 1)
        try await store.createMapping(MappingDefinition(key: key, startingPosition: .trimHorizon))
        let epoch = try await store.claimMapping(key).epoch
        let park = ParkedKeyChange(mapping: key, shard: ShardID(0), partitionKey: "k", value: [1], epoch: epoch)
        _ = try await store.commit([.park(park)])
        try await store.close()
        let queue = try DatabaseQueue(path: directory.path + "/metadata.sqlite")
        try await queue.write { try $0.execute(sql: "UPDATE shard SET crc = crc + 1") }
        try queue.close()
        let report = try await repair(directory, clock)
        #expect(report.isApplied)
        #expect(report.unknown.contains { $0.hasPrefix("keys that were parked in shards that are lost") })
        let again = try await SegmentStore.open(at: directory.path, timeSource: clock, logger: silent)
        #expect(try await again.parkedKeys(ParkedKeyQuery(key)).keys == [])
        try await again.close()
        #expect(try await SegmentStore.check(at: directory.path, timeSource: clock).verdict == .whole)
    }

    @Test func `where nothing says what store it is, nothing is done`() async throws {
        let used = try await UsedStore(count: 5)
        for name in try used.directory.files(in: "journal") + ["metadata.sqlite"] {
            let count = try #require(try used.directory.contents()[name]?.count)
            try Data(repeating: 7, count: count).write(to: URL(fileURLWithPath: "\(used.directory.path)/\(name)"))
        }
        let before = try used.directory.contents()
        await expectError(.corrupt) { try await repair(used.directory, used.clock) }
        #expect(try used.directory.contents().filter { $0.key != "lock" } == before.filter { $0.key != "lock" })
    }

    // MARK: What is lost where a shard begins or ends

    /// A reader that begins at the oldest record, or at a time before all of them, is told of what is lost in front of it.
    private func expectToldFromTheBeginning(
        _ store: SegmentStore, total: Int, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        for start in [StartingPosition.trimHorizon, .atTimestamp(Timestamp(milliseconds: 1_600_000_000_000))] {
            let found = try await store.everything(of: "orders", from: start)
            let lost = found.lost.reduce(0) { $0 + $1.count }
            #expect(lost > 0 && found.texts.count + lost == total, "\(start)", sourceLocation: sourceLocation)
        }
    }

    @Test func `what is lost at the head of a shard is told to a reader from the trim horizon until it has expired`()
        async throws
    {
        let used = try await UsedStore()
        let segments = try used.directory.files(in: "segments")
        for count in [1, segments.count] {
            let copy = try used.directory.copy()
            for segment in segments.prefix(count) {
                try POSIXFileSystem().open("\(copy.path)/\(segment)", .readWrite).truncate(to: 0)
            }
            let clock = HandClock(used.clock.wallTime.milliseconds)
            #expect(try await repair(copy, clock).isApplied)
            var store = try await SegmentStore.open(at: copy.path, timeSource: clock, logger: silent)
            try await expectToldFromTheBeginning(store, total: 200)
            try await store.close()
            // A year later they have expired like any others.
            clock.set(clock.wallTime.milliseconds + 365 * 86_400_000 + 1)
            store = try await SegmentStore.open(at: copy.path, timeSource: clock, logger: silent)
            try await store.stream("orders").put("new", partitionKey: "customer 1")
            let found = try await store.everything(of: "orders", from: .trimHorizon)
            #expect(found.texts == ["new"] && found.lost.isEmpty)
            try await store.close()
        }
    }

    @Test(arguments: [1, 2, 9, 40])
    func `the newest records that are lost are told at once, and again in front of what comes next`(count: Int)
        async throws
    {
        let (directory, clock) = try await UsedStore.killed(count: count)
        let (journal, block) = try newestRecord(in: directory)
        try directory.flip(journal, at: block)
        let report = try await repair(directory, clock)
        #expect(report.lost.reduce(0) { $0 + $1.count } == 1)
        let lost = try #require(report.lost.first).numbers.lowerBound.rawValue
        var store = try await SegmentStore.open(at: directory.path, timeSource: clock, logger: silent)
        try await expectToldFromTheBeginning(store, total: count)
        for index in 0..<7 { try await store.stream("orders").put("new", partitionKey: "customer \(index)") }
        for _ in 0..<3 {
            try await expectToldFromTheBeginning(store, total: count + 7)
            let end = try await store.everything(of: "orders", from: .trimHorizon)
            #expect(end.lost == [lost...lost])
            try await store.close()
            // With what came in segments, too.
            let open = try await FlushedStore.open(directory, clock: clock, memtableSize: 1)
            try await open.store.stream("audit").put("more", partitionKey: "k")
            try await open.flusher.reached(1)
            try await open.store.close()
            store = try await SegmentStore.open(at: directory.path, timeSource: clock, logger: silent)
        }
        try await store.close()
        #expect(try await SegmentStore.check(at: directory.path, timeSource: clock).verdict == .whole)
    }

    /// Where in the journal the bytes of the newest record lie.
    private func newestRecord(in directory: TestDirectory) throws -> (file: String, offset: Int) {
        for back in 0... {
            let (journal, block) = try directory.commit(beforeLast: back)
            let bytes = try #require(try directory.contents()[journal])
            let header = try CommitHeader(bytes[block * 4_096..<block * 4_096 + 80])
            if header.totalCount > header.headCount { return (journal, block * 4_096 + header.headCount + 2) }
        }
        throw FormatDamage("no commit has records")
    }

    @Test func `of what an earlier version gave up, only what comes after it says whether it has expired`() throws {
        var contents = MetadataContents()
        let known = LostRange(numbers: 10...12, arrivedBy: Timestamp(milliseconds: 7))
        contents.rows[.lostRange] = [
            MetadataRow(.lostRange, [.number(1), .number(5), .number(9), .text("damage")]), known.row(shard: 1),
        ]
        let given = try #require(try contents.lostRanges[1])
        #expect(given == [LostRange(numbers: 5...9, arrivedBy: nil), known])
        #expect(known.row(shard: 1).values.last == .text("damage, arrived by 7"))

        let shard = ShardState(
            key: ShardNumber(1), stream: StreamNumber(1), id: ShardID(0), range: HashKeyRange.even(1)[0], parents: [],
            creationSecond: 0,
            openedAt: Timestamp(milliseconds: 0), origin: .zero, lastSequence: SequenceNumber(20), floor: .zero,
            lastArrival: Timestamp(milliseconds: 30), atCommit: 0)
        func position(before kept: UInt64, at time: Int64, _ ranges: [LostRange]) -> UInt64 {
            LostRange.position(
                of: shard, before: SequenceNumber(kept), arrivedAtOrAfter: Timestamp(milliseconds: time), ranges
            ).rawValue
        }
        #expect(position(before: 13, at: 7, given) == 4)
        #expect(position(before: 13, at: 8, given) == 12)
        // A record of its own between them, which has expired.
        #expect(position(before: 14, at: 7, given) == 13)
        // A jump of numbers is none.
        #expect(position(before: 13 + OpenedEntry.jump, at: 7, given) == 4)
        // Nothing comes after it: the shard's newest arrival is its own, or later.
        let end = [LostRange(numbers: 5...20, arrivedBy: nil)]
        #expect(position(before: 21, at: 30, end) == 4)
        #expect(position(before: 21, at: 31, end) == 20)
    }
}

import DiskAccess
import Foundation
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import OfflineStore
@testable import SegmentStorage

extension TestDirectory {
    /// Every file below the directory with its bytes.
    func contents() throws -> [String: [UInt8]] {
        let root = URL(fileURLWithPath: path)
        var contents: [String: [UInt8]] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: path) {
            var isFolder: ObjCBool = false
            let url = root.appendingPathComponent(name)
            guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder), !isFolder.boolValue else {
                continue
            }
            contents[name] = Array(try Data(contentsOf: url))
        }
        return contents
    }

    func flip(_ file: String, at offset: Int, _ mask: UInt8 = 0x40) throws {
        let file = try POSIXFileSystem().open("\(path)/\(file)", .readWrite)
        let byte = try file.bytes(at: offset, count: 1)
        try file.writeAll([byte[0] ^ mask], at: offset)
    }

    /// Where in the journal a commit lies, counted from the newest one.
    func commit(beforeLast count: Int) throws -> (file: String, block: Int) {
        var places: [UInt64: (String, Int)] = [:]
        for (name, bytes) in try contents() where name.hasPrefix("journal/") {
            // A file that is being made ready may be empty.
            for block in stride(from: 1, to: bytes.count / 4_096, by: 1) {
                let head = bytes[block * 4_096..<block * 4_096 + 80]
                if let header = try? CommitHeader(head) { places[header.number] = (name, block) }
            }
        }
        return try #require(places[(places.keys.max() ?? 0) - UInt64(count)])
    }

    func files(in folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(path)/\(folder)").sorted().map { "\(folder)/\($0)" }
    }
}

/// A small store that has been in use: segments of several sections, one of them sealed, and records in the journal.
struct UsedStore {
    let directory = TestDirectory()
    let clock = HandClock(1_700_000_000_000)
    private static let memtableSize = 20_000
    private static let options = SegmentBacking.Options(sealFrom: 6_000)
    static let mapping = MappingID(stream: "orders", name: "billing")

    /// The keys that it parks in its second shard; the first of them is freed later.
    static let parked = ["customer 0", "customer 1", "größe"]

    private static func park(_ key: String, _ value: [UInt8]?, _ claim: MappingDescription) -> Change {
        .park(
            ParkedKeyChange(
                mapping: mapping, shard: ShardID(1), partitionKey: key, value: value, epoch: claim.epoch))
    }

    private static func commit(_ changes: [Change], _ store: SegmentStore) async throws {
        guard case .committed = try await store.commit(changes) else { throw FormatDamage("a commit was refused") }
    }

    static func text(_ index: Int) -> String { "order \(index) " + String(repeating: "-", count: index % 90) }

    /// - Parameter count: records of "orders", one commit each; "audit" has none of them.
    private let opened: FlushedStore

    init(count: Int = 200, closes: Bool = true) async throws {
        let open = try await FlushedStore.open(
            directory, clock: clock, memtableSize: Self.memtableSize, options: Self.options)
        opened = open
        let store = open.store
        try await store.createStream("orders", shards: 2, retention: .seconds(365 * 86_400))
        try await store.createStream("audit", shards: 1, retention: .seconds(365 * 86_400))
        try await store.createMapping(
            MappingDefinition(key: Self.mapping, startingPosition: .trimHorizon, configuration: Array("{}".utf8)))
        let claim = try await store.claimMapping(Self.mapping)
        // In one commit, and none where few are wanted.
        if count >= 200 { try await Self.commit(Self.parked.map { Self.park($0, [1], claim) }, store) }
        for index in 0..<count {
            clock.set(1_700_000_000_000 + Int64(index) * 10)
            try await store.stream("orders").put(Self.text(index), partitionKey: "customer \(index % 7)")
        }
        // No further than the shard is.
        let tip = try await store.describeStream("orders").shards[1].tip
        let move = CheckpointMove(
            mapping: Self.mapping, epoch: claim.epoch,
            checkpoint: ShardCheckpoint(shard: ShardID(1), position: min(SequenceNumber(9), tip), state: [1, 2, 3]))
        try await Self.commit([.checkpoint(move), Self.park(Self.parked[0], nil, claim)], store)
        if count >= 200 { try await open.flusher.reached(3) }
        try await store.releaseMapping(Self.mapping, epoch: claim.epoch)
        if closes { try await store.close() }
    }

    /// What a process would find that started after the one with this store was killed: with records in the journal.
    static func killed(count: Int = 200) async throws -> (directory: TestDirectory, clock: HandClock) {
        let used = try await UsedStore(count: count, closes: false)
        try await used.opened.flusher.stopped()
        defer { used.opened.flusher.hold(false) }
        return (try used.directory.copy(), used.clock)
    }

    func open() async throws -> FlushedStore {
        try await FlushedStore.open(directory, clock: clock, memtableSize: Self.memtableSize, options: Self.options)
    }

    func check() async throws -> StoreReport {
        try await SegmentStore.check(at: directory.path, timeSource: clock)
    }
}

extension SegmentStore {
    /// What can be read of a stream, by the number in each text; and what was told to be lost.
    func everything(
        of stream: String, from start: StartingPosition = .atSequenceNumber(.zero)
    ) async throws -> (texts: [String], lost: [ClosedRange<UInt64>]) {
        var texts: [(Int64, String)] = []
        var lost: [ClosedRange<UInt64>] = []
        for shard in try await describeStream(stream).shards {
            var position = try await position(of: start, in: stream, shard: shard.id)
            while true {
                let result = try await read(ReadRequest(stream: stream, shard: shard.id, after: position))
                if let range = result.lost { lost.append(range.lowerBound.rawValue...range.upperBound.rawValue) }
                for record in result.batch {
                    texts.append(
                        (record.approximateArrivalTimestamp.milliseconds, String(decoding: record.bytes, as: UTF8.self))
                    )
                }
                guard result.next > position else { break }
                position = result.next
            }
        }
        return (texts.sorted { $0.0 < $1.0 }.map(\.1), lost)
    }
}

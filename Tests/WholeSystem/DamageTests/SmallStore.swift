import DiskAccess
import Foundation
import Logging
import StreamModel
import StreamStorage
import Synchronization
import TestSupport

@testable import SegmentStorage

/// A clock that moves on by itself a little with each look, so that maintenance comes between two puts.
final class SteppedClock: TimeSource {
    private let now = Mutex<Int64>(1_700_000_000_000)

    var wallTime: Timestamp { Timestamp(milliseconds: now.withLock { $0 }) }
    var monotonicTime: MonotonicTime { MonotonicTime(sinceOrigin: .milliseconds(now.withLock { $0 })) }
    func sleep(until deadline: MonotonicTime) async throws { try Task.checkCancellation() }
    func advance(by milliseconds: Int64) { now.withLock { $0 += milliseconds } }
}

let quiet = Logger(label: "damage", factory: { _ in SwiftLogNoOpLogHandler() })

/// The files of a small store that was closed: a sealed and an open segment, and a journal with records, a control action and
/// a merge of its own.
struct SmallStore: Sendable {
    static let mapping = MappingID(stream: "orders", name: "billing")
    static let position = SequenceNumber(3)
    /// Its settings since the control action before the last one.
    static let settings = Array("{\"a\":2}".utf8)
    static let owners: [AttributeOwner] = [.account("a"), .stream("orders"), .consumer("c", of: "orders")]
    /// All shards, and by which number records know each.
    static let shards: [(stream: String, shard: UInt32, key: UInt32)] = [
        ("orders", 0, 1), ("orders", 1, 2), ("audit", 0, 3), ("scaled", 0, 4), ("scaled", 1, 5), ("scaled", 2, 6),
        ("scaled", 3, 7),
    ]
    /// What ``Trial`` says of the mapping and the lineage of shards where nothing is damaged.
    static let facts = [
        "billing is disabled, has {\"a\":2} and revision 3", "1 machine 7: its run has these settings",
        "2 betrieb: größer",
        "3 ops: it hangs", "scaled 0 closed", "scaled 1 of 0 closed", "scaled 2 of 0 closed", "scaled 3 of 1 2",
        "größe=[8]", "größe=[8]", "größe=[8]", parked,
    ]

    /// What it says of the one key that is parked.
    static let parked = "parked 1 größe=[8]"

    /// By path below the directory.
    let files: [String: [UInt8]]
    let clock = SteppedClock()

    static func internals(_ directory: String, _ clock: SteppedClock) -> SegmentStore.Internals {
        var internals = SegmentStore.Internals()
        internals.ringFileSize = 64 << 10
        internals.reserveSize = 64 << 10
        internals.newStore = StoreID(bytes: Array(1...16))
        internals.makeBacking = { directory in
            let backing = SegmentBacking(
                fileSystem: POSIXFileSystem(), directory: directory, timeSource: clock, logger: quiet,
                options: .init(sealFrom: 7_000))
            return Backing(
                metadata: backing, flusher: backing, past: backing, close: { try backing.close() }, backup: backing)
        }
        return internals
    }

    private static func open(_ directory: String, _ clock: SteppedClock) async throws -> SegmentStore {
        try await SegmentStore.open(
            at: directory, configuration: .init(), timeSource: clock, logger: quiet,
            internals: internals(directory, clock))
    }

    private static func seal(
        _ parents: [UInt32], _ children: [HashKeyRange], with others: [Change] = [], _ store: SegmentStore
    ) async throws {
        let seal = Seal(stream: "scaled", parents: parents.map { ShardID($0) }, children: children)
        guard case .committed = try await store.commit([.seal(seal)] + others) else {
            throw ShardlineError(.storeFailed, "the seal was refused")
        }
    }

    private static func park(_ key: String, _ value: [UInt8]?, _ claim: MappingDescription) -> Change {
        .park(
            ParkedKeyChange(
                mapping: mapping, shard: ShardID(1), partitionKey: key, value: value, epoch: claim.epoch))
    }

    private static func ofBothHalves(_ text: String) -> [NewRecord] {
        [HashKey(1), HashKey(.max)].map { NewRecord(text, partitionKey: "k", explicitHashKey: $0) }
    }

    init() async throws {
        let folder = TestDirectory(inMemory: true)
        let directory = folder.path("store")
        let clock = clock
        var index = 0
        func put(_ calls: Int, _ store: SegmentStore) async throws {
            for _ in 0..<calls {
                clock.advance(by: 1_500)
                // Long enough to be compressed, and keys of both shards.
                try await store.stream("orders").put(
                    contentsOf: (0..<6).map { _ in
                        index += 1
                        return NewRecord(
                            "order \(index), " + String(repeating: "of \(index % 5) pieces ", count: 8),
                            partitionKey: "customer \(index % 7)")
                    })
            }
        }
        // More than one file of the ring is flushed at the end, less is left in the journal (STORE-F8).
        var store = try await Self.open(directory, clock)
        try await store.createStream("orders", shards: 2, retention: .seconds(365 * 86_400))
        try await store.createStream("audit", shards: 1, retention: .seconds(365 * 86_400))
        try await store.createStream("scaled", shards: 1, retention: .seconds(365 * 86_400))
        try await store.stream("scaled").put("before the split", partitionKey: "k")
        try await store.createMapping(
            MappingDefinition(key: Self.mapping, startingPosition: .trimHorizon, configuration: Array("{}".utf8)))
        try await put(14, store)
        try await store.close()
        store = try await Self.open(directory, clock)
        let lease = MappingClaim(configuration: Array("{\"a\":1}".utf8), owner: "machine 7", lease: .seconds(30))
        let earlier = try await store.claimMapping(Self.mapping, with: lease)
        let updated = MappingControl(Self.mapping, configuration: Self.settings, actor: "betrieb", reason: "größer")
        try await store.controlMapping(updated)
        try await store.releaseMapping(Self.mapping, epoch: earlier.epoch)
        let first = Self.owners.map { Change.attribute(AttributeChange($0, "größe", .set([7, 9]))) }
        let parked = [Self.park("größe", [7], earlier), Self.park("frei", [7], earlier)]
        guard case .committed = try await store.commit(first + parked) else {
            throw ShardlineError(.storeFailed, "attributes and parked keys were refused")
        }
        try await Self.seal([0], HashKeyRange.even(2), store)
        try await store.stream("scaled").put(contentsOf: Self.ofBothHalves("after the split"))
        try await put(18, store)
        try await store.stream("audit").put("an old one", partitionKey: "k")
        try await store.close()
        store = try await Self.open(directory, clock)
        try await put(2, store)
        try await store.stream("audit").put(
            contentsOf: [NewRecord("by hash", partitionKey: "k", explicitHashKey: HashKey(5))])
        let later = Self.owners.map { Change.attribute(AttributeChange($0, "größe", .set([8]))) }
        // In one commit, and few in all, or the end would flush them.
        let disabled = MappingControl(
            Self.mapping, expectedRevision: 2, isEnabled: false, actor: "ops", reason: "it hangs")
        try await Self.seal([1, 2], HashKeyRange.even(1), with: [.control(disabled)] + later, store)
        try await store.stream("scaled").put("after the merge", partitionKey: "k")
        let claim = try await store.claimMapping(Self.mapping, with: lease)
        let move = CheckpointMove(
            mapping: Self.mapping, epoch: claim.epoch,
            checkpoint: ShardCheckpoint(shard: ShardID(1), position: Self.position, state: [1, 2, 3]))
        let reparked = [Self.park("größe", [8], claim), Self.park("frei", nil, claim)]
        guard case .committed = try await store.commit([.checkpoint(move)] + reparked) else {
            throw ShardlineError(.storeFailed, "the checkpoint was refused")
        }
        try await put(1, store)
        try await store.close()
        var files: [String: [UInt8]] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: directory) {
            let path = "\(directory)/\(name)"
            var isFolder: ObjCBool = false
            _ = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
            if !isFolder.boolValue { files[name] = try POSIXFileSystem().everything(path) }
        }
        self.files = files
    }

    /// Writes the files, changed by `damage`, into a new directory.
    func write(to directory: String, _ files: [String: [UInt8]]) throws {
        let disk = POSIXFileSystem()
        for folder in ["", "/journal", "/segments"] { try disk.createDirectory(directory + folder) }
        for (name, bytes) in files { try disk.open("\(directory)/\(name)", .create).writeAll(bytes, at: 0) }
    }
}

extension POSIXFileSystem {
    func everything(_ path: String) throws -> [UInt8] {
        let file = try open(path, .read)
        return try file.bytes(at: 0, count: try file.size())
    }
}

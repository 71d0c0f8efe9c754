import DiskAccess
import Logging
import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import TestSupport

@testable import SegmentStorage

/// A store on a simulated disk of little room, without threads: the test steps the writer and the maintenance.
struct FullDisk {
    static let key = MappingID(stream: "s", name: "m")

    let disk: MemoryFileSystem
    let model: ModelMetadata
    let time: VirtualTime
    let store: SegmentStore
    private let log: Log
    private let state = State()

    /// What changes as the store is used.
    private final class State: Sendable {
        let counts = Mutex((records: 0, epoch: 0 as UInt64))
    }

    /// Keeps each line with its level before it.
    private struct Log: LogHandler {
        final class Lines: Sendable { let all = Mutex<[String]>([]) }
        let kept = Lines()
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.info
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) { kept.all.withLock { $0.append("\(event.level) \(event.message)") } }
    }

    /// Opens what is on the disk, with the metadata in a model.
    ///
    /// - Parameter needsRoom: as with SQLite, the database can't be opened while the disk has no room for a file.
    static func open(
        _ disk: MemoryFileSystem, _ model: ModelMetadata, time: VirtualTime, memtableSize: Int = 20_000,
        needsRoom: Bool = false
    ) async throws -> FullDisk {
        let log = Log()
        let logger = Logger(label: "test") { _ in log }
        let backing = SegmentBacking(
            fileSystem: disk, directory: TestStore.directory, timeSource: time, logger: logger,
            openMetadata: {
                if needsRoom, try disk.freeSpace(at: "/") < 32 << 10 { throw MetadataError(.noSpace, "no room") }
                return model
            })
        var internals = SegmentStore.Internals()
        internals.fileSystem = disk
        internals.ringFileSize = 64 << 10
        internals.memtableSize = memtableSize
        internals.newStore = StoreID(bytes: Array(1...16))
        internals.startsThreads = false
        internals.makeBacking = { _ in
            Backing(metadata: backing, flusher: backing, past: backing, close: { try backing.close() })
        }
        let store = try await SegmentStore.open(
            at: TestStore.directory, configuration: .init(), timeSource: time, logger: logger, internals: internals)
        return FullDisk(disk: disk, model: model, time: time, store: store, log: log)
    }

    /// A store whose disk has become full in a flush, unless `leavesHouse`: then the flush is still to come.
    static func filled(
        leavesHouse: Bool = false, before: (FullDisk) async throws -> Void = { _ in }
    ) async throws -> FullDisk {
        let full = try await open(MemoryFileSystem(), ModelMetadata(), time: VirtualTime())
        try await full.prepare()
        for index in 0..<12 { try await full.put("record \(index)") }
        try await before(full)
        full.time.advance(by: .seconds(1))
        full.runMaintenance()
        // What the flush is to write does not go in any more.
        full.disk.capacity = full.disk.usedBytes + 3_000
        try await full.put(noise(24_000))
        if !leavesHouse { full.runMaintenance() }
        return full
    }

    /// Makes the stream and a mapping that is claimed.
    func prepare() async throws {
        try await stepping { try await store.createStream("s", shards: 1) }
        try await stepping {
            try await store.createMapping(MappingDefinition(key: Self.key, startingPosition: .trimHorizon))
        }
        let claimed = try await stepping { try await store.claimMapping(Self.key) }
        state.counts.withLock { $0.epoch = claimed.epoch }
    }

    /// How many records were put.
    var count: Int { state.counts.withLock { $0.records } }
    /// The claim on the mapping.
    var epoch: UInt64 { state.counts.withLock { $0.epoch } }
    /// What was logged, with the level before each line.
    var lines: [String] { log.kept.all.withLock { $0 } }
    /// How often something was written to a file.
    var written: Int { disk.operations.count { $0.kind == .write } }

    // MARK: Stepping

    func step() { _ = store.core.writer.step(at: time.monotonicTime) }

    /// One round of the maintenance.
    func runMaintenance() { store.core.maintenance.work(on: store.core.memtables.next(atMost: .zero)) }

    /// Runs a call and steps the writer when it waits.
    @discardableResult
    func stepping<Result: Sendable>(_ body: @Sendable () async throws -> Result) async throws -> Result {
        async let result = body()
        await RestingExecutor.current.rest { store.core.queue.count >= 1 }
        step()
        return try await result
    }

    // MARK: Calls

    func put(_ text: String) async throws { try await put(Array(text.utf8)) }

    func put(_ data: [UInt8]) async throws {
        try await stepping { try await store.stream("s").put(data, partitionKey: "k") }
        state.counts.withLock { $0.records += 1 }
    }

    func checkpoint(at position: Int, state: [UInt8] = []) -> Change {
        .checkpoint(
            CheckpointMove(
                mapping: Self.key, epoch: epoch,
                checkpoint: ShardCheckpoint(
                    shard: ShardID(0), position: SequenceNumber(UInt64(position)), state: state)))
    }

    func submit(_ changes: [Change], _ body: @escaping @Sendable (Result<CommitOutcome, any Error>) -> Void) {
        store.submit(changes, urgency: .now, body)
    }

    /// Writes changes without records; why that failed, or nil.
    func answer(_ changes: [Change]) -> (any Error)? {
        let found = Shared<Result<CommitOutcome, any Error>?>(nil)
        submit(changes) { answer in found.withLock { $0 = answer } }
        step()
        switch found.withLock({ $0 }) {
        case .success(.committed): return nil
        case .success(let outcome): return ShardlineError(.storeFailed, "\(outcome)")
        case .failure(let error): return error
        case nil: return ShardlineError(.storeFailed, "there was no answer")
        }
    }

    func moveCheckpoint(to position: Int) -> (any Error)? { answer([checkpoint(at: position)]) }

    func position() async throws -> Int {
        Int(try await store.describeMapping(Self.key).checkpoints[0].position.rawValue)
    }

    /// Everything that can be read.
    func texts() async throws -> [String] {
        try await TestStore(disk: disk, time: time, store: store).texts()
    }
}

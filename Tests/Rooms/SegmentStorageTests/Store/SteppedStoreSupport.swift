import DiskAccess
import ShardlineTesting
import StreamModel
import StreamStorage
import TestSupport

@testable import SegmentStorage
import StoreSteps

/// A store on a machine in memory whose writer and maintenance go when the test says so.
struct SteppedMachine {
    let disk: MemoryFileSystem
    let metadata: ModelMetadata
    let time: VirtualTime
    private(set) var stepped: SteppedStore
    var store: SegmentStore { stepped.store }

    init(
        disk: MemoryFileSystem = MemoryFileSystem(), metadata: ModelMetadata = ModelMetadata(),
        time: VirtualTime = VirtualTime(), memtableSize: Int = 16 << 10
    ) throws {
        self.disk = disk
        self.metadata = metadata
        self.time = time
        var environment = SteppedStore.Environment(fileSystem: disk, metadata: metadata, threads: .shared)
        environment.memtableSize = memtableSize
        stepped = try SteppedStore.open(at: "/store", timeSource: time, logger: silent, environment: environment)
    }

    /// Does something with the store while its writer works.
    func run<Value: Sendable>(
        _ body: @escaping @Sendable (SegmentStore) async throws -> Value
    ) async throws -> Value {
        let isDone = Shared(false)
        return try await withThrowingTaskGroup(of: Value.self) { group in
            let store = store
            group.addTask {
                defer { isDone.withLock { $0 = true } }
                return try await body(store)
            }
            await RestingExecutor.current.rest {
                if stepped.hasCalls { _ = stepped.write() }
                return isDone.withLock { $0 }
            }
            return try await group.next()!
        }
    }

    /// One round of maintenance, as it comes every second, with what it asks of the writer; then what is to be saved.
    func maintain() {
        _ = stepped.runMaintenance()
        writeAll()
        _ = stepped.runMaintenance()
    }

    /// Has the writer do everything that waits for it.
    func writeAll() {
        while stepped.hasCalls { _ = stepped.write() }
        time.advance(by: JournalWriter.relaxedDelay)
        while stepped.hasCalls { _ = stepped.write() }
        _ = stepped.write()
    }

    /// Flushes everything that is in memory only.
    func flush() {
        store.core.memtables.closeNow()
        _ = stepped.runMaintenance()
    }

    /// The machine after an orderly end, its clock changed by so much.
    func reopened(clock change: Duration = .zero) throws -> SteppedMachine {
        stepped.beginClosing()
        while stepped.write() != .finished {}
        while stepped.runMaintenance() {}
        return try next(disk, metadata, change)
    }

    /// The machine after a loss of power at this moment.
    func crashed(clock change: Duration = .zero) throws -> SteppedMachine {
        try next(disk.afterCrash(), metadata.afterCrash(keepingCurrent: false), change)
    }

    private func next(
        _ disk: MemoryFileSystem, _ metadata: ModelMetadata, _ change: Duration
    ) throws -> SteppedMachine {
        time.setWallTime(time.wallTime + change)
        return try SteppedMachine(disk: disk, metadata: metadata, time: time)
    }
}

extension SegmentStore {
    /// Everything that can be read of a shard from its beginning, and what a reader is told has expired.
    func readThrough(
        of stream: String = "s", shard: UInt32 = 0
    ) async throws -> (texts: [String], expired: [ClosedRange<SequenceNumber>]) {
        var (texts, expired): ([String], [ClosedRange<SequenceNumber>]) = ([], [])
        var request = ReadRequest(stream: stream, shard: ShardID(shard), after: .zero)
        while true {
            let result = try await read(request)
            texts += result.batch.map { String(decoding: $0.bytes, as: UTF8.self) }
            if let range = result.expired { expired.append(range) }
            guard result.next > request.after else { return (texts, expired) }
            request.after = result.next
        }
    }
}

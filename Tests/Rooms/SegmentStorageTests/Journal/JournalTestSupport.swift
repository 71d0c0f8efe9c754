import DiskAccess
import Logging
import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import TestSupport
import Testing

@testable import SegmentStorage

/// A store in memory whose files are small and never leave the journal.
struct TestStore {
    let disk: MemoryFileSystem
    let time: VirtualTime
    let store: SegmentStore
    var core: StoreCore { store.core }

    static let directory = "/store"

    /// Opens the store on `disk`; without threads, the test steps the writer.
    static func open(
        _ disk: MemoryFileSystem = MemoryFileSystem(), time: VirtualTime = VirtualTime(),
        durability: SegmentStore.Durability = .synced, queueSize: Int = 4 << 20, threads: Bool = true
    ) async throws -> TestStore {
        var internals = SegmentStore.Internals()
        internals.fileSystem = disk
        internals.ringFileSize = 64 << 10
        internals.makeBacking = { _ in .journalOnly }
        internals.newStore = StoreID(bytes: Array(1...16))
        internals.startsThreads = threads
        var configuration = SegmentStore.Configuration()
        configuration.durability = durability
        configuration.queueSize = queueSize
        let store = try await SegmentStore.open(
            at: directory, configuration: configuration, timeSource: time, logger: silent, internals: internals)
        return TestStore(disk: disk, time: time, store: store)
    }

    /// Everything that can be read of shard 0 of "s".
    func texts(_ shard: UInt32 = 0) async throws -> [String] {
        var texts: [String] = []
        var request = ReadRequest(stream: "s", shard: ShardID(shard), after: .zero)
        while true {
            let result = try await store.read(request)
            texts += result.batch.map { String(decoding: $0.bytes, as: UTF8.self) }
            if result.batch.isEmpty { return texts }
            request.after = result.next
        }
    }

    @discardableResult
    func put(_ texts: String...) async throws -> [PutReceipt] {
        try await store.stream("s").put(contentsOf: texts.map { NewRecord($0, partitionKey: "k") })
    }

    /// Asks `answer` about what is done to the first file of the ring, which takes a test's commits. The flush thread
    /// fills the next file meanwhile, at a time of its own: a fault that counts operations must not count those.
    func onJournal(_ answer: @escaping @Sendable (MemoryFileSystem.Operation) -> MemoryFileSystem.Fault?) {
        disk.onOperation { $0.path == Self.file(1) ? answer($0) : nil }
    }

    /// The file of the ring with this id.
    static func file(_ id: UInt64) -> String { "\(directory)/journal/\(StoreLayout.journalFile(id))" }
}

/// Expects a ``ShardlineError`` of this kind and returns it.
@discardableResult
func expectError<Value>(
    _ code: ShardlineError.Code, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Value
) async -> ShardlineError? {
    do {
        _ = try await body()
        Issue.record("nothing was thrown; expected \(code)", sourceLocation: sourceLocation)
    } catch let error as ShardlineError {
        #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
        #expect(!error.message.contains("\n"), sourceLocation: sourceLocation)
        return error
    } catch {
        Issue.record("\(error) was thrown; expected \(code)", sourceLocation: sourceLocation)
    }
    return nil
}

/// Bytes that don't compress.
func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var random = SeededRandom(seed)
    return random.bytes(count)
}

/// A value that several tasks share.
final class Shared<Value: Sendable>: Sendable {
    private let state: Mutex<Value>

    init(_ value: Value) { state = Mutex(value) }

    func withLock<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
        state.withLock { value in body(&value) }
    }
}

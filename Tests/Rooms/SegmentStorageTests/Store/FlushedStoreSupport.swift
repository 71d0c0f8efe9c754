import DiskAccess
import Foundation
import Logging
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import SegmentStorage

/// Lets a test see and stop what a store flushes.
final class ObservedFlusher: Flusher {
    private struct State {
        var flushes = 0
        var isHeld = false
        var isBusy = false
        var snapshots: [(step: FlushMachine.Step, directory: TestDirectory)] = []
        var takesSnapshots = false
    }

    private let backing: SegmentBacking
    private let directory: TestDirectory
    private let clock: HandClock
    private let state = Monitor(State())

    init(_ backing: SegmentBacking, _ directory: TestDirectory, _ clock: HandClock) {
        self.backing = backing
        self.directory = directory
        self.clock = clock
    }

    func flush(_ memtable: Memtable) throws {
        _ = state.wait(atMost: nil) { state -> Void? in
            guard !state.isHeld else { return nil }
            state.isBusy = true
            return ()
        }
        defer { rest() }
        if state.withLock({ $0.takesSnapshots }), var machine = backing.flushMachine(memtable) {
            while let step = try machine.step() {
                let copy = try directory.copy()
                state.withLock { $0.snapshots.append((step, copy)) }
            }
            backing.finish(memtable)
        } else {
            try backing.flush(memtable)
        }
        // Not only when the store has nothing else to do.
        try backing.applyRetention(memtable.catalogue, now: clock.wallTime)
        state.withLock { $0.flushes += 1 }
        state.wakeAll()
    }

    private func rest() {
        state.withLock { $0.isBusy = false }
        state.wakeAll()
    }

    func applyRetention(_ catalogue: Catalogue, now: Timestamp, seals: Bool) throws {
        let isHeld = state.withLock { state in
            if !state.isHeld { state.isBusy = true }
            return state.isHeld
        }
        guard !isHeld else { return }
        defer { rest() }
        try backing.applyRetention(catalogue, now: now, seals: seals)
    }

    /// Begins no flush from now on, and returns when none is under way.
    func stopped() async throws {
        hold(true)
        try await BlockingThreads.shared.run { [state] in _ = state.wait(atMost: nil) { $0.isBusy ? nil : () } }
    }

    /// Flushes wait from now on, or go on.
    func hold(_ isHeld: Bool) {
        state.withLock { $0.isHeld = isHeld }
        state.wakeAll()
    }

    /// Copies the store's directory after every step of a flush from now on.
    func takeSnapshots() { state.withLock { $0.takesSnapshots = true } }
    var snapshots: [(step: FlushMachine.Step, directory: TestDirectory)] { state.withLock { $0.snapshots } }
    var flushes: Int { state.withLock { $0.flushes } }

    /// Returns when this many flushes have been done.
    func reached(_ flushes: Int) async throws {
        let isReached = try await BlockingThreads.shared.run { [state] in
            state.wait(atMost: .seconds(30)) { $0.flushes >= flushes ? () : nil } != nil
        }
        try #require(isReached, "the store did not flush in 30 seconds")
    }
}

/// A store with small rings and memtables, so that little data goes a long way.
struct FlushedStore {
    let store: SegmentStore
    let flusher: ObservedFlusher
    let backing: SegmentBacking

    static func open(
        _ directory: TestDirectory, clock: HandClock, memtableSize: Int = 20_000, ringFileSize: Int = 64 << 10,
        options: SegmentBacking.Options = .init()
    ) async throws -> FlushedStore {
        let backing = SegmentBacking(
            fileSystem: POSIXFileSystem(), directory: directory.path, timeSource: clock, logger: silent,
            options: options)
        let flusher = ObservedFlusher(backing, directory, clock)
        var internals = SegmentStore.Internals()
        internals.ringFileSize = ringFileSize
        internals.memtableSize = memtableSize
        internals.makeBacking = { _ in
            Backing(
                metadata: backing, flusher: flusher, past: backing, close: { try backing.close() }, backup: backing)
        }
        let store = try await SegmentStore.open(
            at: directory.path, configuration: .init(), timeSource: clock, logger: silent, internals: internals)
        return FlushedStore(store: store, flusher: flusher, backing: backing)
    }

    /// Everything of a shard, in portions.
    func all(of stream: String, shard: UInt32 = 0, portion: Int = 50) async throws -> [String] {
        var found: [String] = []
        var position = SequenceNumber.zero
        while true {
            let result = try await store.read(
                ReadRequest(stream: stream, shard: ShardID(shard), after: position, maximumRecords: portion))
            guard result.next > position else { return found }
            #expect(result.expired == nil && result.lost == nil)
            if let first = result.batch.first { #expect(first.sequenceNumber == position.advanced(by: 1)) }
            found += result.batch.map { String(decoding: $0.bytes, as: UTF8.self) }
            position = result.next
        }
    }

    /// What the ring has on the disk.
    func ringFiles(_ directory: TestDirectory) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: directory.path + "/journal").count
    }
}

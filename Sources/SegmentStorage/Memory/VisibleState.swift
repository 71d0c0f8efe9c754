import StreamModel
import StreamStorage
import Synchronization

/// What everybody but the writer sees: all that is committed, and nothing that isn't (STORE-M2).
package final class VisibleState: Sendable {
    struct State: Sendable {
        var catalogue: Catalogue
        var shardMemtables: ShardTable<ShardMemtable>
        /// The claims on mappings that somebody runs.
        var claims: [MappingNumber: Claim] = [:]
        var dirty = DirtyRows()
        /// By shard, what damage took and a repair has given up.
        var lost: [ShardNumber: [ClosedRange<UInt64>]] = [:]
        var isClosed = false

        /// Whoever runs a mapping.
        struct Claim: Sendable {
            var epoch: UInt64
            /// Where its run hands over what it gives up.
            var failureStream: String?
            /// Tells what its run does.
            var states: (@Sendable () -> [MappingShardState])?
        }

        func checkOpen() throws {
            if isClosed { throw ShardlineError(.closed, "the store was closed") }
        }
    }

    private let state: Mutex<State>
    private let watermarkValue: Atomic<UInt64>
    private let syncedValue: Atomic<UInt64>

    /// - Parameters:
    ///   - dirty: the rows of `catalogue` that differ from what is saved.
    ///   - lost: by shard, what damage took and a repair has given up.
    init(
        _ catalogue: Catalogue, shardMemtables: ShardTable<ShardMemtable>, watermark: UInt64,
        dirty: DirtyRows = DirtyRows(),
        lost: [ShardNumber: [ClosedRange<UInt64>]] = [:]
    ) {
        state = Mutex(State(catalogue: catalogue, shardMemtables: shardMemtables, dirty: dirty, lost: lost))
        watermarkValue = Atomic(watermark)
        syncedValue = Atomic(0)
    }

    /// The last commit that is durable; nothing beyond it is seen.
    package var watermark: UInt64 { watermarkValue.load(ordering: .acquiring) }

    /// The last commit with entries that is known to be on the disk; 0 before the first of this opening.
    var syncedThrough: UInt64 { syncedValue.load(ordering: .acquiring) }
    /// Says that this commit, and all before it, are on the disk.
    func synced(through commit: UInt64) { syncedValue.store(commit, ordering: .releasing) }

    /// Reads or changes it; throws `closed` once the store is closed.
    func withOpen<Result: Sendable>(_ body: (inout State) throws -> Result) throws -> Result {
        try state.withLock { state in
            try state.checkOpen()
            return try body(&state)
        }
    }

    /// Looks at it, closed or not.
    func withState<Result: Sendable>(_ body: (borrowing State) -> Result) -> Result { state.withLock { body($0) } }

    /// The catalogue as it is now.
    var catalogue: Catalogue { state.withLock { $0.catalogue } }
    var isClosed: Bool { state.withLock { $0.isClosed } }

    /// Makes a commit visible as a whole: its records, and what its entries say.
    func publish(_ entries: [Entry], frames: [Memtable.Frame], commit: UInt64) {
        let woken = state.withLock { state in
            var touched: Set<ShardNumber> = []
            var woken: [ShardMemtable] = []
            for entry in entries {
                touched.formUnion(state.catalogue.shardsThatChange(by: entry))
                state.dirty.note(entry, in: state.catalogue)
                state.catalogue.apply(entry, commit: commit)
                switch entry {
                case .streamCreated(let created): for shard in created.shards { state.addTail(shard) }
                case .seal(let seal): for shard in seal.children { state.addTail(shard) }
                case .mappingDeleted(let number): state.claims[number] = nil
                case .streamDeleted:
                    let mappings = state.catalogue.mappings
                    state.claims = state.claims.filter { mappings[$0.key] != nil }
                default: break
                }
            }
            // Behind the entries: a shard may begin and get records in one commit. Who begins to wait only now asks,
            // under this lock, whether something came meanwhile.
            for frame in frames {
                let runs = frame.runs.span
                for index in runs.indices {
                    if index + 8 < runs.count { state.shardMemtables.read(runs[index + 8].shard) { $0.fetchAhead() } }
                    if index + 4 < runs.count {
                        state.shardMemtables.read(runs[index + 4].shard) { $0.fetchPlaceAhead() }
                    }
                    let run = runs[index]
                    // Looked at where it lies: as many shards as a commit has are as many references not counted.
                    state.shardMemtables.read(run.shard) { shardMemtable in
                        if shardMemtable.append(frame.records(of: run), commit: commit) {
                            woken.append(copy shardMemtable)
                        }
                    }
                }
            }
            for shard in touched.sorted() {
                if let shardMemtable = state.shardMemtables[shard] { woken.append(shardMemtable) }
            }
            for shard in touched where state.catalogue.shards[shard] == nil { state.shardMemtables[shard] = nil }
            // Under the lock, so that who sees the records sees what else the commit said.
            watermarkValue.store(commit, ordering: .releasing)
            return woken
        }
        for shardMemtable in woken { shardMemtable.wake() }
    }

    /// What changed since the last call, with the catalogue that it changed to.
    func takeDirty() -> (DirtyRows, Catalogue) {
        state.withLock { state in
            defer { state.dirty = DirtyRows() }
            return (state.dirty, state.catalogue)
        }
    }

    /// Puts back what could not be saved.
    func putBack(_ dirty: DirtyRows) { state.withLock { $0.dirty.formUnion(dirty) } }

    /// The shardMemtables of these shards, as far as they are there.
    func shardMemtable(of shard: ShardNumber) -> ShardMemtable? { state.withLock { $0.shardMemtables[shard] } }

    /// Ends all calls that read or wait.
    func close() {
        let shardMemtables = state.withLock { state in
            state.isClosed = true
            return state.shardMemtables.sorted { $0.key < $1.key }.map(\.value)
        }
        for shardMemtable in shardMemtables { shardMemtable.wake() }
    }
}

extension VisibleState.State {
    fileprivate mutating func addTail(_ shard: NewShard) {
        shardMemtables[shard.key] = ShardMemtable(flushedThrough: shard.origin, horizon: shard.origin)
    }
}

extension Catalogue {
    /// Shards whose waiting readers have something to learn from an entry, records aside.
    func shardsThatChange(by entry: Entry) -> [ShardNumber] {
        switch entry {
        case .seal(let seal): seal.parents.map(\.shard)
        case .streamDeleted(let key): streams[key].map { Array($0.shards.values) } ?? []
        case .shardsRemoved(_, let keys): keys
        default: []
        }
    }
}

extension DirtyRows {
    /// Notes which rows an entry changes; `catalogue` is the one before it.
    package mutating func note(_ entry: Entry, in catalogue: Catalogue) {
        switch entry {
        case .records(let records): for run in records.runs { shards.insert(ShardNumber(run.shardKey)) }
        case .checkpoint(let move):
            checkpoints.insert(CheckpointPlace(mapping: move.mapping, shard: move.shard))
        case .attempts(let entry):
            checkpoints.insert(CheckpointPlace(mapping: entry.mapping, shard: entry.shard))
        case .parked(let entry): parked.insert(CheckpointPlace(mapping: entry.mapping, shard: entry.shard))
        case .seal(let seal):
            streams.insert(seal.stream)
            shards.formUnion(seal.parents.map(\.shard))
            shards.formUnion(seal.children.map(\.key))
        case .streamCreated(let entry):
            streams.insert(entry.key)
            shards.formUnion(entry.shards.map(\.key))
        case .streamChanged(let entry): streams.insert(entry.key)
        case .streamDeleted(let key):
            streams.insert(key)
            guard let stream = catalogue.streams[key] else { return }
            shards.formUnion(stream.shards.values)
            for number in stream.mappings.values { note(mapping: number, in: catalogue) }
        case .mappingCreated(let entry):
            mappings.insert(entry.number)
            for start in entry.starts {
                checkpoints.insert(CheckpointPlace(mapping: entry.number, shard: start.shard))
            }
        case .mappingChanged(let entry): mappings.insert(entry.number)
        case .mappingDeleted(let number): note(mapping: number, in: catalogue)
        case .takeOver(let shard, _): shards.insert(shard)
        case .opened(let entry):
            guard entry.numberJump > 0 else { return }
            shards.formUnion(catalogue.shards.keys)
            jumped.formUnion(catalogue.shards.keys)
        case .shardsRemoved(let stream, let keys):
            streams.insert(stream)
            shards.formUnion(keys)
            for number in (catalogue.streams[stream]?.mappings ?? [:]).values {
                guard let mapping = catalogue.mappings[number] else { continue }
                for key in keys {
                    let place = CheckpointPlace(mapping: number, shard: key)
                    if mapping.checkpoints[key] != nil { checkpoints.insert(place) }
                    if mapping.parked[key] != nil { parked.insert(place) }
                }
            }
        }
    }

    private mutating func note(mapping number: MappingNumber, in catalogue: Catalogue) {
        mappings.insert(number)
        guard let mapping = catalogue.mappings[number] else { return }
        for shard in mapping.checkpoints.keys {
            checkpoints.insert(CheckpointPlace(mapping: number, shard: shard))
        }
        for shard in mapping.parked.keys { parked.insert(CheckpointPlace(mapping: number, shard: shard)) }
    }
}

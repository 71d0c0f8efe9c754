import DiskAccess
import StreamModel
import StreamStorage
import Synchronization

/// The state that all readers see: everything that is committed, and nothing else (STORE-M2).
///
/// The writer's thread publishes; reads may come from any thread. This lock is taken after the one of
/// ``CatalogueSaver`` and before the one of a ``ShardMemtable``. Tasks are resumed outside of it.
package final class VisibleState: Sendable {
    struct State: Sendable {
        var catalogue: Catalogue
        /// The names of its streams in order.
        var names = StreamNames()
        var shardMemtables: ShardTable<ShardMemtable>
        /// The claims on mappings that are running.
        var claims: [MappingNumber: Claim] = [:]
        var dirty = DirtyRows()
        /// The lost ranges by shard.
        var lost: [ShardNumber: [ClosedRange<UInt64>]] = [:]
        var isClosed = false
        /// Those that wait for a change of a mapping.
        var mappingWaiters = WaitList<MappingNumber, Void>()

        /// The claim of a mapping's runner.
        struct Claim: Sendable {
            var epoch: UInt64
            var owner: String
            /// How long it holds unless it is renewed, and until when by both clocks; nil: until it is released.
            var lease: Duration?
            var deadline: (monotonic: MonotonicTime, wall: Timestamp)?
            /// The revision of the mapping that the runner has applied.
            var revision: UInt64
            /// The stream that receives the records that the runner gives up.
            var failureStream: String?
            /// Returns the states of the runner's shards.
            var states: (@Sendable () -> [MappingShardState])?
            /// Throws for settings that the runner can't work with.
            var checkSettings: (@Sendable ([UInt8]) throws -> Void)?
        }

        func checkOpen() throws {
            if isClosed { throw ShardlineError(.closed, "the store was closed") }
        }
    }

    private let state: Mutex<State>
    private let watermarkValue: Atomic<UInt64>
    private let syncedValue: Atomic<UInt64>
    /// The arrival time of the group that is planned and not visible yet, in milliseconds.
    private let planning = Atomic<Int64>(.max)

    /// - Parameters:
    ///   - dirty: the rows of `catalogue` that differ from the saved ones.
    ///   - lost: the lost ranges by shard.
    init(
        _ catalogue: Catalogue, shardMemtables: ShardTable<ShardMemtable>, watermark: UInt64,
        dirty: DirtyRows = DirtyRows(),
        lost: [ShardNumber: [ClosedRange<UInt64>]] = [:]
    ) {
        state = Mutex(State(catalogue: catalogue, shardMemtables: shardMemtables, dirty: dirty, lost: lost))
        watermarkValue = Atomic(watermark)
        syncedValue = Atomic(0)
    }

    // MARK: Arrival times that are still to come

    /// The writer begins to plan a group. Must be called before it reads the clock for the group's arrival times.
    func planningBegins() { planning.store(Self.beginning, ordering: .sequentiallyConsistent) }
    /// The group's records arrive at this time.
    func planned(at time: Timestamp) { planning.store(time.milliseconds, ordering: .sequentiallyConsistent) }
    /// The group is visible, or will never be.
    func planningEnds() { planning.store(Self.idle, ordering: .sequentiallyConsistent) }

    private static let beginning = Int64.min
    private static let idle = Int64.max

    /// No record that a read begun after this call doesn't see will have an earlier arrival time, unless the clock is set
    /// back. `now` must have been read before this call: a group that begins later reads the clock later.
    func earliestNextArrival(at now: Timestamp) -> Timestamp {
        min(now, Timestamp(milliseconds: planning.load(ordering: .sequentiallyConsistent)))
    }

    /// The last visible commit. It is durable, except under `.interval` (STORE-C11).
    package var watermark: UInt64 { watermarkValue.load(ordering: .acquiring) }

    /// The last commit with entries that is known to be synced; 0 before the first one of this opening.
    var syncedThrough: UInt64 { syncedValue.load(ordering: .acquiring) }
    /// Notes that this commit and all before it are synced.
    func synced(through commit: UInt64) { syncedValue.store(commit, ordering: .releasing) }

    /// Reads or changes the state under the lock. Throws `closed` once the store is closed.
    func withOpen<Result: Sendable>(_ body: (inout State) throws -> Result) throws -> Result {
        try state.withLock { state in
            try state.checkOpen()
            return try body(&state)
        }
    }

    /// Reads the state under the lock, closed or not.
    func withState<Result: Sendable>(_ body: (borrowing State) -> Result) -> Result { state.withLock { body($0) } }

    /// The catalogue as it is now.
    var catalogue: Catalogue { state.withLock { $0.catalogue } }
    var isClosed: Bool { state.withLock { $0.isClosed } }

    /// Makes a commit visible as a whole: its records and its other entries. Waiters are woken after the lock is
    /// released.
    func publish(_ entries: [Entry], frames: [Memtable.Frame], commit: UInt64) {
        let (woken, resumed) = state.withLock { state in
            var touched: Set<ShardNumber> = []
            var changed: Set<MappingNumber> = []
            var isStreamDeleted = false
            var woken: [ShardMemtable] = []
            for entry in entries {
                touched.formUnion(state.catalogue.shardsThatChange(by: entry))
                state.dirty.note(entry, in: state.catalogue)
                state.names.note(entry, in: state.catalogue)
                state.catalogue.apply(entry, commit: commit)
                switch entry {
                case .streamCreated(let created): for shard in created.shards { state.addTail(shard) }
                case .seal(let seal): for shard in seal.children { state.addTail(shard) }
                case .mappingChanged(let entry): changed.insert(entry.number)
                case .mappingControlled(let entry): changed.insert(entry.number)
                case .mappingDeleted(let number):
                    changed.insert(number)
                    state.claims[number] = nil
                case .streamDeleted:
                    let mappings = state.catalogue.mappings
                    isStreamDeleted = true
                    state.claims = state.claims.filter { mappings[$0.key] != nil }
                default: break
                }
            }
            // After the entries, since one commit may create a shard and put records into it. A reader that starts to
            // wait now asks under this lock whether records came, so it misses none.
            for frame in frames {
                let runs = frame.runs.span
                for index in runs.indices {
                    if index + 8 < runs.count { state.shardMemtables.read(runs[index + 8].shard) { $0.fetchAhead() } }
                    if index + 4 < runs.count {
                        state.shardMemtables.read(runs[index + 4].shard) { $0.fetchPlaceAhead() }
                    }
                    let run = runs[index]
                    // Read in place, which saves a retain for each shard of the commit.
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
            // Under the lock, so that a reader that sees the records sees the commit's other entries too.
            watermarkValue.store(commit, ordering: .releasing)
            let isChange = !changed.isEmpty || isStreamDeleted
            let resumed =
                isChange && !state.mappingWaiters.isEmpty
                ? state.mappingWaiters.answerAll(where: { isStreamDeleted || changed.contains($0) }, with: ())
                : Resumptions<Void>()
            return (woken, resumed)
        }
        for shardMemtable in woken { shardMemtable.wake() }
        resumed.resume()
    }

    /// The rows that changed since the last call, with the catalogue that they changed to.
    func takeDirty() -> (DirtyRows, Catalogue) {
        state.withLock { state in
            defer { state.dirty = DirtyRows() }
            return (state.dirty, state.catalogue)
        }
    }

    /// Marks rows as changed again, since they could not be saved.
    func putBack(_ dirty: DirtyRows) { state.withLock { $0.dirty.formUnion(dirty) } }

    /// Takes one of those that wait for a change of a mapping out of their list.
    func removeMappingWaiter(_ id: WaiterID) -> Waiter<Void>? { state.withLock { $0.mappingWaiters.remove(id) } }

    /// The shard's memtable; nil where the shard does not exist.
    func shardMemtable(of shard: ShardNumber) -> ShardMemtable? { state.withLock { $0.shardMemtables[shard] } }

    /// Closes the state and wakes all waiters. Later calls throw `closed`.
    func close() {
        let (shardMemtables, resumed) = state.withLock { state in
            state.isClosed = true
            return (
                state.shardMemtables.sorted { $0.key < $1.key }.map(\.value), state.mappingWaiters.answerAll(with: ())
            )
        }
        for shardMemtable in shardMemtables { shardMemtable.wake() }
        resumed.resume()
    }
}

extension VisibleState.State {
    fileprivate mutating func addTail(_ shard: NewShard) {
        shardMemtables[shard.key] = ShardMemtable(flushedThrough: shard.origin, horizon: shard.origin)
    }
}

extension Catalogue {
    /// The shards whose waiting readers must be woken by an entry, records aside.
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
    /// Marks the rows that an entry changes. `catalogue` is the one before the entry is applied.
    package mutating func note(_ entry: Entry, in catalogue: Catalogue) {
        switch entry {
        case .records(let records): for run in records.runs { shards.insert(ShardNumber(run.shardKey)) }
        case .checkpoint(let move):
            checkpoints.insert(CheckpointPlace(mapping: move.mapping, shard: move.shard))
        case .attempts(let entry):
            checkpoints.insert(CheckpointPlace(mapping: entry.mapping, shard: entry.shard))
        case .parked(let entry):
            parked.insert(
                ParkedPlace(mapping: entry.mapping, shard: entry.shard, key: UTF8Key(entry.partitionKey)))
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
        case .mappingControlled(let entry):
            mappings.insert(entry.number)
            actions.insert(ActionPlace(mapping: entry.number, revision: entry.action.revision))
        case .attributeChanged(let entry):
            attributes.insert(
                AttributePlace(stream: entry.stream, part: UTF8Key(entry.part), name: UTF8Key(entry.name)))
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
                    removedParked.insert(place)
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
    }
}

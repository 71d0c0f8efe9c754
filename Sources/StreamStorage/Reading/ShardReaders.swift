import DequeModule
import StreamModel

/// The readers of all shards of a stream that may be read now, in turn.
///
/// A shard's reader starts when the readers of all its parents have come to their ends, so that the records of a
/// partition key stay in order.
struct ShardReaders: Sendable {
    /// Where reading starts.
    enum Start: Sendable {
        case at(StartingPosition)
        /// After the last record of each shard that was read before.
        case after([ShardID: KinesisSequenceNumber])
    }

    private struct Child: Sendable {
        var parents: [ShardID]
        var reader: ShardReader
    }

    /// The most bytes that waiting reads may find together.
    private static let bytesOfWait = 16 << 20

    private var settings: ReaderSettings
    /// The readers that may find something, the one that comes next first.
    private var ready: Deque<ShardReader> = []
    /// The readers that are at their tips, and wait.
    private var idle: [ShardReader] = []
    private var reading: Set<ShardID> = []
    /// Shards whose parents are not all read.
    private var waiting: [ShardID: Child] = [:]
    /// The shards that waited for each parent.
    private var children: [ShardID: [ShardID]] = [:]
    private var finished: Set<ShardID> = []
    /// The shards that the stream lists, when they were last looked up.
    private var listed: [ShardID: ShardDescription] = [:]
    /// What waiting reads have found.
    private var found: Deque<RecordBatch> = []

    /// Finds the position in each shard that the stream lists.
    init(_ settings: ReaderSettings, _ start: Start) async throws {
        self.settings = settings
        let stream = try await settings.stream.describe()
        self.settings.id = stream.id
        for shard in stream.shards { listed[shard.id] = shard }
        if case .after(let places) = start { finishParents(of: places.keys) }
        for shard in stream.shards where !finished.contains(shard.id) {
            guard let position = try await position(of: start, in: shard) else {
                finished.insert(shard.id)
                continue
            }
            wait(ShardReader(shard, at: position, settings: self.settings), for: shard.parents)
        }
        startReady(of: waiting.keys)
    }

    private mutating func wait(_ reader: ShardReader, for parents: [ShardID]) {
        waiting[reader.shard] = Child(parents: parents, reader: reader)
        for parent in parents { children[parent, default: []].append(reader.shard) }
    }

    /// A shard was read after its parents.
    private mutating func finishParents(of shards: some Sequence<ShardID>) {
        var left = Array(shards)
        while let shard = left.popLast() {
            for parent in listed[shard]?.parents ?? [] where finished.insert(parent).inserted { left.append(parent) }
        }
    }

    /// The position to start at; nil where the shard has expired meanwhile.
    private func position(of start: Start, in shard: ShardDescription) async throws -> SequenceNumber? {
        let position: StartingPosition
        switch start {
        case .at(.trimHorizon): return shard.trimHorizon
        case .at(.latest): return shard.tip
        case .at(let start):
            guard !start.isOfOneShard else {
                throw ShardlineError(
                    .invalidArgument,
                    "a sequence number belongs to one shard (allowed: trim horizon, latest, a time, or the last record of each shard)"
                )
            }
            position = start
        case .after(let places):
            guard let number = places[shard.id] else { return shard.origin }
            position = .after(number)
        }
        do {
            return try await settings.stream.engine.position(of: position, in: settings.stream.name, shard: shard.id)
        } catch let error as ShardlineError where error.code == .shardNotFound {
            return nil
        }
    }

    /// The records of the next read that finds any; nil when all readers have ended.
    mutating func next() async throws -> RecordBatch? {
        while true {
            try Task.checkCancellation()
            if let batch = found.popFirst() { return batch }
            if var reader = ready.popFirst() {
                let step = try await reader.read()
                if let batch = try await move(reader, step) { return batch }
            } else if !idle.isEmpty {
                try await waitForAny()
            } else {
                return nil
            }
        }
    }

    /// Puts the reader where its step belongs, and returns the records.
    private mutating func move(_ reader: ShardReader, _ step: ShardReader.Step) async throws -> RecordBatch? {
        switch step {
        case .records(let batch):
            keep(reader)
            return batch
        case .nothing: keep(reader)
        case .end(let children): try await finish(reader, children: children)
        case .removed:
            try await reader.reportRemoval()
            try await finish(reader, children: [])
        }
        return nil
    }

    private mutating func keep(_ reader: ShardReader) {
        if reader.waitsForRecords { idle.append(reader) } else { ready.append(reader) }
    }

    /// Starts the shards that waited for this one. Shards that opened after the beginning are read only where the
    /// reader follows.
    private mutating func finish(_ reader: ShardReader, children: [ShardID]) async throws {
        reading.remove(reader.shard)
        finished.insert(reader.shard)
        if settings.follow, children.isEmpty || children.contains(where: { listed[$0] == nil }) {
            try await lookUp(children, of: reader)
            startReady(of: waiting.keys)
        } else {
            // Not all that wait: a thousand shards may end one after the other.
            startReady(of: self.children[reader.shard] ?? [])
        }
    }

    /// Finds the shards that have opened since, and those that have opened, closed and expired.
    private mutating func lookUp(_ children: [ShardID], of parent: ShardReader) async throws {
        let shards = try await settings.describe().shards
        listed = Dictionary(uniqueKeysWithValues: shards.map { ($0.id, $0) })
        let opened = shards.filter { !isKnown($0.id) }
        for shard in opened {
            try reportGone(shard.parents.filter { !children.contains($0) }, of: shard, after: parent)
        }
        for shard in opened {
            wait(ShardReader(shard, at: shard.origin, settings: settings), for: shard.parents)
        }
        // It says what has expired in it, and names its children.
        for child in children where !isKnown(child) {
            wait(ShardReader(child, at: parent.position, settings: settings), for: [parent.shard])
        }
    }

    /// Reports shards that nothing names any more but their children, which begin after their last numbers.
    private mutating func reportGone(
        _ parents: [ShardID], of child: ShardDescription, after reader: ShardReader
    ) throws {
        for parent in parents where !isKnown(parent) && listed[parent] == nil {
            finished.insert(parent)
            guard child.parents.count == 1, reader.position < child.origin else { continue }
            try settings.report(parent, reader.position.advanced(by: 1)...child.origin, .expired, upTo: nil)
        }
    }

    private func isKnown(_ shard: ShardID) -> Bool {
        waiting[shard] != nil || reading.contains(shard) || finished.contains(shard)
    }

    /// Starts those of `shards` that wait for nothing more. Parents that are neither listed nor known have expired:
    /// nothing of them is left to read.
    private mutating func startReady(of shards: some Sequence<ShardID>) {
        let started = shards.filter { shard in
            guard let child = waiting[shard] else { return false }
            return child.parents.allSatisfy { parent in
                finished.contains(parent) || !isKnown(parent) && listed[parent] == nil
            }
        }
        for shard in started.sorted() {
            guard let child = waiting.removeValue(forKey: shard) else { continue }
            reading.insert(shard)
            // A parent that has expired is not read, even if a clock that was set back lists it again.
            finished.formUnion(child.parents)
            ready.append(child.reader)
        }
    }

    /// Waits at the tips of all shards.
    private mutating func waitForAny() async throws {
        let bytes = max(64 << 10, min(1 << 20, Self.bytesOfWait / idle.count))
        let results = try await settings.wait(for: idle.map { $0.request(.untilAvailable, maximumBytes: bytes) })
        let readers = idle
        idle = []
        for (place, var reader) in readers.enumerated() {
            guard let result = results[place] else {
                idle.append(reader)
                continue
            }
            let step = try await reader.take(result)
            if let batch = try await move(reader, step) { found.append(batch) }
        }
    }
}

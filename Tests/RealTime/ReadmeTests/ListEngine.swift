import Shardline
import Synchronization

/// An engine with nothing but the public interface: streams as lists in memory, kept until they are deleted.
///
/// `ListEngineTests` run it, and compile this file as a package of its own would.
final class ListEngine: StoreEngine {
    struct Shard {
        var description: ShardDescription
        var records: [Record] = []
        var children: [ShardID] = []
    }

    struct StreamList {
        var description: StreamDescription
        var shards: [Shard]

        /// With the shards as they are now.
        var current: StreamDescription {
            var current = description
            current.shards = shards.map(\.description)
            return current
        }

        func place(of id: ShardID) throws -> Int {
            guard let place = shards.firstIndex(where: { $0.description.id == id }) else {
                throw ShardlineError(.shardNotFound, "the stream '\(description.name)' has no shard \(id.number)")
            }
            return place
        }
    }

    struct State {
        var streams: [UTF8Key: StreamList] = [:]
        var mappings: [MappingID: MappingDescription] = [:]
        var actions: [MappingID: [MappingAction]] = [:]
        var states: [MappingID: @Sendable () -> [MappingShardState]] = [:]
        var failureStreams: [MappingID: UTF8Key] = [:]
        /// The epochs of the newest claims.
        var claims: [MappingID: UInt64] = [:]
        var lastNumber: UInt64 = 0
        var isClosed = false

        mutating func nextNumber() -> UInt64 {
            lastNumber += 1
            return lastNumber
        }

        func checkOpen() throws {
            if isClosed { throw ShardlineError(.closed, "the store is closed") }
        }

        func stream(_ name: String) throws -> StreamList {
            try checkOpen()
            guard let stream = streams[UTF8Key(name)] else {
                throw ShardlineError(.streamNotFound, "there is no stream '\(name)'")
            }
            return stream
        }

        func mapping(_ id: MappingID) throws -> MappingDescription {
            _ = try stream(id.stream)
            guard let mapping = mappings[id] else {
                throw ShardlineError(.mappingNotFound, "there is no mapping '\(id)'")
            }
            return mapping
        }
    }

    let state = Mutex(State())
    let timeSource: any TimeSource = SystemTimeSource()
    var capabilities: StoreCapabilities { [.atomicCommit, .denseSequenceNumbers] }

    func close() async throws { state.withLock { $0.isClosed = true } }
}

// MARK: Streams

extension ListEngine {
    func createStream(_ name: String, settings: StreamSettings) async throws -> StreamDescription {
        try settings.validate(name: name)
        let now = timeSource.wallTime
        return try state.withLock { state in
            guard state.streams[UTF8Key(name)] == nil else {
                throw ShardlineError(.streamExists, "the stream '\(name)' exists already")
            }
            let id = state.nextNumber()
            let shards = HashKeyRange.even(settings.shards).enumerated().map { number, range in
                Shard(
                    description: ShardDescription(
                        id: ShardID(UInt32(number)), hashKeyRange: range, parents: [],
                        creationSecond: now.second + id, openedAt: now, closedAt: nil, trimHorizon: .zero, tip: .zero,
                        recordCount: 0))
            }
            let description = StreamDescription(
                name: name, id: StreamID(UInt128(id)), createdAt: now, retention: settings.retention,
                maximumRecordSize: settings.maximumRecordSize, isFailureStream: settings.isFailureStream,
                initialSettings: settings, shards: [])
            let stream = StreamList(description: description, shards: shards)
            state.streams[UTF8Key(name)] = stream
            return stream.current
        }
    }

    func listStreams() async throws -> [StreamDescription] {
        try state.withLock { state in
            try state.checkOpen()
            return state.streams.sorted { $0.key < $1.key }.map(\.value.current)
        }
    }

    func describeStream(_ name: String) async throws -> StreamDescription {
        try state.withLock { try $0.stream(name).current }
    }

    func updateStream(_ name: String, retention: Duration) async throws -> StreamDescription {
        try state.withLock { state in
            var stream = try state.stream(name)
            var settings = stream.description.initialSettings
            settings.retention = retention
            try settings.validate(name: name)
            stream.description.retention = retention
            state.streams[UTF8Key(name)] = stream
            return stream.current
        }
    }

    func deleteStream(_ name: String, force: Bool) async throws {
        try state.withLock { state in
            _ = try state.stream(name)
            let running = state.mappings.values.first {
                $0.isClaimed
                    && (UTF8Key($0.key.stream) == UTF8Key(name) || state.failureStreams[$0.key] == UTF8Key(name))
            }
            if let running, !force { throw ShardlineError(.mappingBusy, "the mapping '\(running.key)' is running") }
            state.streams[UTF8Key(name)] = nil
            for id in state.mappings.keys where UTF8Key(id.stream) == UTF8Key(name) {
                state.mappings[id] = nil
                state.states[id] = nil
                state.failureStreams[id] = nil
            }
        }
    }
}

// MARK: Commits

extension ListEngine {
    func commit(_ changes: [Change], urgency: CommitUrgency) async throws -> CommitOutcome {
        try Change.checkSize(of: changes)
        let now = timeSource.wallTime
        return try state.withLock { state in
            // All or nothing: a copy takes the store's place at the end.
            var next = state
            var receipts: [ChangeReceipt] = []
            for (index, change) in changes.enumerated() {
                switch change {
                case .append(let append):
                    if case .shard(let id) = append.target {
                        let stream = try next.stream(append.stream)
                        let shard = stream.shards[try stream.place(of: id)]
                        if !shard.children.isEmpty { return .sealed(change: index, children: shard.children) }
                        if let expected = append.expectedLast, expected != shard.description.tip {
                            return .conflict(change: index, last: shard.description.tip)
                        }
                    }
                    receipts.append(.appended(try next.put(append, at: now)))
                case .seal(let seal):
                    let stream = try next.stream(seal.stream)
                    let closed = try seal.parents.map { stream.shards[try stream.place(of: $0)] }
                        .first { !$0.children.isEmpty }
                    if let closed { return .sealed(change: index, children: closed.children) }
                    receipts.append(.sealed(try next.close(seal, at: now)))
                case .checkpoint(let move):
                    try next.move(move.mapping, epoch: move.epoch, move.checkpoint.shard) { checkpoint in
                        // A position before the one there changes nothing.
                        guard move.checkpoint.position >= checkpoint.position else { return }
                        checkpoint = move.checkpoint
                    }
                    receipts.append(.done)
                case .control(let control):
                    try next.control(control, at: now)
                    receipts.append(.done)
                case .attribute: throw ShardlineError(.invalidArgument, "this engine has no attributes")
                case .reserved: throw ShardlineError(.invalidArgument, "this engine does not know a reserved change")
                }
            }
            state = next
            return .committed(receipts)
        }
    }
}

extension ListEngine.State {
    mutating func put(_ append: Append, at now: Timestamp) throws -> [PutReceipt] {
        var stream = try self.stream(append.stream)
        let receipts = try append.records.map { new in
            try new.validate(maximumRecordSize: stream.description.maximumRecordSize)
            let key = new.explicitHashKey ?? HashKey(partitionKey: new.partitionKey)
            let place =
                if case .shard(let id) = append.target { try stream.place(of: id) } else {
                    stream.shards.firstIndex { $0.children.isEmpty && $0.description.hashKeyRange.contains(key) }!
                }
            var shard = stream.shards[place]
            let number = SequenceNumber(shard.description.tip.rawValue + 1)
            let record = Record(
                new, shard: shard.description.id, shardCreationSecond: shard.description.creationSecond,
                sequenceNumber: number,
                approximateArrivalTimestamp: max(now, shard.records.last?.approximateArrivalTimestamp ?? now))
            shard.records.append(record)
            shard.description.tip = number
            shard.description.recordCount += 1
            stream.shards[place] = shard
            return PutReceipt(
                shard: record.shard, sequenceNumber: number,
                approximateArrivalTimestamp: record.approximateArrivalTimestamp,
                shardCreationSecond: record.shardCreationSecond)
        }
        streams[UTF8Key(append.stream)] = stream
        return receipts
    }

    mutating func close(_ seal: Seal, at now: Timestamp) throws -> [ShardID] {
        var stream = try self.stream(seal.stream)
        let places = try seal.parents.map(stream.place)
        try seal.validate(ranges: places.map { stream.shards[$0].description.hashKeyRange })
        let parents = places.map { stream.shards[$0].description }
        let children = seal.children.indices.map { ShardID(UInt32(stream.shards.count + $0)) }
        let origin = parents.map(\.tip).max() ?? .zero
        for (id, range) in zip(children, seal.children) {
            stream.shards.append(
                ListEngine.Shard(
                    description: ShardDescription(
                        id: id, hashKeyRange: range, parents: seal.parents,
                        creationSecond: parents.map { $0.creationSecond + 1 }.max() ?? now.second, openedAt: now,
                        closedAt: nil, trimHorizon: origin, tip: origin, recordCount: 0, origin: origin)))
        }
        for place in places {
            stream.shards[place].description.closedAt = now
            stream.shards[place].children = children
        }
        streams[UTF8Key(seal.stream)] = stream
        return children
    }

    mutating func control(_ control: MappingControl, at now: Timestamp) throws {
        try control.validate()
        var mapping = try self.mapping(control.mapping)
        try control.check(revision: mapping.revision)
        mapping.revision += 1
        if let configuration = control.configuration { mapping.configuration = configuration }
        if let isEnabled = control.isEnabled { mapping.isEnabled = isEnabled }
        let action = MappingAction(
            revision: mapping.revision, time: now, actor: control.actor, reason: control.reason,
            changedSettings: control.configuration != nil, isEnabled: control.isEnabled)
        mapping.lastAction = action
        actions[control.mapping] = (actions[control.mapping] ?? []).suffix(MappingControl.keptActions - 1) + [action]
        mappings[control.mapping] = mapping
    }

    mutating func move(
        _ id: MappingID, epoch: UInt64, _ shard: ShardID, _ change: (inout ShardCheckpoint) -> Void
    ) throws {
        var mapping = try self.mapping(id)
        let stream = try self.stream(id.stream)
        let origin = stream.shards[try stream.place(of: shard)].description.origin
        guard epoch >= mapping.epoch else { throw ShardlineError(.fenced, "'\(id)' was taken over or moved") }
        var checkpoint =
            mapping.checkpoints.first { $0.shard == shard } ?? ShardCheckpoint(shard: shard, position: origin)
        change(&checkpoint)
        mapping.checkpoints.removeAll { $0.shard == shard }
        mapping.checkpoints.append(checkpoint)
        mapping.checkpoints.sort { $0.shard < $1.shard }
        mappings[id] = mapping
    }
}

// MARK: Reading

extension ListEngine {
    func read(_ request: ReadRequest) async throws -> ReadResult {
        try request.validate()
        let start = timeSource.monotonicTime
        while true {
            let found = try state.withLock { try $0.read(request) }
            if !found.batch.isEmpty || found.endOfShard != nil { return found }
            switch request.wait {
            case .no: return found
            case .atMost(let limit) where timeSource.monotonicTime - start >= limit: return found
            // An engine across a network would ask again, too.
            case .atMost, .untilAvailable:
                try await timeSource.sleep(until: timeSource.monotonicTime + .milliseconds(2))
            }
        }
    }

    func position(of start: StartingPosition, in stream: String, shard: ShardID) async throws -> SequenceNumber {
        try start.validate(now: timeSource.wallTime)
        return try state.withLock { try $0.position(of: start, in: stream, shard: shard) }
    }

    func countRecords(in spans: [RecordSpan], of stream: String) async throws -> [Int] {
        try state.withLock { state in try spans.map { try state.records(in: $0, of: stream).count } }
    }

    func lastRecords(in spans: [RecordSpan], of stream: String) async throws -> [SequenceNumber?] {
        try state.withLock { state in try spans.map { try state.records(in: $0, of: stream).last?.sequenceNumber } }
    }
}

extension ListEngine.State {
    func read(_ request: ReadRequest) throws -> ReadResult {
        let stream = try self.stream(request.stream)
        let shard = stream.shards[try stream.place(of: request.shard)]
        guard request.after <= shard.description.tip || !shard.children.isEmpty else {
            throw ShardlineError(.invalidArgument, "shard \(request.shard.number) has no record \(request.after)")
        }
        var bytes = 0
        let records = shard.records.lazy.filter { $0.sequenceNumber > request.after }
            .prefix { record in
                defer { bytes += record.bytes.count }
                return bytes < request.maximumBytes
            }.prefix(request.maximumRecords)
        let batch = RecordBatch(Array(records))
        let next = batch.last?.sequenceNumber ?? max(request.after, shard.description.origin)
        let isAtEnd = !shard.children.isEmpty && next >= shard.description.tip
        return ReadResult(
            batch: batch, next: next, tip: shard.description.tip, endOfShard: isAtEnd ? shard.children : nil)
    }

    func position(of start: StartingPosition, in name: String, shard id: ShardID) throws -> SequenceNumber {
        let stream = try self.stream(name)
        let shard = stream.shards[try stream.place(of: id)]
        let tip = shard.description.tip
        let position: SequenceNumber
        switch start {
        case .trimHorizon: position = shard.description.origin
        case .latest: position = tip
        case .atTimestamp(let time):
            let first = shard.records.first { $0.approximateArrivalTimestamp >= time }
            position = first.map { SequenceNumber($0.sequenceNumber.rawValue - 1) } ?? tip
        case .atSequenceNumber(let number): position = SequenceNumber(max(1, number.rawValue) - 1)
        case .afterSequenceNumber(let number): position = number
        case .at(let number), .after(let number):
            guard number.shard == id, number.shardCreationSecond == shard.description.creationSecond else {
                throw ShardlineError(.invalidArgument, "the sequence number \(number) is not of shard \(id.number)")
            }
            let counter = number.sequenceNumber.rawValue
            position = if case .at = start { SequenceNumber(max(1, counter) - 1) } else { number.sequenceNumber }
        }
        guard position <= tip else {
            throw ShardlineError(.invalidArgument, "shard \(id.number) of '\(name)' has no record \(position)")
        }
        return position
    }

    func records(in span: RecordSpan, of name: String) throws -> [Record] {
        let shard = try stream(name).shards.first { $0.description.id == span.shard }
        return (shard?.records ?? []).filter { $0.sequenceNumber > span.after && $0.sequenceNumber <= span.through }
    }
}

// MARK: Mappings

extension ListEngine {
    func createMapping(_ definition: MappingDefinition) async throws -> MappingDescription {
        try definition.startingPosition.validate(now: timeSource.wallTime)
        guard Limits.isName(definition.key.name) else {
            throw ShardlineError(.invalidArgument, "'\(definition.key.name)' is no name of a mapping")
        }
        let now = timeSource.wallTime
        return try state.withLock { state in
            guard state.mappings[definition.key] == nil else {
                throw ShardlineError(.mappingExists, "the mapping '\(definition.key)' exists already")
            }
            let stream = try state.stream(definition.key.stream)
            let checkpoints = try stream.shards.map { shard in
                ShardCheckpoint(
                    shard: shard.description.id,
                    position: try state.position(
                        of: definition.startingPosition, in: definition.key.stream, shard: shard.description.id))
            }
            let mapping = MappingDescription(
                key: definition.key, id: state.nextNumber(), startingPosition: definition.startingPosition,
                createdAt: now, configuration: definition.configuration, epoch: state.nextNumber(), isClaimed: false,
                checkpoints: checkpoints, retention: stream.description.retention)
            state.mappings[definition.key] = mapping
            return mapping
        }
    }

    func listMappings(of stream: String?) async throws -> [MappingDescription] {
        try state.withLock { state in
            if let stream { _ = try state.stream(stream) } else { try state.checkOpen() }
            return state.mappings.values.filter { stream == nil || UTF8Key($0.key.stream) == UTF8Key(stream!) }
                .sorted { ($0.key.stream, $0.key.name) < ($1.key.stream, $1.key.name) }
        }
    }

    func describeMapping(_ mapping: MappingID) async throws -> MappingDescription {
        try state.withLock { try $0.mapping(mapping) }
    }

    func mappingHistory(_ mapping: MappingID) async throws -> [MappingAction] {
        try state.withLock { state in
            _ = try state.mapping(mapping)
            return state.actions[mapping] ?? []
        }
    }

    func claimMapping(_ mapping: MappingID, with claim: MappingClaim) async throws -> MappingDescription {
        try change(mapping) { description, state in
            guard !description.isClaimed else {
                throw ShardlineError(.mappingBusy, "the mapping '\(mapping)' is running already")
            }
            description.epoch = state.nextNumber()
            description.isClaimed = true
            state.claims[mapping] = description.epoch
            state.failureStreams[mapping] = claim.failureStream.map { UTF8Key($0) }
            if let configuration = claim.configuration { description.configuration = configuration }
            state.states[mapping] = claim.states
        }
    }

    func mappingStates(_ mapping: MappingID) async throws -> [MappingShardState]? {
        try state.withLock { state in
            _ = try state.mapping(mapping)
            return state.states[mapping]
        }?()
    }

    func releaseMapping(_ mapping: MappingID, epoch: UInt64) async throws {
        _ = try change(mapping) { description, state in
            // A seek raises the mapping's epoch; the claim keeps its own.
            guard state.claims[mapping] ?? 0 <= epoch else { return }
            description.isClaimed = false
            state.states[mapping] = nil
            state.failureStreams[mapping] = nil
        }
    }

    func seekMapping(
        _ mapping: MappingID, to position: StartingPosition, shard: ShardID?
    ) async throws -> MappingDescription {
        try position.validate(now: timeSource.wallTime)
        return try change(mapping) { description, state in
            let stream = try state.stream(mapping.stream)
            if let shard { _ = try stream.place(of: shard) }
            guard shard != nil || stream.shards.count == 1 || !position.isOfOneShard else {
                throw ShardlineError(.invalidArgument, "a sequence number belongs to one shard: name it")
            }
            for id in stream.shards.map(\.description.id) where shard == nil || id == shard {
                let checkpoint = ShardCheckpoint(
                    shard: id, position: try state.position(of: position, in: mapping.stream, shard: id))
                description.checkpoints.removeAll { $0.shard == id }
                description.checkpoints.append(checkpoint)
            }
            description.checkpoints.sort { $0.shard < $1.shard }
            description.epoch = state.nextNumber()
        }
    }

    func deleteMapping(_ mapping: MappingID) async throws {
        try state.withLock { state in
            guard try !state.mapping(mapping).isClaimed else {
                throw ShardlineError(.mappingBusy, "the mapping '\(mapping)' is running: stop it before deleting it")
            }
            state.mappings[mapping] = nil
            state.actions[mapping] = nil
        }
    }

    private func change(
        _ mapping: MappingID, _ body: (inout MappingDescription, inout State) throws -> Void
    ) throws -> MappingDescription {
        try state.withLock { state in
            var description = try state.mapping(mapping)
            try body(&description, &state)
            state.mappings[mapping] = description
            return description
        }
    }
}

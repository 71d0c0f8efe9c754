import StreamModel
import StreamStorage

// Changes, their outcomes and mappings.

extension WireWriter {
    mutating func write(_ key: MappingID) {
        write(key.stream)
        write(key.name)
    }

    mutating func write(_ definition: MappingDefinition) {
        write(definition.key)
        write(definition.startingPosition)
        write(definition.configuration)
    }

    mutating func write(_ mapping: MappingDescription) {
        write(mapping.key)
        write(mapping.id)
        write(mapping.startingPosition)
        write(mapping.createdAt)
        write(mapping.configuration)
        write(mapping.epoch)
        write(mapping.isClaimed)
        write(each: mapping.checkpoints) { $0.write($1) }
        write(each: mapping.expiredShards) { $0.write($1) }
        write(mapping.retention)
        write(optional: mapping.holder) { $0.write($1) }
        write(mapping.isEnabled)
        write(mapping.revision)
        write(optional: mapping.lastAction) { $0.write($1) }
    }

    mutating func write(_ state: MappingShardState) {
        write(state.shard)
        write(state.phase.rawValue)
        write(state.checkpoint)
        write(state.tip)
        write(Int64(state.attempts))
        write(optional: state.lastError) { $0.write($1) }
        write(optional: state.busySince) { $0.write($1) }
        write(optional: state.unit) { $0.write($1) }
        write(optional: state.oldestArrival) { $0.write($1) }
        write(Int64(state.lost))
        write(Int64(state.expired))
        write(each: state.counts.sorted { $0.key < $1.key }) { writer, count in
            writer.write(count.key.string)
            writer.write(Int64(count.value))
        }
    }

    private mutating func write(_ unit: MappingShardState.Unit) {
        write(unit.partitionKey)
        write(unit.sequenceNumber.description)
        write(Int64(unit.recordCount))
    }

    private mutating func write(_ checkpoint: ShardCheckpoint) {
        write(checkpoint.shard)
        write(checkpoint.position)
        write(checkpoint.isShardEnd)
        write(checkpoint.state)
        write(optional: checkpoint.earlierAttempts) { $0.write($1) }
    }

    private mutating func write(_ note: AttemptNote) {
        write(note.first)
        write(note.last)
        write(Int64(note.count))
        write(note.cause)
    }

    mutating func write(_ change: Change) {
        switch change {
        case .append(let append):
            write(0 as UInt8)
            write(append.stream)
            switch append.target {
            case .byKey: write(false)
            case .shard(let shard):
                write(true)
                write(shard)
            }
            write(optional: append.expectedLast) { $0.write($1) }
            write(append.epoch)
            write(append.records)
        case .checkpoint(let move):
            write(1 as UInt8)
            write(move.mapping)
            write(move.epoch)
            write(move.checkpoint)
        case .seal(let seal):
            write(4 as UInt8)
            write(seal.stream)
            write(each: seal.parents) { $0.write($1) }
            write(each: seal.children) { $0.write($1) }
        case .control(let control):
            write(6 as UInt8)
            write(control)
        case .attribute(let change):
            write(7 as UInt8)
            write(change)
        case .reserved(let change): write(change)
        }
    }

    private mutating func write(_ change: ReservedChange) {
        switch change.kind {
        case .park(let change):
            write(3 as UInt8)
            write(change.mapping)
            write(change.shard)
            write(change.partitionKey)
            write(optional: change.value) { $0.write($1) }
            write(change.epoch)
        case .takeOver(let stream, let shard, let epoch):
            write(5 as UInt8)
            write(stream)
            write(shard)
            write(epoch)
        }
    }

    mutating func write(_ outcome: CommitOutcome) {
        switch outcome {
        case .committed(let receipts):
            write(0 as UInt8)
            write(each: receipts) { $0.write($1) }
        case .conflict(let change, let last):
            write(1 as UInt8)
            write(Int64(change))
            write(last)
        case .sealed(let change, let children):
            write(2 as UInt8)
            write(Int64(change))
            write(each: children) { $0.write($1) }
        case .unknown(let cause):
            write(3 as UInt8)
            write(error: cause)
        }
    }

    private mutating func write(_ receipt: ChangeReceipt) {
        switch receipt {
        case .appended(let puts):
            write(0 as UInt8)
            write(each: puts) { $0.write($1) }
        case .sealed(let children):
            write(1 as UInt8)
            write(each: children) { $0.write($1) }
        case .reserved(let receipt):
            write(2 as UInt8)
            write(receipt.last)
        case .done: write(3 as UInt8)
        }
    }

    mutating func write(error: any Error) {
        let error =
            error as? ShardlineError
            ?? ShardlineError(.storeFailed, "\(error)".split(whereSeparator: \.isNewline).joined(separator: " "))
        let code = WireCode.all.firstIndex(of: error.code) ?? WireCode.all.firstIndex(of: .storeFailed)!
        write(UInt8(code + 1))
        write(error.message)
    }
}

extension WireReader {
    mutating func mappingID() throws -> MappingID { MappingID(stream: try string(), name: try string()) }

    mutating func mappingDefinition() throws -> MappingDefinition {
        MappingDefinition(
            key: try mappingID(), startingPosition: try startingPosition(), configuration: try array())
    }

    mutating func mappingDescription() throws -> MappingDescription {
        MappingDescription(
            key: try mappingID(), id: try number(), startingPosition: try startingPosition(),
            createdAt: try timestamp(), configuration: try array(), epoch: try number(), isClaimed: try bool(),
            checkpoints: try each { try $0.checkpoint() }, expiredShards: try each { try $0.shardDescription() },
            retention: try duration(), holder: try optional { try $0.mappingHolder() }, isEnabled: try bool(),
            revision: try number(), lastAction: try optional { try $0.mappingAction() })
    }

    mutating func mappingShardState() throws -> MappingShardState {
        let shard = try shard()
        guard let phase = MappingShardState.Phase(rawValue: try string()) else {
            throw WireError("a shard is in an unknown phase")
        }
        return MappingShardState(
            shard: shard, phase: phase, checkpoint: try sequenceNumber(), tip: try sequenceNumber(),
            attempts: Int(try number(Int64.self)), lastError: try optional { try $0.string() },
            busySince: try optional { try $0.timestamp() }, unit: try optional { try $0.mappingShardUnit() },
            oldestArrival: try optional { try $0.timestamp() }, lost: Int(try number(Int64.self)),
            expired: Int(try number(Int64.self)), counts: try counts())
    }

    private mutating func counts() throws -> [UTF8Key: Int] {
        let counts = try each { (UTF8Key(try $0.string()), Int(try $0.number(Int64.self))) }
        // One form for one value: sorted, each name once.
        guard zip(counts, counts.dropFirst()).allSatisfy({ $0.0 < $1.0 }) else {
            throw WireError("the counts of a shard are not in their order")
        }
        return Dictionary(uniqueKeysWithValues: counts)
    }

    private mutating func mappingShardUnit() throws -> MappingShardState.Unit {
        let key = try string()
        guard let first = KinesisSequenceNumber(try string()) else {
            throw WireError("a mapping's unit begins with what is no sequence number")
        }
        return MappingShardState.Unit(
            partitionKey: key, sequenceNumber: first, recordCount: Int(try number(Int64.self)))
    }

    private mutating func checkpoint() throws -> ShardCheckpoint {
        ShardCheckpoint(
            shard: try shard(), position: try sequenceNumber(), isShardEnd: try bool(),
            state: try array(), earlierAttempts: try optional { try $0.note() })
    }

    private mutating func note() throws -> AttemptNote {
        AttemptNote(
            first: try sequenceNumber(), last: try sequenceNumber(), count: Int(try number(Int64.self)),
            cause: try string())
    }

    mutating func change() throws -> Change {
        switch try number(UInt8.self) {
        case 0:
            let stream = try string()
            let target: Append.Target = try bool() ? .shard(try shard()) : .byKey
            let expectedLast = try optional { try $0.sequenceNumber() }
            let epoch = try number(UInt64.self)
            return .append(
                Append(try newRecords(), to: stream, target: target, expectedLast: expectedLast, epoch: epoch))
        case 1:
            return .checkpoint(
                CheckpointMove(mapping: try mappingID(), epoch: try number(), checkpoint: try checkpoint()))
        case 3:
            return .park(
                ParkedKeyChange(
                    mapping: try mappingID(), shard: try shard(), partitionKey: try string(),
                    value: try optional { try $0.array() }, epoch: try number()))
        case 4:
            return .seal(
                Seal(
                    stream: try string(), parents: try each { try $0.shard() },
                    children: try each { try $0.hashKeyRange() }))
        case 5: return .takeOver(stream: try string(), shard: try shard(), epoch: try number())
        case 6: return .control(try mappingControl())
        case 7: return .attribute(try attributeChange())
        default: throw WireError("a change of an unknown kind")
        }
    }

    mutating func commitOutcome() throws -> CommitOutcome {
        switch try number(UInt8.self) {
        case 0: .committed(try each { try $0.changeReceipt() })
        case 1: .conflict(change: Int(try number(Int64.self)), last: try sequenceNumber())
        case 2: .sealed(change: Int(try number(Int64.self)), children: try each { try $0.shard() })
        case 3: .unknown(cause: try error())
        default: throw WireError("an outcome of an unknown kind")
        }
    }

    private mutating func changeReceipt() throws -> ChangeReceipt {
        switch try number(UInt8.self) {
        case 0: .appended(try each { try $0.putReceipt() })
        case 1: .sealed(try each { try $0.shard() })
        case 2: .takenOver(last: try sequenceNumber())
        case 3: .done
        default: throw WireError("a receipt of an unknown kind")
        }
    }

    mutating func error() throws -> ShardlineError {
        let number = Int(try number(UInt8.self))
        let message = try string()
        guard (1...WireCode.all.count).contains(number) else { throw WireError("an error of an unknown kind") }
        return ShardlineError(WireCode.all[number - 1], message)
    }
}

/// The error codes by their number on the wire, from 1. New ones are appended.
enum WireCode {
    static let all: [ShardlineError.Code] = [
        .invalidArgument, .streamNotFound, .streamExists, .shardNotFound, .mappingNotFound, .mappingExists,
        .mappingBusy,
        .fenced, .recordTooLarge, .commitTooLarge, .storeBusy, .ownerGone, .diskFull,
        .storeFailed, .outcomeUnknown, .corrupt, .readFailed, .newerFormat, .metadataOlderThanJournal, .notAccessible,
        .closed, .shardClosed, .shardsChanged, .mappingChanged, .attributeChanged,
    ]
}

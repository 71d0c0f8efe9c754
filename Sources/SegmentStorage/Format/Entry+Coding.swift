import StreamModel
import StreamStorage

/// The number that gives an entry's kind (STORE-J4).
private enum Kind: UInt8 {
    case records = 1, checkpoint, parked, seal, streamCreated, streamChanged, streamDeleted, mapping, takeOver
    case opened, shardsRemoved, attempts, attribute
}

/// What a mapping's entry does.
private enum MappingStep: UInt8 {
    case created, changed, deleted, controlled
}

extension Entry {
    /// A longer state is written into a body of the commit (STORE-J4).
    static let longestStateInHead = 4096
    /// The eight bytes that each entry begins with.
    static let headerCount = 8

    /// Where a records entry holds its body's offset: after the entry's own header.
    static let bodyOffsetPosition = 8

    package var kind: UInt8 {
        let kind: Kind =
            switch self {
            case .records: .records
            case .checkpoint: .checkpoint
            case .parked: .parked
            case .seal: .seal
            case .streamCreated: .streamCreated
            case .streamChanged: .streamChanged
            case .streamDeleted: .streamDeleted
            case .mappingCreated, .mappingChanged, .mappingControlled, .mappingDeleted: .mapping
            case .takeOver: .takeOver
            case .opened: .opened
            case .shardsRemoved: .shardsRemoved
            case .attempts: .attempts
            case .attributeChanged: .attribute
            }
        return kind.rawValue
    }

    /// Appends the entry to `head`, 8-aligned. A state too long for the head is not appended: it is returned, with the
    /// place in `head` where its body's offset is written.
    package func encode(into head: inout ByteWriter, seed: UInt32) -> LongState? {
        if case .records(let entry) = self {
            head.put(entry)
            return nil
        }
        let start = head.count
        var long: LongState?
        head.put(kind)
        head.put(UInt8(0))
        head.put(UInt16(0))
        head.put(UInt32(0))
        switch self {
        case .records: break
        case .checkpoint(let entry):
            long = entry.encode(into: &head, seed: seed)
            if long != nil { head.replace(at: start + 2, with: UInt16(1)) }
        case .parked(let entry): entry.encode(into: &head)
        case .seal(let entry): entry.encode(into: &head)
        case .streamCreated(let entry): entry.encode(into: &head)
        case .streamChanged(let entry):
            entry.encode(into: &head)
            if entry.expiredThrough != nil { head.replace(at: start + 2, with: UInt16(1)) }
        case .streamDeleted(let key): head.put(key.rawValue)
        case .mappingCreated(let entry):
            head.put(MappingStep.created.rawValue)
            entry.encode(into: &head)
        case .mappingChanged(let entry):
            head.put(MappingStep.changed.rawValue)
            head.put(entry.number.rawValue)
            head.put(entry.epoch)
            head.putBlob(entry.configuration)
        case .mappingControlled(let entry):
            head.put(MappingStep.controlled.rawValue)
            entry.encode(into: &head)
        case .mappingDeleted(let number):
            head.put(MappingStep.deleted.rawValue)
            head.put(number.rawValue)
        case .takeOver(let shard, let epoch):
            head.put(shard.rawValue)
            head.put(epoch)
        case .opened(let entry):
            head.put(entry.incarnation)
            head.put(entry.cutCommit)
            head.put(entry.numberJump)
            head.putText(entry.finding)
        case .shardsRemoved(let stream, let shards):
            head.put(stream.rawValue)
            head.put(UInt32(shards.count))
            for shard in shards { head.put(shard.rawValue) }
        case .attempts(let entry):
            head.put(entry.mapping.rawValue)
            head.put(entry.shard.rawValue)
            head.put(entry.note.first.rawValue)
            head.put(entry.note.last.rawValue)
            head.put(UInt32(clamping: entry.note.count))
            head.putText(entry.note.cause)
        case .attributeChanged(let entry): entry.encode(into: &head)
        }
        head.align(to: 8)
        head.replace(at: start + 4, with: UInt32(head.count - start))
        return long
    }

    /// A state that becomes a body of the commit.
    package struct LongState {
        var bytes: [UInt8]
        /// Where in the head the body's offset is written.
        var offsetPosition: Int
    }

    /// Reads the entry at the reader's position. Long states are read from `commit`, which is the whole commit's bytes.
    package init(from reader: inout ByteReader, commit: ArraySlice<UInt8>, seed: UInt32) throws(FormatDamage) {
        let number: UInt8 = try reader.take()
        let codec: UInt8 = try reader.take()
        let flags: UInt16 = try reader.take()
        let length: UInt32 = try reader.take()
        guard let kind = Kind(rawValue: number) else { throw .newer("an entry of kind \(number)") }
        let mayHaveFlag = kind == .checkpoint || kind == .streamChanged
        guard kind == .records || codec == 0, flags == 0 || (mayHaveFlag && flags == 1) else {
            throw .newer("an entry of kind \(number) with codec \(codec) and flags \(flags)")
        }
        guard length >= Self.headerCount, length % 8 == 0, Int(length) - Self.headerCount <= reader.left else {
            throw .damaged("an entry's length")
        }
        let start = reader.position - Self.headerCount
        var inside = ByteReader(try reader.takeBytes(Int(length) - Self.headerCount))
        switch kind {
        case .records:
            self = .records(try reader.records(at: start))
            return
        case .checkpoint:
            self = .checkpoint(
                try CheckpointEntry(from: &inside, isStateOutside: flags == 1, commit: commit, seed: seed))
        case .parked: self = .parked(try ParkedEntry(from: &inside))
        case .seal: self = .seal(try SealEntry(from: &inside))
        case .streamCreated: self = .streamCreated(try StreamCreatedEntry(from: &inside))
        case .streamChanged: self = .streamChanged(try StreamChangedEntry(from: &inside, hasExpiry: flags == 1))
        case .streamDeleted: self = .streamDeleted(StreamNumber(try inside.take()))
        case .mapping: self = try Self.mapping(from: &inside)
        case .takeOver: self = .takeOver(shard: ShardNumber(try inside.take()), epoch: try inside.take())
        case .opened:
            let incarnation: UInt32 = try inside.take()
            let cut: UInt64 = try inside.take()
            let jump: UInt64 = try inside.take()
            guard jump < 1 << 40 else { throw .damaged("a jump of numbers") }
            self = .opened(
                OpenedEntry(
                    incarnation: incarnation, cutCommit: cut, finding: try inside.takeText(), numberJump: jump))
        case .shardsRemoved:
            let stream = StreamNumber(try inside.take())
            let count = try inside.takeCount(elementsOf: 4)
            var shards: [ShardNumber] = []
            for _ in 0..<count { shards.append(ShardNumber(try inside.take())) }
            self = .shardsRemoved(stream, shards)
        case .attempts:
            let mapping = MappingNumber(try inside.take())
            let shard = ShardNumber(try inside.take())
            let first = try inside.takeSequence()
            let last = try inside.takeSequence()
            let count: UInt32 = try inside.take()
            let note = AttemptNote(first: first, last: last, count: Int(count), cause: try inside.takeText())
            self = .attempts(AttemptsEntry(mapping: mapping, shard: shard, note: note))
        case .attribute: self = .attributeChanged(try AttributeEntry(from: &inside))
        }
        guard inside.left < 8, inside.isZeroFromHere else { throw .damaged("an entry is longer than what it says") }
    }

    private static func mapping(from reader: inout ByteReader) throws(FormatDamage) -> Entry {
        let number: UInt8 = try reader.take()
        guard let step = MappingStep(rawValue: number) else { throw .newer("a mapping's change \(number)") }
        switch step {
        case .created: return .mappingCreated(try MappingCreatedEntry(from: &reader))
        case .changed:
            return .mappingChanged(
                MappingChangedEntry(
                    number: MappingNumber(try reader.take()), epoch: try reader.take(),
                    configuration: try reader.takeBlob()))
        case .deleted: return .mappingDeleted(MappingNumber(try reader.take()))
        case .controlled: return .mappingControlled(try MappingControlledEntry(from: &reader))
        }
    }
}

extension CheckpointEntry {
    func encode(into head: inout ByteWriter, seed: UInt32) -> Entry.LongState? {
        head.put(mapping.rawValue)
        head.put(shard.rawValue)
        head.put(epoch)
        head.put(revision)
        head.put(position.rawValue)
        head.put(UInt8(isShardEnd ? 1 : 0))
        head.putVarint(UInt64(ranges.count))
        var last = position.rawValue
        for range in ranges {
            head.putVarint(range.lowerBound.rawValue &- last)
            head.putVarint(range.upperBound.rawValue - range.lowerBound.rawValue)
            last = range.upperBound.rawValue
        }
        guard state.count > Entry.longestStateInHead else {
            head.putBlob(state)
            return nil
        }
        let offsetPosition = head.count
        head.put(UInt32(0))
        head.put(UInt32(state.count))
        head.put(Checksum.of(state, seed: seed))
        return Entry.LongState(bytes: state, offsetPosition: offsetPosition)
    }

    init(
        from reader: inout ByteReader, isStateOutside: Bool, commit: ArraySlice<UInt8>, seed: UInt32
    ) throws(FormatDamage) {
        mapping = MappingNumber(try reader.take())
        shard = ShardNumber(try reader.take())
        epoch = try reader.take()
        revision = try reader.take()
        position = try reader.takeSequence()
        isShardEnd = try reader.takeFlag()
        let count = try reader.takeVarint()
        guard count <= UInt64(reader.left / 2) else { throw .damaged("a checkpoint's ranges") }
        ranges = []
        var last = position.rawValue
        for _ in 0..<count {
            let first = last &+ (try reader.takeVarint())
            let (end, overflow) = first.addingReportingOverflow(try reader.takeVarint())
            guard !overflow, first >= last, end <= SequenceNumber.max.rawValue else {
                throw .damaged("a checkpoint's ranges")
            }
            ranges.append(SequenceNumber(first)...SequenceNumber(end))
            last = end
        }
        guard isStateOutside else {
            state = try reader.takeBlob()
            return
        }
        let offset = Int(try reader.take(UInt32.self))
        let length = Int(try reader.take(UInt32.self))
        let checksum: UInt32 = try reader.take()
        guard offset + length <= commit.count else { throw .damaged("a state lies outside its commit") }
        let bytes = commit[commit.startIndex + offset..<commit.startIndex + offset + length]
        guard Checksum.of(bytes, seed: seed) == checksum else { throw .tornState }
        state = Array(bytes)
    }
}

extension ParkedEntry {
    func encode(into head: inout ByteWriter) {
        head.put(mapping.rawValue)
        head.put(shard.rawValue)
        head.put(UInt8(value == nil ? 0 : 1))
        head.putText(partitionKey)
        if let value { head.putBlob(value) }
    }

    init(from reader: inout ByteReader) throws(FormatDamage) {
        mapping = MappingNumber(try reader.take())
        shard = ShardNumber(try reader.take())
        let isParked = try reader.takeFlag()
        partitionKey = try reader.takeText()
        value = isParked ? try reader.takeBlob() : nil
    }
}

extension SealEntry {
    func encode(into head: inout ByteWriter) {
        head.put(stream.rawValue)
        head.put(closedAt.milliseconds)
        head.put(UInt32(parents.count))
        for parent in parents {
            head.put(parent.shard.rawValue)
            head.put(parent.lastSequence.rawValue)
        }
        head.put(UInt32(children.count))
        for child in children { child.encode(into: &head) }
    }

    init(from reader: inout ByteReader) throws(FormatDamage) {
        stream = StreamNumber(try reader.take())
        closedAt = try reader.takeTime()
        parents = []
        for _ in 0..<(try reader.takeCount(elementsOf: 12)) {
            parents.append(Parent(shard: ShardNumber(try reader.take()), lastSequence: try reader.takeSequence()))
        }
        children = try NewShard.list(from: &reader)
    }
}

extension NewShard {
    static let encodedCount = 56

    func encode(into head: inout ByteWriter) {
        head.put(key.rawValue)
        head.put(id.number)
        head.put(range.first.value)
        head.put(range.last.value)
        head.put(creationSecond)
        head.put(origin.rawValue)
    }

    static func list(from reader: inout ByteReader) throws(FormatDamage) -> [NewShard] {
        var shards: [NewShard] = []
        for _ in 0..<(try reader.takeCount(elementsOf: encodedCount)) {
            let key = ShardNumber(try reader.takeKey())
            let id = ShardID(try reader.take())
            let first = HashKey(try reader.take(UInt128.self))
            let last = HashKey(try reader.take(UInt128.self))
            shards.append(
                NewShard(
                    key: key, id: id, range: HashKeyRange(first: first, last: last),
                    creationSecond: try reader.takeSecond(), origin: try reader.takeSequence()))
        }
        return shards
    }
}

extension StreamCreatedEntry {
    func encode(into head: inout ByteWriter) {
        head.put(key.rawValue)
        head.putText(name)
        head.put(retention.wholeMilliseconds)
        head.put(UInt32(maximumRecordSize))
        head.put(UInt8(isFailureStream ? 1 : 0))
        head.put(createdAt.milliseconds)
        head.put(UInt32(shards.count))
        for shard in shards { shard.encode(into: &head) }
    }

    init(from reader: inout ByteReader) throws(FormatDamage) {
        key = StreamNumber(try reader.takeKey())
        name = try reader.takeText()
        retention = .milliseconds(try reader.takeTime().milliseconds)
        maximumRecordSize = Int(try reader.take(UInt32.self))
        isFailureStream = try reader.takeFlag()
        createdAt = try reader.takeTime()
        shards = try NewShard.list(from: &reader)
    }
}

extension StreamChangedEntry {
    func encode(into head: inout ByteWriter) {
        head.put(key.rawValue)
        head.put(retention.wholeMilliseconds)
        head.put(UInt32(maximumRecordSize))
        head.put(UInt8(isFailureStream ? 1 : 0))
        if let expiredThrough { head.put(expiredThrough.milliseconds) }
    }

    init(from reader: inout ByteReader, hasExpiry: Bool) throws(FormatDamage) {
        key = StreamNumber(try reader.take())
        retention = .milliseconds(try reader.takeTime().milliseconds)
        maximumRecordSize = Int(try reader.take(UInt32.self))
        isFailureStream = try reader.takeFlag()
        expiredThrough = hasExpiry ? try reader.takeTime() : nil
    }
}

extension MappingCreatedEntry {
    func encode(into head: inout ByteWriter) {
        head.put(number.rawValue)
        head.put(stream.rawValue)
        head.putText(name)
        startingPosition.encode(into: &head)
        head.put(createdAt.milliseconds)
        head.putBlob(configuration)
        head.put(UInt32(starts.count))
        for start in starts {
            head.put(start.shard.rawValue)
            head.put(start.position.rawValue)
        }
    }

    init(from reader: inout ByteReader) throws(FormatDamage) {
        number = MappingNumber(try reader.takeKey())
        stream = StreamNumber(try reader.take())
        name = try reader.takeText()
        startingPosition = try StartingPosition(from: &reader)
        createdAt = try reader.takeTime()
        configuration = try reader.takeBlob()
        starts = []
        for _ in 0..<(try reader.takeCount(elementsOf: 12)) {
            starts.append(Start(shard: ShardNumber(try reader.take()), position: try reader.takeSequence()))
        }
    }
}

extension StartingPosition {
    func encode(into head: inout ByteWriter) {
        let (kind, value): (UInt8, UInt64) =
            switch self {
            case .trimHorizon: (0, 0)
            case .latest: (1, 0)
            case .atTimestamp(let time): (2, UInt64(bitPattern: time.milliseconds))
            case .atSequenceNumber(let number): (3, number.rawValue)
            case .afterSequenceNumber(let number): (4, number.rawValue)
            // The shard is named by the entry's starts.
            case .at(let number): (3, number.sequenceNumber.rawValue)
            case .after(let number): (4, number.sequenceNumber.rawValue)
            }
        head.put(kind)
        head.put(value)
    }

    init(from reader: inout ByteReader) throws(FormatDamage) {
        let kind: UInt8 = try reader.take()
        let value: UInt64 = try reader.take()
        guard kind > 1 || value == 0 else { throw .damaged("a starting position") }
        switch kind {
        case 0: self = .trimHorizon
        case 1: self = .latest
        case 2: self = .atTimestamp(Timestamp(milliseconds: Int64(bitPattern: value)))
        case 3: self = .atSequenceNumber(SequenceNumber(value))
        case 4: self = .afterSequenceNumber(SequenceNumber(value))
        default: throw .newer("a starting position of kind \(kind)")
        }
    }
}

extension ByteReader {
    /// A sequence number, which is below 2^63.
    mutating func takeSequence() throws(FormatDamage) -> SequenceNumber {
        let value: UInt64 = try take()
        guard value <= SequenceNumber.max.rawValue else { throw .damaged("a sequence number") }
        return SequenceNumber(value)
    }

    /// A time in seconds since 1970, within the limits of ``takeTime()``.
    mutating func takeSecond() throws(FormatDamage) -> UInt64 {
        let value: UInt64 = try take()
        guard value <= UInt64(Timestamp.plausible.upperBound) / 1000 else { throw .damaged("a time") }
        return value
    }

    /// The number of a new object. It is never the highest, so that the next number exists.
    mutating func takeKey() throws(FormatDamage) -> UInt32 {
        let value: UInt32 = try take()
        guard value < .max else { throw .damaged("a number that leaves none after it") }
        return value
    }

    /// A time within ±2^52 ms, 140,000 years, so that arithmetic with retentions can't overflow.
    mutating func takeTime() throws(FormatDamage) -> Timestamp {
        let value: Int64 = try take()
        guard Timestamp.plausible.contains(value) else { throw .damaged("a time") }
        return Timestamp(milliseconds: value)
    }
}

extension ByteWriter {
    mutating func put(_ entry: RecordsEntry) { entry.append(to: &bytes) }
}

extension ByteReader {
    /// The records entry that begins at `start` and ends at the reader's position.
    func records(at start: Int) throws(FormatDamage) -> RecordsEntry {
        try RecordsEntry.read(from: bytes, at: start, limit: position)
    }
}

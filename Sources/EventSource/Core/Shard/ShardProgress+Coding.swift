import StreamModel
import StreamStorage

/// The bytes of a progress in a checkpoint's state (Documentation/Formats/CheckpointState.md).
extension ShardProgress {
    /// The version that ``encodedState`` writes without a tumbling window, which versions before windows read as well.
    static let plainVersion: UInt8 = 1
    /// The version that it writes with one.
    static let windowVersion: UInt8 = 2
    /// The version that it writes of a paused shard.
    static let pausedVersion: UInt8 = 3

    /// What a checkpoint keeps beside its position; empty if the position says everything.
    package var encodedState: [UInt8] {
        let isPlain = lanes.allSatisfy { $0 == position } && earlier.isEmpty && notes.isEmpty && window == nil
        guard !isPlain || paused != nil else { return [] }
        let plainVersion = window == nil ? Self.plainVersion : Self.windowVersion
        var bytes = [paused == nil ? plainVersion : Self.pausedVersion]
        Self.append(LanePositions(lanes), behind: position, to: &bytes)
        Varint.append(UInt64(earlier.count), to: &bytes)
        for lanes in earlier { Self.append(lanes, behind: position, to: &bytes) }
        Varint.append(UInt64(notes.count), to: &bytes)
        for entry in notes {
            Varint.append(UInt64(entry.lane), to: &bytes)
            Varint.append(entry.note.first.rawValue, to: &bytes)
            Varint.append(entry.note.last.rawValue, to: &bytes)
            Varint.append(UInt64(entry.note.count), to: &bytes)
            Varint.append(UInt64(entry.note.cause.utf8.count), to: &bytes)
            bytes.append(contentsOf: entry.note.cause.utf8)
        }
        if paused != nil { bytes.append(window == nil ? 0 : 1) }
        if let window { Self.append(window, to: &bytes) }
        if let paused { Self.append(paused, to: &bytes) }
        return bytes
    }

    private static func append(_ paused: PausedShard, to bytes: inout [UInt8]) {
        append(paused.since, to: &bytes)
        for number in [paused.lane, paused.laneCount, paused.recordCount, paused.cause.attempts] {
            Varint.append(UInt64(number), to: &bytes)
        }
        Varint.append(paused.first.rawValue, to: &bytes)
        Varint.append(paused.last.rawValue, to: &bytes)
        append(Array(paused.sequenceNumber.description.utf8), to: &bytes)
        append(Array(paused.partitionKey.utf8), to: &bytes)
        append(paused.arrival, to: &bytes)
        append(Array(paused.cause.condition.rawValue.utf8), to: &bytes)
        bytes.append((paused.cause.errorType == nil ? 0 : 1) | (paused.cause.errorText == nil ? 0 : 2))
        for text in [paused.cause.errorType, paused.cause.errorText].compactMap(\.self) {
            append(Array(text.utf8), to: &bytes)
        }
    }

    private static func append(_ window: LaneCore.Window, to bytes: inout [UInt8]) {
        append(window.start, to: &bytes)
        append(window.end, to: &bytes)
        append(window.state, to: &bytes)
        bytes.append((window.isOver ? 1 : 0) | (window.last == nil ? 0 : 2))
        guard let last = window.last else { return }
        append(Array(last.number.description.utf8), to: &bytes)
        append(Array(last.partitionKey.utf8), to: &bytes)
        append(last.arrival, to: &bytes)
    }

    private static func append(_ time: Timestamp, to bytes: inout [UInt8]) {
        // The sign is the lowest bit, so that times after 1970 are short.
        Varint.append(UInt64(bitPattern: time.milliseconds << 1 ^ time.milliseconds >> 63), to: &bytes)
    }

    private static func append(_ text: [UInt8], to bytes: inout [UInt8]) {
        Varint.append(UInt64(text.count), to: &bytes)
        bytes.append(contentsOf: text)
    }

    private static func append(_ lanes: LanePositions, behind position: SequenceNumber, to bytes: inout [UInt8]) {
        Varint.append(UInt64(lanes.positions.count), to: &bytes)
        for lane in lanes.positions {
            // A lane is done up to the checkpoint's position at least.
            Varint.append(max(lane, position).rawValue - position.rawValue, to: &bytes)
        }
    }

    /// The progress that a checkpoint says. Throws `corrupt` for a state that this version can't read.
    package init(_ checkpoint: ShardCheckpoint) throws {
        self.init(position: checkpoint.position, isShardEnd: checkpoint.isShardEnd)
        // Written by versions before lanes.
        if let note = checkpoint.earlierAttempts { notes = [LaneNote(lane: 0, note)] }
        guard !checkpoint.state.isEmpty else { return }
        var reader = StateReader(bytes: checkpoint.state)
        guard let read = reader.progress(at: checkpoint.position, of: checkpoint.shard) else {
            throw ShardlineError(
                .corrupt,
                "the checkpoint of \(checkpoint.shard) has a state that this version can't read: it is damaged, or of a newer version; 'mapping seek' gives it another position"
            )
        }
        (lanes, earlier, notes, window, paused) = (read.lanes, read.earlier, read.notes, read.window, read.paused)
    }
}

/// Reads a checkpoint's state. Every member returns nil for bytes that no version up to this one writes.
private struct StateReader {
    let bytes: [UInt8]
    private var at = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func progress(at position: SequenceNumber, of shard: ShardID) -> ShardProgress? {
        let versions = ShardProgress.plainVersion...ShardProgress.pausedVersion
        guard versions.contains(bytes[0]) else { return nil }
        let isPaused = bytes[0] == ShardProgress.pausedVersion
        var hasWindow = bytes[0] == ShardProgress.windowVersion
        at = 1
        guard let lanes = lanes(behind: position), let earlierCount = number(upTo: ShardProgress.mostEarlier) else {
            return nil
        }
        var progress = ShardProgress(position: position, lanes: lanes.positions)
        for _ in 0..<earlierCount {
            guard let lanes = self.lanes(behind: position), !lanes.positions.isEmpty else { return nil }
            progress.earlier.append(lanes)
        }
        guard let notes = number(upTo: LaneCore.mostLanes) else { return nil }
        for _ in 0..<notes {
            guard let note = note() else { return nil }
            progress.notes.append(note)
        }
        if isPaused {
            guard let flag = number(upTo: 1) else { return nil }
            hasWindow = flag == 1
        }
        if hasWindow {
            guard let window = window() else { return nil }
            progress.window = window
        }
        if isPaused {
            guard let paused = paused(shard) else { return nil }
            progress.paused = paused
        }
        return at == bytes.count ? progress : nil
    }

    private mutating func lanes(behind position: SequenceNumber) -> LanePositions? {
        guard let count = number(upTo: LaneCore.mostLanes) else { return nil }
        var positions: [SequenceNumber] = []
        for _ in 0..<count {
            guard let distance = number(upTo: Int(SequenceNumber.max.rawValue - position.rawValue)) else { return nil }
            positions.append(position.advanced(by: distance))
        }
        return LanePositions(positions)
    }

    private mutating func note() -> ShardProgress.LaneNote? {
        guard let lane = number(upTo: LaneCore.mostLanes - 1), let first = number(upTo: Int.max),
            let last = number(upTo: Int.max), let count = number(upTo: Int(Int32.max)), let cause = text()
        else { return nil }
        return ShardProgress.LaneNote(
            lane: lane,
            AttemptNote(
                first: SequenceNumber(UInt64(first)), last: SequenceNumber(UInt64(last)), count: count,
                cause: String(decoding: cause, as: UTF8.self)))
    }

    private mutating func window() -> LaneCore.Window? {
        guard let start = time(), let end = time(), start < end, let state = text(), let flags = number(upTo: 3) else {
            return nil
        }
        var window = LaneCore.Window(start: start, end: end, state: Array(state), isOver: flags & 1 != 0)
        guard flags & 2 != 0 else { return window }
        guard let number = text(), let key = text(), let arrival = time(),
            let number = KinesisSequenceNumber(String(decoding: number, as: UTF8.self)),
            let key = String(validating: key, as: UTF8.self)
        else { return nil }
        window.last = LaneCore.RecordName(partitionKey: key, number: number, arrival: arrival)
        return window
    }

    private mutating func paused(_ shard: ShardID) -> PausedShard? {
        guard let since = time(), let lane = number(upTo: LaneCore.mostLanes - 1),
            let laneCount = number(upTo: LaneCore.mostLanes), lane < laneCount,
            let count = number(upTo: Int(Int32.max)), let attempts = number(upTo: Int(Int32.max)),
            let first = number(upTo: Int.max), let last = number(upTo: Int.max), first <= last,
            let number = string(), let number = KinesisSequenceNumber(number), let key = string(),
            let arrival = time(), let condition = string(), let flags = self.number(upTo: 3)
        else { return nil }
        var texts: [String?] = [nil, nil]
        for index in 0..<2 where flags & (1 << index) != 0 {
            guard let text = string() else { return nil }
            texts[index] = text
        }
        return PausedShard(
            shard: shard, since: since,
            cause: FailureCause(
                condition: GiveUpCondition(rawValue: condition), errorType: texts[0], errorText: texts[1],
                attempts: attempts),
            lane: lane, of: laneCount, first: SequenceNumber(UInt64(first)), last: SequenceNumber(UInt64(last)),
            recordCount: count, head: LaneCore.RecordName(partitionKey: key, number: number, arrival: arrival))
    }

    private mutating func string() -> String? { text().flatMap { String(validating: $0, as: UTF8.self) } }

    private mutating func text() -> ArraySlice<UInt8>? {
        guard let length = number(upTo: bytes.count), length <= bytes.count - at else { return nil }
        defer { at += length }
        return bytes[at..<at + length]
    }

    private mutating func time() -> Timestamp? {
        guard let value = number(upTo: Int.max) else { return nil }
        let milliseconds = Int64(value >> 1) ^ -Int64(value & 1)
        return Timestamp.plausible.contains(milliseconds) ? Timestamp(milliseconds: milliseconds) : nil
    }

    private mutating func number(upTo limit: Int) -> Int? {
        var next = at
        guard let value = Varint.read(bytes.span, &next), value <= UInt64(limit) else { return nil }
        at = next
        return Int(value)
    }
}

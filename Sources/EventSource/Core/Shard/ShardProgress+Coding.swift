import StreamModel
import StreamStorage

/// The bytes of a progress in a checkpoint's state (Documentation/Formats/CheckpointState.md).
extension ShardProgress {
    /// The version that ``encodedState`` writes.
    private static let version: UInt8 = 1

    /// What a checkpoint keeps beside its position; empty if the position says everything.
    package var encodedState: [UInt8] {
        let isPlain = lanes.allSatisfy { $0 == position } && earlier.isEmpty && notes.isEmpty
        guard !isPlain else { return [] }
        var bytes = [Self.version]
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
        return bytes
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
        guard let read = reader.progress(at: checkpoint.position, version: Self.version) else {
            throw ShardlineError(
                .corrupt,
                "the checkpoint of \(checkpoint.shard) has a state that this version can't read: it is damaged, or of a newer version; 'mapping seek' gives it another position"
            )
        }
        (lanes, earlier, notes) = (read.lanes, read.earlier, read.notes)
    }
}

/// Reads a checkpoint's state. Every member returns nil for bytes that no version up to this one writes.
private struct StateReader {
    let bytes: [UInt8]
    private var at = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func progress(at position: SequenceNumber, version: UInt8) -> ShardProgress? {
        guard bytes[0] == version else { return nil }
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
            let last = number(upTo: Int.max), let count = number(upTo: Int(Int32.max)),
            let length = number(upTo: bytes.count), length <= bytes.count - at
        else { return nil }
        let cause = String(decoding: bytes[at..<at + length], as: UTF8.self)
        at += length
        return ShardProgress.LaneNote(
            lane: lane,
            AttemptNote(
                first: SequenceNumber(UInt64(first)), last: SequenceNumber(UInt64(last)), count: count, cause: cause))
    }

    private mutating func number(upTo limit: Int) -> Int? {
        var next = at
        guard let value = Varint.read(bytes.span, &next), value <= UInt64(limit) else { return nil }
        at = next
        return Int(value)
    }
}

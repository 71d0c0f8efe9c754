import StreamModel
import StreamStorage

@testable import SegmentStorage

/// An entry of every kind in each of its forms but records, as short as it can be: for the tests of the format, and for the
/// fuzzer to begin with.
enum EntrySamples {
    static let ofEveryKind: [Entry] =
        ofStreams + ofMappings + ofControl + ofProgress
        + [
            .takeOver(shard: ShardNumber(7), epoch: 5),
            .attributeChanged(
                AttributeEntry(
                    stream: StreamNumber(2), part: "verbraucher", name: "größe", revision: 1 << 33, value: [1, 2])),
            .attributeChanged(
                AttributeEntry(
                    stream: AttributeEntry.accounts, part: "", name: "a", revision: 1 << 32 + 7, value: nil)),
            .opened(OpenedEntry(incarnation: 3, cutCommit: 17, finding: "torn", numberJump: 1 << 32)),
        ]

    /// A checkpoint with this state. An empty one is a shard's end.
    static func checkpoint(_ state: [UInt8]) -> Entry {
        .checkpoint(
            CheckpointEntry(
                mapping: MappingNumber(1), shard: ShardNumber(7), epoch: 1 << 40, revision: 99,
                position: SequenceNumber(50), isShardEnd: state.isEmpty,
                ranges: [SequenceNumber(52)...SequenceNumber(52), SequenceNumber(54)...SequenceNumber(1 << 50)],
                state: state))
    }

    private static let ofStreams: [Entry] = {
        let shard = NewShard(
            key: ShardNumber(7), id: ShardID(3), range: HashKeyRange(first: HashKey(5), last: HashKey(.max)),
            creationSecond: 1_700_000_000, origin: SequenceNumber(41))
        return [
            .streamCreated(
                StreamCreatedEntry(
                    key: StreamNumber(2), name: "flüge", retention: .seconds(86_400), maximumRecordSize: 1 << 20,
                    isFailureStream: true, createdAt: Timestamp(milliseconds: 5), shards: [shard])),
            .streamChanged(
                StreamChangedEntry(
                    key: StreamNumber(2), retention: .milliseconds(1500), maximumRecordSize: 7, isFailureStream: false)),
            .streamChanged(
                StreamChangedEntry(
                    key: StreamNumber(2), retention: .milliseconds(1500), maximumRecordSize: 7, isFailureStream: true,
                    expiredThrough: Timestamp(milliseconds: -3))),
            .streamDeleted(StreamNumber(2)),
            .shardsRemoved(StreamNumber(2), [ShardNumber(1), ShardNumber(2)]),
            .seal(
                SealEntry(
                    stream: StreamNumber(2), closedAt: Timestamp(milliseconds: 77),
                    parents: [.init(shard: ShardNumber(1), lastSequence: SequenceNumber(40))], children: [shard, shard])
            ),
        ]
    }()

    private static let ofMappings: [Entry] = {
        let positions: [StartingPosition] = [
            .trimHorizon, .latest, .atTimestamp(Timestamp(milliseconds: -5)), .atSequenceNumber(SequenceNumber(8)),
            .afterSequenceNumber(.max),
        ]
        return positions.enumerated().map { index, position in
            .mappingCreated(
                MappingCreatedEntry(
                    number: MappingNumber(UInt32(index)), stream: StreamNumber(2), name: "m-\(index)",
                    startingPosition: position, createdAt: Timestamp(milliseconds: 12), configuration: [1, 2, 3],
                    starts: [.init(shard: ShardNumber(7), position: SequenceNumber(40))]))
        } + [
            .mappingChanged(MappingChangedEntry(number: MappingNumber(1), epoch: 1 << 33, configuration: [7])),
            .mappingDeleted(MappingNumber(1)),
        ]
    }()

    private static let ofControl: [Entry] = [
        .mappingControlled(
            MappingControlledEntry(
                number: MappingNumber(1),
                action: MappingAction(
                    revision: 3, time: Timestamp(milliseconds: 5), actor: "betrieb", reason: "größer",
                    changedSettings: true, isEnabled: nil), configuration: [7, 8], isBrought: true)),
        .mappingControlled(
            MappingControlledEntry(
                number: MappingNumber(1),
                action: MappingAction(
                    revision: 4, time: Timestamp(milliseconds: 6), actor: "ops", reason: "",
                    changedSettings: false, isEnabled: false), configuration: nil, isBrought: false)),
        .mappingControlled(
            MappingControlledEntry(
                number: MappingNumber(1),
                action: MappingAction(
                    revision: 5, time: Timestamp(milliseconds: 7), actor: "ops", reason: "again",
                    changedSettings: true, isEnabled: true), configuration: [], isBrought: false)),
    ]

    private static let ofProgress: [Entry] = {
        let note = AttemptNote(first: SequenceNumber(3), last: SequenceNumber(9), count: 4, cause: "signal 11 – ü")
        return [
            checkpoint([]), checkpoint([1, 2, 3]),
            .parked(
                ParkedEntry(mapping: MappingNumber(1), shard: ShardNumber(7), partitionKey: "schlüssel", value: [9])),
            .parked(ParkedEntry(mapping: MappingNumber(1), shard: ShardNumber(7), partitionKey: "k", value: nil)),
            .attempts(AttemptsEntry(mapping: MappingNumber(1), shard: ShardNumber(7), note: note)),
        ]
    }()
}

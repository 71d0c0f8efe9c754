import StreamModel
import StreamStorage

@testable import OwnerSocket

/// Requests and replies with every kind of part in them.
enum Samples {
    static let key = MappingID(stream: "s", name: "m")
    private static let note = AttemptNote(
        first: SequenceNumber(3), last: SequenceNumber(5), count: 2, cause: "signal 11 \u{1F4A5}")
    private static let checkpoint = ShardCheckpoint(
        shard: ShardID(1), position: SequenceNumber(9), isShardEnd: true, state: [1, 2, 3], earlierAttempts: note)
    private static let records = [
        NewRecord("one", partitionKey: "k"), NewRecord([], partitionKey: "ключ", explicitHashKey: HashKey(.max)),
    ]

    private static let number = KinesisSequenceNumber(
        shard: ShardID(1), shardCreationSecond: 1_356_998_400, sequenceNumber: SequenceNumber(7),
        arrivalSecond: 1_356_998_401)

    static let changes: [Change] = [
        .append(Append(records, to: "s")),
        .append(Append([], to: "s", target: .shard(ShardID(7)), expectedLast: SequenceNumber(8), epoch: 9)),
        .checkpoint(CheckpointMove(mapping: key, epoch: 4, checkpoint: checkpoint)),
        .park(ParkedKeyChange(mapping: key, shard: ShardID(2), partitionKey: "p", value: [], epoch: 1)),
        .park(ParkedKeyChange(mapping: key, shard: ShardID(2), partitionKey: "p", value: nil, epoch: 1)),
        .seal(Seal(stream: "s", parents: [ShardID(0)], children: HashKeyRange.even(2))),
        .takeOver(stream: "s", shard: ShardID(3), epoch: .max),
        .control(MappingControl(key, expectedRevision: 3, configuration: [1], actor: "ops", reason: "half \u{1F4A5}")),
        .control(MappingControl(key, isEnabled: false, actor: "")),
        .attribute(AttributeChange(.account(""), "a", .set([]))),
        .attribute(AttributeChange(.stream("s"), "ü", .set([0, 255]), expected: .absent)),
        .attribute(AttributeChange(.consumer("c", of: "s"), "a", .remove, expected: .revision(.max))),
        .attribute(AttributeChange(.consumer("c", of: "s"), "a", .check, expected: .any)),
    ]

    static let requests: [Request] =
        changes.map { .commit([$0], .now) } + [
            .createStream("s", StreamSettings(shards: -1, retention: .milliseconds(1500), isFailureStream: true), []),
            .createStream("s", StreamSettings(), [NewAttribute("ü", [0, 255]), NewAttribute("", [])]),
            .summarizeStream("s"), .describeShard(ShardID(7), of: "s"), .streamSummaries(StreamQuery()),
            .streamSummaries(StreamQuery(after: "ü", prefix: "u", limit: -1, plainOnly: true)),
            .shardDescriptions(ShardQuery("s")),
            .shardDescriptions(ShardQuery("s", after: ShardID(3), limit: 7, openOnly: true)),
            .listStreams, .describeStream("s"), .deleteStream("", force: false), .deleteStream("s", force: true),
            .commit(changes, .relaxed),
            .read(ReadRequest(stream: "s", shard: ShardID(1), after: .max, maximumRecords: 1, maximumBytes: 2)),
            .read(ReadRequest(stream: "s", shard: ShardID(1), after: .zero, wait: .atMost(.milliseconds(-3)))),
            .read(ReadRequest(stream: "s", shard: ShardID(1), after: .zero, wait: .untilAvailable)),
            .position(.trimHorizon, stream: "s", ShardID(1)),
            .position(.atTimestamp(Timestamp(milliseconds: -1)), stream: "s", ShardID(1)),
            .position(.atSequenceNumber(SequenceNumber(1)), stream: "s", ShardID(1)),
            .position(.afterSequenceNumber(SequenceNumber(1)), stream: "s", ShardID(1)),
            .position(.at(number), stream: "s", ShardID(1)), .position(.after(number), stream: "s", ShardID(1)),
            .countRecords(
                [
                    RecordSpan(shard: ShardID(1), after: .zero),
                    RecordSpan(shard: ShardID(2), after: .max, through: .zero),
                ],
                stream: "s"), .countRecords([], stream: ""),
            .lastRecords([RecordSpan(shard: ShardID(1), after: .zero, through: SequenceNumber(9))], stream: "s"),
            .lastRecords([], stream: ""),
            .createMapping(MappingDefinition(key: key, startingPosition: .latest, configuration: [0, 255])),
            .listMappings(stream: nil), .listMappings(stream: "s"), .describeMapping(key),
            .claimMapping(key, ClaimTerms(configuration: nil, failureStream: nil, owner: "", lease: nil)),
            .claimMapping(
                key, ClaimTerms(configuration: [1, 0], failureStream: "s.m.failed", owner: "w 1", lease: .seconds(9))),
            .mappingStates(key), .summarizeMapping(key), .mappingHistory(key),
            .attributes(AttributeQuery(.account("a"))),
            .attributes(AttributeQuery(.consumer("c", of: "s"), prefix: "tag/", after: "tag/ü", limit: 7)),
            .parkedKeys(ParkedKeyQuery(key)),
            .parkedKeys(
                ParkedKeyQuery(
                    key, shard: ShardID(3), after: .init(shard: ShardID(2), partitionKey: "ключ\0"), limit: -1)),
            .renewMapping(key, epoch: 4, MappingRenewal(failureStream: nil, revision: 0)),
            .renewMapping(key, epoch: .max, MappingRenewal(failureStream: "f", revision: 7)),
            .releaseMapping(key, epoch: 7), .seekMapping(key, .latest, nil), .seekMapping(key, .latest, ShardID(3)),
            .deleteMapping(key), .release,
            .updateStream("s", retention: .milliseconds(1_500), maximumRecordSize: nil),
            .updateStream("s", retention: nil, maximumRecordSize: -1),
            .backup("/var/backups/monday"),
        ]

    static let stream = StreamDescription(
        name: "s", id: StreamID(.max - 7), createdAt: Timestamp(milliseconds: 1_356_998_400_123),
        retention: .seconds(86_400),
        maximumRecordSize: 1 << 20, isFailureStream: false,
        initialSettings: StreamSettings(shards: 3, retention: .seconds(60), isFailureStream: true),
        shards: [
            ShardDescription(
                id: ShardID(0), hashKeyRange: HashKeyRange(first: HashKey(0), last: HashKey(.max)), parents: [],
                creationSecond: 1_356_998_400, openedAt: Timestamp(milliseconds: 0),
                closedAt: Timestamp(milliseconds: 5), trimHorizon: .zero, tip: SequenceNumber(4),
                recordCount: 3),
            ShardDescription(
                id: ShardID(1), hashKeyRange: HashKeyRange(first: HashKey(0), last: HashKey(5)),
                parents: [ShardID(0), ShardID(7)], creationSecond: 1, openedAt: Timestamp(milliseconds: 0),
                closedAt: nil, trimHorizon: SequenceNumber(4), tip: SequenceNumber(4), recordCount: 0,
                origin: SequenceNumber(4)),
        ])

    static let look = ShardLook(
        streamID: stream.id, streamCreatedAt: stream.createdAt, retention: stream.retention, shard: stream.shards[0],
        children: [stream.shards[1]])

    static let mapping = MappingDescription(
        key: key, id: 3, startingPosition: .trimHorizon, createdAt: Timestamp(milliseconds: 7), configuration: [9],
        epoch: 12, isClaimed: true, checkpoints: [checkpoint, ShardCheckpoint(shard: ShardID(2), position: .zero)],
        expiredShards: [stream.shards[0]],
        holder: MappingHolder(owner: "w 1", epoch: 12, expiresAt: Timestamp(milliseconds: 8), revision: 1),
        isEnabled: false, revision: 2, lastAction: actions[1])

    static let actions = [
        MappingAction(
            revision: 1, time: Timestamp(milliseconds: -1), actor: "ops", reason: "", changedSettings: true,
            isEnabled: nil),
        MappingAction(
            revision: 2, time: Timestamp(milliseconds: 5), actor: "ops", reason: "why", changedSettings: false,
            isEnabled: false),
    ]

    static let states =
        MappingShardState.Phase.allCases.map { phase in
            MappingShardState(shard: ShardID(1), phase: phase, checkpoint: .zero, tip: .max)
        } + [
            MappingShardState(
                shard: ShardID(2), phase: .retrying, checkpoint: SequenceNumber(3), tip: SequenceNumber(9), attempts: 7,
                lastError: "ValueError: \u{1F4A5}", busySince: Timestamp(milliseconds: 5),
                unit: .init(
                    partitionKey: "k\u{0}\u{1F4A5}",
                    sequenceNumber: KinesisSequenceNumber(
                        shard: ShardID(2), shardCreationSecond: 9, sequenceNumber: SequenceNumber(4), arrivalSecond: 1),
                    recordCount: 3),
                oldestArrival: Timestamp(milliseconds: -1), lost: 12, expired: 13,
                counts: ["PolledEventCount": .max, "Errors": 0, "ü": -1])
        ]

    static let receipt = PutReceipt(
        shard: ShardID(3), sequenceNumber: SequenceNumber(77), approximateArrivalTimestamp: Timestamp(milliseconds: 8),
        shardCreationSecond: 6)

    static func run(from first: UInt64) -> RecordRun {
        var bytes: [UInt8] = []
        var offsets: [UInt32] = [0]
        for record in records {
            RecordEncoding.append(record, arrivalDelta: 3, to: &bytes)
            offsets.append(UInt32(bytes.count))
        }
        return RecordRun(
            bytes: bytes, offsets: offsets, range: 0..<2, shard: ShardID(1), shardCreationSecond: 5,
            firstSequence: SequenceNumber(first), arrival: Timestamp(milliseconds: 10))
    }

    static let replies: [Reply] =
        [
            .attributes(AttributePage(attributes: [], hasMore: false)),
            .attributes(
                AttributePage(
                    attributes: [Attribute(name: "ü", value: [0, 255], revision: .max)], hasMore: true)), .done,
            .parkedKeys(ParkedKeyPage(keys: [], next: nil)),
            .parkedKeys(
                ParkedKeyPage(
                    keys: [
                        StoredParkedKey(shard: ShardID(2), partitionKey: "", value: []),
                        StoredParkedKey(shard: ShardID(2), partitionKey: "ключ\0", value: [0, 255]),
                    ], next: .init(shard: ShardID(2), partitionKey: "ключ\0"))),
            .stream(stream), .streams([stream, stream]), .streams([]), .streamSummary(StreamSummary(stream)),
            .streamPage(StreamSummaryPage(streams: [], hasMore: false)),
            .streamPage(StreamSummaryPage(streams: [StreamSummary(stream), StreamSummary(stream)], hasMore: true)),
            .shard(look), .shardPage(ShardPage(streamID: stream.id, shards: [], hasMore: false)),
            .shardPage(ShardPage(streamID: stream.id, shards: stream.shards, hasMore: true)),
            .outcome(
                .committed([
                    .appended([receipt, receipt]), .sealed([ShardID(4)]), .takenOver(last: SequenceNumber(9)), .done,
                ])), .outcome(.conflict(change: 2, last: SequenceNumber(1))),
            .outcome(.sealed(change: 1, children: [ShardID(1), ShardID(2)])),
            .outcome(.unknown(cause: ShardlineError(.outcomeUnknown, "no answer"))),
            .records(
                ReadResult(
                    batch: RecordBatch([run(from: 5), run(from: 7).extracting(1..<2)]),
                    expired: SequenceNumber(1)...SequenceNumber(4), next: SequenceNumber(8), tip: SequenceNumber(8),
                    endOfShard: [ShardID(9)])),
            .records(
                ReadResult(
                    batch: RecordBatch(), lost: SequenceNumber(1)...SequenceNumber(1), next: .zero, tip: .zero)),
            .position(.max), .counts([]), .counts([0, 1, .max]),
            .positions([]), .positions([nil, .zero, SequenceNumber(4), .max]), .mapping(mapping), .mappings([mapping]),
            .released(true), .released(false), .cancelled,
            .backedUp(BackupSummary(files: 3, bytes: 1 << 40, records: 7, begunAt: Timestamp(milliseconds: 9))),
            .summary(MappingSummary(mapping)), .actions([]), .actions(actions),
            .mappingStates(nil), .mappingStates([]), .mappingStates(states),
        ] + WireCode.all.map { .failed(ShardlineError($0, "it \($0)")) }
}

import DiskAccess
import Foundation
import Logging
import ShardlineTesting
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import OwnerSocket
@testable import SegmentStorage

/// Requests that can be read and mean harm: numbers at their ends, names of something else, all in any order. Whatever they
/// are, the owner answers each, and serves its other clients.
@Suite(.timeLimit(.minutes(2)))
struct HostileRequestTests {
    private static let sequences: [SequenceNumber] = [.zero, SequenceNumber(1), SequenceNumber(7), .max]
    private static let counts = [Int.min, -1, 0, 1, 1 << 40, .max]
    private static let epochs: [UInt64] = [0, 1, 2, .max]
    private static let durations: [Duration] = [
        .seconds(-(1 << 40)), .milliseconds(-1), .zero, .milliseconds(1), .seconds(1 << 40),
    ]
    private static let moments = [-(1 << 52), -1, 0, 1_700_000_000_000, 1 << 52].map { Timestamp(milliseconds: $0) }
    private static let shards: [ShardID] = [ShardID(0), ShardID(3), ShardID((1 << 31) - 1)]
    private static let names = [
        "s", "", "..", "../s", "/etc/passwd", "s\u{0}", "\u{1B}[2J", String(repeating: "n", count: 200),
    ]
    private static let key = MappingID(stream: "s", name: "m")

    private static var foreign: [StartingPosition] {
        var positions: [StartingPosition] = []
        for sequence in sequences {
            for second: UInt64 in [0, 1_356_998_400, 16_025_174_999] {
                let number = KinesisSequenceNumber(
                    shard: shards[0], shardCreationSecond: second, sequenceNumber: sequence, arrivalSecond: second)
                positions += [.at(number), .after(number)]
            }
        }
        return positions
    }

    private static var positions: [StartingPosition] {
        [.trimHorizon, .latest] + moments.map { .atTimestamp($0) }
            + sequences.flatMap { [.atSequenceNumber($0), .afterSequenceNumber($0)] }
            + foreign
    }

    /// Every kind of request with every extreme that it takes.
    private static var extremes: [Request] {
        var requests: [Request] = [.listStreams, .listMappings(stream: nil)]
        for name in names {
            requests += [
                .createStream(name, StreamSettings(), []), .describeStream(name), .listMappings(stream: name),
                .createMapping(
                    MappingDefinition(
                        key: MappingID(stream: "s", name: name), startingPosition: .latest, configuration: [])),
                .commit([.append(Append([NewRecord("x", partitionKey: name)], to: name))], .now),
                .commit([.append(Append([NewRecord("x", partitionKey: name)], to: "s"))], .relaxed),
            ]
        }
        for name in names {
            for count in counts {
                let place = ParkedKeyQuery.Place(shard: shards[2], partitionKey: name)
                requests.append(.parkedKeys(ParkedKeyQuery(key, shard: shards[0], after: place, limit: count)))
            }
            requests.append(.parkedKeys(ParkedKeyQuery(MappingID(stream: name, name: name))))
        }
        for count in counts {
            requests.append(.createStream("t", StreamSettings(shards: count, maximumRecordSize: count), []))
            for sequence in sequences {
                requests.append(
                    .read(
                        ReadRequest(
                            stream: "s", shard: shards[0], after: sequence, maximumRecords: count,
                            maximumBytes: count)))
            }
        }
        for duration in durations {
            requests += [
                .createStream("t", StreamSettings(retention: duration), []),
                .read(ReadRequest(stream: "s", shard: shards[0], after: .zero, wait: .atMost(duration))),
                .read(ReadRequest(stream: "s", shard: shards[0], after: .max, wait: .atMost(duration))),
            ]
        }
        for position in positions {
            requests += [
                .position(position, stream: "s", shards[0]), .position(position, stream: "s", shards[2]),
                .seekMapping(key, position, nil), .seekMapping(key, position, shards[0]),
                .createMapping(MappingDefinition(key: key, startingPosition: position, configuration: [0xFF])),
            ]
        }
        for duration in durations {
            requests += [
                .claimMapping(
                    key, ClaimTerms(configuration: [0], failureStream: "none", owner: "\u{1B}", lease: duration)),
                .renewMapping(key, epoch: .max, MappingRenewal(failureStream: "none", revision: .max)),
                .commit(
                    [.control(MappingControl(key, expectedRevision: .max, configuration: [], actor: "\u{0}"))], .now),
                .commit([.control(MappingControl(key, isEnabled: false, actor: ""))], .now),
                .summarizeMapping(key), .mappingHistory(key),
            ]
        }
        requests.append(
            .claimMapping(key, ClaimTerms(configuration: [0], failureStream: "none", owner: "o", lease: nil)))
        for after in sequences {
            for through in sequences {
                let spans = shards.map { RecordSpan(shard: $0, after: after, through: through) }
                requests += [.countRecords(spans, stream: "s"), .lastRecords(spans, stream: "s")]
            }
        }
        for shard in shards {
            for epoch in epochs {
                requests += changes(shard, epoch).map { .commit([$0], .now) }
                requests += [.commit(changes(shard, epoch), .relaxed), .releaseMapping(key, epoch: epoch)]
            }
        }
        for shard in shards {
            // Seals that follow on others of their commit, and none that is accepted as a whole.
            let split = Change.seal(Seal(stream: "s", parents: [shard], children: HashKeyRange.even(2)))
            for parents in [[ShardID(.max)], [shard, ShardID(.max)], [ShardID(1), ShardID(2)], [ShardID(1), shard]] {
                let next = Change.seal(Seal(stream: "s", parents: parents, children: HashKeyRange.even(3)))
                requests += [.commit([split, next], .now), .commit([split, split, next], .relaxed)]
            }
            let many = HashKeyRange.even(20_000)
            requests.append(.commit([.seal(Seal(stream: "s", parents: [shard], children: many))], .now))
        }
        return requests + [.deleteMapping(key), .mappingStates(key)]
    }

    private static func changes(_ shard: ShardID, _ epoch: UInt64) -> [Change] {
        let records = [
            NewRecord([], partitionKey: "k"), NewRecord("x", partitionKey: "k", explicitHashKey: HashKey(.max)),
        ]
        var changes: [Change] = [
            .takeOver(stream: "s", shard: shard, epoch: epoch),
            .seal(Seal(stream: "s", parents: [shard, shard], children: HashKeyRange.even(1))),
            .seal(
                Seal(stream: "s", parents: [shard], children: [HashKeyRange(first: HashKey(.max), last: HashKey(0))])),
            .seal(Seal(stream: "s", parents: [], children: [])),
            .park(ParkedKeyChange(mapping: key, shard: shard, partitionKey: "", value: [1], epoch: epoch)),
            .park(ParkedKeyChange(mapping: key, shard: shard, partitionKey: "\u{0}", value: nil, epoch: epoch)),
            .park(
                ParkedKeyChange(
                    mapping: key, shard: shard, partitionKey: String(repeating: "k", count: 70_000),
                    value: [UInt8](repeating: 1, count: 70_000), epoch: epoch)),
        ]
        for first in sequences {
            changes.append(
                .append(Append(records, to: "s", target: .shard(shard), expectedLast: first, epoch: epoch)))
            changes.append(
                .checkpoint(
                    CheckpointMove(
                        mapping: key, epoch: epoch,
                        checkpoint: ShardCheckpoint(
                            shard: shard, position: first, isShardEnd: true, state: [1],
                            earlierAttempts: AttemptNote(
                                first: first, last: .zero, count: .min, cause: "\u{1B}]0;x\u{7}")))))
        }
        return changes
    }

    /// Sends each payload as a request, and asks for nothing but an answer.
    private static func send(_ payloads: [[UInt8]], to directory: String) async throws -> Int {
        try await BlockingThreads.shared.run {
            let socket = try SocketPath(directory: directory).connect()
            socket.limitWaiting(receiving: .seconds(20), sending: .seconds(20))
            try socket.send(Frame(.hello, call: 0, payload: Hello().encoded).encoded)
            var buffer = FrameBuffer()
            var answered: Set<UInt64> = []
            let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
            defer { room.deallocate() }
            for (index, payload) in payloads.enumerated() {
                let call = UInt64(index + 1)
                // What waits for ever is not waited for.
                try socket.send(
                    Frame(.request, call: call, payload: payload).encoded + Frame(.cancel, call: call).encoded)
                while !answered.contains(call) {
                    let count = try socket.receive(into: room)
                    guard count > 0 else { return answered.count }
                    buffer.append(UnsafeRawBufferPointer(rebasing: room[..<count]))
                    while let frame = try buffer.next() {
                        guard frame.kind == .reply else { continue }
                        _ = try Reply(frame.payload)
                        answered.insert(frame.call)
                    }
                }
            }
            return answered.count
        }
    }

    private static func withStores(_ body: @Sendable (any StoreEngine, String) async throws -> Void) async throws {
        let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let directory = TestDirectory()
        let stores: [any StoreEngine] = [
            InMemoryStore(), try await SegmentStore.open(at: directory.path, logger: silent),
        ]
        for store in stores {
            try await store.createStream("s", settings: StreamSettings(shards: 2))
            try await store.stream("s").put("x", partitionKey: "k")
            try await store.createMapping(
                MappingDefinition(key: key, startingPosition: .trimHorizon, configuration: []))
            let server = try OwnerSocketServer(store: store, at: directory.path, logger: silent)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await server.run() }
                defer { server.stop() }
                try await body(store, directory.path)
                let client = try await OwnerClient.connect(at: directory.path)
                _ = try await client.listStreams()
                try await client.close()
            }
            try await store.close()
        }
        // Whatever was written, the store can be opened again.
        let again = try await SegmentStore.open(at: directory.path, logger: silent)
        _ = try await again.listStreams()
        _ = try await again.listMappings(of: nil)
        try await again.close()
    }

    @Test func `every extreme is answered, and the owner goes on`() async throws {
        try await Self.withStores { _, directory in
            let payloads = Self.extremes.map(\.encoded)
            let answered = try await Self.send(payloads, to: directory)
            #expect(answered == payloads.count)
        }
    }

    @Test func `whatever can be made of requests is answered`() async throws {
        let corpus = Self.extremes.map(\.encoded)
        try await Self.withStores { store, directory in
            var mutations = Mutations(seed: 17)
            for _ in 0..<10 {
                try await store.createStreamIfNeeded("s", shards: 2)
                let payloads = (0..<100).map { _ in mutations.next(of: corpus) }
                let answered = try await Self.send(payloads, to: directory)
                #expect(answered == payloads.count)
            }
        }
    }
}

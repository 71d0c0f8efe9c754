import EventSource
import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

@testable import ShardlineCLI

/// What expired before a mapping had done it is shown as that, and a seek past it says so.
@Suite struct ExpiredProgressTests {
    private let key = MappingID(stream: "s", name: "m")

    /// Five records in shard 0, of which two are done, and the first four have expired; "late" has done all.
    private func withExpired(_ body: (InMemoryStore, VirtualTime) async throws -> Void) async throws {
        let time = VirtualTime()
        let store = InMemoryStore(timeSource: time)
        try await store.createStream("s", settings: StreamSettings(shards: 1, retention: .seconds(100)))
        try await store.createMapping(MappingDefinition(key: key, startingPosition: .trimHorizon))
        try await store.stream("s").put(contentsOf: (1...4).map { NewRecord("\($0)", partitionKey: "k") })
        let claim = try await store.claimMapping(key)
        let move = CheckpointMove(
            mapping: key, epoch: claim.epoch,
            checkpoint: ShardCheckpoint(shard: ShardID(0), position: SequenceNumber(2)))
        _ = try await store.commit([.checkpoint(move)])
        try await store.releaseMapping(key, epoch: claim.epoch)
        time.advance(by: .seconds(60))
        try await store.stream("s").put("5", partitionKey: "k")
        time.advance(by: .seconds(60))
        try await body(store, time)
    }

    private func report(_ store: InMemoryStore) async throws -> MappingReport {
        try await MappingReport(try await store.describeMapping(key), in: store)
    }

    private func seek(_ store: InMemoryStore, to position: StartingPosition, shard: ShardID? = nil) async throws
        -> (plan: SeekReport, done: SeekReport)
    {
        let plan = try await SeekReport(of: key, to: position, only: shard, in: store)
        let before = try await store.describeMapping(key)
        let progress = try await MappingProgress.all(of: before, in: store)
        let after = try await store.seekMapping(key, to: position, shard: shard)
        return (plan, try await SeekReport(from: before, progress, to: after, only: shard, in: store))
    }

    @Test func `describe and list say what expired undone, and where the oldest record is`() async throws {
        try await withExpired { store, time in
            let report = try await report(store)
            let oldest = try #require(
                try await store.read(ReadRequest(stream: "s", shard: ShardID(0), after: SequenceNumber(4))).batch.first)
            #expect(report.expired == 2 && report.behind == 1)
            #expect(
                report.progress.map(\.words) == [
                    "2 records expired undone; the oldest left is \(oldest.kinesisSequenceNumber)"
                ])
            let lines = report.lines(now: time.wallTime).joined(separator: "\n")
            #expect(
                lines.contains("expired    2 records before they were done; its next run gives them up"), "\(lines)")
            #expect(MappingListCommand.lines(of: [report])[0].contains("EXPIRED"))
            let json = try #require(JSONValue(report.json(now: time.wallTime)))
            #expect(json["recordsExpired"] == .number("2") && json["recordsBehind"] == .number("1"))
            guard case .array(let shards)? = json["shards"] else { return #expect(Bool(false)) }
            #expect(shards[0]["recordsExpired"] == .number("2"))
            #expect(shards[0]["oldestSequenceNumber"] == .string("\(oldest.kinesisSequenceNumber)"))
        }
    }

    @Test func `a shard of which nothing is left is not said to be done`() async throws {
        try await withExpired { store, time in
            time.advance(by: .seconds(60))
            let report = try await report(store)
            #expect(report.expired == 3 && report.behind == 0)
            #expect(report.progress.map(\.words) == ["3 records expired undone; no record is left"])
        }
    }

    @Test func `without expired records nothing is said of them`() async throws {
        let store = InMemoryStore(timeSource: VirtualTime())
        try await store.createStream("s", settings: StreamSettings())
        try await store.createMapping(MappingDefinition(key: key, startingPosition: .trimHorizon))
        let report = try await report(store)
        #expect(report.progress.map(\.words) == ["the newest record"])
        #expect(!report.lines(now: store.timeSource.wallTime).contains { $0.hasPrefix("expired") })
        #expect(!MappingListCommand.lines(of: [report])[0].contains("EXPIRED"))
    }

    @Test func `a seek past expired records says how many it passes over`() async throws {
        try await withExpired { store, _ in
            let seek = try await seek(store, to: .trimHorizon)
            for report in [seek.plan, seek.done] {
                #expect(report.moves.map(\.passedOver) == [2] && report.moves.map(\.again) == [0])
                #expect(report.sum == "2 records that expired undone are passed over")
            }
            #expect(try await report(store).expired == 0)
            let again = try await self.seek(store, to: .trimHorizon)
            #expect(again.done.sum == "it was there already")
        }
        try await withExpired { store, _ in
            let ahead = try await seek(store, to: .latest)
            #expect(ahead.plan.sum == "1 record is skipped, 2 records that expired undone are passed over")
            #expect(ahead.done.sum == ahead.plan.sum)
        }
    }

    @Test func `a seek to a place before the oldest record goes to the oldest that is left`() async throws {
        try await withExpired { store, _ in
            let seek = try await seek(store, to: .afterSequenceNumber(SequenceNumber(3)), shard: ShardID(0))
            #expect(seek.plan.sum == "2 records that expired undone are passed over")
            #expect(seek.done.sum == seek.plan.sum)
            #expect(try await report(store).expired == 0)
        }
        try await withExpired { store, time in
            let seek = try await seek(store, to: .atTimestamp(time.wallTime + .seconds(-110)))
            #expect(seek.done.sum == "2 records that expired undone are passed over")
        }
    }

    @Test func `a shard that was removed is told as well`() async throws {
        try await withExpired { store, time in
            let seal = Seal(stream: "s", parents: [ShardID(0)], children: HashKeyRange.even(2))
            _ = try await store.commit([.seal(seal)])
            time.advance(by: .seconds(101))
            let report = try await report(store)
            #expect(report.progress.map(\.shard.number) == [0, 1, 2])
            #expect(report.expired == 3)
            #expect(report.progress[0].words == "3 records expired undone; the shard was removed")
            let seek = try await seek(store, to: .trimHorizon)
            for report in [seek.plan, seek.done] {
                #expect(report.sum == "3 records that expired undone are passed over")
                #expect(report.moves.first?.to == "the shard's end")
            }
            #expect(try await self.report(store).expired == 0)
        }
    }
}

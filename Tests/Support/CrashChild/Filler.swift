import DiskAccess
import EventSource
import Glibc
import Shardline
import StreamModel
import StreamStorage
import Synchronization
import TestSupport

/// Fills a disk, and says what the store does without room and when there is some again.
///
/// Measured are: `refused`, the puts that were refused; `drained`, the checkpoints that the mapping moved to the end
/// of what is there while the disk was full; `again`, the milliseconds from the removal of the ballast to the next put.
final class Filler: Sendable {
    private let store: any StoreEngine
    private let reporter: Reporter
    private let ballast: String
    private let dies: Bool
    private let isFull = Atomic(false)
    private let handled = Atomic(0)
    private let lastKey = Atomic(0)

    init(store: any StoreEngine, reporter: Reporter, ballast: String, dies: Bool) {
        self.store = store
        self.reporter = reporter
        self.ballast = ballast
        self.dies = dies
    }

    func run() async throws {
        try await CrashStore.makeStreams(in: store)
        let mapping = try await mapping()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await mapping.run(until: .stopped) }
            try await fill()
            isFull.store(true, ordering: .relaxed)
            let refused = try await drain()
            reporter.send([.measured("refused", refused), .measured("drained", handled.load(ordering: .relaxed))])
            if dies { _ = kill(getpid(), SIGKILL) }
            guard unlink(ballast) == 0 else { reporter.fail("there is no ballast") }
            let again = ContinuousClock.now
            while try await put() != nil {
                guard ContinuousClock.now < again + .seconds(20) else { reporter.fail("no put is taken again") }
                try await Task.sleep(for: .milliseconds(10))
            }
            reporter.send(.measured("again", Int((ContinuousClock.now - again) / .milliseconds(1))))
            for _ in 0..<50 {
                if let refusal = try await put() { reporter.fail("refused with room: \(refusal)") }
            }
            mapping.triggerGracefulShutdown()
            try await group.waitForAll()
        }
        try await self.mapping().run(until: .caughtUp)
    }

    /// One that moves a checkpoint for every few records, and begins when the disk is full.
    private func mapping() async throws -> EventSourceMapping {
        var settings = EventSourceMapping.Configuration()
        settings.batchSize = 2
        return try await EventSourceMapping(
            CrashStore.mapping.name, from: store.stream(CrashStore.mapped), configuration: settings,
            logger: CrashStore.logger(false)
        ) { [self] batch, _ in
            while !isFull.load(ordering: .relaxed) { try await Task.sleep(for: .milliseconds(5)) }
            var digest = Digest()
            for record in batch { digest.add(Stamp.checksum(Array(record.bytes))) }
            handled.add(1, ordering: .relaxed)
            reporter.send(
                .handled(
                    first: Place(CrashStore.mapped, batch[0].shard.number, batch[0].sequenceNumber.rawValue),
                    count: batch.count, digest: digest.value))
        }
    }

    private func fill() async throws {
        let end = ContinuousClock.now + .seconds(60)
        while true {
            guard let refusal = try await put() else {
                guard ContinuousClock.now < end else { reporter.fail("the disk does not become full") }
                continue
            }
            guard refusal.code == .diskFull, refusal.message.contains(" are free, "),
                refusal.message.contains(" are needed")
            else { reporter.fail("the put was refused with '\(refusal)'") }
            return
        }
    }

    /// Waits until the function has seen all that is there and its checkpoints are at the end; what is put meanwhile is
    /// refused.
    private func drain() async throws -> Int {
        var refused = 1
        let end = ContinuousClock.now + .seconds(60)
        while true {
            guard let refusal = try await put() else { reporter.fail("a record was taken on a full disk") }
            guard refusal.code == .diskFull else { reporter.fail("the put was refused with '\(refusal)'") }
            refused += 1
            let tips = try await store.describeStream(CrashStore.mapped).shards.map { ($0.id, $0.tip) }
            let positions = try await store.describeMapping(CrashStore.mapping).checkpoints
            if tips.allSatisfy({ shard, tip in positions.first { $0.shard == shard }?.position ?? .zero == tip }) {
                return refused
            }
            guard ContinuousClock.now < end else {
                reporter.fail("the mapping is not done: \(positions.map(\.position)) of \(tips.map(\.1))")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Puts some records; why they were refused, or nil.
    private func put() async throws -> ShardlineError? {
        let call = lastKey.add(1, ordering: .relaxed).newValue
        let records = (0..<8).map { index in
            let key = "key\(call).\(index)"
            var random = SeededRandom(UInt64(call * 8 + index))
            let noise = (0..<500).flatMap { _ in
                Array("0123456789abcdef".utf8).shuffled(using: &random).prefix(8)
            }
            let stamp = Stamp(producer: "filler", key: key, counter: 0, call: call, size: 8, index: index)
            return NewRecord(stamp.data(filler: noise), partitionKey: key)
        }
        do {
            let receipts = try await store.stream(CrashStore.mapped).put(contentsOf: records)
            reporter.send(
                zip(records, receipts).map { record, receipt in
                    .acknowledged(
                        Place(CrashStore.mapped, receipt.shard.number, receipt.sequenceNumber.rawValue),
                        checksum: Stamp.checksum(record.data))
                })
            return nil
        } catch let error as ShardlineError {
            return error
        }
    }
}

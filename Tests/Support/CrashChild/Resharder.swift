import Shardline
import StreamModel
import StreamStorage
import TestSupport

/// Splits, merges and scales shards of the stream that the mapping reads, as long as the process lives.
struct Resharder {
    let store: any StoreEngine
    var random: SeededRandom
    /// A stream has at most this many open shards; more are merged.
    static let most = 8

    mutating func run() async throws {
        let stream = store.stream(CrashStore.mapped)
        while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(Int.random(in: 5...60, using: &random)))
            if Task.isCancelled { return }
            let described = try await stream.describe()
            let open = described.openShards.sorted { $0.hashKeyRange.first < $1.hashKeyRange.first }
            guard described.shards.count < 2000 else { return }
            if random.chance(15) {
                try await stream.updateShardCount(to: Int.random(in: 1...Self.most, using: &random))
            } else if open.count < Self.most, random.chance(60) {
                let shard = open.randomElement(using: &random)!
                // Else it is too narrow to be split in the middle.
                guard shard.hashKeyRange.last.value - shard.hashKeyRange.first.value > 2 else { continue }
                try await stream.splitShard(shard.id)
            } else if open.count > 1 {
                let index = Int.random(in: 1..<open.count, using: &random)
                try await stream.mergeShards(open[index - 1].id, open[index].id)
            }
        }
    }
}

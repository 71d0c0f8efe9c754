import Shardline
import StreamModel
import StreamStorage
import TestSupport

/// Splits and merges shards of the stream that the mapping reads, as long as the process lives.
struct Resharder {
    let store: any StoreEngine
    var random: SeededRandom
    /// A stream has at most this many open shards; more are merged.
    static let most = 8

    mutating func run() async throws {
        while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(Int.random(in: 5...60, using: &random)))
            if Task.isCancelled { return }
            let stream = try await store.describeStream(CrashStore.mapped)
            let open = stream.shards.filter { $0.closedAt == nil }.sorted {
                $0.hashKeyRange.first < $1.hashKeyRange.first
            }
            guard stream.shards.count < 2000 else { return }
            if open.count < Self.most, random.chance(60) { try await split(open) } else { try await merge(open) }
        }
    }

    private mutating func split(_ open: [ShardDescription]) async throws {
        let shard = open.randomElement(using: &random)!
        let (first, last) = (shard.hashKeyRange.first.value, shard.hashKeyRange.last.value)
        guard last > first else { return }
        let middle = first + (last - first) / 2
        try await seal(
            [shard.id],
            [
                HashKeyRange(first: shard.hashKeyRange.first, last: HashKey(middle)),
                HashKeyRange(first: HashKey(middle + 1), last: shard.hashKeyRange.last),
            ])
    }

    private mutating func merge(_ open: [ShardDescription]) async throws {
        guard open.count > 1 else { return }
        let index = Int.random(in: 1..<open.count, using: &random)
        let (left, right) = (open[index - 1], open[index])
        try await seal(
            [left.id, right.id], [HashKeyRange(first: left.hashKeyRange.first, last: right.hashKeyRange.last)])
    }

    private func seal(_ parents: [ShardID], _ children: [HashKeyRange]) async throws {
        _ = try await store.commit([.seal(Seal(stream: CrashStore.mapped, parents: parents, children: children))])
    }
}

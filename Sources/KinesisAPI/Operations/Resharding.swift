import StreamModel
import StreamStorage

// SplitShard, MergeShards, UpdateShardCount. The checks come in AWS' order: the shards' names, the stream, its
// state, the shards, the limits, the bounds.
extension KinesisOperations {
    @Sendable func splitShard(_ call: OperationCall) async throws -> Output {
        let address = try address(call)
        let id = try shard(call.text("ShardToSplit") ?? "", in: address)
        let stream = try await activeStream(address, call, "SplitShard")
        let range = try await openShard(id, of: stream).hashKeyRange
        try await checkShardLimit(call.caller, adding: 1)
        let text = call.text("NewStartingHashKey") ?? ""
        let (first, last) = (range.first.value, range.last.value)
        // API-R-1; without overflow, since the key is greater than the first one where it matters.
        guard let key = HashKey(text), key.value > first, key.value - first > 1, key.value < last else {
            throw ServiceError.invalidArgument(
                "NewStartingHashKey \(text) used in SplitShard() on shard \(id) in \(address.inTexts) is not both greater than one plus the shard's StartingHashKey \(range.first) and less than the shard's EndingHashKey \(range.last)."
            )
        }
        try await reshard(stream) { try await $0.splitShard(id, at: key) }
        return .nothing
    }

    @Sendable func mergeShards(_ call: OperationCall) async throws -> Output {
        let address = try address(call)
        let one = try shard(call.text("ShardToMerge") ?? "", in: address)
        let other = try shard(call.text("AdjacentShardToMerge") ?? "", in: address)
        let stream = try await activeStream(address, call, "MergeShards")
        let low = try await openShard(one, of: stream).hashKeyRange
        let high = try await openShard(other, of: stream).hashKeyRange
        // API-R-2: in this order only.
        guard low.last.value != .max, low.last.value + 1 == high.first.value else {
            throw ServiceError.invalidArgument(
                "Shards \(one) and \(other) in \(address.inTexts) are not an adjacent pair of shards eligible for merging"
            )
        }
        try await reshard(stream) { try await $0.mergeShards(one, other) }
        return .nothing
    }

    @Sendable func updateShardCount(_ call: OperationCall) async throws -> Output {
        let address = try address(call)
        let stream = try await activeStream(address, call, "UpdateShardCount")
        let (current, target) = (stream.summary.openShardCount, call.int("TargetShardCount") ?? 1)
        try checkScaling(from: current, to: target)
        if target > current { try await checkShardLimit(call.caller, adding: target - current) }
        if target != current { try await reshard(stream) { try await $0.updateShardCount(to: target) } }
        return .map([
            "StreamName": .text(address.name), "CurrentShardCount": .int(current), "TargetShardCount": .int(target),
            "StreamARN": .text(address.arn),
        ])
    }

    /// API-UpdateShardCount-1, API-UpdateShardCount-4: of the open shards, and only where limits are enforced.
    private func checkScaling(from current: Int, to target: Int) throws(ServiceError) {
        guard target <= 10_000 else {
            throw .limitExceeded(
                "UpdateShardCount cannot scale a stream to more than 10000 shards. Target shard count: \(target)")
        }
        guard settings.enforcesLimits else { return }
        let ending = "your current open shard count. Current open shard count: \(current) Target shard count: \(target)"
        if target > 2 * current { throw .limitExceeded("UpdateShardCount cannot scale up over double \(ending)") }
        if 2 * target < current { throw .limitExceeded("UpdateShardCount cannot scale down below half \(ending)") }
    }

    private func activeStream(
        _ address: StreamAddress, _ call: OperationCall, _ operation: String
    ) async throws -> StreamFacts {
        let stream = try await stream(address)
        try stream.requireActive()
        try stream.requireProvisioned()
        return stream
    }

    /// A shard that may be split or merged (API-Reshard-1, API-Reshard-4).
    private func openShard(_ id: ShardID, of stream: StreamFacts) async throws -> ShardDescription {
        let shard: ShardDescription
        do {
            shard = try await engine.describeShard(id, of: stream.storeName).shard
        } catch let error as ShardlineError where error.code == .shardNotFound {
            throw Self.noShard(id.description, stream.address)
        }
        guard shard.closedAt == nil else { throw Self.isClosed(id, stream.address) }
        return shard
    }

    private static func isClosed(_ id: ShardID, _ address: StreamAddress) -> ServiceError {
        .invalidArgument(
            "Shard \(id) in \(address.inTexts) has already been merged or split, and thus is not eligible for merging or splitting."
        )
    }

    private func reshard(
        _ stream: StreamFacts, _ change: (RecordStream) async throws -> ReshardingResult
    ) async throws {
        do {
            _ = try await mapping(stream.address) { try await change(store.stream(stream.storeName)) }
        } catch let error as ShardlineError where error.code == .shardClosed {
            // Another request was faster than this one since the checks.
            throw ServiceError.resourceInUse(
                "Stream \(stream.address.name) under account \(stream.address.account) not ACTIVE, instead in state UPDATING"
            )
        } catch let error as ShardlineError where error.code == .invalidArgument {
            // More shards than a stream may have, closed ones included.
            throw ServiceError.limitExceeded(error.message)
        }
        transitions.begin(.updating, of: stream.storeName)
    }
}

import StreamModel
import StreamStorage
import Synchronization

/// AWS' rates of calls and records (API-L-3, API-L-4), where they are enforced (API-L-1).
///
/// All calls may be made on any thread.
final class RateLimits: Sendable {
    /// What is left of a rate: it fills up within a second.
    private struct Bucket {
        var left: Double
        var at: MonotonicTime
        /// Nothing is taken before this time, after an answer that was larger than a second allows.
        var blockedUntil: MonotonicTime?

        mutating func refill(_ now: MonotonicTime, rate: Double) {
            left = min(rate, left + (now - at).inSeconds * rate)
            at = now
        }
    }

    private let buckets = Mutex<[UTF8Key: Bucket]>([:])
    private let isEnforced: Bool
    private let time: any TimeSource
    /// More buckets than this are cleared of full ones.
    private static let kept = 10_000

    init(isEnforced: Bool, time: any TimeSource) {
        self.isEnforced = isEnforced
        self.time = time
    }

    /// Takes `amount` of a rate per second; false where there is not as much left.
    private func take(_ amount: Double, of key: String, rate: Double) -> Bool {
        let now = time.monotonicTime
        return buckets.withLock { buckets in
            if buckets.count > Self.kept { buckets = buckets.filter { (now - $0.value.at).inSeconds < 1 } }
            var bucket = buckets[UTF8Key(key)] ?? Bucket(left: rate, at: now)
            bucket.refill(now, rate: rate)
            defer { buckets[UTF8Key(key)] = bucket }
            if let until = bucket.blockedUntil, now < until { return false }
            bucket.blockedUntil = nil
            guard bucket.left >= amount else { return false }
            bucket.left -= amount
            return true
        }
    }

    // MARK: Control calls

    /// Counts a call; throws `LimitExceededException` where there were too many within a second.
    ///
    /// - Parameter rate: how many a second each account may make in a region.
    func takeControlCall(_ operation: String, rate: Double, _ call: OperationCall) throws(ServiceError) {
        guard isEnforced else { return }
        let stream = call.text("StreamName") ?? call.text("StreamARN").flatMap { StreamAddress(arn: $0)?.name } ?? ""
        // The rate of ListShards is one of each stream.
        let key = "\(operation) \(call.caller.account) \(call.caller.region) \(operation == "ListShards" ? stream : "")"
        guard take(1, of: key, rate: rate) else {
            throw .limitExceeded("Rate exceeded for stream \(stream) under account \(call.caller.account).")
        }
    }

    // MARK: Records

    static func exceeded(_ shard: ShardID, _ address: StreamAddress) -> ServiceError {
        .throughputExceeded("Rate exceeded for shard \(shard) in \(address.inTexts).")
    }

    func takeIterator(_ shard: ShardID, _ stream: String) async throws(ServiceError) {
        guard isEnforced, !take(1, of: "iterator \(stream) \(shard)", rate: 5) else { return }
        throw .throughputExceeded("Rate exceeded for shard \(shard).")
    }

    /// Counts a GetRecords: five a second, and none for a while after large answers.
    func takeRead(_ shard: ShardID, _ stream: String, _ address: StreamAddress) async throws(ServiceError) {
        guard isEnforced else { return }
        guard take(0, of: "read bytes \(stream) \(shard)", rate: Self.readBytes),
            take(1, of: "reads \(stream) \(shard)", rate: 5)
        else { throw Self.exceeded(shard, address) }
    }

    private static let readBytes = Double(2 << 20)

    /// Notes the size of an answer: the shard's next reads wait until its rate allows for it.
    func noteRead(bytes: Int, _ shard: ShardID, _ stream: String) {
        guard isEnforced else { return }
        let now = time.monotonicTime
        buckets.withLock { buckets in
            let key = "read bytes \(stream) \(shard)"
            var bucket = buckets[UTF8Key(key)] ?? Bucket(left: Self.readBytes, at: now)
            bucket.refill(now, rate: Self.readBytes)
            bucket.left -= Double(bytes)
            if bucket.left < 0 { bucket.blockedUntil = now + .seconds(Double(bytes) / Self.readBytes) }
            buckets[UTF8Key(key)] = bucket
        }
    }

    /// Throws where a put of one record is over the rate of its shard.
    func takePut(
        _ records: [NewRecord], stream: String, _ address: StreamAddress, _ engine: any StoreEngine
    ) async throws {
        if let error = try await throttledPuts(records, stream: stream, address, engine).values.first { throw error }
    }

    /// The records of a put that are over the rates of their shards, by their place.
    func throttledPuts(
        _ records: [NewRecord], stream: String, _ address: StreamAddress, _ engine: any StoreEngine
    ) async throws -> [Int: ServiceError] {
        guard isEnforced else { return [:] }
        let open: [ShardDescription]
        do {
            open = try await engine.describeStream(stream).shards.filter { $0.closedAt == nil }
        } catch let error as ShardlineError where error.code == .streamNotFound {
            throw StreamFacts.notFound(address)
        }
        var throttled: [Int: ServiceError] = [:]
        for (index, record) in records.enumerated() {
            let key = record.explicitHashKey ?? HashKey(partitionKey: record.partitionKey)
            guard let shard = open.first(where: { $0.hashKeyRange.contains(key) })?.id else { continue }
            let size = Double(record.data.count + record.partitionKey.utf8.count)
            // A record over a second's bytes is let through alone: it would be refused for ever.
            guard take(min(size, Self.writeBytes), of: "put bytes \(stream) \(shard)", rate: Self.writeBytes),
                take(1, of: "puts \(stream) \(shard)", rate: 1000)
            else {
                throttled[index] = Self.exceeded(shard, address)
                continue
            }
        }
        return throttled
    }

    private static let writeBytes = Double(1 << 20)
}

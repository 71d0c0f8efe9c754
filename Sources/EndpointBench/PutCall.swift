#if Server
import DataFormats
import StreamModel

/// PutRecords: the body, and what the server says about each record.
struct PutCall {
    /// What became of a record.
    enum Outcome {
        case put(PutReceipt)
        case failed(code: String, message: String)
    }

    let client: KinesisClient
    let stream: String
    let shards: Int

    /// Puts records, those again that the server asks for, in their order. One receipt for each record, in order.
    func put(_ records: [NewRecord]) async throws -> [PutReceipt] {
        let outcomes = try await send(records)
        var receipts: [PutReceipt] = []
        receipts.reserveCapacity(records.count)
        for case .put(let receipt) in outcomes { receipts.append(receipt) }
        return receipts.count == records.count ? receipts : try await repeatFailed(outcomes, of: records)
    }

    private func repeatFailed(_ first: [Outcome], of records: [NewRecord]) async throws -> [PutReceipt] {
        var outcomes = first
        var pauses = Pauses(client.timeSource)
        while true {
            var failed: [Int] = []
            for (index, outcome) in outcomes.enumerated() {
                guard case .failed(let code, let message) = outcome else { continue }
                guard EndpointError.isRetriable(code) else { throw refused(code, message) }
                failed.append(index)
            }
            guard let last = failed.last else { break }
            guard try await pauses.wait() else {
                guard case .failed(let code, let message) = outcomes[last] else { break }
                throw refused(code, message)
            }
            client.retries.add(failed.count)
            for (index, outcome) in zip(failed, try await send(failed.map { records[$0] })) {
                outcomes[index] = outcome
            }
        }
        return outcomes.compactMap { outcome in
            guard case .put(let receipt) = outcome else { return nil }
            return receipt
        }
    }

    private func refused(_ code: String, _ message: String) -> ShardlineError {
        EndpointError(operation: "PutRecords, for a record", status: 200, code: code, message: message).explained
    }

    private func send(_ records: [NewRecord]) async throws -> [Outcome] {
        let document = try await client.call("PutRecords", body(of: records))
        let results = document?.root["Records"]
        guard let results, results.count == records.count else {
            throw ShardlineError(
                .notAccessible,
                "PutRecords: the server answered \(results?.count ?? 0) results for \(records.count) records")
        }
        var outcomes: [Outcome] = []
        outcomes.reserveCapacity(records.count)
        for result in results.elements { outcomes.append(try outcome(result)) }
        return outcomes
    }

    func body(of records: [NewRecord]) -> [UInt8] {
        let bytes = records.reduce(200) { $0 + ($1.data.count + 2) * 4 / 3 + $1.partitionKey.utf8.count + 40 }
        return client.body(2, reserving: bytes) { writer in
            writer.key("StreamName")
            writer.string(stream)
            writer.key("Records")
            writer.beginList(records.count)
            for record in records {
                writer.beginMap(record.explicitHashKey == nil ? 2 : 3)
                writer.key("Data")
                writer.blob(record.data[...])
                writer.key("PartitionKey")
                writer.string(record.partitionKey)
                if let hashKey = record.explicitHashKey {
                    writer.key("ExplicitHashKey")
                    writer.string(hashKey.description)
                }
                writer.endMap()
            }
            writer.endList()
        }
    }

    private func outcome(_ result: Document.Value) throws -> Outcome {
        var shard: ShardID?
        var number: AnsweredNumber?
        var code: String?
        var message = ""
        for (name, value) in result.members {
            if name.equals("SequenceNumber") {
                number = AnsweredNumber(value)
            } else if name.equals("ShardId") {
                shard = value.text.flatMap { ShardID($0) }
            } else if name.equals("ErrorCode") {
                code = value.text
            } else if name.equals("ErrorMessage") {
                message = value.text ?? ""
            }
        }
        if let code { return .failed(code: code, message: message) }
        guard let shard, let number, shard.number < shards else {
            throw ShardlineError(
                .notAccessible,
                "PutRecords: a result without a shard of the \(shards) that were made, or without a sequence number that can be read"
            )
        }
        return .put(
            PutReceipt(
                shard: shard, sequenceNumber: number.sequenceNumber,
                approximateArrivalTimestamp: Timestamp(milliseconds: 0),
                shardCreationSecond: number.shardCreationSecond))
    }
}

/// A sequence number of an answer: Kinesis' 56 digits, or a counter in at most 18 digits, as other servers have it.
struct AnsweredNumber {
    var sequenceNumber: SequenceNumber
    var shardCreationSecond: UInt64

    /// Nil for anything else.
    init?(_ value: Document.Value) {
        let number = value.withText { digits -> Self? in
            if let number = KinesisSequenceNumber(digits: digits) {
                return Self(number.sequenceNumber, shardCreationSecond: number.shardCreationSecond)
            }
            guard (1...18).contains(digits.count) else { return nil }
            var counter: UInt64 = 0
            for byte in digits {
                guard (0x30...0x39).contains(byte) else { return nil }
                counter = counter * 10 + UInt64(byte - 0x30)
            }
            return Self(SequenceNumber(counter), shardCreationSecond: 0)
        }
        guard let found = number ?? nil else { return nil }
        self = found
    }

    private init(_ sequenceNumber: SequenceNumber, shardCreationSecond: UInt64) {
        self.sequenceNumber = sequenceNumber
        self.shardCreationSecond = shardCreationSecond
    }
}
#endif

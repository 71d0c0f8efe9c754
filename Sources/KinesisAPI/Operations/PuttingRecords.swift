import DataFormats
import Logging
import StreamModel
import StreamStorage

// PutRecord, PutRecords.
extension KinesisOperations {
    @Sendable func putRecord(_ call: OperationCall) async throws -> Output {
        let address = try address(call)
        let name = try storeName(toPut: address)
        let properties = try await propertiesToPut(name, address)
        if call.text("PartitionKey") == nil, !properties.distributesRecords {
            throw ConstraintCheck.error([
                ConstraintCheck.violation("null", at: "partitionKey", ConstraintCheck.isNull)
            ])
        }
        if let given = call.text("SequenceNumberForOrdering"), !isOrderable(given) {
            throw ServiceError.invalidArgument(
                "ExclusiveMinimumSequenceNumber \(given) used in PutRecord on \(address.inTexts) is invalid.")
        }
        let record = try Self.record(call.input, call.blobs, distributes: properties.distributesRecords)
        try await checkSizes([record], name, address) { _ in "data" }
        try await rates.takePut([record], stream: name, address, engine)
        if call.bool("DryRun") { throw ServiceError.dryRun }
        let receipts = try await mapping(address) { try await store.stream(name).put(contentsOf: [record]) }
        guard let receipt = receipts.first else { throw ServiceError.internalFailure }
        return .map([
            "ShardId": .text(receipt.shard.description),
            "SequenceNumber": .text(receipt.kinesisSequenceNumber.description),
            "EncryptionType": properties.encryptionKey == nil ? nil : .text("KMS"),
        ])
    }

    @Sendable func putRecords(_ call: OperationCall) async throws -> Output {
        let address = try address(call)
        let name = try storeName(toPut: address)
        let properties = try await propertiesToPut(name, address)
        let entries = call.input["Records"]
        var records: [NewRecord] = []
        records.reserveCapacity(entries?.count ?? 0)
        var missing: [String] = []
        var total = 0
        for entry in entries?.elements.map({ $0 }) ?? [] {
            let record = try Self.record(entry, call.blobs, distributes: properties.distributesRecords)
            total += record.data.count + record.partitionKey.utf8.count
            records.append(record)
            if record.partitionKey.isEmpty, !properties.distributesRecords {
                missing.append(
                    ConstraintCheck.violation(
                        "null", at: "records.\(records.count).member.partitionKey", ConstraintCheck.isNull))
            }
        }
        if !missing.isEmpty { throw ConstraintCheck.error(missing) }
        try await checkSizes(records, name, address) { "records.\($0 + 1).member.data" }
        // API-PutRecords-2.
        guard total <= 10 << 20 else { throw ServiceError.invalidArgument("Records size exceeds 10 MB limit") }
        let throttled = try await rates.throttledPuts(records, stream: name, address, engine)
        if call.bool("DryRun") { throw ServiceError.dryRun }
        let results = try await put(records, except: throttled, to: name, address, call)
        return .bytes(Self.answer(results, isEncrypted: properties.encryptionKey != nil, call.format))
    }

    /// What became of one record of a PutRecords.
    enum PutResult: Sendable {
        case done(PutReceipt)
        case failed(ServiceError)
    }

    /// Puts the records that are not throttled in one commit (API-PutRecords-4).
    private func put(
        _ records: [NewRecord], except throttled: [Int: ServiceError], to name: String, _ address: StreamAddress,
        _ call: OperationCall
    ) async throws -> [PutResult] {
        let admitted =
            throttled.isEmpty ? records : records.enumerated().filter { throttled[$0.offset] == nil }.map(\.element)
        var receipts: [PutReceipt] = []
        do {
            if !admitted.isEmpty {
                receipts = try await mapping(address) { try await store.stream(name).put(contentsOf: admitted) }
            }
        } catch let error as ServiceError {
            throw error
        } catch let error as ShardlineError {
            // Clients try such records again (API-E-12).
            logger.error("PutRecords failed: \(error)", metadata: ["request-id": "\(call.requestID)"])
            return records.indices.map {
                .failed(throttled[$0] ?? ServiceError(code: "InternalFailure", message: "Internal service failure."))
            }
        }
        if throttled.isEmpty { return receipts.map { .done($0) } }
        var rest = receipts[...]
        return records.indices.map { index in throttled[index].map { .failed($0) } ?? .done(rest.removeFirst()) }
    }

    private static func answer(_ results: [PutResult], isEncrypted: Bool, _ format: DocumentWriter.Format) -> [UInt8] {
        var writer = DocumentWriter(format, reserving: results.count * 128 + 64)
        var failed = 0
        var shard: (id: ShardID, name: [UInt8])?
        for result in results { if case .failed = result { failed += 1 } }
        writer.beginMap(isEncrypted ? 3 : 2)
        writer.key("FailedRecordCount")
        writer.int(Int64(failed))
        writer.key("Records")
        writer.beginList(results.count)
        for result in results {
            writer.beginMap(2)
            switch result {
            case .done(let receipt):
                writer.key("SequenceNumber")
                receipt.kinesisSequenceNumber.withDigits { writer.ascii($0) }
                writer.key("ShardId")
                // Neighbours are often of one shard, and its name costs more than the rest.
                if shard?.id != receipt.shard { shard = (receipt.shard, Array(receipt.shard.description.utf8)) }
                writer.ascii(shard?.name ?? [])
            case .failed(let error):
                writer.key("ErrorCode")
                writer.string(error.code)
                writer.key("ErrorMessage")
                writer.string(error.message ?? "")
            }
            writer.endMap()
        }
        writer.endList()
        if isEncrypted {
            writer.key("EncryptionType")
            writer.string("KMS")
        }
        writer.endMap()
        return writer.bytes
    }

    // MARK: Parts

    /// The name in the store; throws for a stream that takes no records (API-N-7).
    private func storeName(toPut address: StreamAddress) throws(ServiceError) -> String {
        let name = scope.storeName(of: address)
        let state = transitions.state(of: name)
        guard state != .creating, state != .deleting else { throw StreamFacts.notFound(address) }
        return name
    }

    private func propertiesToPut(_ name: String, _ address: StreamAddress) async throws -> StreamProperties {
        do {
            return try await mapping(address) { try await properties(of: name) }
        } catch let error as ShardlineError where error.code == .invalidArgument {
            throw StreamFacts.notFound(address)
        }
    }

    /// The record of an entry. One without a key gets a random hash key on a stream that distributes records (API-U-1).
    private static func record(
        _ entry: Document.Value, _ blobs: DecodedBlobs, distributes: Bool
    ) throws(ServiceError) -> NewRecord {
        var hashKey: HashKey?
        if let given = entry["ExplicitHashKey"]?.text {
            guard let key = HashKey(given) else {
                // API-PutRecord-2.
                throw .invalidArgument(
                    "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was \(given)"
                )
            }
            hashKey = key
        }
        let partitionKey = entry["PartitionKey"]?.text ?? ""
        if partitionKey.isEmpty, distributes, hashKey == nil { hashKey = HashKey(UInt128.random(in: 0 ... .max)) }
        do {
            let data = try entry["Data"].map { value throws(Base64Problem) in try blobs.bytes(of: value) } ?? []
            return NewRecord(data, partitionKey: partitionKey, explicitHashKey: hashKey)
        } catch {
            throw .serialization()
        }
    }

    /// Throws for data over the stream's limit (API-PutRecord-4); only larger records than the least limit are looked at.
    private func checkSizes(
        _ records: [NewRecord], _ name: String, _ address: StreamAddress, path: (Int) -> String
    ) async throws {
        guard records.contains(where: { $0.data.count > Limits.defaultRecordSize }) else { return }
        let limit = try await mapping(address) { try await engine.summarizeStream(name) }.maximumRecordSize
        let violations = records.indices.filter { records[$0].data.count > limit }.map {
            ConstraintCheck.violation(nil, at: path($0), ConstraintCheck.mustBeAtMost(length: limit))
        }
        guard violations.isEmpty else { throw ConstraintCheck.error(violations) }
    }

    /// Whether a number may be given for ordering (API-PutRecord-3): of the present layout and not of the future, or of the
    /// oldest one (API-Q-6).
    private func isOrderable(_ text: String) -> Bool {
        if let number = KinesisSequenceNumber(text) {
            // A child's records may be stamped a little ahead of the clock (API-Q-5).
            return number.arrivalSecond <= max(now.second, number.shardCreationSecond)
        }
        guard let number = UInt128(text) else { return false }
        return number < 1 << 124
    }
}

import DataFormats
import Logging
import StreamModel
import StreamStorage

// Retention, mode, record size, throughput, distribution, monitoring and encryption of a stream.
extension KinesisOperations {
    @Sendable func increaseStreamRetentionPeriod(_ call: OperationCall) async throws -> Output {
        try await changeRetention(call, "IncreaseStreamRetentionPeriod") { hours, existing, name throws(ServiceError) in
            // API-Retention-3.
            guard hours >= existing else {
                throw .invalidArgument(
                    "Requested retention period (\(hours) hours) for stream \(name) can not be shorter than existing retention period (\(existing) hours). Use DecreaseRetentionPeriod API."
                )
            }
        }
    }

    @Sendable func decreaseStreamRetentionPeriod(_ call: OperationCall) async throws -> Output {
        try await changeRetention(call, "DecreaseStreamRetentionPeriod") { hours, existing, name throws(ServiceError) in
            // API-Retention-4.
            guard hours <= existing else {
                throw .invalidArgument(
                    "Requested retention period (\(hours) hours) for stream \(name) can not be longer than existing retention period (\(existing) hours). Use IncreaseRetentionPeriod API."
                )
            }
        }
    }

    private func changeRetention(
        _ call: OperationCall, _ operation: String,
        check: (_ hours: Int64, _ existing: Int64, _ name: String) throws(ServiceError) -> Void
    ) async throws -> Output {
        let stream = try await stream(call)
        let hours = Int64(call.int("RetentionPeriodHours") ?? 0)
        // API-Retention-1, API-Retention-2.
        guard hours >= settings.minimumRetentionHours else {
            throw ServiceError.invalidArgument(
                "Minimum allowed retention period is \(settings.minimumRetentionHours) hours. Requested retention period (\(hours) hours) is too short."
            )
        }
        guard hours <= 8760 else {
            throw ServiceError.invalidArgument(
                "Maximum allowed retention period is 8760 hours. Requested retention period (\(hours) hours) is too long."
            )
        }
        try check(hours, stream.retentionHours, stream.address.name)
        try stream.requireActive()
        if hours != stream.retentionHours {
            _ = try await mapping(stream.address) {
                try await engine.updateStream(stream.storeName, retention: .seconds(hours * 3600))
            }
            transitions.begin(.updating, of: stream.storeName)
        }
        return .nothing
    }

    @Sendable func updateStreamMode(_ call: OperationCall) async throws -> Output {
        let stream = try await stream(call)
        try stream.requireActive()
        let isOnDemand = call.input["StreamModeDetails"]?["StreamMode"]?.text == "ON_DEMAND"
        var properties = stream.properties
        properties.isOnDemand = isOnDemand
        // The settings of on-demand streams do not outlive the mode.
        properties.warmThroughput = call.int("WarmThroughputMiBps") ?? (isOnDemand ? properties.warmThroughput : nil)
        if !isOnDemand { properties.distributesRecords = false }
        try Self.check(properties)
        if isOnDemand, !stream.properties.isOnDemand { try await checkStreamLimits(call.caller, isOnDemand: true) }
        let changed = properties
        try await change(stream, isUpdating: changed != stream.properties) { $0 = changed }
        return .nothing
    }

    @Sendable func updateMaxRecordSize(_ call: OperationCall) async throws -> Output {
        let stream = try await stream(call)
        try stream.requireActive()
        let size = (call.int("MaxRecordSizeInKiB") ?? 1024) << 10
        _ = try await mapping(stream.address) {
            try await engine.updateStream(stream.storeName, retention: nil, maximumRecordSize: size)
        }
        transitions.begin(.updating, of: stream.storeName)
        return .nothing
    }

    @Sendable func updateStreamWarmThroughput(_ call: OperationCall) async throws -> Output {
        let stream = try await stream(call)
        try stream.requireActive()
        // API-UpdateStreamWarmThroughput-1.
        guard stream.properties.isOnDemand else {
            throw ServiceError.validation(
                "Request is invalid. Stream \(stream.address.name) under account \(stream.address.account) is not in On-Demand mode."
            )
        }
        guard try await accountSettings(call.caller).isEnabled else {
            throw ServiceError.validation(
                "Warm throughput requires that the account has enabled the minimum throughput billing commitment.")
        }
        let throughput = call.int("WarmThroughputMiBps")
        try await change(stream) { $0.warmThroughput = throughput }
        var properties = stream.properties
        properties.warmThroughput = throughput
        return .map([
            "StreamARN": .text(stream.address.arn), "StreamName": .text(stream.address.name),
            "WarmThroughput": Self.warmThroughput(properties),
        ])
    }

    @Sendable func updateStreamRecordDistributionStrategy(_ call: OperationCall) async throws -> Output {
        let stream = try await stream(call)
        try stream.requireActive()
        var properties = stream.properties
        properties.distributesRecords = call.text("RecordDistributionStrategy") == "AUTO"
        try Self.check(properties)
        let changed = properties
        try await change(stream, isUpdating: changed != stream.properties) { $0 = changed }
        return .nothing
    }

    // MARK: Monitoring

    @Sendable func enableEnhancedMonitoring(_ call: OperationCall) async throws -> Output {
        try await changeMonitoring(call) { before, named in
            Self.shardMetrics.filter { before.contains($0) || named.contains($0) }
        }
    }

    @Sendable func disableEnhancedMonitoring(_ call: OperationCall) async throws -> Output {
        try await changeMonitoring(call) { before, named in before.filter { !named.contains($0) } }
    }

    /// The metrics that `ALL` stands for, in the order of the model.
    private static let shardMetrics = [
        "IncomingBytes", "IncomingRecords", "OutgoingBytes", "OutgoingRecords", "WriteProvisionedThroughputExceeded",
        "ReadProvisionedThroughputExceeded", "IteratorAgeMilliseconds",
    ]

    private func changeMonitoring(
        _ call: OperationCall, _ change: (_ before: [String], _ named: [String]) -> [String]
    ) async throws -> Output {
        let stream = try await stream(call)
        try stream.requireActive()
        let named = call.texts("ShardLevelMetrics")
        let before = stream.properties.shardMetrics
        let after = change(before, named.contains("ALL") ? Self.shardMetrics : named)
        try await self.change(stream, isUpdating: after != before) { $0.shardMetrics = after }
        return .map([
            "StreamName": .text(stream.address.name), "StreamARN": .text(stream.address.arn),
            "CurrentShardLevelMetrics": .list(before.map { .text($0) }),
            "DesiredShardLevelMetrics": .list(after.map { .text($0) }),
        ])
    }

    // MARK: Encryption

    @Sendable func startStreamEncryption(_ call: OperationCall) async throws -> Output {
        let key = try Self.encryptionKey(call)
        let stream = try await stream(call)
        try stream.requireActive()
        logger.warning(
            "the stream \(stream.address.name) is shown as encrypted; its data is not: there is no key service here",
            metadata: ["request-id": "\(call.requestID)"])
        let now = now
        try await change(stream) {
            $0.encryptionKey = key
            $0.encryptedTimes.begin(at: now)
        }
        return .nothing
    }

    @Sendable func stopStreamEncryption(_ call: OperationCall) async throws -> Output {
        _ = try Self.encryptionKey(call)
        let stream = try await stream(call)
        try stream.requireActive()
        let now = now
        try await change(stream) {
            $0.encryptionKey = nil
            $0.encryptedTimes.end(at: now)
        }
        return .nothing
    }

    /// The key of a request: a key's id, an alias, or the ARN of either (API-Encryption-1).
    private static func encryptionKey(_ call: OperationCall) throws(ServiceError) -> String {
        guard call.text("EncryptionType") == "KMS" else {
            throw .invalidArgument("EncryptionType NONE is not supported in this operation; it must be KMS.")
        }
        let key = call.text("KeyId") ?? ""
        let isName = key.utf8.allSatisfy {
            $0 != 0x20 && ($0 | 0x20) &- 0x61 < 26 || $0 &- 0x30 < 10 || "-_/:.".utf8.contains($0)
        }
        let name = key.hasPrefix("arn:") ? key.split(separator: ":", maxSplits: 5).last.map(String.init) ?? "" : key
        let isAlias = name.hasPrefix("alias/") && name.utf8.count > 6
        let id = name.hasPrefix("key/") ? String(name.dropFirst(4)) : name
        guard isName, isAlias || (!id.isEmpty && !id.contains("/") && !id.contains(":")) else {
            throw .invalidArgument("Invalid KeyId \(key).")
        }
        return key
    }
}

import DataFormats
import StreamModel
import StreamStorage

// DescribeAccountSettings, UpdateAccountSettings: stored and shown; only warm throughput depends on them.
extension KinesisOperations {
    /// The minimum throughput billing commitment of an account in a region.
    struct AccountSettings: Sendable {
        var isEnabled = false
        /// In milliseconds; nil: never.
        var startedAt: Int64?
        var endedAt: Int64?

        var output: OutputValue {
            .map([
                "Status": .text(isEnabled ? "ENABLED" : "DISABLED"), "StartedAt": startedAt.map { .time($0) },
                "EndedAt": endedAt.map { .time($0) },
            ])
        }
    }

    private static let commitment = "billing-commitment"

    private static func owner(_ caller: Caller) -> AttributeOwner { .account("\(caller.account):\(caller.region)") }

    func accountSettings(_ caller: Caller) async throws -> AccountSettings {
        let page = try await engine.attributes(AttributeQuery(Self.owner(caller), prefix: Self.commitment))
        guard let value = page.attributes.first?.value else { return AccountSettings() }
        let parts = String(decoding: value, as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 3 else { return AccountSettings() }
        return AccountSettings(isEnabled: parts[0] == "ENABLED", startedAt: Int64(parts[1]), endedAt: Int64(parts[2]))
    }

    @Sendable func describeAccountSettings(_ call: OperationCall) async throws -> Output {
        .map(["MinimumThroughputBillingCommitment": try await accountSettings(call.caller).output])
    }

    @Sendable func updateAccountSettings(_ call: OperationCall) async throws -> Output {
        let before = try await accountSettings(call.caller)
        let isEnabled = call.input["MinimumThroughputBillingCommitment"]?["Status"]?.text == "ENABLED"
        var after = before
        if isEnabled != before.isEnabled {
            after = AccountSettings(
                isEnabled: isEnabled, startedAt: isEnabled ? now.milliseconds : before.startedAt,
                endedAt: isEnabled ? nil : now.milliseconds)
            let value =
                "\(isEnabled ? "ENABLED" : "DISABLED") \(after.startedAt.map(String.init) ?? "") \(after.endedAt.map(String.init) ?? "")"
            try await engine.changeAttributes([
                AttributeChange(Self.owner(call.caller), Self.commitment, .set(Array(value.utf8)))
            ])
        }
        return .map(["MinimumThroughputBillingCommitment": after.output])
    }
}

public import StreamModel

/// A control action: gives a mapping new settings, disables it or enables it. ``Change/control(_:)`` makes it durable,
/// and the process that runs the mapping follows it.
public struct MappingControl: Hashable, Sendable {
    /// The mapping.
    public var mapping: MappingID
    /// The revision that the action is based on: where another action came first, it is refused with `mappingChanged`.
    /// nil: it applies to any.
    public var expectedRevision: UInt64?
    /// The settings from now on; opaque to the store. nil: they stay. At most 256 KiB.
    public var configuration: [UInt8]?
    /// Whether the mapping is enabled from now on; nil: as it is.
    public var isEnabled: Bool?
    /// Who acts: 1 to 256 bytes of UTF-8.
    public var actor: String
    /// Why, for people; at most 1,024 bytes of UTF-8. Empty: not said.
    public var reason: String

    /// An action of one mapping.
    public init(
        _ mapping: MappingID, expectedRevision: UInt64? = nil, configuration: [UInt8]? = nil, isEnabled: Bool? = nil,
        actor: String, reason: String = ""
    ) {
        self.mapping = mapping
        self.expectedRevision = expectedRevision
        self.configuration = configuration
        self.isEnabled = isEnabled
        self.actor = actor
        self.reason = reason
    }

    /// How many of a mapping's last actions a store keeps.
    public static let keptActions = 100
    /// The most bytes of settings.
    static let configurationLimit = 256 << 10
    /// The most bytes of a reason.
    package static let reasonLimit = 1024

    /// Throws `invalidArgument` for values outside their limits.
    public func validate() throws {
        try mapping.validate()
        guard (1...256).contains(actor.utf8.count) else {
            throw ShardlineError(
                .invalidArgument, "who acts on a mapping is named with 1 to 256 bytes, not \(actor.utf8.count)")
        }
        guard reason.utf8.count <= Self.reasonLimit else {
            throw ShardlineError(
                .invalidArgument, "a reason has at most 1,024 bytes, not \(reason.utf8.count): shorten it")
        }
        if let count = configuration?.count, count > Self.configurationLimit {
            throw ShardlineError(
                .invalidArgument, "the settings of a mapping have at most 262,144 bytes, not \(count)")
        }
    }

    /// Throws `mappingChanged` where the mapping has another revision than the expected one.
    public func check(revision: UInt64) throws {
        guard let expectedRevision, expectedRevision != revision else { return }
        throw ShardlineError(
            .mappingChanged,
            "the mapping '\(mapping)' has revision \(revision), not \(expectedRevision): somebody changed it meanwhile; look at it and decide again"
        )
    }
}

/// A control action that was done, as the store keeps it.
public struct MappingAction: Hashable, Sendable {
    /// The mapping's revision since then: 1 for its first action, and one more with each.
    public var revision: UInt64
    /// When it was done, by the store's clock.
    public var time: Timestamp
    /// Who did it.
    public var actor: String
    /// Why; empty where it was not said.
    public var reason: String
    /// Whether it gave the mapping new settings.
    public var changedSettings: Bool
    /// Whether it enabled or disabled the mapping; nil: neither.
    public var isEnabled: Bool?

    /// An action with these facts.
    public init(
        revision: UInt64, time: Timestamp, actor: String, reason: String, changedSettings: Bool, isEnabled: Bool?
    ) {
        self.revision = revision
        self.time = time
        self.actor = actor
        self.reason = reason
        self.changedSettings = changedSettings
        self.isEnabled = isEnabled
    }
}

/// What a process that runs a mapping has to know at each moment, without checkpoints: a few bytes.
public struct MappingSummary: Hashable, Sendable {
    /// ``MappingDescription/id``.
    public var id: UInt64
    /// ``MappingDescription/epoch``.
    public var epoch: UInt64
    /// ``MappingDescription/revision``.
    public var revision: UInt64
    /// ``MappingDescription/isEnabled``.
    public var isEnabled: Bool
    /// How long the stream keeps records now.
    public var retention: Duration

    /// A summary with these facts.
    public init(id: UInt64, epoch: UInt64, revision: UInt64, isEnabled: Bool, retention: Duration) {
        self.id = id
        self.epoch = epoch
        self.revision = revision
        self.isEnabled = isEnabled
        self.retention = retention
    }

    /// The summary of a description.
    public init(_ mapping: MappingDescription) {
        self.init(
            id: mapping.id, epoch: mapping.epoch, revision: mapping.revision, isEnabled: mapping.isEnabled,
            retention: mapping.retention)
    }
}

/// The claim of the process that runs a mapping.
public struct MappingHolder: Hashable, Sendable {
    /// Who holds it, as ``MappingClaim/owner`` said.
    public var owner: String
    /// The claim's epoch.
    public var epoch: UInt64
    /// Until when it holds unless it is renewed, by the store's clock; nil: until it is released or the store is closed.
    public var expiresAt: Timestamp?
    /// The revision of the mapping that the holder has applied.
    public var revision: UInt64

    /// A claim with these facts.
    public init(owner: String, epoch: UInt64, expiresAt: Timestamp? = nil, revision: UInt64) {
        self.owner = owner
        self.epoch = epoch
        self.expiresAt = expiresAt
        self.revision = revision
    }
}

/// What the holder of a claim says when it renews it.
public struct MappingRenewal: Hashable, Sendable {
    /// As ``MappingClaim/failureStream``, which may be another one now.
    public var failureStream: String?
    /// The revision of the mapping that the holder has applied.
    public var revision: UInt64

    /// A renewal with these facts.
    public init(failureStream: String?, revision: UInt64) {
        self.failureStream = failureStream
        self.revision = revision
    }
}

/// A store that tells of a mapping's change at once, so that nobody needs to ask for it.
package protocol NotifyingStore: StoreEngine {
    /// Returns when epoch or revision are others than those of `known`, with what they are now. Throws
    /// `mappingNotFound` and `streamNotFound` where the mapping is deleted, `closed`, `CancellationError`.
    func waitForChange(of mapping: MappingID, since known: MappingSummary) async throws -> MappingSummary
}

extension MappingSummary {
    /// Whether who runs the mapping has to do something, since it is not as it was.
    package func isChanged(since other: MappingSummary) -> Bool {
        (id, epoch, revision) != (other.id, other.epoch, other.revision)
    }
}

extension StoreEngine {
    /// Does a control action, durably. Returns the mapping after it.
    ///
    /// Throws `mappingChanged`, `invalidArgument`, `mappingNotFound`, `streamNotFound`, `outcomeUnknown`, `diskFull`,
    /// `storeFailed`, `closed`.
    @discardableResult
    public func controlMapping(_ control: MappingControl) async throws -> MappingDescription {
        switch try await commit([.control(control)]) {
        case .committed: return try await describeMapping(control.mapping)
        case .unknown(let cause):
            throw ShardlineError(
                .outcomeUnknown,
                "whether the mapping '\(control.mapping)' was changed is not known; look at it before trying again",
                cause: cause)
        case .conflict, .sealed:
            throw ShardlineError(
                .storeFailed, "the store refused a control action as if it had been an append to a shard")
        }
    }

    /// As ``summarizeMapping(_:)``, from the mapping's description.
    public func summarizeMapping(_ mapping: MappingID) async throws -> MappingSummary {
        MappingSummary(try await describeMapping(mapping))
    }

    /// As ``mappingHistory(_:)``, with the last action alone.
    public func mappingHistory(_ mapping: MappingID) async throws -> [MappingAction] {
        try await describeMapping(mapping).lastAction.map { [$0] } ?? []
    }

    /// As ``renewMapping(_:epoch:with:)``, for claims that don't end by themselves: it notes nothing.
    @discardableResult
    public func renewMapping(
        _ mapping: MappingID, epoch: UInt64, with renewal: MappingRenewal
    ) async throws -> MappingSummary {
        try await summarizeMapping(mapping)
    }
}

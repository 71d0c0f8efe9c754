import DiskAccess
public import Logging
public import StreamModel

/// A store of streams, as a program uses it: the embedded store, a connection to its owner, or the store of a test.
///
/// ```swift
/// let departures = store.stream("departures")
/// for stream in try await store.streams() { print(stream.name, stream.shards.count) }
/// ```
///
/// All calls may be made on any thread. They throw ``ShardlineError`` or `CancellationError`.
public protocol StreamStore: Sendable {
    /// What the store is made of, for code that is below streams, producers and mappings.
    var engine: any StoreEngine { get }
    /// What this store can promise beyond the protocol.
    var capabilities: StoreCapabilities { get }
    /// The clocks that measure arrivals, ages and waits.
    var timeSource: any TimeSource { get }
    /// Where the store logs. Default: the label `shardline.store`.
    var logger: Logger { get }

    /// Returns with the reason when the store has failed and accepts nothing until it is opened again. A reader that
    /// only waits for records would not notice the failure otherwise. Throws `CancellationError`. Default: never
    /// returns, for stores that don't report failures.
    func waitForFailure() async throws -> ShardlineError

    /// Why the store takes no records at this moment: `diskFull` until there is room again, or what
    /// ``waitForFailure()`` returns; nil while it takes them. Reads may go on. Default: nil, for stores that tell it in
    /// the calls alone.
    func writeRefusal() async -> ShardlineError?

    /// Ends all calls, makes acknowledged changes durable and releases the store. Further calls do nothing.
    func close() async throws
}

extension StreamStore {
    /// The default label.
    public var logger: Logger { Logger(label: "shardline.store") }

    /// None: for stores that refuse records in the calls alone.
    public func writeRefusal() async -> ShardlineError? { nil }

    /// Waits until the task is cancelled: for stores that report every failure in the calls themselves.
    public func waitForFailure() async throws -> ShardlineError { try await OneTimeSignal().wait() }
}

/// The promises that differ between stores.
public struct StoreCapabilities: OptionSet, Sendable {
    /// One bit a capability.
    public let rawValue: UInt32
    /// The capabilities with these bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// A commit is written as a whole or not at all, and becomes visible at once in all shards.
    public static let atomicCommit = StoreCapabilities(rawValue: 1)
    /// The records of a shard have consecutive numbers, except for jumps after a restore or a repair.
    public static let denseSequenceNumbers = StoreCapabilities(rawValue: 2)
    /// What was acknowledged survives the loss of power on this machine.
    public static let synced = StoreCapabilities(rawValue: 4)
    /// What was acknowledged survives the loss of this machine.
    public static let replicated = StoreCapabilities(rawValue: 8)
}

/// Why a batch was closed. There may be more causes in later versions.
public struct BatchCause: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The cause as summaries and JSON write it.
    public let rawValue: String

    /// The cause with this name.
    public init(rawValue: String) { self.rawValue = rawValue }

    init(_ cause: LaneCore.ClosingCause) { rawValue = "\(cause)" }

    /// The cause as summaries and JSON write it.
    public var description: String { rawValue }

    /// The batch has the maximum number of records (ESM-B1).
    public static let size = BatchCause(.size)
    /// Its window has ended; with a window of zero: no further record was available (ESM-B2, ESM-B3).
    public static let window = BatchCause(.window)
    /// One more record would exceed the payload limit, or the limit is reached (ESM-B4).
    public static let payload = BatchCause(.payload)
    /// The shard is closed and these are its last records (ESM-B10).
    public static let shardEnd = BatchCause(.shardEnd)
    /// The records after it have expired or are lost (ESM-G4).
    public static let gap = BatchCause(.gap)
    /// The shard holds its maximum of bytes and can't read on (ESM-K3).
    public static let memory = BatchCause(.memory)
    /// It was being delivered when the process that ran the mapping before ended (ESM-A9).
    public static let crash = BatchCause(.crash)
    /// Everything that the run was to deliver was read, so the batch does not wait for its window (ESM-B10).
    public static let caughtUp = BatchCause(.caughtUp)
    /// The next record is of a later tumbling window, or the tumbling window is past (ESM-T3).
    public static let tumblingWindow = BatchCause(.tumblingWindow)
}

import StreamModel

/// One limit of how many invocations run at once, for all mappings that it is given to (ESM-K7).
///
/// ```swift
/// let limit = try ConcurrencyLimit(16)
/// let delays = try await EventSourceMapping("delays", from: departures, concurrencyLimit: limit) { batch, _ in }
/// let totals = try await EventSourceMapping("totals", from: orders, concurrencyLimit: limit) { batch, _ in }
/// ```
///
/// It protects what the functions have in common: a database, an endpoint, the processors. Permits go to the mappings in
/// turn, and within a mapping to its shards in turn, so a mapping with a long backlog on a thousand shards leaves another
/// one its half. Each mapping keeps its own ``EventSourceMapping/Configuration/concurrency`` beside it. Records of parked
/// keys that are redriven have at most a quarter of the permits while other records are invoked or wait.
///
/// The mappings may be of several streams and stores of one process. It is not stored: each run has the one that its
/// mapping was made with. It can be used from any thread.
public final class ConcurrencyLimit: Sendable {
    let permits: Permits

    /// Lets at most `limit` invocations run at once: 1 to 10,000. Throws `invalidArgument`.
    public init(_ limit: Int) throws {
        try Self.check(limit)
        permits = Permits(limit)
    }

    /// How many invocations may run at once.
    public var limit: Int { permits.limit ?? .max }

    /// Changes the limit: 1 to 10,000. Invocations that run are left alone; a lower limit holds up later ones until enough
    /// of them have ended. Throws `invalidArgument`.
    public func change(to limit: Int) throws {
        try Self.check(limit)
        permits.limit(to: limit)
    }

    private static func check(_ limit: Int) throws {
        guard (1...10_000).contains(limit) else {
            throw ShardlineError(.invalidArgument, "concurrencyLimit \(limit) (allowed: 1 to 10,000)")
        }
    }
}

/// Where the runs of a mapping get their permits.
enum PermitSource: Sendable {
    /// The mapping's own limit alone.
    case own
    case shared(ConcurrencyLimit)
    /// Those of the mapping whose parked records are redriven.
    case redrive(of: PermitSeat)

    init(_ limit: ConcurrencyLimit?) { self = limit.map(PermitSource.shared) ?? .own }

    /// A seat for a run whose mapping may have this many permits.
    func seat(_ limit: Int?) -> PermitSeat {
        switch self {
        case .own: Permits(nil).join(limit)
        case .shared(let shared): shared.permits.join(limit)
        case .redrive(let seat): seat.forRedrives()
        }
    }
}

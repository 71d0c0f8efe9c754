import Shardline

/// The departures of one carrier in one window.
public struct DelaySum: Codable, Equatable, Sendable {
    /// How many flights left.
    public var departures = 0
    /// How many of them left late, by a minute or more.
    public var late = 0
    /// By how many minutes these were late together.
    public var minutes = 0
    /// How many flights were cancelled.
    public var cancelled = 0

    var flights: Int { departures + cancelled }

    mutating func add(_ flight: Flight) {
        guard let delay = flight.delay else {
            cancelled += 1
            return
        }
        departures += 1
        if delay > 0 {
            late += 1
            minutes += delay
        }
    }
}

/// The state of a window: the sums of the carriers whose flights its shard has. As `Codable` it is stored as JSON.
public struct WindowSums: Codable, Equatable, Sendable {
    /// The sums by carrier.
    public private(set) var carriers: [String: DelaySum] = [:]

    /// No flights yet.
    public init() {}

    /// Takes one flight in.
    public mutating func add(_ flight: Flight) { carriers[flight.carrier, default: DelaySum()].add(flight) }
}

/// One carrier in one window.
public struct CarrierWindow: Hashable, Sendable {
    /// The first moment of the window.
    public var start: Timestamp
    /// The carrier's code.
    public var carrier: String
}

/// The sums of the windows that have ended.
///
/// A window's end may come again after a crash, as every delivery may. So what it brings replaces what is there: it is
/// kept by window and carrier, and nothing is added up here.
public actor DelayResults {
    /// The sums by window and carrier.
    public private(set) var sums: [CarrierWindow: DelaySum] = [:]
    private var flights = 0
    /// The number of flights in ``sums``, told at each change.
    nonisolated let counts: AsyncStream<Int>
    private let tell: AsyncStream<Int>.Continuation

    /// No window has ended yet.
    public init() { (counts, tell) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

    /// Keeps the sums of a window that has ended.
    public func keep(_ window: WindowSums, start: Timestamp) {
        for (carrier, sum) in window.carriers {
            let before = sums.updateValue(sum, forKey: CarrierWindow(start: start, carrier: carrier))
            flights += sum.flights - (before?.flights ?? 0)
        }
        tell.yield(flights)
    }
}

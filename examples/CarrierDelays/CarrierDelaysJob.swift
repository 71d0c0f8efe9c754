import LateRuns
import Logging
import Shardline

/// The whole job: replays the departures of a file, and sums the delays of each carrier in each quarter of an hour.
///
/// The store is closed in the middle of a window and opened again, as a restart or a crash would do. The states of the
/// windows that are open then come back with the checkpoints.
public struct CarrierDelaysJob: Sendable {
    /// The length of a window: 15 minutes, the longest that there is.
    public static let window = Duration.seconds(900)
    /// How far the clock moves at a time; records that are put together arrive together.
    private static let step: Int64 = 5 * 60_000

    private let file: FlightsFile
    private let directory: String
    private let logger: Logger

    /// A job on the departures of `file`, with its store in a new `directory`.
    public init(file: FlightsFile, directory: String, logger: Logger = Logger(label: "shardline.carrier-delays")) {
        self.file = file
        self.directory = directory
        self.logger = logger
    }

    /// Runs it to its end, and returns the sums by window and carrier. Throws what the store throws, and
    /// ``MalformedRecord`` for a line that is no departure.
    public func run() async throws -> [CarrierWindow: DelaySum] {
        let moments = try Self.moments(of: file)
        guard let first = moments.first, let last = moments.last else { return [:] }
        let clock = ReplayClock(at: first)
        let results = DelayResults()
        let middle = moments.count / 2
        for part in [0..<middle, middle..<moments.count] {
            let store = try await SegmentStore.open(at: directory, timeSource: clock, logger: logger)
            // Longer than the month: the first records must not expire before the last ones arrive.
            let departures = try await store.createStreamIfNeeded(
                "departures", shards: 4, retention: .seconds(40 * 24 * 3600))
            try await put(part, at: moments, into: store.stream(departures.name), clock)

            let mapping = try await mapping(on: store.stream(departures.name), results)
            try await mapping.run(until: .caughtUp)
            if part.upperBound == moments.count {
                // What is put has arrived before the end of the last windows. Once they are past, they end.
                clock.move(to: last + Self.window)
                try await endWindows(of: mapping, results)
            }
            try await store.close()
        }
        return await results.sums
    }

    /// The sums of the same file without Shardline, by one pass over it.
    public static func plainSums(of file: FlightsFile) throws -> [CarrierWindow: DelaySum] {
        var sums: [CarrierWindow: DelaySum] = [:]
        let length = window.components.seconds * 1000
        for (line, moment) in zip(file.lines, try moments(of: file)) {
            let flight = try Flight(line: line)
            let start = Timestamp(milliseconds: moment.milliseconds / length * length)
            sums[CarrierWindow(start: start, carrier: flight.carrier), default: DelaySum()].add(flight)
        }
        return sums
    }

    /// When each line's flight left. One that was cancelled counts with the flight before it: the file has them at the end
    /// of each day.
    private static func moments(of file: FlightsFile) throws -> [Timestamp] {
        var moments: [Timestamp] = []
        for line in file.lines {
            let departure = try Flight(line: line).departure
            // Clocks don't go back, and a line that is out of order is late.
            moments.append(max(departure ?? .init(milliseconds: 0), moments.last ?? .init(milliseconds: 0)))
        }
        return moments
    }

    /// Puts lines at the moments of their departures. The carrier is the partition key, so a carrier's sum of a window is
    /// in one shard.
    private func put(
        _ lines: Range<Int>, at moments: [Timestamp], into stream: RecordStream, _ clock: ReplayClock
    ) async throws {
        var start = lines.lowerBound
        while start < lines.upperBound {
            let step = moments[start].milliseconds / Self.step
            let end = lines[start...].first { moments[$0].milliseconds / Self.step != step } ?? lines.upperBound
            clock.move(to: moments[start])
            try await stream.put(
                contentsOf: file.lines[start..<end].map {
                    NewRecord(Array($0), partitionKey: try Flight(line: $0).carrier)
                })
            start = end
        }
    }

    private func mapping(on stream: RecordStream, _ results: DelayResults) async throws -> EventSourceMapping {
        var configuration = EventSourceMapping.Configuration()
        configuration.tumblingWindow = Self.window
        return try await EventSourceMapping(
            "carrier-delays", from: stream, configuration: configuration, logger: logger, windowState: WindowSums()
        ) { batch, sums, _ in
            for record in batch { sums.add(try Flight(line: record.bytes)) }
        } windowEnd: { sums, window, _ in
            await results.keep(sums, start: window.start)
        }
    }

    /// Runs the mapping until all windows have ended.
    private func endWindows(of mapping: EventSourceMapping, _ results: DelayResults) async throws {
        let flights = file.lines.count
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await mapping.run(until: .stopped) }
            group.addTask {
                for await count in results.counts where count == flights { break }
                mapping.triggerGracefulShutdown()
            }
            for try await _ in group {}
        }
    }
}

import DiskAccess
import Logging
import Shardline

/// Three streams whose mappings have the same settings and the same function. Of the first all records of "bad" keys get
/// parked while those of "good" keys go on. The second has the same good records alone, the third the same bad ones, which
/// the function can process there.
struct ParkedKeysBench {
    struct Settings {
        /// The records that are parked in a round.
        var records = 1_000_000
        /// As many times that of other keys, so that a run's start, which reads the parked keys, is a small part of it.
        static let others = 3
        /// The keys of the records that are parked, and as many others.
        var keys = 10_000
        var rounds = 5
        var shards = 4
        var folder = "/var/tmp"

        init(_ arguments: some Sequence<String>) throws {
            var arguments = arguments.makeIterator()
            while let name = arguments.next() {
                let value = arguments.next() ?? ""
                switch (name, Int(value)) {
                case ("--folder", _): folder = value
                case ("--records", let number?) where number > 0: records = number
                case ("--keys", let number?) where (1...1_000_000).contains(number): keys = number
                case ("--rounds", let number?) where number > 0: rounds = number
                case ("--shards", let number?) where number > 0: shards = number
                default:
                    throw ShardlineError(
                        .invalidArgument,
                        "'\(name) \(value)' (allowed: --records, --keys, --rounds or --shards with a number, --folder)")
                }
            }
            records = max(1, records / keys) * keys
        }
    }

    /// What a step took, and the most memory that the process had meanwhile.
    struct Step {
        var seconds: Double
        var processorSeconds: Double
        var peakBytes: Int
    }

    struct Round {
        /// The bad records are parked.
        var parking: Step
        /// Good records are consumed while the bad ones wait.
        var others: Step
        /// The same good records, where no key is parked.
        var othersAlone: Step
        /// The parked records are handed back.
        var redrive: Step
        /// The same records, consumed where none was parked.
        var plain: Step
    }

    private let settings: Settings
    private let parked: Side
    private let good: Side
    private let bad: Side

    init(_ settings: Settings, on store: SegmentStore, logger: Logger) async throws {
        self.settings = settings
        parked = try await Side("parked", settings, on: store, logger: logger)
        good = try await Side("good", settings, on: store, logger: logger)
        bad = try await Side("bad", settings, on: store, logger: logger)
    }

    /// One round. Which one of two that are compared is first changes from round to round.
    func round(_ number: Int) async throws -> Round {
        try await parked.put(.bad, round: number)
        try await good.put(.good, round: number)
        try await bad.put(.bad, round: number)
        let parking = try await measure { try await parked.consume(isMended: false, expected: 0) }
        let keys = try await parked.mapping.parkedKeys()
        let waiting = keys.reduce(0) { $0 + $1.recordCount }
        guard keys.count == settings.keys, waiting == settings.records else {
            throw ShardlineError(.corrupt, "\(waiting) records of \(keys.count) keys are parked")
        }

        try await parked.put(.good, round: number)
        let (others, othersAlone) = try await inTurns(number) {
            try await parked.consume(isMended: false, expected: settings.records * Settings.others)
        } and: {
            try await good.consume(isMended: false, expected: settings.records * Settings.others)
        }
        try await parked.mapping.release()
        let (redrive, plain) = try await inTurns(number) {
            try await parked.consume(isMended: true, expected: settings.records)
        } and: {
            try await bad.consume(isMended: true, expected: settings.records)
        }
        guard try await parked.mapping.parkedKeys().isEmpty else {
            throw ShardlineError(.corrupt, "keys are parked after the redrive")
        }
        return Round(
            parking: parking, others: others, othersAlone: othersAlone, redrive: redrive, plain: plain)
    }

    private func inTurns(
        _ round: Int, _ one: () async throws -> Void, and other: () async throws -> Void
    ) async throws -> (Step, Step) {
        if round % 2 == 0 {
            let first = try await measure(one)
            return (first, try await measure(other))
        }
        let first = try await measure(other)
        return (try await measure(one), first)
    }

    private func measure(_ body: () async throws -> Void) async throws -> Step {
        ProcessUsage.forgetPeak()
        let (before, clock) = (ProcessUsage.now, ContinuousClock())
        let time = try await clock.measure { try await body() }
        let after = ProcessUsage.now
        return Step(
            seconds: time / .seconds(1), processorSeconds: after.processorSeconds - before.processorSeconds,
            peakBytes: after.peakResidentBytes)
    }
}

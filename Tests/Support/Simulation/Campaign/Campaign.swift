import DiskAccess
import Synchronization

/// Runs one seed after the other until the time is over or one of them breaks an invariant.
package struct Campaign: Sendable {
    /// What was run.
    package struct Summary: Sendable {
        package var seeds = 0
        package var repeated = 0
        package var acknowledged = 0
        package var invocations = 0
        package var lives = 0
        package var crashes = 0
        package var faults = 0
        /// Records that were acknowledged or seen under `.interval` and went with the power.
        package var lost = 0
        package var finding: Finding?
    }

    /// The first seed; the others follow it.
    package var firstSeed: UInt64
    /// No run begins later than this many seconds from the beginning.
    package var seconds: Double
    /// This many runs go on at the same time.
    package var workers = 2
    /// One seed in this many is run twice, and both runs must be the same to the last event.
    package var repeatsEach: UInt64 = 16
    /// Whether the history of a seed that fails is shortened, which takes up to a minute.
    package var shortens = true
    /// At most this many seeds.
    package var limit = UInt64.max

    package init(firstSeed: UInt64, seconds: Double) {
        self.firstSeed = firstSeed
        self.seconds = seconds
    }

    /// Runs the seeds; where one fails, its history is shortened as far as it goes.
    package func run() async -> Summary {
        let started = ContinuousClock.now
        let state = Mutex((next: firstSeed, summary: Summary()))
        let (last, seconds, repeatsEach) = (firstSeed &+ min(limit, .max - firstSeed), seconds, repeatsEach)
        await Self.onThreads(workers) { _ in
            while true {
                let seed = state.withLock { state -> UInt64? in
                    guard state.summary.finding == nil, state.next < last,
                        started.duration(to: .now) < .seconds(seconds)
                    else { return nil }
                    defer { state.next += 1 }
                    return state.next
                }
                guard let seed else { return }
                let outcome = World(History(seed: seed)).runAndForget()
                var violation = outcome.violation
                let isRepeated = seed % repeatsEach == 0
                if violation == nil, isRepeated, World(History(seed: seed)).runAndForget().hash != outcome.hash {
                    violation = "two runs of the seed differ"
                }
                state.withLock { state in
                    state.summary.add(outcome, isRepeated: isRepeated)
                    if let violation, state.summary.finding.map({ $0.history.seed > seed }) ?? true {
                        state.summary.finding = Finding(History(seed: seed), violation)
                    }
                }
            }
        }
        var summary = state.withLock { $0.summary }
        if shortens {
            await Self.onThreads(1) { _ in state.withLock { $0.summary.finding?.shorten(within: .seconds(60)) } }
        }
        summary.finding = state.withLock { $0.summary.finding }
        return summary
    }

    /// Runs `body` this many times at once, each on a thread of its own, and returns when all have ended.
    static func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) async {
        let threads = (0..<count).map { number in WorkerThread(name: "simulation-\(number)") { body(number) } }
        for thread in threads { await thread.finished() }
    }
}

extension Campaign.Summary {
    fileprivate mutating func add(_ outcome: World.Outcome, isRepeated: Bool) {
        seeds += 1
        if isRepeated { repeated += 1 }
        acknowledged += outcome.acknowledged
        invocations += outcome.invocations
        lives += outcome.lives
        crashes += outcome.crashes
        faults += outcome.faults
        lost += outcome.lost
    }

    /// One line for people.
    package var description: String {
        "\(seeds) seeds (\(repeated) of them twice, with the same events), \(lives) openings, \(crashes) crashes, \(faults) faults, \(acknowledged) records acknowledged, \(lost) of them lost with the power as .interval allows, \(invocations) invocations"
    }
}

/// A history that breaks an invariant.
package struct Finding: Sendable {
    package private(set) var history: History
    package private(set) var violation: String
    /// Which steps of the seed's history are left.
    package private(set) var kept: [Int]
    private let all: Int

    package init(_ history: History, _ violation: String) {
        self.history = history
        self.violation = violation
        all = history.items.count
        kept = Array(history.items.indices)
    }

    /// Leaves out steps as long as what is left still breaks an invariant, halves first, single steps last.
    package mutating func shorten(within limit: Duration) {
        let started = ContinuousClock.now
        let whole = history
        var size = max(1, kept.count / 2)
        while size >= 1 {
            var start = 0
            var isShorter = false
            while start < kept.count {
                guard started.duration(to: .now) < limit else { return }
                let candidate = Array(kept[..<start]) + kept.dropFirst(start + size)
                let outcome = World(whole.keeping(candidate)).runAndForget()
                if let violation = outcome.violation {
                    self.violation = violation
                    kept = candidate
                    history = whole.keeping(candidate)
                    isShorter = true
                } else {
                    start += size
                }
            }
            if size > 1 {
                size = max(1, size / 2)
            } else if !isShorter {
                return
            }
        }
    }

    /// What is to be told about it: the invariant, the history that is left, the command that runs it again.
    package var report: String {
        let steps = zip(kept, history.items).map { "  \($0). \($1.step)" }.joined(separator: "\n")
        return """
            seed \(history.seed): \(violation)
            the shortest history that was found (\(kept.count) of \(all) steps), with \(history.settings):
            \(steps)
            again: swift run simulate --seed \(history.seed) --keep \(kept.map(String.init).joined(separator: ",")) --trace
            """
    }
}

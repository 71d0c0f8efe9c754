import Glibc
import Simulation

/// Runs the simulation for as long as one likes, and single seeds again.
@main
struct Simulate {
    static let usage = """
        simulate --seconds N [--seed FIRST] [--workers N] [--no-shortening]
                                                            seeds from FIRST on, for so long
        simulate --seeds N [--seed FIRST]                   so many seeds
        simulate --seed N [--keep 1,4,7] [--trace]          one seed, or those steps of its history
        simulate --crash-points [--seconds N]               every crash point; beyond the first ones for so long
        """

    struct Arguments {
        var values: [String: String] = [:]

        init(_ words: [String]) {
            var words = words[...]
            while let word = words.popFirst() {
                guard word.hasPrefix("--") else { Simulate.refuse("what is '\(word)'?") }
                values[word] = words.first.map { $0.hasPrefix("--") } ?? true ? "" : words.removeFirst()
            }
        }

        func number<Number: LosslessStringConvertible>(_ name: String) -> Number? {
            guard let text = values[name] else { return nil }
            guard let number = Number(text) else { Simulate.refuse("\(name) wants a number") }
            return number
        }
    }

    static func main() async {
        let arguments = Arguments(Array(CommandLine.arguments.dropFirst()))
        let known: Set = [
            "--seconds", "--seed", "--seeds", "--workers", "--keep", "--trace", "--crash-points", "--no-shortening",
        ]
        if let unknown = arguments.values.keys.first(where: { !known.contains($0) }) { refuse("what is '\(unknown)'?") }
        let workers: Int = arguments.number("--workers") ?? 2
        if arguments.values["--crash-points"] != nil {
            await walk(seconds: arguments.number("--seconds") ?? .infinity, workers: workers)
        } else if arguments.values["--seconds"] == nil, arguments.values["--seeds"] == nil {
            guard let seed: UInt64 = arguments.number("--seed") else { refuse("nothing to do") }
            one(seed, keep: arguments.values["--keep"], keepsText: arguments.values["--trace"] != nil)
        } else {
            var campaign = Campaign(
                firstSeed: arguments.number("--seed") ?? 1, seconds: arguments.number("--seconds") ?? 1e9)
            campaign.workers = workers
            campaign.shortens = arguments.values["--no-shortening"] == nil
            if let seeds: UInt64 = arguments.number("--seeds") { campaign.limit = seeds }
            print("seeds from \(campaign.firstSeed) on")
            let summary = await campaign.run()
            print(summary.description)
            if let finding = summary.finding { fail(finding.report) }
        }
    }

    private static func one(_ seed: UInt64, keep: String?, keepsText: Bool) {
        var history = History(seed: seed)
        if let keep { history = history.keeping(keep.split(separator: ",").compactMap { Int($0) }) }
        let outcome = World(history, keepsText: keepsText).run()
        for line in outcome.trace { print(line) }
        print("\(outcome.turns) turns, trace \(String(outcome.hash, radix: 16)), \(outcome.lives) openings")
        if let violation = outcome.violation { fail("seed \(seed): \(violation)") }
    }

    private static func walk(seconds: Double, workers: Int) async {
        let deadline = ContinuousClock.now + .seconds(seconds)
        for (isFurther, part) in CrashPoints.always.map({ (false, $0) }) + CrashPoints.further.map({ (true, $0) }) {
            let started = ContinuousClock.now
            let result = await CrashPoints.walk(part, workers: workers, until: isFurther ? deadline : nil)
            let how = result.isWhole ? "whole" : "as far as the time went"
            print(
                "\(part), \(how): \(result.count.description), \(ContinuousClock.now - started)"
            )
            if let violation = result.violation { fail(violation) }
            if ContinuousClock.now > deadline { return }
        }
    }

    /// A line that is seen at once, also where a program reads it.
    private static func print(_ line: String) {
        Swift.print(line)
        fflush(nil)
    }

    private static func fail(_ what: String) -> Never {
        print(what)
        exit(1)
    }

    static func refuse(_ what: String) -> Never {
        print("\(what)\n\(usage)")
        exit(64)
    }
}

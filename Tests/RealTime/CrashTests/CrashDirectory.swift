import CrashChild
import Glibc
import TestSupport

/// A directory that processes are killed on, and what is known of it.
struct CrashDirectory {
    /// What went wrong, with all that is needed to look into it.
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    let path: String
    var ledger = Ledger()
    private(set) var log: [String] = []
    private(set) var processes = 0
    /// How many acknowledged records audits have missed.
    private(set) var lostCount = 0
    /// How often something was lost with the power.
    private(set) var powerLosses = 0
    let storePath: String
    let kind: Kind
    /// Takes back what was not durable, wherever processes were killed; nil: the page cache stays, as it does after
    /// SIGKILL alone.
    private(set) var powerLoss: PowerLoss?

    /// A new directory for a store.
    ///
    /// - Parameters:
    ///   - store: what the processes are given as the store's directory; nil: a folder in this one.
    ///   - power: whether power is lost with each kill.
    ///   - kind: what the processes do beside putting and consuming, and what is promised for it.
    init(_ name: String, store: String? = nil, power: Power = .stays, kind: Kind = .plain) throws {
        self.kind = kind
        ledger.promises = kind.promises
        path = TestDirectory.make("shardline-crash-\(name)")
        storePath = store ?? "\(path)/store"
        if case .isLost(let missing) = power {
            powerLoss = try PowerLoss(root: storePath, log: "\(path)/undo", missing: missing)
        }
    }

    /// What a round is about.
    enum Kind {
        case plain
        /// Records expire, shards are split and merged.
        case churn
        /// The same, and what is acknowledged is synced later.
        case interval

        var promises: Ledger.Promises {
            switch self {
            case .plain: .init()
            case .churn: .init(reshards: true, retentions: ["c": 1000])
            case .interval: .init(isInterval: true, reshards: true, retentions: ["c": 1000])
            }
        }

        var environment: [String: String] {
            switch self {
            case .plain: [:]
            case .churn: ["SHARDLINE_CRASH_CHURN": "1"]
            case .interval: ["SHARDLINE_CRASH_CHURN": "1", "SHARDLINE_CRASH_INTERVAL": "1"]
            }
        }
    }

    /// What becomes of what was written and not made durable when processes are killed.
    enum Power {
        /// The system keeps it.
        case stays
        /// It is lost; the processes may leave out a sync that they need.
        case isLost(missingSync: PowerLoss.MissingSync?)
    }

    /// Takes back what was not durable, where power is lost. No process may be working on the store.
    ///
    /// - Returns: how many bytes of what a process said are about what was durable; nil: all.
    @discardableResult
    mutating func losePower(using random: inout SeededRandom) throws -> Int? {
        guard let powerLoss else { return nil }
        let seed: UInt64 = random.chance(40) ? 0 : random.next()
        let loss = try powerLoss.lose(files: nextFiles("power"), seed: seed)
        note("power lost: \(loss)")
        powerLosses += loss.volatileChanges > 0 ? 1 : 0
        return loss.promised
    }

    /// Removes it with everything in it.
    func remove() throws {
        let removal = try ChildProcess("/bin/rm", ["-r", "-f", path], files: "/dev/null")
        _ = removal.endByItself()
    }

    /// Starts a test process on the store.
    mutating func start(_ arguments: String...) throws -> ChildProcess {
        try ChildProcess(
            "CrashChild", [arguments[0], storePath] + arguments.dropFirst(), files: nextFiles(arguments[0]),
            environment: kind.environment.merging(powerLoss?.environment ?? [:]) { $1 })
    }

    /// Where the files of the next process are.
    mutating func nextFiles(_ name: String) -> String {
        processes += 1
        return "\(path)/\(processes)-\(name)"
    }

    /// Notes what a round does, for the report of a failure.
    mutating func note(_ text: String) { log.append(text) }

    /// One round through the library: work, be killed, perhaps be killed again while opening, look.
    mutating func libraryRound(_ round: Int, using random: inout SeededRandom) throws {
        let moment = KillMoment.random(using: &random)
        let worker = try start("work", "r\(round)", "\(random.next())")
        worker.kill(at: moment)
        note("round \(round): worker killed \(moment), \(worker.lineCount()) reports, \(describe(worker))")
        let said = try reports(of: worker)
        let durable = try losePower(using: &random)
        // Nothing less is promised where each put waits for its sync.
        let promised = kind == .interval ? durable.map { worker.lineCount(within: $0) } : nil
        ledger.note(said, promised: promised)
        if random.chance(30) {
            let moment = KillMoment.afterStart(milliseconds: Int.random(in: 0...80, using: &random))
            let opener = try start("audit", "close")
            opener.kill(at: moment)
            note("round \(round): audit killed \(moment), \(describe(opener))")
            ledger.note(try reports(of: opener))
            try losePower(using: &random)
        }
        try audit(thenClose: random.chance(30))
        try losePower(using: &random)
    }

    /// Lets the mapping run until nothing is left, and looks.
    mutating func finish() throws {
        let worker = try start("drain")
        let end = worker.endByItself()
        note("drain: \(describe(worker))")
        ledger.note(try reports(of: worker))
        guard end == .exited(0) else { throw failure(["the drain ended with \(end): \(worker.errors())"]) }
        try audit(thenClose: true, isDrained: true)
    }

    /// Reads the whole store in a process of its own, which closes the store or is killed in its turn.
    mutating func audit(thenClose closes: Bool, isDrained: Bool = false) throws {
        let auditor = try start("audit", closes ? "close" : "stay")
        if closes {
            let end = auditor.endByItself()
            if end != .exited(0) {
                throw failure(["the audit ended with \(end): \(auditor.errors()) \(auditor.lines().last ?? "")"])
            }
        } else {
            auditor.wait { auditor.hasWritten(Report.ended.line) }
            auditor.endByForce()
        }
        let audit = Audit(try reports(of: auditor))
        lostCount += ledger.lostCount(in: audit)
        let violations = ledger.check(audit, isDrained: isDrained)
        note("audit: \(describe(auditor)), \(audit.shards.values.reduce(0) { $0 + $1.count }) records")
        if !violations.isEmpty { throw failure(violations.prefix(10).map { "\($0)" } + ["\(violations.count) in all"]) }
    }

    /// What a process has said. One that failed by itself has broken a promise too.
    func reports(of process: ChildProcess) throws -> [Report] {
        let reports = process.reports()
        if let end = process.end, end != .killed(by: SIGKILL), end != .exited(0) {
            let last = reports.last.map { $0.line } ?? ""
            throw failure(["a process ended with \(end): \(last) \(process.errors())"])
        }
        return reports
    }

    func describe(_ process: ChildProcess) -> String {
        switch process.end {
        case .killed(by: SIGKILL): "killed"
        case .exited(0): "ended before"
        case .some(let end): "ended with \(end)"
        case nil: "still running"
        }
    }

    func failure(_ what: [String]) -> Failure {
        Failure(description: (what + ["directory \(path)"] + log.suffix(12)).joined(separator: "\n  "))
    }
}

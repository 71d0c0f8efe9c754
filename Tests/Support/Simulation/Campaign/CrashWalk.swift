import SegmentStorage
import TestSupport

/// Walks every place at which power can be lost in a history, and everything that the disk may then hold: each place
/// before something on the disk changes, with every legal subset of what was not synced, with the transaction that was
/// under way kept and lost. Each is opened by the real store and judged; and so is every crash in the midst of that
/// opening, and in the midst of the one after it.
package struct CrashWalk {
    /// What was walked.
    package struct Count: Sendable {
        /// Moments at which power was lost, by how many openings were cut short before.
        package var moments = [0, 0, 0]
        /// Moments with what the disk kept: each a crash point.
        package var points = [0, 0, 0]
        /// Points that were opened and judged; the others left the same bytes as one of these.
        package var judged = [0, 0, 0]
        /// Moments with so much in doubt that not every subset was walked.
        package var bounded = 0
        package var total: Int { points.reduce(0, +) }

        package init() {}
    }

    struct Moment {
        var disk: MemoryFileSystem
        var metadata: ModelMetadata
        var judge: Judge
    }

    /// Up to this many doubts every subset of them is walked: 1,024. Beyond, the ones that matter by their form.
    static let everySubsetUpTo = 10

    private let history: History
    private let deepest: Int
    private let isOver: () -> Bool
    package private(set) var count = Count()
    package private(set) var violation: String?
    private var seen: Set<Key> = []

    private struct Key: Hashable {
        var disk: [UInt8]
        var metadata: Int
        var knowledge: Int
        var depth: Int
    }

    /// - Parameters:
    ///   - depth: how many openings are cut short, 0 to 2, before the last one.
    ///   - isOver: asked now and then whether to stop before the end.
    package init(_ history: History, depth: Int, isOver: @escaping () -> Bool = { false }) {
        self.history = history
        deepest = depth
        self.isOver = isOver
    }

    /// Walks one moment in this many, from this one on; false where it was stopped before the end.
    package mutating func walk(each step: Int = 1, from first: Int = 0) -> Bool {
        var moments: [Moment] = []
        let world = World(history)
        world.recorder = { [unowned world] in moments.append(world.moment) }
        if let violation = world.run().violation {
            self.violation = violation
            return true
        }
        for (number, moment) in moments.enumerated() where number % step == first {
            visit(moment, depth: 0)
            if let violation { self.violation = "\(violation), at moment \(number)" }
            if violation != nil { return true }
            if isOver() { return false }
        }
        return true
    }

    /// Kills the process at every moment of the history: the disk keeps all that it was given, synced or not. The next
    /// process builds on that, puts records and ends in order; then power is lost, and with it all that neither process
    /// made durable. False where it was stopped before the end.
    package mutating func walkKills(each step: Int = 1, from first: Int = 0) -> Bool {
        var moments: [Moment] = []
        let world = World(history)
        world.recorder = { [unowned world] in moments.append(world.moment) }
        violation = world.run().violation
        let steps: [History.Step] = [.put(caller: 0, count: 8, bytes: 700), .put(caller: 1, count: 2, bytes: 20)]
        var next = history
        next.items = steps.enumerated().map { History.Item(step: $1, seed: UInt64($0)) }
        for (number, moment) in moments.enumerated() where number % step == first && violation == nil {
            if isOver() { return false }
            count.moments[0] += 1
            count.points[0] += 1
            count.judged[0] += 1
            // What the killed process was in the middle of has ended with it.
            var judge = moment.judge
            judge.processEnded()
            let killed = World(
                next, disk: moment.disk.copy(), metadata: moment.metadata.afterCrash(keepingCurrent: number % 2 == 0),
                judge: judge, firstRecord: 1_000_000)
            guard killed.run().violation == nil else {
                violation = "\(killed.judge.violation ?? ""), killed at moment \(number)"
                break
            }
            let cut = World(
                history, disk: killed.disk.afterCrash { _ in false }, metadata: killed.metadata.copy(),
                judge: killed.judge)
            cut.examine(whenOpened: {})
            violation = cut.judge.violation.map { "\($0), after a kill at moment \(number) and a loss of power" }
        }
        return true
    }

    private mutating func visit(_ moment: Moment, depth: Int) {
        count.moments[depth] += 1
        // Nobody ever reads what is set aside, so it is there as a whole or not.
        let (aside, doubts) = moment.disk.doubts.reduce(into: ([MemoryFileSystem.Doubt](), [MemoryFileSystem.Doubt]()))
        {
            if $1.path.contains("/quarantine") { $0.0.append($1) } else { $0.1.append($1) }
        }
        let places = Dictionary(
            doubts.enumerated().map { ($1, $0) } + aside.map { ($0, doubts.count) },
            uniquingKeysWith: { first, _ in first })
        let subsets = Self.subsets(of: doubts.count + (aside.isEmpty ? 0 : 1))
        if doubts.count > Self.everySubsetUpTo { count.bounded += 1 }
        for kept in subsets {
            let disk = moment.disk.afterCrash { kept.contains(places[$0]!) }
            for keepsCurrent in moment.metadata.isInTransaction ? [false, true] : [false] {
                count.points[depth] += 1
                let metadata = moment.metadata.afterCrash(keepingCurrent: keepsCurrent)
                var judgeOfLoss = moment.judge
                judgeOfLoss.losesUnsynced(isTimely: false)
                judge(
                    Moment(disk: disk.copy(), metadata: metadata, judge: judgeOfLoss), depth: depth,
                    told: { "\(kept.sorted().prefix { $0 < doubts.count }.map { doubts[$0] }) of \(doubts) kept" })
                if violation != nil || isOver() { return }
            }
        }
    }

    private mutating func judge(_ found: Moment, depth: Int, told: () -> String) {
        let key = Key(
            disk: found.disk.fingerprint, metadata: found.metadata.fingerprint, knowledge: found.judge.knowledge,
            depth: depth)
        guard seen.insert(key).inserted else { return }
        count.judged[depth] += 1
        var cuts: [Moment] = []
        let world = World(history, disk: found.disk, metadata: found.metadata, judge: found.judge)
        if depth < deepest { world.recorder = { [unowned world] in cuts.append(world.moment) } }
        world.examine(whenOpened: { world.recorder = nil })
        if let broken = world.judge.violation {
            violation = "\(broken); after a crash (\(depth) openings were cut short before) with \(told())"
            return
        }
        // What this opening has decided, every later one must decide too.
        for cut in cuts {
            visit(Moment(disk: cut.disk, metadata: cut.metadata, judge: world.judge), depth: depth + 1)
            if violation != nil || isOver() { return }
        }
    }

    /// Every subset of this many doubts; of very many: none, all, each alone, all but each, each beginning.
    static func subsets(of count: Int) -> [Set<Int>] {
        if count <= everySubsetUpTo {
            return (0..<1 << count).map { bits in Set((0..<count).filter { bits >> $0 & 1 == 1 }) }
        }
        let all = Set(0..<count)
        var subsets: Set<Set<Int>> = [[], all]
        for place in 0..<count {
            subsets.insert([place])
            subsets.insert(all.subtracting([place]))
            subsets.insert(Set(0..<place))
            subsets.insert(Set(place..<count))
        }
        return subsets.sorted { ($0.count, $0.min() ?? 0, $0.max() ?? 0) < ($1.count, $1.min() ?? 0, $1.max() ?? 0) }
    }
}

extension CrashWalk {
    /// The histories that are walked: short, and together over all of a commit, a flush and an opening. Ring files and
    /// epochs are as small as they can be, so that files are changed, filled and used again within a few puts.
    package static let histories: [History] = {
        func history(
            _ seed: UInt64, mappings: Int = 2, interval: Int? = nil, _ steps: [History.Step]
        ) -> History {
            var history = History(seed: seed)
            history.settings = History.Settings()
            history.settings.interval = interval
            history.settings.ringFileSize = 16 << 10
            history.settings.memtableSize = 4 << 10
            history.settings.ownSegmentFrom = 3 << 10
            history.settings.sealFrom = 8 << 10
            history.settings.mappings = mappings
            history.items = steps.enumerated().map { History.Item(step: $1, seed: seed &* 31 &+ UInt64($0)) }
            return history
        }
        return [
            // A commit: one sector, many, over several shards, with checkpoint and document, with many seals; its mark.
            history(
                1,
                [
                    .put(caller: 0, count: 1, bytes: 20), .put(caller: 0, count: 6, bytes: 300), .pause(10),
                    .put(caller: 1, count: 3, bytes: 20), .scale(3), .enqueue(producer: 0, count: 8, bytes: 20),
                    .pause(300), .merge, .put(caller: 0, count: 4, bytes: 20), .reopen,
                    .put(caller: 1, count: 2, bytes: 20),
                ]),
            // Flushes: into new segments and registered ones, seals of segments, the ring used again, a large commit.
            history(
                2,
                [
                    .put(caller: 0, count: 8, bytes: 400), .put(caller: 1, count: 8, bytes: 400), .pause(50),
                    .put(caller: 0, count: 8, bytes: 700), .enqueue(producer: 1, count: 10, bytes: 200), .pause(1_200),
                    .put(caller: 0, count: 8, bytes: 2_500), .pause(50), .put(caller: 1, count: 5, bytes: 900),
                    .pause(1_200), .put(caller: 0, count: 2, bytes: 20), .reopen, .put(caller: 0, count: 2, bytes: 900),
                ]),
            // Retention: segments that are deleted, while others are written.
            history(
                3,
                [
                    .put(caller: 0, count: 8, bytes: 700), .put(caller: 1, count: 8, bytes: 700), .pause(1_100),
                    .jump(40_000), .put(caller: 0, count: 3, bytes: 20), .pause(1_100), .pause(1_100),
                    .put(caller: 1, count: 8, bytes: 700), .pause(1_100),
                ]),
            // Openings: of what a torn commit, a torn flush and an orderly end have left.
            history(
                4, mappings: 0,
                [
                    .put(caller: 0, count: 1, bytes: 20), .put(caller: 0, count: 3, bytes: 300), .pause(250), .reopen,
                    .put(caller: 0, count: 8, bytes: 700), .put(caller: 0, count: 1, bytes: 20),
                ]),
            // An interval: commits that wait for their sync, a split that does not, a flush before and after it.
            history(
                5, mappings: 1, interval: 50,
                [
                    .put(caller: 0, count: 1, bytes: 20), .put(caller: 1, count: 2, bytes: 300), .pause(5),
                    .put(caller: 0, count: 2, bytes: 20), .split, .put(caller: 0, count: 3, bytes: 20), .pause(100),
                    .put(caller: 0, count: 8, bytes: 700), .put(caller: 1, count: 1, bytes: 20), .pause(1_100),
                    .put(caller: 0, count: 1, bytes: 20), .kill(after: 1), .put(caller: 0, count: 1, bytes: 20),
                ]),
            // Deletions: of a mapping, and of a stream with records in segments and in the journal, both recreated.
            history(
                6,
                [
                    .put(caller: 0, count: 8, bytes: 700), .pause(50), .deleteMapping(1), .pause(200),
                    .put(caller: 1, count: 2, bytes: 20), .deleteStream, .put(caller: 0, count: 3, bytes: 20),
                    .pause(100), .put(caller: 1, count: 8, bytes: 700), .pause(1_200),
                ]),
        ]
    }()
}

extension World {
    /// All of the machine and of what was promised, as it is now.
    var moment: CrashWalk.Moment { CrashWalk.Moment(disk: disk.copy(), metadata: metadata.copy(), judge: judge) }
}

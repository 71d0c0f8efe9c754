import DiskAccess
import Synchronization

/// All crash points of ``CrashWalk/histories``.
package struct CrashPoints: Sendable {
    /// One walk.
    package struct Part: Sendable, CustomStringConvertible {
        package var history: Int
        /// How many openings are cut short before the last one; nil: the process is killed, and power is lost later.
        package var depth: Int?

        package var description: String {
            "history \(history), " + (depth.map { "\($0 + 1) deep" } ?? "killed before the loss of power")
        }
    }

    /// What is walked whole in any case: each history, and for the last one a second crash in the midst of opening.
    package static let always = [
        Part(history: 1, depth: 0), Part(history: 0, depth: 0), Part(history: 2, depth: 0), Part(history: 3, depth: 1),
        Part(history: 3, depth: nil), Part(history: 4, depth: 0), Part(history: 5, depth: 0),
    ]
    /// What is walked as far as the time goes: a third crash in the midst of the opening after a second one, and
    /// second crashes for the other histories.
    package static let further = [
        Part(history: 0, depth: nil), Part(history: 1, depth: nil),
        Part(history: 5, depth: 1), Part(history: 4, depth: 1), Part(history: 3, depth: 2), Part(history: 0, depth: 1),
        Part(history: 2, depth: 1),
        Part(history: 1, depth: 1),
    ]

    package struct Result: Sendable {
        package var count = CrashWalk.Count()
        package var isWhole = true
        package var violation: String?
    }

    /// Some of the moments of a history: one in this many.
    package struct Share: Sendable {
        /// One moment in this many is taken.
        package var each: Int
        /// Which one, modulo ``each``.
        package var number: Int

        package init(each: Int, number: Int) {
            self.each = max(1, each)
            self.number = number % self.each
        }

        /// Every moment.
        package static let all = Share(each: 1, number: 0)
    }

    /// Walks a part on this number of threads; stops when the time is over.
    package static func walk(
        _ part: Part, share: Share = .all, workers: Int, until deadline: ContinuousClock.Instant?
    ) async -> Result {
        let result = Mutex(Result())
        await Campaign.onThreads(workers) { worker in
            var walk = CrashWalk(CrashWalk.histories[part.history], depth: part.depth ?? 0) {
                result.withLock { $0.violation != nil } || deadline.map { ContinuousClock.now > $0 } ?? false
            }
            let (step, first) = (workers * share.each, worker * share.each + share.number)
            let isWhole =
                part.depth == nil ? walk.walkKills(each: step, from: first) : walk.walk(each: step, from: first)
            let (count, violation) = (walk.count, walk.violation)
            result.withLock { result in
                result.count.add(count)
                result.isWhole = result.isWhole && isWhole
                if let violation { result.violation = "history \(part.history): \(violation)" }
            }
        }
        return result.withLock { $0 }
    }
}

extension CrashWalk.Count {
    package mutating func add(_ other: CrashWalk.Count) {
        for depth in points.indices {
            moments[depth] += other.moments[depth]
            points[depth] += other.points[depth]
            judged[depth] += other.judged[depth]
        }
        bounded += other.bounded
    }

    /// One line for people.
    package var description: String {
        "\(total) crash points (\(points[0]) before, \(points[1]) in a first opening, \(points[2]) in a second one; \(judged.reduce(0, +)) different ones were opened and judged; at \(bounded) of \(moments.reduce(0, +)) moments more than \(CrashWalk.everySubsetUpTo) things were in doubt and not every subset was walked)"
    }
}

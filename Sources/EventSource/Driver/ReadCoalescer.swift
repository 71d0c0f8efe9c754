import StreamModel

/// Lets records gather where one commit after the other brings a few to each of many shards.
///
/// An invocation costs some microseconds however many records it has. With a thousand shards and a record or two of a
/// commit for each, a worker that ran after every commit would take the processors from whoever puts records, only to
/// fall behind with small batches. So after a round in which many shards were read anew, those that have news next wait
/// for a while that is in proportion to what the round took. A shard that has more than a batch does not wait: it is
/// read without being told of news.
///
/// A reader that waits too long finds its records in segments, where they cost several times as much. Whoever has to
/// read there says so (``missedMemory()``), and pauses are shorter for a time.
///
/// One worker and its drivers use it, in the worker's task.
final class ReadCoalescer {
    /// So many shards in one round are many.
    private static let many = 64
    /// A pause is so many times as long as the round before it.
    private static let share = 4
    /// A shorter pause is none, a longer one does not pay.
    private static let pauses = Duration.milliseconds(2)...Duration.milliseconds(50)
    /// By so much the longest pause grows again after one behind which all was in memory.
    private static let growth = Duration.milliseconds(1)

    /// No pause is longer now.
    private var longest = ReadCoalescer.pauses.upperBound
    private var hasMissed = false
    private var held: [(ShardID, Int)] = []
    private var isPausing = false
    private var begun = MonotonicTime(sinceOrigin: .zero)
    /// Shards with news in this round.
    private var told = 0

    /// The worker looks at what has happened.
    func beginRound(at now: MonotonicTime) {
        begun = now
        told = 0
    }

    /// Whether the news of a shard, for its read with this number, wait for the end of a pause.
    func holds(_ shard: ShardID, _ number: Int) -> Bool {
        guard isPausing else {
            told += 1
            return false
        }
        held.append((shard, number))
        return true
    }

    /// The pause is over: what was held.
    func release() -> [(ShardID, Int)] {
        isPausing = false
        if !hasMissed { longest = min(longest + Self.growth, Self.pauses.upperBound) }
        hasMissed = false
        told += held.count
        defer { held = [] }
        return held
    }

    /// A read has to go to segments. Once a pause counts.
    func missedMemory() {
        guard !hasMissed else { return }
        hasMissed = true
        longest = max(longest / 2, Self.pauses.lowerBound)
    }

    /// Nothing more of this round is left; returns when the pause that now begins is over, where one does.
    func endRound(at now: MonotonicTime) -> MonotonicTime? {
        guard !isPausing, told >= Self.many else { return nil }
        let pause = min((now - begun) * Self.share, longest)
        guard pause >= Self.pauses.lowerBound else { return nil }
        isPausing = true
        return now + pause
    }
}

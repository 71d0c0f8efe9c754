import StreamModel

/// Lets records gather where one commit after the other brings a few to each of many shards.
///
/// An invocation costs some microseconds however many records it has. With a thousand shards and a record or two of a
/// commit for each, a worker that ran after every commit would take the processors from whoever puts records, only to
/// fall behind with small batches. So after a round in which many shards were read anew, those that have news next wait
/// for a while that is in proportion to what the round took. A shard that has more than a batch does not wait: it is
/// read without being told of news.
struct Gathering {
    /// So many shards in one round are many.
    private static let many = 64
    /// A pause is so many times as long as the round before it.
    private static let share = 4
    /// A shorter pause is none, a longer one does not pay.
    private static let pauses = Duration.milliseconds(1)...Duration.milliseconds(50)

    private var held: [(ShardID, Int)] = []
    private var isPausing = false
    private var begun = MonotonicTime(sinceOrigin: .zero)
    /// Shards with news in this round.
    private var told = 0

    /// The worker looks at what has happened.
    mutating func beginRound(at now: MonotonicTime) {
        begun = now
        told = 0
    }

    /// Whether the news of a shard, for its read with this number, wait for the end of a pause.
    mutating func holds(_ shard: ShardID, _ number: Int) -> Bool {
        guard isPausing else {
            told += 1
            return false
        }
        held.append((shard, number))
        return true
    }

    /// The pause is over: what was held.
    mutating func release() -> [(ShardID, Int)] {
        isPausing = false
        told += held.count
        defer { held = [] }
        return held
    }

    /// Nothing more of this round is left; returns when the pause that now begins is over, where one does.
    mutating func endRound(at now: MonotonicTime) -> MonotonicTime? {
        guard !isPausing, told >= Self.many else { return nil }
        let pause = min((now - begun) * Self.share, Self.pauses.upperBound)
        guard pause >= Self.pauses.lowerBound else { return nil }
        isPausing = true
        return now + pause
    }
}

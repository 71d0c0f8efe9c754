import StreamModel

/// Delays reads so that records collect, when every commit brings a few records to each of many shards.
///
/// An invocation costs some microseconds for any number of records. With a thousand shards and one or two records of
/// each commit for every shard, a worker that ran after each commit would take the processors from the producers and
/// still fall behind with small batches. So after a round with new records in many shards, the next notices of new
/// records wait for a pause in proportion to the time of that round. A shard with more than a batch doesn't wait: it is
/// read without a notice.
///
/// Records that wait too long have to be read from segments, which costs several times as much. The driver reports this
/// (``missedMemory()``), and pauses become shorter for a time.
///
/// Used by one worker and its drivers, in the worker's task only.
final class ReadCoalescer {
    /// The number of shards with new records in one round from which on a pause follows.
    private static let many = 64
    /// The length of a pause, in lengths of the round before it.
    private static let share = 4
    /// The limits of a pause. A shorter one is left out; a longer one has no benefit.
    private static let pauses = Duration.milliseconds(2)...Duration.milliseconds(50)
    /// How much ``longest`` grows after a pause without a read from segments.
    private static let growth = Duration.milliseconds(1)

    /// The current maximum of a pause.
    private var longest = ReadCoalescer.pauses.upperBound
    private var hasMissed = false
    private var held: [(ShardID, Int)] = []
    private var isPausing = false
    private var begun = MonotonicTime(sinceOrigin: .zero)
    /// The number of shards with new records in this round.
    private var told = 0

    /// The worker starts to handle the posts of its mailbox.
    func beginRound(at now: MonotonicTime) {
        begun = now
        told = 0
    }

    /// Whether the notice for a shard's read with this number waits for the end of the pause; if so, it is kept.
    func holds(_ shard: ShardID, _ number: Int) -> Bool {
        guard isPausing else {
            told += 1
            return false
        }
        held.append((shard, number))
        return true
    }

    /// Ends the pause and returns the notices that were kept.
    func release() -> [(ShardID, Int)] {
        isPausing = false
        if !hasMissed { longest = min(longest + Self.growth, Self.pauses.upperBound) }
        hasMissed = false
        told += held.count
        defer { held = [] }
        return held
    }

    /// A read has to go to segments. Counted once for each pause.
    func missedMemory() {
        guard !hasMissed else { return }
        hasMissed = true
        longest = max(longest / 2, Self.pauses.lowerBound)
    }

    /// Ends the round. Returns when the pause that starts now is over; nil without a pause.
    func endRound(at now: MonotonicTime) -> MonotonicTime? {
        guard !isPausing, told >= Self.many else { return nil }
        let pause = min((now - begun) * Self.share, longest)
        guard pause >= Self.pauses.lowerBound else { return nil }
        isPausing = true
        return now + pause
    }
}

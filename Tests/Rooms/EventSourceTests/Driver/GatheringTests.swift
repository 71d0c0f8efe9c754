import StreamModel
import Testing

@testable import EventSource

/// With many shards that have news at once, the next news wait, so that fewer invocations have more records each.
struct GatheringTests {
    private static func at(_ milliseconds: Int) -> MonotonicTime {
        MonotonicTime(sinceOrigin: .milliseconds(milliseconds))
    }

    /// A round in which this many shards are read again, which takes this long; returns when the pause after it ends.
    private static func round(
        _ gathering: ReadCoalescer, shards: Int, taking milliseconds: Int, from begin: Int = 0
    ) -> MonotonicTime? {
        gathering.beginRound(at: at(begin))
        for number in 0..<shards {
            let waits = gathering.holds(ShardID(UInt32(number)), 1)
            #expect(!waits)
        }
        return gathering.endRound(at: at(begin + milliseconds))
    }

    @Test func `few shards never wait`() {
        let gathering = ReadCoalescer()
        #expect(Self.round(gathering, shards: 63, taking: 100) == nil)
        #expect(Self.round(gathering, shards: 63, taking: 100, from: 100) == nil)
    }

    @Test func `a round of many shards is followed by a pause of four times its time, of at most 50 ms`() {
        for (taking, end) in [(0, nil), (3, 3 + 12), (10, 10 + 40), (500, 500 + 50)] as [(Int, Int?)] {
            let gathering = ReadCoalescer()
            #expect(Self.round(gathering, shards: 64, taking: taking) == end.map(Self.at))
        }
    }

    @Test func `what has news in the pause is read at its end, once each, in the order in which it came`() {
        let gathering = ReadCoalescer()
        #expect(Self.round(gathering, shards: 64, taking: 3) != nil)
        gathering.beginRound(at: Self.at(4))
        let waiting = ([9, 3, 200] as [UInt32]).filter { gathering.holds(ShardID($0), 7) }
        #expect(waiting == [9, 3, 200])
        // A second pause does not begin within the first.
        let second = gathering.endRound(at: Self.at(8))
        #expect(second == nil)
        gathering.beginRound(at: Self.at(9))
        let (released, more) = (gathering.release(), gathering.release())
        #expect(released.map(\.0) == [9, 3, 200].map { ShardID($0) })
        #expect(more.isEmpty)
        let third = gathering.endRound(at: Self.at(20))
        #expect(third == nil)
        gathering.beginRound(at: Self.at(21))
        let waits = gathering.holds(ShardID(1), 1)
        #expect(!waits)
    }

    @Test func `shards that waited count as those of a round`() {
        let gathering = ReadCoalescer()
        _ = Self.round(gathering, shards: 64, taking: 3)
        gathering.beginRound(at: Self.at(4))
        let waiting = (0..<100).count { gathering.holds(ShardID(UInt32($0)), 1) }
        #expect(waiting == 100)
        gathering.beginRound(at: Self.at(9))
        let released = gathering.release()
        #expect(released.count == 100)
        let end = gathering.endRound(at: Self.at(13))
        #expect(end == Self.at(29))
    }

    @Test
    func
        `a reader that comes too late for memory halves the longest pause, which grows again millisecond by millisecond`()
    {
        let gathering = ReadCoalescer()
        var now = 0
        /// The pause after a long round, with or without reads that miss memory in it.
        func pause(missing count: Int = 0) -> Int {
            gathering.beginRound(at: Self.at(now))
            _ = gathering.release()
            for _ in 0..<count { gathering.missedMemory() }
            for number in 0..<64 { _ = gathering.holds(ShardID(UInt32(number)), 1) }
            now += 1000
            let end = gathering.endRound(at: Self.at(now))
            defer { now += 1000 }
            return (1...50).first { Self.at(now + $0) == end } ?? 0
        }
        #expect(pause() == 50)
        // However many there are, they count once.
        #expect(pause(missing: 3) == 25)
        #expect((0..<3).map { _ in pause() } == [25, 26, 27])
        #expect((0..<5).map { _ in pause(missing: 1) }.last == 2)
        #expect((0..<80).map { _ in pause() }.max() == 50)
    }
}

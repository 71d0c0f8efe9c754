import StreamModel
import Testing

@testable import EventSource

/// With many shards that have news at once, the next news wait, so that fewer invocations have more records each.
struct GatheringTests {
    private static func at(_ milliseconds: Int) -> MonotonicTime {
        MonotonicTime(sinceOrigin: .milliseconds(milliseconds))
    }

    /// A round in which so many shards are read anew, which takes so long; returns when the pause after it ends.
    private static func round(
        _ gathering: inout Gathering, shards: Int, taking milliseconds: Int, from begin: Int = 0
    ) -> MonotonicTime? {
        gathering.beginRound(at: at(begin))
        for number in 0..<shards {
            let waits = gathering.holds(ShardID(UInt32(number)), 1)
            #expect(!waits)
        }
        return gathering.endRound(at: at(begin + milliseconds))
    }

    @Test func `few shards never wait`() {
        var gathering = Gathering()
        #expect(Self.round(&gathering, shards: 63, taking: 100) == nil)
        #expect(Self.round(&gathering, shards: 63, taking: 100, from: 100) == nil)
    }

    @Test func `a round of many shards is followed by a pause of four times its time, of at most 50 ms`() {
        for (taking, end) in [(0, nil), (3, 3 + 12), (10, 10 + 40), (500, 500 + 50)] as [(Int, Int?)] {
            var gathering = Gathering()
            #expect(Self.round(&gathering, shards: 64, taking: taking) == end.map(Self.at))
        }
    }

    @Test func `what has news in the pause is read at its end, once each, in the order in which it came`() {
        var gathering = Gathering()
        #expect(Self.round(&gathering, shards: 64, taking: 3) != nil)
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
        var gathering = Gathering()
        _ = Self.round(&gathering, shards: 64, taking: 3)
        gathering.beginRound(at: Self.at(4))
        let waiting = (0..<100).count { gathering.holds(ShardID(UInt32($0)), 1) }
        #expect(waiting == 100)
        gathering.beginRound(at: Self.at(9))
        let released = gathering.release()
        #expect(released.count == 100)
        let end = gathering.endRound(at: Self.at(13))
        #expect(end == Self.at(29))
    }
}

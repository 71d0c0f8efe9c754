import Testing

@testable import StreamStorage

/// The creation seconds that are given out, and those that are not any more (API-Q-8).
@Suite struct CreationSecondTests {
    @Test func `seconds next to one another are one range, in whatever order they come`() {
        for order in [[5, 6, 7, 9], [9, 7, 5, 6], [7, 5, 9, 6], [6, 6, 9, 5, 7, 7]] as [[UInt64]] {
            var retired = RetiredSeconds()
            for second in order { retired.insert(second) }
            #expect(retired.ranges == [5...7, 9...9], "\(order)")
        }
        var retired = RetiredSeconds()
        for second: UInt64 in [1, 5, 9, .max] { retired.insert(second) }
        retired.insert(0...8)
        #expect(retired.ranges == [0...9, .max ... .max] && retired.latest == .max)
    }

    @Test func `the ranges are bounded, and no retired second is forgotten`() {
        for spread in [200 as UInt64, 100_000, 1 << 40] {
            var retired = RetiredSeconds()
            var all: Set<UInt64> = []
            for index in 0..<1_000 as Range<UInt64> {
                let second = index &* 0x9E37_79B9_7F4A_7C15 % spread
                retired.insert(second)
                all.insert(second)
                #expect(retired.ranges.count <= RetiredSeconds.mostRanges)
            }
            #expect(all.allSatisfy { retired.range(of: $0) != nil })
            #expect(zip(retired.ranges, retired.ranges.dropFirst()).allSatisfy { $0.upperBound + 1 < $1.lowerBound })
            for now in [0, spread / 2, spread] {
                let ofStream = CreationSecond.ofStream(now: now, retired: retired, taken: [now])
                let ofChildren = CreationSecond.ofChildren(notBefore: now, retired: retired, taken: [now])
                #expect(ofStream != now && ofChildren > now)
                #expect(retired.range(of: ofStream) == nil && retired.range(of: ofChildren) == nil)
            }
        }
    }

    @Test func `the two nearest ranges become one`() {
        var retired = RetiredSeconds()
        for index in 0...UInt64(RetiredSeconds.mostRanges) { retired.insert(index * 100 + (index == 8 ? 50 : 0)) }
        #expect(retired.range(of: 875) == 850...900)
        #expect(retired.range(of: 825) == nil && retired.range(of: 150) == nil)
    }

    @Test func `a stream gets the second of now or the free one before it, children the one after`() {
        var retired = RetiredSeconds()
        for range: ClosedRange<UInt64> in [3...5, 8...9, 1_000...1_000] { retired.insert(range) }
        #expect(CreationSecond.ofStream(now: 11, retired: retired, taken: []) == 11)
        #expect(CreationSecond.ofStream(now: 11, retired: retired, taken: [11, 10, 7]) == 6)
        #expect(CreationSecond.ofStream(now: 5, retired: retired, taken: [0, 1, 2]) == 6)
        #expect(CreationSecond.ofChildren(notBefore: 8, retired: retired, taken: [10]) == 11)
        // All seconds up to one of them, as earlier builds knew them.
        retired.insert(0...20)
        #expect(CreationSecond.ofStream(now: 11, retired: retired, taken: [21]) == 22)
    }
}

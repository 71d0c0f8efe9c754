/// Numbers that follow from a seed, the same on every machine (SplitMix64).
package struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(_ seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    /// A number from 0 to below `bound`.
    package mutating func below(_ bound: Int) -> Int { bound <= 1 ? 0 : Int(next() % UInt64(bound)) }
    /// One of the range's numbers.
    package mutating func pick(_ range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.count) }
    /// Yes, once in `times` cases.
    package mutating func once(in times: Int) -> Bool { below(times) == 0 }
    /// Yes, in `percent` of 100 cases.
    package mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
    /// This many bytes, which don't compress.
    package mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
    /// One of them.
    package mutating func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }
}

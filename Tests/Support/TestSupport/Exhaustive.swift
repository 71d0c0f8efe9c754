/// Walks every combination of some choices, however they depend on one another.
///
/// A test makes its choices with `pick`, `flag` and `subset` in a loop; each round takes the next combination, and the
/// loop ends after the last:
///
/// ```swift
/// var every = Exhaustive()
/// while every.next() {
///     let count = every.pick(1...8)
///     let bad = every.pick(0..<count)
/// }
/// ```
package struct Exhaustive {
    private var choices: [(value: Int, bound: Int)] = []
    private var place = 0
    private var isNew = true
    /// Combinations walked, this one included.
    package private(set) var rounds = 0

    package init() {}

    /// Goes to the next combination; false after the last.
    package mutating func next() -> Bool {
        defer {
            place = 0
            rounds += 1
        }
        if isNew {
            isNew = false
            return true
        }
        // What was chosen last turns fastest.
        while let last = choices.last {
            choices.removeLast()
            if last.value < last.bound {
                choices.append((last.value + 1, last.bound))
                return true
            }
        }
        return false
    }

    /// A number from 0 to `bound`, both included.
    private mutating func choose(upTo bound: Int) -> Int {
        if place == choices.count { choices.append((0, bound)) }
        defer { place += 1 }
        precondition(choices[place].bound == bound, "the same choices must be offered in the same order")
        return choices[place].value
    }

    /// One of these numbers.
    package mutating func pick(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + choose(upTo: range.count - 1)
    }

    /// One of these numbers, which must not be none.
    package mutating func pick(_ range: Range<Int>) -> Int { pick(range.lowerBound...range.upperBound - 1) }

    /// One of these, which must not be none.
    package mutating func pick<Element>(_ elements: [Element]) -> Element { elements[choose(upTo: elements.count - 1)] }

    /// No or yes.
    package mutating func flag() -> Bool { choose(upTo: 1) == 1 }

    /// Some of the places below `count`, at most this many, in order.
    package mutating func subset(of count: Int, atMost limit: Int) -> [Int] {
        var chosen: [Int] = []
        for _ in 0..<limit {
            let lowest = chosen.last.map { $0 + 1 } ?? 0
            // The value before the lowest place means: no more.
            let next = pick(lowest - 1...max(count - 1, lowest - 1))
            guard next >= lowest else { break }
            chosen.append(next)
        }
        return chosen
    }
}

/// A set of shard numbers, as a bitmap up to the highest: numbers are dense (STORE-J4), and every commit inserts the
/// shard of each of its runs.
package struct ShardSet: Sendable {
    private var words: [UInt64] = []

    package init() {}
    package init(_ keys: some Sequence<ShardNumber>) { formUnion(keys) }

    package var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

    package func contains(_ key: ShardNumber) -> Bool {
        let word = Int(key.rawValue / 64)
        return word < words.count && words[word] & 1 << (key.rawValue % 64) != 0
    }

    package mutating func insert(_ key: ShardNumber) {
        let word = Int(key.rawValue / 64)
        while words.count <= word { words.append(0) }
        words[word] |= 1 << (key.rawValue % 64)
    }

    package mutating func formUnion(_ keys: some Sequence<ShardNumber>) { for key in keys { insert(key) } }

    package mutating func formUnion(_ other: ShardSet) {
        while words.count < other.words.count { words.append(0) }
        for (index, word) in other.words.enumerated() { words[index] |= word }
    }
}

/// The shard numbers in ascending order.
extension ShardSet: Sequence {
    package struct Iterator: IteratorProtocol {
        fileprivate let words: [UInt64]
        private var word = 0
        private var bits: UInt64 = 0

        fileprivate init(_ words: [UInt64]) {
            self.words = words
            bits = words.first ?? 0
        }

        package mutating func next() -> ShardNumber? {
            while bits == 0 {
                word += 1
                guard word < words.count else { return nil }
                bits = words[word]
            }
            let bit = bits.trailingZeroBitCount
            bits &= bits - 1
            return ShardNumber(UInt32(word * 64 + bit))
        }
    }

    package func makeIterator() -> Iterator { Iterator(words) }
}

extension ShardSet: ExpressibleByArrayLiteral {
    package init(arrayLiteral elements: ShardNumber...) { self.init(elements) }
}

extension ShardSet: Hashable {
    // Elements are compared, not words, so that trailing zero words make no difference.
    package static func == (left: ShardSet, right: ShardSet) -> Bool { left.elementsEqual(right) }
    package func hash(into hasher: inout Hasher) { for key in self { hasher.combine(key) } }
}

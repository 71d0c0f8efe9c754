public import StreamModel

extension Seal {
    /// Throws `invalidArgument` unless this is a split of one shard or a merge of two neighbours, and the children own
    /// exactly the hash keys of the parents.
    ///
    /// - Parameter ranges: the ranges of ``parents``, in their order.
    public func validate(ranges: [HashKeyRange]) throws {
        let isSplit = parents.count == 1 && children.count >= 2
        let isMerge = parents.count == 2 && children.count == 1
        guard isSplit || isMerge, Set(parents).count == parents.count else {
            throw ShardlineError(
                .invalidArgument, "a seal splits one shard into two or more, or merges two neighbours into one")
        }
        guard let before = Self.union(of: ranges) else {
            throw ShardlineError(.invalidArgument, "only shards whose hash key ranges are neighbours can be merged")
        }
        guard Self.union(of: children) == before else {
            throw ShardlineError(
                .invalidArgument,
                "the children must divide the hash keys \(before.first) to \(before.last) among them, without gap or overlap"
            )
        }
    }

    /// The one range that `ranges` form together; nil where they leave a gap or overlap.
    private static func union(of ranges: [HashKeyRange]) -> HashKeyRange? {
        let sorted = ranges.sorted { $0.first < $1.first }
        guard let first = sorted.first, sorted.allSatisfy({ $0.first <= $0.last }) else { return nil }
        for (left, right) in zip(sorted, sorted.dropFirst()) {
            guard left.last.value != .max, left.last.value + 1 == right.first.value else { return nil }
        }
        return HashKeyRange(first: first.first, last: sorted[sorted.count - 1].last)
    }
}

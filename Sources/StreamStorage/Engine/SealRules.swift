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

/// Checks the seals of one stream in one commit, in their order. Each applies to the shards as the seals before it leave
/// them, so the child of one may be a parent of the next.
package struct SealCheck {
    /// A shard as a seal finds it.
    package struct Parent {
        package var range: HashKeyRange
        /// The shards that took over its hash keys; nil while it is open.
        package var children: [ShardID]?

        package init(range: HashKeyRange, children: [ShardID]?) {
            self.range = range
            self.children = children
        }
    }

    private var changed: [ShardID: Parent] = [:]
    private var nextNumber: UInt32
    private var listed: Int

    /// - Parameters:
    ///   - nextNumber: the number of the stream's next child.
    ///   - listed: how many shards of the stream are listed, closed ones included.
    package init(nextNumber: UInt32, listed: Int) {
        self.nextNumber = nextNumber
        self.listed = listed
    }

    /// Checks the next seal. Returns the children of a parent that is closed already; nil where the seal is accepted.
    /// Throws `invalidArgument` for a seal that no stream allows, and what `known` throws.
    ///
    /// - Parameter known: returns a shard as it is before the commit.
    package mutating func add(_ seal: Seal, known: (ShardID) throws -> Parent) throws -> [ShardID]? {
        let parents = try seal.parents.map { try changed[$0] ?? known($0) }
        if let children = parents.lazy.compactMap(\.children).first { return children }
        try seal.validate(ranges: parents.map(\.range))
        try Seal.checkCount(listed: listed, new: seal.children.count)
        listed += seal.children.count
        let children = (0..<UInt32(seal.children.count)).map { ShardID(nextNumber + $0) }
        nextNumber += UInt32(seal.children.count)
        for (id, range) in zip(children, seal.children) { changed[id] = Parent(range: range, children: nil) }
        for (id, parent) in zip(seal.parents, parents) {
            changed[id] = Parent(range: parent.range, children: children)
        }
        return nil
    }
}

extension Seal {
    /// Throws `invalidArgument` where a stream with `listed` shards can't have `new` more (API-R-4).
    package static func checkCount(listed: Int, new: Int) throws {
        guard listed + new <= Limits.shards.upperBound else {
            throw ShardlineError(
                .invalidArgument,
                "a stream has at most \(Limits.shards.upperBound) shards, closed ones included until retention removes them; this one has \(listed), and \(new) more are needed"
            )
        }
    }
}

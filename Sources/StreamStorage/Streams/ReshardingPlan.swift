package import StreamModel

/// The seals that split or merge shards of a stream, for one commit, and what they lead to. Made of a description of the
/// stream; the store refuses the seals where the shards have changed since.
package struct ReshardingPlan: Hashable, Sendable {
    /// A shard that the plan opens and leaves open.
    package struct NewShard: Hashable, Sendable {
        /// The number that it gets if no other call opens shards before.
        package var id: ShardID
        package var range: HashKeyRange
    }

    /// The seals, in their order. A parent may be the child of an earlier one.
    package private(set) var seals: [Seal] = []
    /// How many shards are opened and closed again in the same commit, because a shard has at most two parents.
    package private(set) var passing = 0
    private let stream: String
    private var nextNumber: UInt32
    /// The open shards after ``seals``.
    private var open: [ShardID: HashKeyRange]
    private let before: [ShardID: HashKeyRange]

    private init(_ stream: StreamDescription) {
        self.stream = stream.name
        // A shard's children have greater numbers than the shard, so the greatest number is that of an open one, which is
        // always listed.
        nextNumber = (stream.shards.map(\.id.number).max() ?? 0) + 1
        open = Dictionary(uniqueKeysWithValues: stream.openShards.map { ($0.id, $0.hashKeyRange) })
        before = open
    }

    private mutating func seal(_ parents: [ShardID], into children: [HashKeyRange]) -> [ShardID] {
        seals.append(Seal(stream: stream, parents: parents, children: children))
        for parent in parents {
            open[parent] = nil
            if before[parent] == nil { passing += 1 }
        }
        return children.map { range in
            defer { nextNumber += 1 }
            open[ShardID(nextNumber)] = range
            return ShardID(nextNumber)
        }
    }

    /// The shards that were open and are closed by the plan, sorted by number.
    package var closed: [ShardID] { before.keys.filter { open[$0] == nil }.sorted() }
    /// The shards that the plan opens and leaves open, in the order of their hash keys.
    package var opened: [NewShard] {
        open.filter { before[$0.key] == nil }.map { NewShard(id: $0.key, range: $0.value) }
            .sorted { $0.range.first < $1.range.first }
    }
    /// How many shards are open after the plan.
    package var openCount: Int { open.count }

    /// The shards that were opened and left open, in the order of their hash keys, by the receipts of ``seals``.
    func opened(by receipts: [ChangeReceipt]) -> [ShardID] {
        let closed = Set(seals.flatMap(\.parents))
        var opened: [(id: ShardID, first: HashKey)] = []
        for (seal, receipt) in zip(seals, receipts) {
            guard case .sealed(let children) = receipt else { continue }
            for (id, range) in zip(children, seal.children) where !closed.contains(id) {
                opened.append((id, range.first))
            }
        }
        return opened.sorted { $0.first < $1.first }.map(\.id)
    }
}

extension ReshardingPlan {
    /// Splits a shard in two (API-R-1).
    ///
    /// - Parameter key: the first hash key of the second child; nil: the middle of the shard's range.
    /// - Throws: `shardNotFound`, `shardClosed`, `invalidArgument` for a key at which the shard can't be split.
    package init(splitting id: ShardID, at key: HashKey?, of stream: StreamDescription) throws {
        self.init(stream)
        let range = try stream.openShard(id).hashKeyRange
        let (first, last) = (range.first.value, range.last.value)
        let middle = key?.value ?? first + (last - first) / 2 + 1
        // Without overflow: the lowest key is always less than the greatest number.
        guard middle > first, middle - first > 1, middle < last else {
            throw ShardlineError(
                .invalidArgument,
                last - first < 3
                    ? "\(id) of '\(stream.name)' has the hash keys \(first) to \(last), too few to be split"
                    : "\(id) of '\(stream.name)' can't be split at the hash key \(middle) (allowed: \(range.first.value + 2) to \(last - 1))"
            )
        }
        _ = seal(
            [id],
            into: [
                HashKeyRange(first: range.first, last: HashKey(middle - 1)),
                HashKeyRange(first: HashKey(middle), last: range.last),
            ])
    }

    /// Merges two shards whose hash keys are neighbours (API-R-2), in either order.
    ///
    /// - Throws: `shardNotFound`, `shardClosed`, `invalidArgument` for shards that are no neighbours.
    package init(merging one: ShardID, _ other: ShardID, of stream: StreamDescription) throws {
        self.init(stream)
        guard one != other else {
            throw ShardlineError(.invalidArgument, "\(one) can't be merged with itself: name two neighbours")
        }
        let shards = try [one, other].map(stream.openShard).sorted { $0.hashKeyRange.first < $1.hashKeyRange.first }
        let (low, high) = (shards[0].hashKeyRange, shards[1].hashKeyRange)
        guard low.last.value != .max, low.last.value + 1 == high.first.value else {
            let open = stream.openShards.sorted { $0.hashKeyRange.first < $1.hashKeyRange.first }
            let neighbours = zip(open, open.dropFirst()).flatMap { left, right in
                left.id == one ? [right.id] : right.id == one ? [left.id] : []
            }
            throw ShardlineError(
                .invalidArgument,
                "the hash keys of \(one) and \(other) of '\(stream.name)' are no neighbours, so they can't be merged; those of \(one) are next to those of \(neighbours.map(\.description).joined(separator: " and "))"
            )
        }
        _ = seal(shards.map(\.id), into: [HashKeyRange(first: low.first, last: high.last)])
    }

    /// Divides the hash keys evenly among `count` shards (API-R-6). Shards that have such a range already stay.
    ///
    /// First each shard is split at the bounds of the new ranges, then the parts of each new range are merged, two by two,
    /// since a shard has at most two parents.
    ///
    /// - Throws: `invalidArgument` for a count outside ``Limits/shards``, and where the stream would have more than
    ///   10,000 shards, closed ones included.
    package init(scaling stream: StreamDescription, to count: Int) throws {
        try Self.check(count: count)
        self.init(stream)
        let targets = Self.evenRanges(count, near: stream.openShards)
        var parts = splits(of: stream.openShards, at: targets)[...]
        // The parts of every new range, in order.
        var lists: [[(id: ShardID, range: HashKeyRange)]] = targets.map { target in
            let list = Array(parts.prefix { $0.range.last <= target.last })
            parts = parts.dropFirst(list.count)
            return list
        }
        while lists.contains(where: { $0.count > 1 }) {
            for index in lists.indices where lists[index].count > 1 { lists[index] = mergedInPairs(lists[index]) }
        }
        try Seal.checkCount(listed: stream.shards.count, new: seals.reduce(0) { $0 + $1.children.count })
    }

    /// Throws `invalidArgument` for a number of shards that no stream may have.
    package static func check(count: Int) throws {
        guard Limits.shards.contains(count) else {
            throw ShardlineError(
                .invalidArgument,
                "a stream can't have \(count) shards (allowed: \(Limits.shards.lowerBound) to \(Limits.shards.upperBound))"
            )
        }
    }

    /// By how many hash keys a bound may differ from that of an even range. Bounds of streams with 3 and with 6 shards
    /// differ by one hash key, as the division rounds down; to move a bound by that would take a merge.
    package static let tolerance = UInt128(Limits.shards.upperBound)

    /// Even ranges, with the bounds of open shards where those are near enough.
    private static func evenRanges(_ count: Int, near open: [ShardDescription]) -> [HashKeyRange] {
        var left = open.map(\.hashKeyRange.first.value).sorted()[...]
        let firsts = HashKeyRange.even(count).map(\.first.value).map { exact -> UInt128 in
            left = left.drop { $0 < exact && exact - $0 > tolerance }
            let near = left.prefix { $0 <= exact || $0 - exact <= tolerance }
            return near.min { max($0, exact) - min($0, exact) < max($1, exact) - min($1, exact) } ?? exact
        }
        return firsts.indices.map { index in
            HashKeyRange(
                first: HashKey(firsts[index]),
                last: index + 1 < firsts.count ? HashKey(firsts[index + 1] - 1) : HashKey(.max))
        }
    }

    /// Splits the open shards at the bounds of the new ranges. Returns all open shards, in the order of their hash keys.
    private mutating func splits(
        of open: [ShardDescription], at targets: [HashKeyRange]
    ) -> [(id: ShardID, range: HashKeyRange)] {
        var bounds = targets.map(\.first).dropFirst()
        var parts: [(id: ShardID, range: HashKeyRange)] = []
        for shard in open.sorted(by: { $0.hashKeyRange.first < $1.hashKeyRange.first }) {
            let range = shard.hashKeyRange
            var firsts = [range.first]
            while let bound = bounds.first, bound <= range.last {
                if bound > range.first { firsts.append(bound) }
                bounds.removeFirst()
            }
            guard firsts.count > 1 else {
                parts.append((shard.id, range))
                continue
            }
            let children = firsts.indices.map { index in
                HashKeyRange(
                    first: firsts[index],
                    last: index + 1 < firsts.count ? HashKey(firsts[index + 1].value - 1) : range.last)
            }
            parts += zip(seal([shard.id], into: children), children).map { (id: $0, range: $1) }
        }
        return parts
    }

    private mutating func mergedInPairs(
        _ parts: [(id: ShardID, range: HashKeyRange)]
    ) -> [(id: ShardID, range: HashKeyRange)] {
        var merged: [(id: ShardID, range: HashKeyRange)] = []
        for index in stride(from: 0, to: parts.count, by: 2) {
            guard index + 1 < parts.count else {
                merged.append(parts[index])
                break
            }
            let range = HashKeyRange(first: parts[index].range.first, last: parts[index + 1].range.last)
            merged.append((seal([parts[index].id, parts[index + 1].id], into: [range])[0], range))
        }
        return merged
    }
}

extension StreamDescription {
    /// An open shard by its number. Throws `shardNotFound`, and `shardClosed` with the names of its children.
    func openShard(_ id: ShardID) throws -> ShardDescription {
        guard let shard = shards.first(where: { $0.id == id }) else {
            let isGone = shards.contains { $0.id > id }
            throw ShardlineError(
                .shardNotFound,
                "the stream '\(name)' has no \(id)"
                    + (isGone ? " any more: it was closed longer ago than records are kept" : ""))
        }
        guard shard.closedAt == nil else {
            throw ShardlineError.isClosed(id, of: name, children: shards.filter { $0.parents.contains(id) }.map(\.id))
        }
        return shard
    }
}

extension ShardlineError {
    /// How many children an error names.
    private static let namedChildren = 8

    /// The error for a shard that was split or merged before.
    static func isClosed(_ id: ShardID, of stream: String, children: [ShardID]) -> ShardlineError {
        var names = children.prefix(namedChildren).map(\.description).joined(separator: ", ")
        if children.count > namedChildren { names += " and \(children.count - namedChildren) more" }
        return ShardlineError(
            .shardClosed,
            "\(id) of '\(stream)' was split or merged already; its \(children.count == 1 ? "child is" : "children are") \(names)"
        )
    }
}

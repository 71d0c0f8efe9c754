import StreamModel
import StreamStorage

/// What a seek has done to a mapping: from where to where in each shard, and what that means for the records.
struct SeekReport: Sendable {
    /// One shard's move.
    struct Move: Equatable, Sendable {
        var shard: ShardID
        var from: String
        var to: String
        /// Records that come again; below 0 those that are skipped.
        var again: Int
        /// Records that expired before they were done, and that are passed over now: no run tells of them.
        var passedOver = 0

        /// What becomes of records.
        var words: String {
            var parts: [String] = []
            if again > 0 { parts.append("\(Readable.count(again, "record comes", "records come")) again") }
            if again < 0 { parts.append("\(Readable.count(-again, "record is", "records are")) skipped") }
            if passedOver > 0 { parts.append(SeekReport.words(passedOver: passedOver)) }
            return parts.isEmpty ? "nothing changes" : parts.joined(separator: ", ")
        }
    }

    private(set) var moves: [Move] = []

    private static func words(passedOver count: Int) -> String {
        "\(Readable.count(count, "record that expired undone is", "records that expired undone are")) passed over"
    }

    /// - Parameters:
    ///   - shard: the only shard that was moved; nil: all.
    ///   - progress: how far it was; what it had not done of shards that are removed is not known after the seek.
    init(
        from before: MappingDescription, _ progress: [MappingProgress]? = nil, to after: MappingDescription,
        only shard: ShardID?, in store: some StoreEngine
    ) async throws {
        let shards = try await store.describeStream(after.key.stream).shards
        let old =
            if let progress { progress } else { try await MappingProgress.all(of: before, in: store) }
        let new = try await MappingProgress.all(of: after, in: store)
        func expired(_ progress: [MappingProgress], in shard: ShardID) -> Int {
            progress.first { $0.shard == shard }?.expired ?? 0
        }
        // Those that the stream lists no longer have nothing left to come again or to be skipped.
        for progress in old where progress.isRemoved && (shard == nil || shard == progress.shard) {
            let left = expired(new, in: progress.shard)
            guard progress.expired > left else { continue }
            moves.append(
                Move(
                    shard: progress.shard, from: progress.words, to: "the shard's end", again: 0,
                    passedOver: progress.expired - left))
        }
        let moved = shards.filter { shard == nil || shard == $0.id }
        // Between the two places, whichever comes first.
        let counts = try await store.countRecords(
            in: moved.map { shard in
                let (from, to) = (before.position(in: shard), after.position(in: shard))
                return RecordSpan(shard: shard.id, after: min(from, to), through: min(max(from, to), shard.tip))
            }, of: after.key.stream)
        for (description, count) in zip(moved, counts) {
            func words(_ progress: [MappingProgress]) -> String {
                guard let found = progress.first(where: { $0.shard == description.id }) else { return "" }
                return found.words
            }
            moves.append(
                Move(
                    shard: description.id, from: words(old), to: words(new),
                    again: before.position(in: description) > after.position(in: description) ? count : -count,
                    passedOver: max(0, expired(old, in: description.id) - expired(new, in: description.id))))
        }
    }

    init(_ moves: [Move]) { self.moves = moves }

    /// What a seek would do; nothing is moved. Throws what the seek itself would.
    init(of mapping: MappingID, to position: StartingPosition, only shard: ShardID?, in store: some StoreEngine)
        async throws
    {
        let before = try await store.describeMapping(mapping)
        var after = before
        let shards = try await store.describeStream(mapping.stream).shards
        for id in shard.map({ [$0] }) ?? shards.map(\.id) {
            let place = try await store.seekPosition(of: position, in: mapping.stream, shard: id)
            after.checkpoints.removeAll { $0.shard == id }
            after.checkpoints.append(ShardCheckpoint(shard: id, position: place))
        }
        if shard == nil { after.expiredShards = [] }
        try await self.init(from: before, to: after, only: shard, in: store)
    }

    /// How many records are not delivered any more.
    var skipped: Int { moves.reduce(0) { $0 + max(0, -$1.again) } }

    /// One line for all shards.
    var sum: String {
        let again = moves.reduce(0) { $0 + max(0, $1.again) }
        let skipped = skipped
        let passedOver = moves.reduce(0) { $0 + $1.passedOver }
        if again == 0, skipped == 0, passedOver == 0 { return "it was there already" }
        var parts: [String] = []
        if again > 0 { parts.append("\(Readable.count(again, "record comes", "records come")) again") }
        if skipped > 0 { parts.append("\(Readable.count(skipped, "record is", "records are")) skipped") }
        if passedOver > 0 { parts.append(Self.words(passedOver: passedOver)) }
        return parts.joined(separator: ", ")
    }

    /// A row a shard.
    var lines: [String] { lines(from: "WAS DONE UP TO", to: "IS DONE UP TO") }

    /// The same of a seek that is only planned.
    var linesOfPlan: [String] { lines(from: "IS DONE UP TO", to: "WOULD BE DONE UP TO") }

    private func lines(from: String, to: String) -> [String] {
        var table = Table([("SHARD", .left), (from, .left), (to, .left), ("RECORDS", .left)])
        for move in moves { table.add([move.shard.description, move.from, move.to, move.words]) }
        return table.lines
    }
}

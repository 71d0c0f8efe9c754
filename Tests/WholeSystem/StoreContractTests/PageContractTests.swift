import ShardlineTesting
import StreamModel
import StreamStorage
import TestSupport
import Testing

/// Summaries of streams, single shards, and pages of both.
@Suite(.timeLimit(.minutes(1)))
struct PageContractTests {
    private static let kinds = StoreKind.all + [.defaults]

    private static func split(_ store: any StoreEngine, _ shard: UInt32) async throws {
        let range = try await store.describeShard(ShardID(shard), of: "s").shard.hashKeyRange
        let middle = range.first.value + (range.last.value - range.first.value) / 2
        let children = [
            HashKeyRange(first: range.first, last: HashKey(middle)),
            HashKeyRange(first: HashKey(middle + 1), last: range.last),
        ]
        try await store.committed(.seal(Seal(stream: "s", parents: [ShardID(shard)], children: children)))
    }

    /// Compares every look at "s" with its whole description.
    private static func compare(_ store: any StoreEngine) async throws {
        let stream = try await store.describeStream("s")
        #expect(try await store.summarizeStream("s") == StreamSummary(stream))
        #expect(try await store.streamSummaries(StreamQuery(prefix: "s")).streams == [StreamSummary(stream)])
        let numbers = (stream.shards.map(\.id.number).max() ?? 0) + 3
        for id in (0..<numbers).map({ ShardID($0) }) {
            guard let shard = stream.shards.first(where: { $0.id == id }) else {
                await expect(.shardNotFound) { try await store.describeShard(id, of: "s") }
                continue
            }
            let look = try await store.describeShard(id, of: "s")
            #expect(look.streamID == stream.id && look.streamCreatedAt == stream.createdAt)
            #expect(look.retention == stream.retention && look.shard == shard)
            #expect(look.children == stream.shards.filter { $0.parents.contains(id) })
        }
        for openOnly in [false, true] {
            for limit in [1, 2, 10_000] {
                var (shards, after, pages): ([ShardDescription], ShardID?, Int) = ([], nil, 0)
                while true {
                    let page = try await store.shardDescriptions(
                        ShardQuery("s", after: after, limit: limit, openOnly: openOnly))
                    #expect(page.streamID == stream.id && page.shards.count <= limit)
                    (shards, after, pages) = (shards + page.shards, page.shards.last?.id, pages + 1)
                    guard page.hasMore, after != nil else { break }
                }
                let expected = stream.shards.filter { !openOnly || $0.closedAt == nil }
                #expect(shards == expected)
                // No page is empty while there is more, nor after the last one.
                #expect(pages == max(1, (expected.count + limit - 1) / limit))
            }
        }
    }

    @Test(arguments: kinds) func `a look at one shard and pages of shards say what the whole stream does (STORE-Q1)`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 3, retention: .seconds(100)) { store, time in
            try await Self.compare(store)
            try await store.put(["a", "b"], shard: shard1)
            time.advance(by: .seconds(40))
            try await Self.split(store, 1)
            try await Self.compare(store)
            let look = try await store.describeShard(shard1, of: "s")
            #expect(look.shard.tip == 2 && look.shard.recordCount == 2 && look.shard.closedAt != nil)
            #expect(look.children.map(\.id.number) == [3, 4])
            // A child does not leave before its parent where the clock is set back.
            time.setWallTime(time.wallTime + .seconds(-30))
            try await Self.split(store, 4)
            let child = try await store.describeShard(ShardID(4), of: "s").shard
            #expect(child.openedAt == look.shard.closedAt)
            #expect(try #require(child.closedAt) >= child.openedAt)
            try await store.put(["c"], shard: ShardID(3))
            try await Self.compare(store)
            for _ in 0..<30 {
                time.advance(by: .seconds(5))
                try await Self.compare(store)
            }
            #expect(try await store.summarizeStream("s").shardCount == 5)
            #expect(try await store.summarizeStream("s").openShardCount == 5)
            await expect(.shardNotFound) { try await store.describeShard(shard1, of: "s") }
        }
    }

    @Test(arguments: kinds) func `shards are paged where most numbers are gone`(kind: StoreKind) async throws {
        try await kind.test(shards: 1, retention: .seconds(100)) { store, time in
            var shard: UInt32 = 0
            for _ in 0..<12 {
                try await Self.split(store, shard)
                let whole = try await store.describeStream("s").shards.filter { $0.closedAt == nil }
                let all = HashKeyRange(first: HashKey(0), last: HashKey(.max))
                try await store.committed(.seal(Seal(stream: "s", parents: whole.map(\.id), children: [all])))
                shard += 3
                time.advance(by: .seconds(30))
            }
            try await Self.compare(store)
            time.advance(by: .seconds(200))
            try await Self.compare(store)
            #expect(try await store.summarizeStream("s").shardCount == 1)
        }
    }

    @Test(arguments: kinds) func `streams are paged in the order of their names, by prefix (STORE-Q2)`(
        kind: StoreKind
    ) async throws {
        try await kind.test { store, _ in
            #expect(try await store.streamSummaries(StreamQuery()) == StreamSummaryPage(streams: [], hasMore: false))
            var names = ["b", "a", "a-1", "a.1", "aa", "A", "Z", "a_", "0", "b-"]
            for name in names { try await store.createStream(name, shards: 1) }
            names.sort { UTF8Key($0) < UTF8Key($1) }
            for prefix in ["", "a", "a-", "b-", "c", "0", "a-11", "\u{FF}"] {
                for limit in [1, 2, 3, 10_000] {
                    var (found, after): ([String], String?) = ([], nil)
                    while true {
                        let page = try await store.streamSummaries(
                            StreamQuery(after: after, prefix: prefix, limit: limit))
                        found += page.streams.map(\.name)
                        after = found.last
                        guard page.hasMore else { break }
                        #expect(page.streams.count == limit)
                    }
                    #expect(found == names.filter { $0.utf8.starts(with: prefix.utf8) }, "\(prefix) \(limit)")
                }
            }
            // A name that no stream has, and one before or after all with the prefix.
            for after in ["", "a0", "aaa", "b", "zzz", "Ü"] {
                let page = try await store.streamSummaries(StreamQuery(after: after, prefix: "a"))
                #expect(
                    page.streams.map(\.name)
                        == names.filter { $0.utf8.starts(with: "a".utf8) && UTF8Key($0) > UTF8Key(after) })
            }
        }
    }

    @Test(arguments: kinds) func `a page of streams follows what is made, deleted and made again (STORE-Q2)`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 2) { store, time in
            #expect(try await store.streamSummaries(StreamQuery()).streams.map(\.name) == ["s"])
            for name in ["t", "r", "z"] { try await store.createStream(name, shards: 1) }
            #expect(try await store.streamSummaries(StreamQuery()).streams.map(\.name) == ["r", "s", "t", "z"])
            let first = try await store.summarizeStream("s")
            try await store.deleteStream("s")
            try await store.deleteStream("z")
            #expect(try await store.streamSummaries(StreamQuery()).streams.map(\.name) == ["r", "t"])
            time.advance(by: .seconds(2))
            try await store.createStream("s", shards: 3)
            let again = try await store.streamSummaries(StreamQuery(after: "r", limit: 1))
            #expect(again.streams.map(\.name) == ["s"] && again.hasMore)
            #expect(again.streams[0].id != first.id && again.streams[0].shardCount == 3)
            #expect(again.streams[0].createdAt == time.wallTime)
        }
    }

    @Test(arguments: kinds) func `queries outside their limits, and of what is not there, are refused`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            for limit in [Int.min, 0, 10_001] {
                await expect(.invalidArgument) { try await store.streamSummaries(StreamQuery(limit: limit)) }
                await expect(.invalidArgument) { try await store.shardDescriptions(ShardQuery("s", limit: limit)) }
            }
            let last = try await store.shardDescriptions(ShardQuery("s", after: ShardID(UInt32(Int32.max))))
            #expect(last.shards.isEmpty && !last.hasMore)
            await expect(.streamNotFound) { try await store.summarizeStream("no") }
            await expect(.streamNotFound) { try await store.describeShard(shard0, of: "no") }
            await expect(.streamNotFound) { try await store.shardDescriptions(ShardQuery("no")) }
            await expect(.shardNotFound) { try await store.describeShard(ShardID(UInt32(Int32.max)), of: "s") }
            try await store.close()
            await expect(.closed) { try await store.streamSummaries(StreamQuery()) }
            await expect(.closed) { try await store.summarizeStream("s") }
            await expect(.closed) { try await store.describeShard(shard0, of: "s") }
            await expect(.closed) { try await store.shardDescriptions(ShardQuery("s")) }
        }
    }
}

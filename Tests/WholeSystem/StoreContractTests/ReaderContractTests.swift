import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import TestSupport
import Testing

/// `RecordStream.records` on every kind of store.
@Suite(.timeLimit(.minutes(1)))
struct ReaderContractTests {
    private static func text(_ record: Record) -> String { String(decoding: record.bytes, as: UTF8.self) }

    private static func texts(_ records: ShardRecords) async throws -> [String] {
        var texts: [String] = []
        for try await record in records { texts.append(text(record)) }
        return texts
    }

    private static func texts(_ records: StreamRecords) async throws -> [String] {
        var texts: [String] = []
        for try await record in records { texts.append(text(record)) }
        return texts
    }

    @Test(arguments: StoreKind.all) func `a shard's records come in order from every kind of start`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 2) { store, time in
            let stream = store.stream("s")
            #expect(try await Self.texts(stream.records(in: shard0, follow: false)) == [])
            try await store.put(["a", "b"])
            time.advance(by: .seconds(10))
            let moment = time.wallTime
            try await store.put(["c", "d"])
            try await store.put(["elsewhere"], shard: shard1)
            #expect(try await Self.texts(stream.records(in: shard0, follow: false)) == ["a", "b", "c", "d"])
            #expect(try await Self.texts(stream.records(in: shard0, from: .latest, follow: false)) == [])
            let later = stream.records(in: shard0, from: .atTimestamp(moment), follow: false)
            #expect(try await Self.texts(later) == ["c", "d"])
            // The same sequence may be iterated again.
            #expect(try await Self.texts(later) == ["c", "d"])
            var numbers: [KinesisSequenceNumber] = []
            for try await record in stream.records(in: shard0, follow: false) {
                numbers.append(record.kinesisSequenceNumber)
            }
            #expect(
                try await Self.texts(stream.records(in: shard0, from: .after(numbers[1]), follow: false)) == ["c", "d"])
            #expect(
                try await Self.texts(stream.records(in: shard0, from: .at(numbers[1]), follow: false)) == [
                    "b", "c", "d",
                ])
        }
    }

    @Test(arguments: StoreKind.all) func `a reader that follows gets what is put later, and ends with its task`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 3) { store, _ in
            let stream = store.stream("s")
            try await withThrowingTaskGroup(of: Void.self) { group in
                let (one, seesOne) = AsyncStream.makeStream(of: String.self)
                let (all, seesAll) = AsyncStream.makeStream(of: String.self)
                group.addTask {
                    await #expect(throws: CancellationError.self) {
                        for try await record in stream.records(in: shard0) { seesOne.yield(Self.text(record)) }
                    }
                    seesOne.finish()
                }
                group.addTask {
                    await #expect(throws: CancellationError.self) {
                        for try await record in stream.records() { seesAll.yield(Self.text(record)) }
                    }
                    seesAll.finish()
                }
                var ones = one.makeAsyncIterator()
                var alls = all.makeAsyncIterator()
                for round in 0..<5 {
                    try await store.put(["\(round)"])
                    #expect(await ones.next() == "\(round)")
                    #expect(await alls.next() == "\(round)")
                    try await store.put(["x\(round)"], shard: shard1)
                    #expect(await alls.next() == "x\(round)")
                }
                group.cancelAll()
                try await group.waitForAll()
                #expect(await ones.next() == nil)
            }
        }
    }

    @Test(arguments: StoreKind.all) func `a closed shard's records end with it, and its children's come after them`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            let stream = store.stream("s")
            try await store.put(["a"])
            let halves = HashKeyRange.even(2)
            try await store.committed(.seal(Seal(stream: "s", parents: [shard0], children: halves)))
            try await store.put(["b"], shard: ShardID(1))
            try await store.put(["c"], shard: ShardID(2))
            try await store.committed(
                .seal(
                    Seal(
                        stream: "s", parents: [ShardID(1), ShardID(2)],
                        children: [HashKeyRange(first: halves[0].first, last: halves[1].last)])))
            try await store.put(["d"], shard: ShardID(3))
            // It follows, and ends all the same.
            #expect(try await Self.texts(stream.records(in: shard0)) == ["a"])
            let all = try await Self.texts(stream.records(follow: false))
            #expect(all.first == "a" && all.last == "d" && Set(all[1...2]) == ["b", "c"])
            #expect(try await Self.texts(stream.records(from: .latest, follow: false)) == [])
        }
    }

    /// Splits and merges at the ends of random steps; a reader that follows, and one that starts afterwards.
    @Test(arguments: StoreKind.all) func `records of a partition key stay in order across splits and merges`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            let stream = store.stream("s")
            let keys = (0..<12).map { "key \($0)" }
            let rounds = 14
            @Sendable func read(_ records: StreamRecords, upTo count: Int) async throws -> [String: [Int]] {
                var values: [String: [Int]] = [:]
                var left = count
                for try await record in records {
                    values[record.partitionKey, default: []].append(Int(Self.text(record)) ?? -1)
                    left -= 1
                    if left == 0 { break }
                }
                return values
            }
            async let followed = read(stream.records(recordsOfOneRead: 2), upTo: keys.count * rounds)
            for round in 0..<rounds {
                try await stream.put(contentsOf: keys.map { NewRecord("\(round)", partitionKey: $0) })
                let open = try await stream.describe().shards.filter { $0.closedAt == nil }
                    .sorted { $0.hashKeyRange.first < $1.hashKeyRange.first }
                let place = (round * 7) % open.count
                let parent = open[place].hashKeyRange
                let middle = HashKey(parent.first.value + (parent.last.value - parent.first.value) / 2)
                let isMerge = round % 3 == 2 && place + 1 < open.count
                let seal =
                    isMerge
                    ? Seal(
                        stream: "s", parents: [open[place].id, open[place + 1].id],
                        children: [HashKeyRange(first: parent.first, last: open[place + 1].hashKeyRange.last)])
                    : Seal(
                        stream: "s", parents: [open[place].id],
                        children: [
                            HashKeyRange(first: parent.first, last: middle),
                            HashKeyRange(first: HashKey(middle.value + 1), last: parent.last),
                        ])
                try await store.committed(.seal(seal))
            }
            let whole = Dictionary(uniqueKeysWithValues: keys.map { ($0, Array(0..<rounds)) })
            #expect(try await followed == whole)
            #expect(try await read(stream.records(follow: false, recordsOfOneRead: 5), upTo: .max) == whole)
        }
    }

    @Test(arguments: StoreKind.all) func `records that expired before they were read are reported as a gap`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1, retention: .seconds(60)) { store, time in
            let stream = store.stream("s")
            try await store.put(["a", "b"])
            let gaps = Mutex<[RecordGap]>([])
            var reader = stream.records(in: shard0, onGap: { gap in gaps.withLock { $0.append(gap) } })
                .makeAsyncIterator()
            #expect(try await reader.next().map(Self.text) == "a")
            #expect(try await reader.next().map(Self.text) == "b")
            try await store.put(["c", "d"])
            time.advance(by: .seconds(61))
            try await store.put(["e"])
            #expect(try await reader.next().map(Self.text) == "e")
            #expect(gaps.withLock { $0 } == [RecordGap(shard: shard0, numbers: 3...4, cause: .expired)])
            // What throws ends the reading.
            struct Refused: Error {}
            time.advance(by: .seconds(61))
            let late = stream.records(in: shard0, from: .afterSequenceNumber(1)) { _ in throw Refused() }
            await #expect(throws: Refused.self) { _ = try await Self.texts(late) }
        }
    }

    @Test func `lost records are reported as a gap`() async throws {
        let store = InMemoryStore()
        try await store.createStream("s", shards: 1)
        try await store.put(["a", "b", "c", "d"])
        try store.loseRecords(2...3, in: "s", shard: shard0)
        let gaps = Mutex<[RecordGap]>([])
        let records = store.stream("s").records(follow: false) { gap in gaps.withLock { $0.append(gap) } }
        #expect(try await Self.texts(records) == ["a", "d"])
        #expect(gaps.withLock { $0 } == [RecordGap(shard: shard0, numbers: 2...3, cause: .lost)])
    }

    @Test func `records before a gap come before its report, and an error ends the iteration`() async throws {
        let store = InMemoryStore()
        try await store.createStream("s", shards: 1)
        try await store.put(["a", "b", "c"])
        try store.loseRecords(2...2, in: "s", shard: shard0)
        struct Refused: Error {}
        var reader = store.stream("s").records(follow: false) { _ in throw Refused() }.makeAsyncIterator()
        #expect(try await reader.next().map(Self.text) == "a")
        await #expect(throws: Refused.self) { try await reader.next() }
        #expect(try await reader.next() == nil)
        // What is lost after the end is not the reader's.
        let gaps = Mutex<[RecordGap]>([])
        var other = store.stream("s").records(
            in: shard0, follow: false, onGap: { gap in gaps.withLock { $0.append(gap) } }
        )
        .makeAsyncIterator()
        #expect(try await other.next().map(Self.text) == "a")
        try await store.put(["d", "e"])
        try store.loseRecords(4...4, in: "s", shard: shard0)
        #expect(try await other.next().map(Self.text) == "c")
        #expect(try await other.next() == nil)
        #expect(gaps.withLock { $0.map(\.numbers) } == [2...2])
    }

    @Test func `a reader that waits is told that the store has failed`() async throws {
        let store = InMemoryStore()
        try await store.createStream("s", shards: 2)
        try await store.put(["a"])
        let stream = store.stream("s")
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                await expect(.storeFailed) { for try await _ in stream.records() {} }
            }
            group.addTask {
                await expect(.storeFailed) { for try await _ in stream.records(in: shard0) {} }
            }
            try await eventually { try store.waitingReads(of: "s", shard: shard0) >= 2 }
            store.fail(with: ShardlineError(.storeFailed, "the disk is gone"))
            try await group.waitForAll()
        }
    }

    @Test(arguments: StoreKind.all) func `reading all shards goes on after the last records of an earlier reading`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 2) { store, _ in
            let stream = store.stream("s")
            try await store.put(["a", "b"])
            try await store.put(["c"], shard: shard1)
            var last: [ShardID: KinesisSequenceNumber] = [:]
            var texts: [String] = []
            func readOn() async throws {
                for try await record in stream.records(after: last, follow: false) {
                    last[record.shard] = record.kinesisSequenceNumber
                    texts.append(Self.text(record))
                }
            }
            try await readOn()
            #expect(texts.sorted() == ["a", "b", "c"])
            try await store.put(["d"])
            let whole = HashKeyRange.even(1)
            try await store.committed(.seal(Seal(stream: "s", parents: [shard0, shard1], children: whole)))
            try await store.put(["e", "f"], shard: ShardID(2))
            try await readOn()
            #expect(texts[3...] == ["d", "e", "f"])
            // Only the child's entry is left: its parents were read to their ends.
            last = last.filter { $0.key == ShardID(2) }
            try await store.put(["g"], shard: ShardID(2))
            try await readOn()
            #expect(texts[6...] == ["g"])
            let wrong = stream.records(after: [ShardID(2): last[ShardID(2)]!.of(shard0)])
            await expect(.invalidArgument) { try await Self.texts(wrong) }
        }
    }

    @Test(arguments: StoreKind.all) func `a merge is no gap of the parent that was read to its end`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 2, retention: .seconds(60)) { store, time in
            let stream = store.stream("s")
            try await store.put(["a"])
            try await store.put((0..<9).map { "\($0)" }, shard: shard1)
            let gaps = Mutex<[RecordGap]>([])
            var reader = stream.records(onGap: { gap in gaps.withLock { $0.append(gap) } }).makeAsyncIterator()
            for _ in 0..<10 { _ = try await reader.next() }
            try await store.committed(
                .seal(Seal(stream: "s", parents: [shard0, shard1], children: HashKeyRange.even(1))))
            time.advance(by: .seconds(62))
            try await store.put(["z"], shard: ShardID(2))
            #expect(try await reader.next().map(Self.text) == "z")
            #expect(gaps.withLock { $0 } == [])
        }
    }

    @Test(arguments: StoreKind.all) func `a shard that opened, closed and expired between two looks is a gap`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1, retention: .seconds(60)) { store, time in
            let stream = store.stream("s")
            try await store.put(["a"])
            let gaps = Mutex<[RecordGap]>([])
            var reader = stream.records(onGap: { gap in gaps.withLock { $0.append(gap) } }).makeAsyncIterator()
            #expect(try await reader.next().map(Self.text) == "a")
            let halves = HashKeyRange.even(2)
            try await store.committed(.seal(Seal(stream: "s", parents: [shard0], children: halves)))
            try await store.put(["never read"], shard: ShardID(1))
            let first = halves[0]
            let middle = HashKey(first.last.value / 2)
            try await store.committed(
                .seal(
                    Seal(
                        stream: "s", parents: [ShardID(1)],
                        children: [
                            HashKeyRange(first: first.first, last: middle),
                            HashKeyRange(first: HashKey(middle.value + 1), last: first.last),
                        ])))
            time.advance(by: .seconds(62))
            try await store.put(["z"], shard: ShardID(3))
            #expect(try await stream.describe().shards.map(\.id.number) == [2, 3, 4])
            #expect(try await reader.next().map(Self.text) == "z")
            #expect(gaps.withLock { $0.map(\.numbers) } == [2...2])
        }
    }

    /// The shard is removed when all its records have expired (API-R-4).
    @Test(arguments: StoreKind.all) func `a reader whose closed shard is removed goes on with the children`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1, retention: .seconds(60)) { store, time in
            let stream = store.stream("s")
            try await store.put(["a"])
            let gaps = Mutex<[RecordGap]>([])
            var reader = stream.records(onGap: { gap in gaps.withLock { $0.append(gap) } }).makeAsyncIterator()
            #expect(try await reader.next().map(Self.text) == "a")
            try await store.put(["b"])
            try await store.committed(.seal(Seal(stream: "s", parents: [shard0], children: HashKeyRange.even(2))))
            time.advance(by: .seconds(62))
            try await store.put(["c"], shard: ShardID(1))
            #expect(try await stream.describe().shards.map(\.id) == [ShardID(1), ShardID(2)])
            #expect(try await reader.next().map(Self.text) == "c")
            #expect(gaps.withLock { $0 } == [RecordGap(shard: shard0, numbers: 2...2, cause: .expired)])
        }
    }

    @Test(arguments: StoreKind.all) func `starts that are no place in the stream are refused`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 2) { store, time in
            let stream = store.stream("s")
            try await store.put(["a"])
            await expect(.invalidArgument) { try await Self.texts(stream.records(from: .afterSequenceNumber(1))) }
            await expect(.invalidArgument) {
                try await Self.texts(stream.records(in: shard0, from: .afterSequenceNumber(9)))
            }
            let future = StartingPosition.atTimestamp(time.wallTime + .seconds(9))
            await expect(.invalidArgument) { try await Self.texts(stream.records(from: future)) }
            await expect(.shardNotFound) { try await Self.texts(stream.records(in: ShardID(7))) }
            await expect(.streamNotFound) { try await Self.texts(store.stream("none").records()) }
        }
    }

    @Test(arguments: StoreKind.all) func `a stream that is recreated is not read on as if it were the same`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            let stream = store.stream("s")
            try await store.put(["a"])
            var reader = stream.records(in: shard0).makeAsyncIterator()
            #expect(try await reader.next().map(Self.text) == "a")
            try await stream.delete()
            try await store.createStream("s", shards: 1)
            try await store.put(["x", "y"])
            await expect(.streamNotFound) { try await reader.next() }
        }
    }
}

extension KinesisSequenceNumber {
    /// The same counter in another shard.
    fileprivate func of(_ shard: ShardID) -> KinesisSequenceNumber {
        KinesisSequenceNumber(
            shard: shard, shardCreationSecond: shardCreationSecond, sequenceNumber: sequenceNumber,
            arrivalSecond: arrivalSecond)
    }
}

import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

/// What a test can make the in-memory store answer.
struct InMemoryStoreFaultTests {
    private let time = VirtualTime()

    private func store() async throws -> InMemoryStore {
        let store = InMemoryStore(timeSource: time)
        try await store.createStream("s", shards: 1)
        return store
    }

    private func append(_ text: String) -> [Change] {
        [.append(Append([NewRecord(text, partitionKey: "k")], to: "s", target: .shard(ShardID(0))))]
    }

    private func contents(_ store: InMemoryStore) async throws -> [String] {
        let result = try await store.read(ReadRequest(stream: "s", shard: ShardID(0), after: .zero))
        return result.batch.map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    @Test func `a conflict writes nothing and names the last number`() async throws {
        let store = try await store()
        _ = try await store.commit(append("a"))
        store.answerNextCommit(with: .conflict)
        guard case .conflict(change: 0, let last) = try await store.commit(append("b")) else {
            Issue.record("no conflict")
            return
        }
        #expect(last == SequenceNumber(1))
        #expect(try await contents(store) == ["a"])
    }

    @Test(arguments: [true, false]) func `an unknown outcome is written or not`(written: Bool) async throws {
        let store = try await store()
        store.answerNextCommit(with: .unknown(written: written))
        guard case .unknown = try await store.commit(append("a")) else {
            Issue.record("the outcome is known")
            return
        }
        #expect(try await contents(store) == (written ? ["a"] : []))
    }

    @Test func `a put whose outcome is unknown says so`() async throws {
        let store = try await store()
        store.answerNextCommit(with: .unknown(written: true))
        await #expect { try await store.stream("s").put("a", partitionKey: "k") } throws: { error in
            (error as? ShardlineError)?.code == .outcomeUnknown
        }
    }

    @Test func `a late answer comes after its time, the records are there before`() async throws {
        let store = try await store()
        store.answerNextCommit(with: .late(by: .seconds(3)))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await store.stream("s").put("a", partitionKey: "k") }
            await time.sleepers(1)
            #expect(try await contents(store) == ["a"])
            time.advance(by: .seconds(3))
            try await group.next()
        }
    }

    @Test func `failures queue up before what the closure decides`() async throws {
        let store = try await store()
        store.answerNextCommit(with: .failure(ShardlineError(.diskFull, "full")))
        store.answerCommits { _ in .failure(ShardlineError(.storeFailed, "failed")) }
        for code in [ShardlineError.Code.diskFull, .storeFailed] {
            await #expect { try await store.commit(append("a")) } throws: { ($0 as? ShardlineError)?.code == code }
        }
        store.answerCommits(with: nil)
        _ = try await store.commit(append("b"))
        #expect(try await contents(store) == ["b"])
        #expect(store.commitCount == 3)
    }

    @Test func `a read that waits fails when told to`() async throws {
        let store = try await store()
        await withTaskGroup(of: ShardlineError.Code?.self) { group in
            group.addTask {
                do {
                    _ = try await store.read(
                        ReadRequest(stream: "s", shard: ShardID(0), after: .zero, wait: .atMost(.seconds(9))))
                    return nil
                } catch { return (error as? ShardlineError)?.code }
            }
            await time.sleepers(1)
            store.failNextRead(with: ShardlineError(.corrupt, "damaged"))
            #expect(await group.next() == .corrupt)
        }
    }

    @Test func `finding a position fails in the shards that a test chooses`() async throws {
        let store = try await store()
        store.failPositions { $0 == ShardID(0) ? ShardlineError(.readFailed, "no such luck") : nil }
        await #expect {
            try await store.position(of: .trimHorizon, in: "s", shard: ShardID(0))
        } throws: {
            ($0 as? ShardlineError)?.message == "no such luck"
        }
        store.failPositions(nil)
        #expect(try await store.position(of: .trimHorizon, in: "s", shard: ShardID(0)) == .zero)
    }

    @Test func `lost records are told as a gap and passed`() async throws {
        let store = try await store()
        for text in ["a", "b", "c", "d"] { _ = try await store.commit(append(text)) }
        try store.loseRecords(SequenceNumber(2)...SequenceNumber(3), in: "s", shard: ShardID(0))
        var request = ReadRequest(stream: "s", shard: ShardID(0), after: .zero)
        let first = try await store.read(request)
        #expect(first.batch.map(\.sequenceNumber.rawValue) == [1])
        #expect(first.lost == nil)
        request.after = first.next
        let gap = try await store.read(request)
        #expect(gap.batch.isEmpty)
        #expect(gap.lost == SequenceNumber(2)...SequenceNumber(3))
        request.after = gap.next
        #expect(try await store.read(request).batch.map(\.sequenceNumber.rawValue) == [4])
    }
}

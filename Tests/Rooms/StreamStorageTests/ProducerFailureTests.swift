import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

/// What a producer says and does when something goes wrong.
@Suite(.timeLimit(.minutes(1)))
struct ProducerFailureTests {
    private func failure(_ body: () async throws -> Void) async -> ShardlineError? {
        do {
            try await body()
            Issue.record("nothing was thrown")
            return nil
        } catch let error as ShardlineError {
            return error
        } catch {
            Issue.record("\(error) was thrown")
            return nil
        }
    }

    /// Three batches of two records, tagged 1 to 6; the second one is answered with `fault`.
    private func fail(_ fault: CommitFault) async throws -> (ShardlineError?, ProducerSetup) {
        let setup = try await ProducerSetup { $0.maximumBatchRecords = 2 }
        // The first is late, so that all six are accepted before the second one goes.
        setup.store.answerNextCommit(with: .late(by: .seconds(1)))
        setup.store.answerNextCommit(with: fault)
        let error = await failure {
            try await setup.run { producer in
                for tag in 1...6 { try await producer.enqueue("\(tag)", partitionKey: "k", tag: UInt64(tag)) }
                try await setup.whileTimePasses { try await producer.flush() }
            }
        }
        return (error, setup)
    }

    @Test(arguments: [true, false]) func `an unknown outcome is told, and nothing is sent again`(
        written: Bool
    ) async throws {
        let (error, setup) = try await fail(.unknown(written: written))
        #expect(error?.code == .outcomeUnknown)
        let records = error?.cause as? UnacknowledgedRecords
        #expect(records?.acknowledged == 2)
        #expect(records?.inDoubt == [3, 4])
        #expect(records?.notWritten == [5, 6])
        #expect(setup.store.commitCount == 2)
        #expect(try await setup.texts(wait: .no) == (written ? ["1", "2", "3", "4"] : ["1", "2"]))
    }

    @Test func `a failed commit leaves nothing in doubt`() async throws {
        let (error, setup) = try await fail(.failure(ShardlineError(.diskFull, "the disk is full")))
        #expect(error?.code == .diskFull)
        #expect(error?.message.hasPrefix("the disk is full; 2 records were acknowledged") == true)
        let records = error?.cause as? UnacknowledgedRecords
        #expect(records?.inDoubt == [])
        #expect(records?.notWritten == [3, 4, 5, 6])
        #expect(setup.store.commitCount == 2)
        #expect(try await setup.texts(wait: .no) == ["1", "2"])
    }

    @Test func `a failed producer accepts nothing more`() async throws {
        let setup = try await ProducerSetup()
        setup.store.answerNextCommit(with: .unknown(written: false))
        let outer = await failure {
            try await setup.run { producer in
                try await producer.enqueue("a", partitionKey: "k")
                for _ in 0..<2 {
                    let error = await failure { try await producer.flush() }
                    #expect(error?.code == .outcomeUnknown)
                }
                let error = await failure { try await producer.enqueue("b", partitionKey: "k") }
                #expect(error?.code == .outcomeUnknown)
            }
        }
        #expect(outer?.code == .outcomeUnknown)
        #expect(setup.store.commitCount == 1)
    }

    @Test func `who waits for room is told of the failure`() async throws {
        let setup = try await ProducerSetup { $0.bufferedRecords = 1 }
        setup.store.answerNextCommit(with: .failure(ShardlineError(.storeFailed, "a sync failed")))
        let error = await failure {
            try await setup.run { producer in
                try await producer.enqueue("a", partitionKey: "k", tag: 1)
                try await producer.enqueue("b", partitionKey: "k", tag: 2)
            }
        }
        #expect(error?.code == .storeFailed)
        // The second was never accepted.
        #expect((error?.cause as? UnacknowledgedRecords)?.notWritten == [1])
    }

    @Test func `a bad record is refused and the producer goes on`() async throws {
        let setup = try await ProducerSetup()
        try await setup.run { producer in
            try await producer.enqueue("a", partitionKey: "k")
            #expect(await failure { try await producer.enqueue("b", partitionKey: "") }?.code == .invalidArgument)
            let large = [UInt8](repeating: 1, count: 1001)
            #expect(await failure { try await producer.enqueue(large, partitionKey: "k") }?.code == .recordTooLarge)
            try await producer.enqueue("c", partitionKey: "k")
        }
        #expect(try await setup.texts(wait: .no) == ["a", "c"])
    }

    @Test func `the body's error is thrown after what was accepted is written`() async throws {
        struct Stop: Error {}
        let setup = try await ProducerSetup()
        await #expect(throws: Stop.self) {
            try await setup.run { producer in
                try await producer.enqueue("a", partitionKey: "k")
                throw Stop()
            }
        }
        #expect(try await setup.texts(wait: .no) == ["a"])
    }

    @Test func `what the hook throws ends the producer`() async throws {
        struct Stop: Error {}
        let setup = try await ProducerSetup { $0.maximumBatchRecords = 1 }
        await #expect(throws: Stop.self) {
            try await setup.run(onAcknowledged: { _ in throw Stop() }) { producer in
                for text in ["a", "b", "c"] { try await producer.enqueue(text, partitionKey: "k") }
                try await producer.flush()
            }
        }
        #expect(try await setup.texts(wait: .no) == ["a"])
    }

    @Test func `acknowledgements come in order, with tags and receipts`() async throws {
        let setup = try await ProducerSetup(shards: 3) { $0.maximumBatchRecords = 4 }
        let tags = Events<UInt64>()
        let numbers = Events<PutReceipt>()
        try await setup.run(onAcknowledged: { batch in
            #expect(batch.tags.count == batch.receipts.count)
            batch.tags.forEach(tags.append)
            batch.receipts.forEach(numbers.append)
        }) { producer in
            for tag in 1...30 { try await producer.enqueue("\(tag)", partitionKey: "\(tag)", tag: UInt64(tag)) }
        }
        #expect(tags.all == Array(1...30))
        for (tag, receipt) in zip(tags.all, numbers.all) {
            let request = ReadRequest(
                stream: "s", shard: receipt.shard, after: SequenceNumber(receipt.sequenceNumber.rawValue - 1))
            let record = try await setup.store.read(request).batch.first
            #expect(record?.partitionKey == "\(tag)")
        }
    }

    @Test func `cancellation sends nothing more and leaves`() async throws {
        let setup = try await ProducerSetup()
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await #expect(throws: CancellationError.self) {
                    try await setup.run { producer in
                        try await producer.enqueue("a", partitionKey: "k")
                        try await setup.time.sleep(until: setup.time.monotonicTime + .seconds(9))
                    }
                }
            }
            await setup.time.sleepers(2)
            group.cancelAll()
        }
        #expect(setup.store.commitCount == 0)
    }

    @Test func `a commit on its way is awaited when the task is cancelled`() async throws {
        let setup = try await ProducerSetup { $0.linger = .zero }
        setup.store.answerNextCommit(with: .late(by: .seconds(9)))
        let acknowledged = Events<UInt64>()
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await #expect(throws: CancellationError.self) {
                    try await setup.run(onAcknowledged: { $0.tags.forEach(acknowledged.append) }) { producer in
                        try await producer.enqueue("a", partitionKey: "k", tag: 7)
                        try await producer.flush()
                    }
                }
            }
            // The record is there, its answer is not.
            await #expect(throws: Never.self) { _ = try await setup.texts() }
            group.cancelAll()
        }
        #expect(acknowledged.all == [7])
        #expect(setup.store.commitCount == 1)
    }

    @Test func `a cancelled wait for room takes nothing with it`() async throws {
        let setup = try await ProducerSetup { $0.bufferedRecords = 1 }
        setup.store.answerNextCommit(with: .late(by: .seconds(1)))
        try await setup.run { producer in
            try await producer.enqueue("a", partitionKey: "k")
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    await #expect(throws: CancellationError.self) {
                        try await producer.enqueue("b", partitionKey: "k")
                    }
                }
                // That someone waits for room lets the first record go; its answer is late.
                await #expect(throws: Never.self) { _ = try await setup.texts() }
                group.cancelAll()
            }
            try await setup.whileTimePasses { try await producer.enqueue("c", partitionKey: "k") }
        }
        #expect(try await setup.texts(wait: .no) == ["a", "c"])
    }

    @Test func `settings and stream are checked before anything is accepted`() async throws {
        let setup = try await ProducerSetup()
        let elsewhere = await failure {
            try await setup.store.stream("none").withProducer { _ in
                _ = Issue.record("the body ran")
            }
        }
        #expect(elsewhere?.code == .streamNotFound)
        let wrong = try await ProducerSetup {
            $0.maximumBatchRecords = 0
            $0.linger = .seconds(-1)
        }
        let settings = await failure { try await wrong.run { _ in Issue.record("the body ran") } }
        #expect(settings?.code == .invalidArgument)
        #expect(settings?.message.contains("maximumBatchRecords 0 (allowed: at least 1)") == true)
        #expect(settings?.message.contains("linger -1") == true)
    }

    @Test func `a producer that leaves its scope is closed`() async throws {
        let setup = try await ProducerSetup()
        let escaped = try await setup.stream.withProducer { $0 }
        #expect(await failure { try await escaped.enqueue("a", partitionKey: "k") }?.code == .closed)
    }
}

import Shardline
import TestSupport
import Testing

/// The README's program does what the README says.
@Suite struct QuickStartTests {
    @Test(.timeLimit(.minutes(1))) func `the program does its work, and does it again on what it left`() async throws {
        let folder = TestDirectory()
        for run in 1...2 {
            let program = try await QuickStart(in: folder.path)
            let store = program.store
            let sum = UInt64(1_004 * run)
            let stored = try await store.describeStream("departures").shards.reduce(0) { $0 + $1.tip.rawValue }
            #expect(stored == sum)
            let mapping = try await store.describeMapping(MappingID(stream: "departures", name: "delays"))
            #expect(mapping.checkpoints.reduce(0) { $0 + $1.position.rawValue } == sum)
            // Record by record, once: the second run goes on after the first.
            #expect(program.delays.statistics.delivered == 1_004)
            #expect(program.receipt.sequenceNumber == SequenceNumber(run == 1 ? 1 : 1_004))

            await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await runAsService(store, program.delays) }
                if run == 2 {
                    await expectSecondProcess(in: folder.path)
                    let put = try? await store.describeStream("departures").shards.reduce(0) { $0 + $1.tip.rawValue }
                    #expect(put == sum + 1)
                }
                group.cancelAll()
                while await group.nextResult() != nil {}
            }
            try await store.close()
        }
    }

    /// Runs it as soon as the service is served.
    private func expectSecondProcess(in directory: String) async {
        await eventually {
            do { try await runSecondProcess(in: directory) } catch let error as ShardlineError
                where error.code == .ownerGone
            { return false } catch { Issue.record(error) }
            return true
        }
    }
}

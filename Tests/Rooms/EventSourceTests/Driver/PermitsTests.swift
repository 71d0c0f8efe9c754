import StreamModel
import Synchronization
import TestSupport
import TestTraits
import Testing

@testable import EventSource

/// Who gets a permit when (ESM-K7).
@Suite(.timeLimit(.minutes(1)), .restingExecutor) struct PermitsTests {
    /// Who got a permit, in order; who was refused has a mark.
    private final class Granted: Sendable {
        private let names = Mutex<[String]>([])
        func note(_ name: String) { names.withLock { $0.append(name) } }
        /// The names since the last call.
        func take() -> [String] {
            names.withLock { names in
                defer { names = [] }; return names
            }
        }
    }

    /// Requests of tasks, each made when those before it wait.
    private struct Requests {
        let granted = Granted()

        func callAsFunction(
            _ group: inout DiscardingTaskGroup, _ names: String..., from seat: PermitSeat, shard: UInt32 = 0
        ) async {
            for name in names {
                let granted = granted
                group.addTask {
                    if case .granted = await seat.acquire(for: ShardID(shard)) {
                        granted.note(name)
                    } else {
                        granted.note("\(name) refused")
                    }
                }
                await RestingExecutor.current.rest()
            }
        }

        /// Returns the permits at these seats one after the other, and says who gets one meanwhile.
        func release(_ seats: PermitSeat...) async -> [String] {
            for seat in seats {
                seat.release()
                await RestingExecutor.current.rest()
            }
            return granted.take()
        }
    }

    @Test func `the shards of a mapping have permits in turn, the lanes of a shard in their order (ESM-K7)`() async {
        let (requests, seat) = (Requests(), Permits(1).join())
        await withDiscardingTaskGroup { group in
            await requests(&group, "first", from: seat)
            await requests(&group, "a", "b", "c", from: seat)
            await requests(&group, "d", "e", from: seat, shard: 1)
            await requests(&group, "f", from: seat, shard: 2)
            #expect(requests.granted.take() == ["first"])
            var order: [String] = []
            for _ in 0..<6 { order += await requests.release(seat) }
            #expect(order == ["d", "f", "a", "e", "b", "c"])
        }
    }

    @Test func `mappings have permits in turn, whatever the number of their shards (ESM-K7)`() async throws {
        let limit = try ConcurrencyLimit(1)
        let (requests, one, other) = (Requests(), limit.permits.join(), limit.permits.join())
        await withDiscardingTaskGroup { group in
            await requests(&group, "first", from: one)
            for shard in 0..<4 { await requests(&group, "a\(shard)", from: one, shard: UInt32(shard)) }
            await requests(&group, "b0", "b1", from: other)
            #expect(requests.granted.take() == ["first"])
            var order = await requests.release(one)
            for seat in [other, one, other, one, one] { order += await requests.release(seat) }
            #expect(order == ["b0", "a1", "b1", "a2", "a3", "a0"])
        }
    }

    @Test func `one that asks after its turn is served before those that were served since (ESM-K7)`() async throws {
        let limit = try ConcurrencyLimit(1)
        let (requests, one, other) = (Requests(), limit.permits.join(), limit.permits.join())
        await withDiscardingTaskGroup { group in
            await requests(&group, "b", from: other)
            await requests(&group, "a", "a", "a", "a", from: one)
            #expect(await requests.release(other) == ["b", "a"])
            // It asks again while another one has the permit.
            await requests(&group, "b", from: other)
            #expect(await requests.release(one) == ["b"])
            #expect(await requests.release(other) == ["a"])
            one.close()
        }
    }

    @Test func `a shard that asks after its turn is served before those that were served since (ESM-K7)`() async {
        let (requests, seat) = (Requests(), Permits(1).join())
        await withDiscardingTaskGroup { group in
            await requests(&group, "b", from: seat, shard: 1)
            await requests(&group, "a", "a", "a", from: seat)
            #expect(await requests.release(seat) == ["b", "a"])
            await requests(&group, "b", from: seat, shard: 1)
            #expect(await requests.release(seat) == ["b"])
            seat.close()
        }
    }

    @Test func `a mapping's own limit holds beside the common one, and keeps no other from its permits (ESM-K7)`()
        async throws
    {
        let limit = try ConcurrencyLimit(3)
        let (requests, one, other) = (Requests(), limit.permits.join(1), limit.permits.join())
        await withDiscardingTaskGroup { group in
            await requests(&group, "a", "b", from: one)
            await requests(&group, "c", "d", "e", from: other)
            #expect(requests.granted.take() == ["a", "c", "d"])
            #expect(await requests.release(other) == ["e"])
            #expect(await requests.release(one) == ["b"])
        }
    }

    @Test func `a changed limit lets more go on, or none until enough have ended (ESM-K7)`() async throws {
        let limit = try ConcurrencyLimit(1)
        let (requests, seat) = (Requests(), limit.permits.join())
        await withDiscardingTaskGroup { group in
            await requests(&group, "a", "b", "c", "d", from: seat)
            #expect(throws: Never.self) { try limit.change(to: 3) }
            await RestingExecutor.current.rest()
            #expect(requests.granted.take() == ["a", "b", "c"] && limit.limit == 3)
            #expect(throws: Never.self) { try limit.change(to: 1) }
            #expect(await requests.release(seat, seat) == [])
            #expect(await requests.release(seat) == ["d"])
        }
        for wrong in [0, -1, 10_001] {
            let error = #expect(throws: ShardlineError.self) { try limit.change(to: wrong) }
            #expect(error?.message == "concurrencyLimit \(wrong) (allowed: 1 to 10,000)")
            #expect(throws: ShardlineError.self) { try ConcurrencyLimit(wrong) }
        }
    }

    @Test func `a redrive has every fourth permit for which live records wait (ESM-K7)`() async {
        let live = Permits(nil).join(1)
        let (requests, redrive) = (Requests(), live.forRedrives())
        await withDiscardingTaskGroup { group in
            await requests(&group, "first", from: live)
            await requests(&group, "R", "R", "R", "R", from: redrive)
            for shard in 0..<9 { await requests(&group, "L", from: live, shard: UInt32(shard)) }
            #expect(requests.granted.take() == ["first"])
            var (order, last) = ("", live)
            for _ in 0..<13 {
                let next = await requests.release(last)
                order += next.joined()
                last = next == ["R"] ? redrive : live
            }
            #expect(order == "LLLRLLLRLLLRR")
        }
    }

    /// So slow redrives don't come to hold all permits.
    @Test(arguments: [(1, 1), (4, 1), (8, 2), (11, 2)])
    func `redrives have a quarter of the permits while live records are invoked, and all when none is (ESM-K7)`(
        limit: Int, share: Int
    ) async {
        for permits in [(Permits(limit).join(), "common"), (Permits(nil).join(limit), "own")] {
            let (live, name) = permits
            let (requests, redrive) = (Requests(), live.forRedrives())
            await withDiscardingTaskGroup { group in
                // With a single permit somebody waits for it.
                await requests(&group, "L", from: live)
                for _ in 0..<limit { await requests(&group, "R", from: redrive) }
                #expect(requests.granted.take().count == 1 + (limit == 1 ? 0 : share), "\(name)")
                #expect(await requests.release(live).count == limit - (limit == 1 ? 0 : share), "\(name)")
                // A live invocation has the first permit that is free.
                await requests(&group, "R", from: redrive)
                await requests(&group, "L", from: live)
                #expect(await requests.release(redrive) == ["L"], "\(name)")
                redrive.close()
            }
        }
    }

    @Test func `a live request that is cancelled holds up no redrive any longer (ESM-K7)`() async throws {
        let limit = try ConcurrencyLimit(8)
        let (requests, one, other) = (Requests(), limit.permits.join(1), limit.permits.join().forRedrives())
        let ofOne = one.forRedrives()
        await withDiscardingTaskGroup { group in
            await requests(&group, "R", from: ofOne)
            await withDiscardingTaskGroup { inner in
                await requests(&inner, "L", from: one)
                await requests(&group, "R1", "R2", from: other)
                #expect(requests.granted.take() == ["R", "R1"])
                inner.cancelAll()
            }
            await RestingExecutor.current.rest()
            #expect(Set(requests.granted.take()) == ["L refused", "R2"])
        }
    }

    @Test func `a closed seat refuses, and the other mappings go on (ESM-K7)`() async throws {
        let limit = try ConcurrencyLimit(1)
        let (requests, one, other) = (Requests(), limit.permits.join(), limit.permits.join())
        await withDiscardingTaskGroup { group in
            await requests(&group, "a", "b", "c", from: one)
            await requests(&group, "d", from: other)
            one.close()
            await RestingExecutor.current.rest()
            await requests(&group, "e", from: one)
            #expect(Set(requests.granted.take()) == ["a", "b refused", "c refused", "e refused"])
            #expect(await requests.release(one) == ["d"])
        }
    }

    @Test func `a mapping that runs again has the permits of the run before (ESM-K7)`() async throws {
        let limit = try ConcurrencyLimit(2)
        for _ in 0..<5 {
            let (requests, seat) = (Requests(), limit.permits.join(1))
            await withDiscardingTaskGroup { group in
                await requests(&group, "a", "b", from: seat)
                #expect(requests.granted.take() == ["a"])
                #expect(await requests.release(seat) == ["b"])
                _ = await requests.release(seat)
            }
        }
    }
}

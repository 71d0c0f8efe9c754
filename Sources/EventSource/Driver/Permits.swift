import DiskAccess
import StreamModel
import Synchronization

/// The permits for invocations of one mapping, or of all mappings that share a ``ConcurrencyLimit``, handed out in turn
/// (ESM-K7).
///
/// A mapping has a *group*, with a limit of its own. Who asks for permits has a *seat* in it: the shards of a run, and
/// those of a redrive. Permits go to the groups in turn, within a seat to its shards in turn, and within a shard to its
/// lanes in their order.
///
/// Any task calls it; tasks are resumed outside its lock. A cancelled waiter may take the lock while ``FunctionCall`` holds
/// its own, so that lock comes first.
final class Permits: Sendable {
    private let state: Mutex<PermitState>

    /// `limit` permits; nil: no limit.
    init(_ limit: Int?) { state = Mutex(PermitState(limit: limit)) }

    /// The result of asking for a permit.
    enum Answer { case granted(waited: Bool), refused }

    /// Changes the number of permits. Invocations that run are left alone; a lower number holds up later ones until enough
    /// have ended.
    func limit(to limit: Int?) {
        state.withLock { state in
            state.limit = limit ?? .max
            return state.grant()
        }.resume()
    }

    /// How many permits there are; nil: no limit.
    var limit: Int? { state.withLock { $0.limit == .max ? nil : $0.limit } }

    /// A seat for the live records of a mapping that may have `limit` of the permits; nil: all of them.
    func join(_ limit: Int? = nil) -> PermitSeat { PermitSeat(PermitGroup(self, limit)) }

    fileprivate func addGroup(_ limit: Int?) -> Int { state.withLock { $0.addGroup(limit) } }
    fileprivate func removeGroup(_ group: Int) { state.withLock { $0.groups[group] = nil } }

    fileprivate func limit(_ group: Int, to limit: Int?) {
        state.withLock { state in
            state.groups[group]?.limit = limit ?? .max
            return state.grant()
        }.resume()
    }

    fileprivate func addSeat(in group: Int, _ kind: PermitState.Kind) -> Int {
        state.withLock { $0.addSeat(in: group, kind) }
    }

    fileprivate func removeSeat(_ seat: Int) {
        state.withLock { state in
            let refused = state.close(seat)
            state.removeSeat(seat)
            return refused
        }.resume()
    }

    fileprivate func acquire(_ seat: Int, _ shard: ShardID) async -> Answer {
        if let granted = state.withLock({ $0.answer(seat, shard) }) {
            return granted ? .granted(waited: false) : .refused
        }
        let granted = await withListedWaiter(cancelled: false) { waiter in
            state.withLock { state in
                state.answer(seat, shard).map { .answered($0) } ?? state.wait(seat, shard, waiter)
            }
        } remove: { id in
            let (removed, granted) = state.withLock { $0.remove(id, from: seat, shard) }
            granted.resume()
            return removed
        }
        return granted ? .granted(waited: true) : .refused
    }

    fileprivate func release(_ seat: Int) {
        state.withLock { state in
            state.giveBack(seat)
            return state.grant()
        }.resume()
    }

    fileprivate func close(_ seat: Int) { state.withLock { $0.close(seat) }.resume() }
}

/// What the seats of one mapping have in common: its own limit. It ends with the last of them.
private final class PermitGroup: Sendable {
    let permits: Permits
    let number: Int

    init(_ permits: Permits, _ limit: Int?) {
        self.permits = permits
        number = permits.addGroup(limit)
    }

    deinit { permits.removeGroup(number) }
}

/// Where the shards of one run ask for permits. It ends when no invocation of the run has a permit or waits for one.
final class PermitSeat: Sendable {
    private let group: PermitGroup
    private let number: Int
    private let kind: PermitState.Kind

    fileprivate init(_ group: PermitGroup, _ kind: PermitState.Kind = .live) {
        self.group = group
        self.kind = kind
        number = group.permits.addSeat(in: group.number, kind)
    }

    deinit { group.permits.removeSeat(number) }

    /// A seat for what the same mapping redrives, under the same limits.
    func forRedrives() -> PermitSeat { PermitSeat(group, .redrive) }

    /// Waits for a permit; refused once the seat is closed or the task is cancelled.
    func acquire(for shard: ShardID) async -> Permits.Answer { await group.permits.acquire(number, shard) }

    /// Returns a permit.
    func release() { group.permits.release(number) }

    /// Changes how many permits the mapping may have; that of a redrive is its mapping's.
    func limit(to limit: Int?) { if kind == .live { group.permits.limit(group.number, to: limit) } }

    /// Refuses all waiting and all later requests at this seat.
    func close() { group.permits.close(number) }
}

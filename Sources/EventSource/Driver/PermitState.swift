import DequeModule
import DiskAccess
import StreamModel

/// Who has permits, who waits, and whose turn it is. A value, which ``Permits`` guards.
///
/// No waiter waits that could have a permit: each change ends with ``grant()``.
struct PermitState {
    enum Kind { case live, redrive }

    struct Group {
        var limit: Int
        var granted = 0
        /// Those of `granted` that redrives have.
        var redrives = 0
        /// Invocations of live records that wait.
        var waiting = 0
    }

    struct Seat {
        let group: Int
        let kind: Kind
        var isClosed = false
        /// The shards with waiters.
        var shards = TurnLine<ShardID>()
        /// The answer is whether a permit was granted.
        var waiters: [ShardID: WaitList<Void, Bool>] = [:]
    }

    /// While live invocations wait too, one permit after this many of them goes to a redrive.
    static let liveForEachRedrive = 3

    /// `Int.max`: no limit.
    var limit: Int
    var granted = 0
    private var redrives = 0
    private var waiting = 0
    /// The permits that went to live invocations while a redrive could have had them, since one did.
    private var liveSinceRedrive = 0
    var groups: [Group?] = []
    var seats: [Seat?] = []
    /// The seats with waiters.
    private var live = TurnLine<Int>()
    private var redriving = TurnLine<Int>()

    init(limit: Int?) { self.limit = limit ?? .max }

    mutating func addGroup(_ limit: Int?) -> Int { Self.add(Group(limit: limit ?? .max), to: &groups) }
    mutating func addSeat(in group: Int, _ kind: Kind) -> Int { Self.add(Seat(group: group, kind: kind), to: &seats) }

    private static func add<Value>(_ value: Value, to list: inout [Value?]) -> Int {
        if let free = list.firstIndex(where: { $0 == nil }) {
            list[free] = value
            return free
        }
        list.append(value)
        return list.count - 1
    }

    // MARK: Asking

    /// Grants or refuses a permit; nil where there is none now.
    mutating func answer(_ seat: Int, _ shard: ShardID) -> Bool? {
        guard seats[seat]?.isClosed == false else { return false }
        guard granted < limit, mayHave(seat) else { return nil }
        take(seat, shard)
        return true
    }

    mutating func wait(_ seat: Int, _ shard: ShardID, _ waiter: Waiter<Bool>) -> Registration<Bool> {
        let registration = seats[seat]!.waiters[shard, default: WaitList()].add(waiter)
        guard case .waiting = registration else {
            if seats[seat]!.waiters[shard]!.isEmpty { seats[seat]!.waiters[shard] = nil }
            return registration
        }
        if seats[seat]!.waiters[shard]!.count == 1 {
            if seats[seat]!.shards.isEmpty { lineUp(seat) }
            seats[seat]!.shards.add(shard)
        }
        note(seat, waiting: 1)
        return registration
    }

    /// Removes a waiter that was cancelled. Others may have a permit now: a redrive for which no live invocation has to be
    /// thought of any more.
    mutating func remove(
        _ id: WaiterID, from seat: Int, _ shard: ShardID
    ) -> (removed: Waiter<Bool>?, granted: Resumptions<Bool>) {
        guard let removed = seats[seat]?.waiters[shard]?.remove(id) else { return (nil, Resumptions()) }
        note(seat, waiting: -1)
        if seats[seat]!.waiters[shard]!.isEmpty {
            seats[seat]!.waiters[shard] = nil
            seats[seat]!.shards.remove(shard)
            if seats[seat]!.shards.isEmpty { leaveLine(seat) }
        }
        return (removed, grant())
    }

    /// Refuses all that wait at a seat, and all later requests there.
    mutating func close(_ seat: Int) -> Resumptions<Bool> {
        guard seats[seat] != nil else { return Resumptions() }
        var resumptions = Resumptions<Bool>()
        for shard in seats[seat]!.shards.waiting {
            note(seat, waiting: -seats[seat]!.waiters[shard]!.count)
            resumptions.append(contentsOf: seats[seat]!.waiters[shard]!.answerAll(with: false))
        }
        seats[seat]!.isClosed = true
        seats[seat]!.shards = TurnLine()
        seats[seat]!.waiters = [:]
        leaveLine(seat)
        resumptions.append(contentsOf: grant())
        return resumptions
    }

    // MARK: Granting

    /// Grants what is free to those whose turn it is.
    mutating func grant() -> Resumptions<Bool> {
        var resumptions = Resumptions<Bool>()
        while granted < limit, let seat = next() {
            guard let shard = seats[seat]!.shards.waiting.first else { break }
            resumptions.append(contentsOf: seats[seat]!.waiters[shard]!.answerFirst(with: true))
            let waitsOn = !seats[seat]!.waiters[shard]!.isEmpty
            if !waitsOn { seats[seat]!.waiters[shard] = nil }
            note(seat, waiting: -1)
            seats[seat]!.shards.serve(shard, waitsOn: waitsOn)
            serve(seat, waitsOn: !seats[seat]!.shards.isEmpty)
            count(seat, 1)
        }
        return resumptions
    }

    mutating func giveBack(_ seat: Int) { count(seat, -1) }

    /// Grants a permit to one that asks, and does not have to wait.
    private mutating func take(_ seat: Int, _ shard: ShardID) {
        count(seat, 1)
        // Where there is no limit, nobody ever waits.
        guard limit < .max || groups[seats[seat]!.group]!.limit < .max else { return }
        seats[seat]!.shards.serve(shard, waitsOn: seats[seat]!.waiters[shard] != nil)
        serve(seat, waitsOn: !seats[seat]!.shards.isEmpty)
    }

    private mutating func serve(_ seat: Int, waitsOn: Bool) {
        switch seats[seat]!.kind {
        case .live: live.serve(seat, waitsOn: waitsOn)
        case .redrive:
            redriving.serve(seat, waitsOn: waitsOn)
            liveSinceRedrive = 0
        }
    }

    private mutating func count(_ seat: Int, _ change: Int) {
        let (group, kind) = (seats[seat]!.group, seats[seat]!.kind)
        granted += change
        groups[group]!.granted += change
        guard kind == .redrive else { return }
        redrives += change
        groups[group]!.redrives += change
    }

    private mutating func note(_ seat: Int, waiting change: Int) {
        guard seats[seat]!.kind == .live else { return }
        waiting += change
        groups[seats[seat]!.group]!.waiting += change
    }

    /// The seat whose turn it is; nil where nobody who waits may have a permit.
    private mutating func next() -> Int? {
        guard let first = live.waiting.first(where: { mayHave($0) }) else {
            return redriving.waiting.first(where: { mayHave($0) })
        }
        guard let redrive = redriving.waiting.first(where: { mayHave($0) }) else { return first }
        guard liveSinceRedrive < Self.liveForEachRedrive else { return redrive }
        liveSinceRedrive += 1
        return first
    }

    private func mayHave(_ seat: Int) -> Bool {
        guard let found = seats[seat], let group = groups[found.group], group.granted < group.limit else {
            return false
        }
        guard found.kind == .redrive else { return true }
        return Self.leavesRoom(group.redrives, granted: group.granted, waiting: group.waiting, limit: group.limit)
            && Self.leavesRoom(redrives, granted: granted, waiting: waiting, limit: limit)
    }

    /// Whether one redrive more leaves live invocations their share, where any runs or waits: redrives have at most a
    /// quarter of the permits then, and at least one.
    private static func leavesRoom(_ redrives: Int, granted: Int, waiting: Int, limit: Int) -> Bool {
        granted == redrives && waiting == 0 || redrives < max(1, limit / 4)
    }

    private mutating func lineUp(_ seat: Int) {
        if seats[seat]!.kind == .live { live.add(seat) } else { redriving.add(seat) }
    }

    private mutating func leaveLine(_ seat: Int) {
        if seats[seat]!.kind == .live { live.remove(seat) } else { redriving.remove(seat) }
    }

    /// Forgets a seat that nobody has any more.
    mutating func removeSeat(_ seat: Int) {
        live.forget(seat)
        redriving.forget(seat)
        seats[seat] = nil
    }
}

/// Those that wait, in turn: first who was served the longest time ago, and among those that never were, who came first. So
/// one that is quick to ask again is not served before one that asks a moment later.
struct TurnLine<Member: Hashable & Sendable>: Sendable {
    /// Those that wait, the first to be served first.
    private(set) var waiting: Deque<Member> = []
    /// When each was served last, as a number.
    private var served: [Member: UInt64] = [:]
    private var count: UInt64 = 0

    var isEmpty: Bool { waiting.isEmpty }

    /// Adds one that did not wait so far.
    mutating func add(_ member: Member) {
        let mine = served[member] ?? 0
        var place = waiting.endIndex
        // Who asks again was mostly served a short time ago.
        while place > waiting.startIndex, mine < (served[waiting[place - 1]] ?? 0) { place -= 1 }
        waiting.insert(member, at: place)
    }

    /// Notes that one is served. Where it waits for more, all others come before it.
    mutating func serve(_ member: Member, waitsOn: Bool) {
        count += 1
        served[member] = count
        remove(member)
        if waitsOn { waiting.append(member) }
    }

    /// Removes one that waits no longer.
    mutating func remove(_ member: Member) {
        if let place = waiting.firstIndex(of: member) { waiting.remove(at: place) }
    }

    /// Removes one, and when it was served.
    mutating func forget(_ member: Member) {
        remove(member)
        served[member] = nil
    }
}

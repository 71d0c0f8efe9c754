import StreamModel
import Synchronization

/// Compares the acknowledged records of one shard with the delivered ones, number by number, by a checksum of the data.
///
/// Receipt and delivery come in any order and on any thread. A number is forgotten once both have come, so the size of
/// the ledger is the number of records in flight.
final class ShardLedger: Sendable {
    /// What a receipt or a delivery says about one sequence number.
    struct Word: Sendable {
        var checksum: UInt32
        /// When the record was put (or due), or when it was delivered, in nanoseconds since the run began.
        var time: UInt64
    }

    private enum Side: UInt8 { case none, receipt, delivery, settled }

    /// What is known about a number. The side is in the lowest bits of the time, because a ledger is as large as a
    /// backlog and each of its numbers is read twice.
    private struct Slot {
        private var packed: UInt64
        private(set) var checksum: UInt32

        init() { self.init(Word(checksum: 0, time: 0), .none) }

        init(_ word: Word, _ side: Side) {
            packed = word.time << 2 | UInt64(side.rawValue)
            checksum = word.checksum
        }

        var time: UInt64 { packed >> 2 }
        var side: Side { Side(rawValue: UInt8(packed & 3))! }
        mutating func settle() { packed |= UInt64(Side.settled.rawValue) }
    }

    private struct State {
        /// What is known about the numbers from ``base`` on; those before ``head`` are settled.
        var slots: [Slot] = []
        var head = 0
        var base: UInt64?

        /// The place of a number; nil where it is settled and forgotten.
        mutating func place(of number: UInt64) -> Int? {
            let base = self.base ?? number
            if self.base == nil { self.base = base }
            if number < base {
                // Numbers before the first one, of which nothing is known yet.
                guard head == 0 else { return nil }
                slots.insert(contentsOf: repeatElement(Slot(), count: Int(base - number)), at: 0)
                self.base = number
                return 0
            }
            let place = Int(number - base)
            guard place >= head else { return nil }
            if place >= slots.count {
                slots.append(contentsOf: repeatElement(Slot(), count: place + 1 - slots.count))
            }
            return place
        }

        mutating func forgetSettled() {
            while head < slots.count, slots[head].side == .settled { head += 1 }
            guard head > 128, head > slots.count / 2 else { return }
            slots.removeFirst(head)
            base! += UInt64(head)
            head = 0
            // Frees the memory that a backlog needed.
            if slots.isEmpty { slots = [] }
        }
    }

    private let shard: ShardID
    private let findings: Findings
    private let state = Mutex(State())

    init(shard: ShardID, findings: Findings) {
        self.shard = shard
        self.findings = findings
    }

    /// Notes `count` receipts; appends the latencies of records that were delivered already, in nanoseconds.
    func acknowledge(_ count: Int, latencies: inout [UInt64], word: (Int) -> (number: UInt64, word: Word)) {
        note(count, as: .receipt, latencies: &latencies, word: word)
    }

    /// Notes deliveries; appends the latencies of records that were acknowledged already.
    func deliver(_ words: borrowing [(number: UInt64, word: Word)], latencies: inout [UInt64]) {
        note(words.count, as: .delivery, latencies: &latencies) { (words[$0].number, words[$0].word) }
    }

    private func note(
        _ count: Int, as side: Side, latencies: inout [UInt64], word: (Int) -> (number: UInt64, word: Word)
    ) {
        // The words of one call may be in any order, so each is looked up.
        var matched: [UInt64] = []
        if side == .delivery { matched.reserveCapacity(count) }
        state.withLock { state in
            for index in 0..<count {
                let (number, said) = word(index)
                guard let place = state.place(of: number), state.slots[place].side != .settled,
                    state.slots[place].side != side
                else {
                    findings.add(twice(number, side))
                    continue
                }
                let other = state.slots[place]
                guard other.side != .none else {
                    state.slots[place] = Slot(said, side)
                    continue
                }
                state.slots[place].settle()
                if other.checksum != said.checksum {
                    findings.add(
                        Violation(
                            .foreign,
                            "\(shard), sequence number \(number): what came is not what was acknowledged (checksums \(hex(other.checksum)) and \(hex(said.checksum)))"
                        ))
                }
                let (begin, end) = side == .receipt ? (said.time, other.time) : (other.time, said.time)
                matched.append(end > begin ? end - begin : 0)
            }
            state.forgetSettled()
        }
        latencies.append(contentsOf: matched)
    }

    private func twice(_ number: UInt64, _ side: Side) -> Violation {
        side == .delivery
            ? Violation(.duplicate, "\(shard), sequence number \(number): came twice")
            : Violation(.duplicate, "\(shard), sequence number \(number): was given to two records")
    }

    /// Reports records that were acknowledged and never delivered, and records that were delivered and never
    /// acknowledged.
    func finish() {
        state.withLock { state in
            var missing: (first: UInt64, count: Int)?
            for place in state.head..<state.slots.count {
                let number = state.base! + UInt64(place)
                switch state.slots[place].side {
                case .receipt: missing = (missing?.first ?? number, (missing?.count ?? 0) + 1)
                case .delivery:
                    findings.add(
                        Violation(.foreign, "\(shard), sequence number \(number): came, and nobody was told of it"))
                case .none, .settled: break
                }
            }
            guard let missing else { return }
            findings.add(
                Violation(
                    .lost,
                    "\(shard), sequence number \(missing.first): was acknowledged and never came"
                        + (missing.count > 1 ? ", and \(missing.count - 1) more of this shard" : "")),
                count: missing.count)
        }
    }

    private func hex(_ value: UInt32) -> String { String(value, radix: 16) }
}

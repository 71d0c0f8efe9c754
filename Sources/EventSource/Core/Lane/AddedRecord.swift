import StreamModel

/// A record that a function adds to the commit which says that its records are done (ESM-O1).
package struct AddedRecord: Sendable {
    /// The stream that gets it.
    package var stream: String
    package var record: NewRecord
    /// The record of the unit that it was made of; nil: all of the unit.
    package var source: SequenceNumber?

    /// The bytes of key and data.
    var size: Int { record.data.count + record.partitionKey.utf8.count }
    /// With so many bytes a commit takes no further unit: those of a unit and what else is in the commit have room up to
    /// the largest call's.
    static let mostBytesOfCommit = 24 << 20

    package init(_ record: NewRecord, to stream: String, from source: SequenceNumber? = nil) {
        self.stream = stream
        self.record = record
        self.source = source
    }
}

extension LaneCore.Shared {
    /// Records that functions have added, and that are not in the store.
    struct Adding: Sendable {
        private struct Entry: Sendable {
            let lane: Int
            /// The first and the last record of what they were made of: they are written with the checkpoint that moves past it.
            let first: SequenceNumber
            let through: SequenceNumber
            let record: AddedRecord
        }

        /// In the order of their units' ends.
        private var entries: [Entry] = []
        /// What the invocation that has just ended added, and the last record of its unit.
        private var offered: (records: [AddedRecord], last: SequenceNumber)?

        var isEmpty: Bool { entries.isEmpty }

        /// An invocation has ended that has added these records.
        mutating func offer(_ records: [AddedRecord], of unit: LaneCore.Unit) {
            if !records.isEmpty { offered = (records, unit.last) }
        }

        /// Drops what was offered of records that are not done.
        mutating func endOffer() { if offered != nil { offered = nil } }

        /// The unit, or its part up to `last`, is done: what was made of it is written with the checkpoint. What was made
        /// of the unit as a whole belongs to its last record.
        mutating func accept(_ unit: LaneCore.Unit, lane: Int) {
            guard let offered else { return }
            let last = unit.last
            for record in offered.records where record.source ?? offered.last <= last {
                entries.append(Entry(lane: lane, first: unit.first, through: last, record: record))
            }
        }

        /// How far a checkpoint of the lane may be, of which everything up to `position` is done: not in the midst of
        /// records of which something was made.
        func limit(_ position: SequenceNumber, lane: Int) -> SequenceNumber {
            entries.reduce(position) { position, entry in
                entry.lane == lane && entry.through > position ? min(position, entry.first.previous) : position
            }
        }

        /// Whether something of the lane is to be written.
        func has(_ lane: Int) -> Bool { entries.contains { $0.lane == lane } }

        /// A position of the lane before all records of which something was made.
        func firsts(_ position: SequenceNumber, lane: Int) -> SequenceNumber {
            entries.reduce(position) { $1.lane == lane ? min($0, $1.first.previous) : $0 }
        }

        /// Takes what belongs to the records that this progress says are done, as much as one commit holds: of one unit all.
        mutating func take(_ progress: ShardProgress, factor: Int) -> [AddedRecord] {
            guard !entries.isEmpty else { return [] }
            var (taken, left): ([AddedRecord], [Entry]) = ([], [])
            var bytes = 0
            var last: (lane: Int, through: SequenceNumber)?
            for entry in entries {
                let isOfLast = last.map { $0 == (entry.lane, entry.through) } ?? true
                if entry.through <= progress.position(ofLane: entry.lane, of: factor),
                    isOfLast || bytes < AddedRecord.mostBytesOfCommit && left.isEmpty
                {
                    taken.append(entry.record)
                    bytes += entry.record.size
                    last = (entry.lane, entry.through)
                } else {
                    left.append(entry)
                }
            }
            entries = left
            return taken
        }
    }
}

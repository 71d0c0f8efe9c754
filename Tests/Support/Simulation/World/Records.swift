import StreamModel
import TestSupport

/// Records that carry their own proof: the data are the record's number, written again and again.
enum Records {
    static func record(_ id: UInt64, key: String, bytes: Int) -> NewRecord {
        var data = Array("\(id):".utf8)
        var random = SeededRandom(id)
        while data.count < bytes { data.append(UInt8(ascii: "a") + UInt8(random.below(26))) }
        return NewRecord(data, partitionKey: key)
    }

    /// The item that a record is; nil where its data are not what was put.
    static func item(_ record: Record) -> Judge.Item? {
        let bytes = Array(record.bytes)
        guard let id = id(of: bytes), self.record(id, key: "", bytes: bytes.count).data == bytes else { return nil }
        return Judge.Item(
            sequence: record.sequenceNumber.rawValue, id: id, key: record.partitionKey,
            arrival: record.approximateArrivalTimestamp.milliseconds)
    }

    static func id(of data: [UInt8]) -> UInt64? {
        guard let colon = data.firstIndex(of: UInt8(ascii: ":")) else { return nil }
        return UInt64(String(decoding: data[..<colon], as: UTF8.self))
    }

    /// What the function does with a record.
    enum Behaviour {
        case works
        /// Fails this many times as a whole unit.
        case fails(Int)
        /// Fails this many times, and the function says that this record is the first that failed.
        case reports(Int)
        /// Can never be done, and the function says so.
        case permanent
        /// Takes this many milliseconds, the first time.
        case slow(Int)
        /// Ends the process, this many times.
        case fatal(Int)
    }

    static func behaviour(of id: UInt64) -> Behaviour {
        var random = SeededRandom(id &* 7919)
        switch random.below(100) {
        case 0..<80: return .works
        case 80..<84: return .fails(random.pick(1...2))
        case 84..<87: return .fails(.max)
        case 87..<91: return .reports(random.pick(1...3))
        case 91..<93: return .permanent
        case 93..<98: return .slow(random.pick([5, 50, 400]))
        default: return random.once(in: 3) ? .fatal(random.pick(1...2)) : .works
        }
    }
}

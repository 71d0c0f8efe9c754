/// Where a record is.
package struct Place: Hashable, Sendable, Comparable, CustomStringConvertible {
    package var stream: String
    package var shard: UInt32
    package var number: UInt64

    package init(_ stream: String, _ shard: UInt32, _ number: UInt64) {
        self.stream = stream
        self.shard = shard
        self.number = number
    }

    package var description: String { "\(stream)/\(shard)/\(number)" }

    package static func < (left: Place, right: Place) -> Bool {
        (left.stream, left.shard, left.number) < (right.stream, right.shard, right.number)
    }
}

/// One thing that a child process of a crash test says, as one line of text.
package enum Report: Hashable, Sendable {
    /// The store is open.
    case opened
    /// A put was acknowledged: where one of its records is, the checksum of its data, and when the put began, in
    /// milliseconds since 1970.
    case acknowledged(Place, checksum: UInt32, at: Int64 = 0)
    /// The function is about to return: it has handled `count` records beginning with `first`.
    case handled(first: Place, count: Int, digest: UInt32)
    /// The function is about to say that it can never handle this record.
    case refused(Place)
    /// An audit found this record; the stamp is nil where the data is damaged.
    case found(Place, key: String, checksum: UInt32, Stamp?)
    /// An audit found the dead-letter document of this record.
    case document(of: Place)
    /// An audit found that the mapping is done up to here.
    case checkpoint(Place)
    /// How much of something there was.
    case measured(String, Int)
    /// Something happened that must not happen.
    case failed(String)
    /// The process has done all that it was asked for.
    case ended

    /// Without the line's end.
    package var line: String {
        switch self {
        case .opened: "O"
        case .acknowledged(let place, let checksum, let time): "A \(place.fields) \(checksum) \(time)"
        case .handled(let first, let count, let digest): "H \(first.fields) \(count) \(digest)"
        case .refused(let place): "X \(place.fields)"
        case .found(let place, let key, let checksum, let stamp):
            "R \(place.fields) \(key) \(checksum) \(stamp?.text ?? "damaged")"
        case .document(let place): "D \(place.fields)"
        case .checkpoint(let place): "K \(place.fields)"
        case .measured(let name, let value): "M \(name) \(value)"
        case .failed(let text): "E \(text.replacing("\n", with: " "))"
        case .ended: "Z"
        }
    }

    /// Reads a line; nil for anything that is not a report.
    package init?(line: some StringProtocol) {
        let parts = line.split(separator: " ", maxSplits: 6)
        func place() -> Place? {
            guard parts.count >= 4, let shard = UInt32(parts[2]), let number = UInt64(parts[3]) else { return nil }
            return Place(String(parts[1]), shard, number)
        }
        switch parts.first {
        case "O": self = .opened
        case "Z": self = .ended
        case "E": self = .failed(String(line.dropFirst(2)))
        case "M":
            guard parts.count == 3, let value = Int(parts[2]) else { return nil }
            self = .measured(String(parts[1]), value)
        case "A":
            guard let place = place(), parts.count == 6, let checksum = UInt32(parts[4]), let time = Int64(parts[5])
            else { return nil }
            self = .acknowledged(place, checksum: checksum, at: time)
        case "H":
            guard let place = place(), parts.count == 6, let count = Int(parts[4]), let digest = UInt32(parts[5])
            else { return nil }
            self = .handled(first: place, count: count, digest: digest)
        case "X":
            guard let place = place(), parts.count == 4 else { return nil }
            self = .refused(place)
        case "D":
            guard let place = place(), parts.count == 4 else { return nil }
            self = .document(of: place)
        case "K":
            guard let place = place(), parts.count == 4 else { return nil }
            self = .checkpoint(place)
        case "R":
            guard let place = place(), parts.count == 7, let checksum = UInt32(parts[5]) else { return nil }
            let key = String(parts[4])
            let stamp = Stamp(key: key, text: parts[6])
            guard stamp != nil || parts[6] == "damaged" else { return nil }
            self = .found(place, key: key, checksum: checksum, stamp)
        default: return nil
        }
    }
}

extension Place {
    fileprivate var fields: String { "\(stream) \(shard) \(number)" }
}

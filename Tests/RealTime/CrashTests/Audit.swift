import CrashChild

/// One shard of one stream.
struct ShardName: Hashable, CustomStringConvertible {
    var stream: String
    var shard: UInt32

    init(_ stream: String, _ shard: UInt32) {
        self.stream = stream
        self.shard = shard
    }

    init(_ place: Place) { self.init(place.stream, place.shard) }

    var description: String { "\(stream)/\(shard)" }
}

/// What a process that read a whole store found in it.
struct Audit {
    /// One record as it was found; without a stamp its data is damaged.
    struct Entry {
        var number: UInt64
        var key: String
        var checksum: UInt32
        var stamp: Stamp?
    }

    /// The records of each shard, in the order in which the store gave them.
    private(set) var shards: [ShardName: [Entry]] = [:]
    /// How far the mapping is done; shards that it has not begun are missing.
    private(set) var checkpoints: [ShardName: UInt64] = [:]
    /// How many dead-letter documents there are of a record.
    private(set) var documents: [Place: Int] = [:]
    /// What the process complained about.
    private(set) var complaints: [String] = []
    /// When it looked, in milliseconds; nil: not said.
    private(set) var time: Int64?
    private var indexes: [Place: Int] = [:]
    /// Whether the process came to the end of the store.
    private(set) var isWhole = false

    init(_ reports: [Report]) {
        for report in reports {
            switch report {
            case .found(let place, let key, let checksum, let stamp):
                indexes[place] = shards[ShardName(place)]?.count ?? 0
                shards[ShardName(place), default: []].append(
                    Entry(number: place.number, key: key, checksum: checksum, stamp: stamp))
            case .document(let place): documents[place, default: 0] += 1
            case .checkpoint(let place): checkpoints[ShardName(place)] = place.number
            case .failed(let text): complaints.append(text)
            case .measured("now", let now): time = Int64(now)
            case .ended: isWhole = true
            case .opened, .acknowledged, .handled, .refused, .measured: break
            }
        }
    }

    /// The record there.
    func entry(at place: Place) -> Entry? { indexes[place].map { shards[ShardName(place)]![$0] } }

    /// The number of the record after this one; nil: there is none. Dense numbers go on by one.
    func number(after number: UInt64, in shard: ShardName, isDense: Bool) -> UInt64? {
        if isDense { return number + 1 }
        if let index = indexes[Place(shard.stream, shard.shard, number)] {
            let next = index + 1
            return next < shards[shard]!.count ? shards[shard]![next].number : nil
        }
        return shards[shard]?.first { $0.number > number }?.number
    }

    /// The numbers of this many records from this one on; those that are not there any more are taken to be dense.
    func numbers(from first: Place, count: Int, isDense: Bool) -> [UInt64] {
        guard !isDense, let index = indexes[first], let entries = shards[ShardName(first)] else {
            return Array(first.number..<first.number + UInt64(count))
        }
        var numbers = entries[index..<min(entries.count, index + count)].map(\.number)
        while numbers.count < count { numbers.append(numbers[numbers.count - 1] + 1) }
        return numbers
    }
}

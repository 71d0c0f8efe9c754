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
    /// Whether the process came to the end of the store.
    private(set) var isWhole = false

    init(_ reports: [Report]) {
        for report in reports {
            switch report {
            case .found(let place, let key, let checksum, let stamp):
                shards[ShardName(place), default: []].append(
                    Entry(number: place.number, key: key, checksum: checksum, stamp: stamp))
            case .document(let place): documents[place, default: 0] += 1
            case .checkpoint(let place): checkpoints[ShardName(place)] = place.number
            case .failed(let text): complaints.append(text)
            case .ended: isWhole = true
            case .opened, .acknowledged, .handled, .refused, .measured: break
            }
        }
    }

    /// The record there, if its shard has no gap before it.
    func entry(at place: Place) -> Entry? {
        guard let entries = shards[ShardName(place)], place.number >= 1, place.number <= entries.count else {
            return nil
        }
        let entry = entries[Int(place.number) - 1]
        return entry.number == place.number ? entry : nil
    }
}

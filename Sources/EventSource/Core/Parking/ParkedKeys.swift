import StreamModel

/// The keys that a shard has parked. A record's key is looked for by its bytes, without making a string of it.
struct ParkedKeys: Sendable {
    private struct Entry: Sendable {
        let bytes: [UInt8]
        var key: ParkedKey
    }

    /// By the hash of the keys' bytes; more than one where hashes are the same.
    private var entries: [UInt64: [Entry]] = [:]
    /// The number of keys.
    private(set) var count = 0
    /// The records that wait in the parking stream, of all keys.
    private(set) var waiting = 0
    /// The number of keys that are being released.
    private var releasing = 0
    /// The number of keys with explicit hash keys.
    private var spread = 0

    var isEmpty: Bool { count == 0 }
    /// Whether a key is being released.
    var hasReleased: Bool { releasing > 0 }
    /// Whether records of a key were put with explicit hash keys.
    var hasExplicitHashKeys: Bool { spread > 0 }

    /// The key with this text; nil takes it away.
    subscript(text: String) -> ParkedKey? {
        get {
            let bytes = Array(text.utf8)
            return entries[FNV1a.hash(bytes, bytes.indices)]?.first { $0.bytes == bytes }?.key
        }
        set {
            let bytes = Array(text.utf8)
            let hash = FNV1a.hash(bytes, bytes.indices)
            var found = entries[hash] ?? []
            if let index = found.firstIndex(where: { $0.bytes == bytes }) {
                count(found[index].key, -1)
                found.remove(at: index)
            }
            if let newValue {
                count(newValue, 1)
                found.append(Entry(bytes: bytes, key: newValue))
            }
            entries[hash] = found.isEmpty ? nil : found
        }
    }

    /// Changes a key that is parked.
    mutating func update(_ text: String, _ body: (inout ParkedKey) -> Void) {
        guard var key = self[text] else { return }
        body(&key)
        self[text] = key
    }

    private mutating func count(_ key: ParkedKey, _ change: Int) {
        count += change
        waiting += change * key.recordCount
        if key.state == .releasing { releasing += change }
        if key.hasExplicitHashKeys { spread += change }
    }

    /// What is known of the key of a record; nil where the key is not parked, and for a record without one.
    func key(of run: borrowing RecordRun, at index: Int) -> ParkedKey? {
        let layout = run.layout(of: index)
        guard layout.keyStart < layout.dataStart else { return nil }
        let place = layout.keyStart..<layout.dataStart
        guard let found = entries[FNV1a.hash(run.chunk.bytes, place)] else { return nil }
        return found.first { $0.bytes[...] == run.chunk.bytes[place] }?.key
    }

    func contains(_ run: borrowing RecordRun, at index: Int) -> Bool { key(of: run, at: index) != nil }

    /// All keys, in the order of their bytes.
    var all: [ParkedKey] {
        entries.values.joined().map { (UTF8Key($0.key.partitionKey), $0.key) }.sorted { $0.0 < $1.0 }.map(\.1)
    }

    /// The records of a batch whose keys are parked, and the others, both in order.
    func divide(_ batch: RecordBatch) -> (parked: RecordBatch, others: RecordBatch) {
        var (parked, others) = (RecordBatch(), RecordBatch())
        for run in batch.runs {
            var start = 0
            while start < run.count {
                let isParked = contains(run, at: start)
                var end = start + 1
                while end < run.count, contains(run, at: end) == isParked { end += 1 }
                let part = start == 0 && end == run.count ? run : run.extracting(start..<end)
                if isParked { parked.append(part) } else { others.append(part) }
                start = end
            }
        }
        return (parked, others)
    }
}

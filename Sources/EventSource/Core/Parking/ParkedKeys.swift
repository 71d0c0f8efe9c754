import StreamModel

/// The keys that a shard has parked. A record's key is looked for by its bytes, without making a string of it: records of
/// other keys, which are many, must not pay for those that wait.
struct ParkedKeys: Sendable {
    private struct Entry: Sendable {
        var bytes: [UInt8]
        var key: ParkedKey
    }

    /// Each key has a slot as long as it is parked. What a free one has means nothing.
    private var slots: [Entry] = []
    /// The hashes of the keys' bytes, by slot.
    private var hashes: [UInt64] = []
    private var free: [Int] = []
    /// The slots, plus 1, at the places that follow from the hashes, or at the next free ones after these. 0: free.
    private var table: [UInt32] = []
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
        get { slot(of: text).map { self[$0] } }
        set {
            switch (slot(of: text), newValue) {
            case (let slot?, let key?): update(slot) { $0 = key }
            case (let slot?, nil): remove(slot)
            case (nil, let key?): insert(key, Array(text.utf8))
            case (nil, nil): break
            }
        }
    }

    /// The key in a slot that has one.
    subscript(slot: Int) -> ParkedKey { _read { yield slots[slot].key } }

    /// Whether nothing of the key in a slot is being handed back.
    func isAtRest(_ slot: Int) -> Bool { slots[slot].key.released == slots[slot].key.done }

    /// Changes the key in a slot.
    @inline(__always) mutating func update(_ slot: Int, _ body: (inout ParkedKey) -> Void) {
        count(slot, -1)
        body(&slots[slot].key)
        count(slot, 1)
    }

    /// Changes a key that is parked.
    mutating func update(_ text: String, _ body: (inout ParkedKey) -> Void) {
        if let slot = slot(of: text) { update(slot, body) }
    }

    private mutating func count(_ slot: Int, _ change: Int) {
        waiting += change * slots[slot].key.recordCount
        if slots[slot].key.state == .releasing { releasing += change }
        if slots[slot].key.hasExplicitHashKeys { spread += change }
    }

    /// All keys, in the order of their bytes.
    var all: [ParkedKey] {
        table.filter { $0 > 0 }.map { slot in
            let key = slots[Int(slot) - 1].key
            return (UTF8Key(key.partitionKey), key)
        }.sorted { $0.0 < $1.0 }.map(\.1)
    }

    // MARK: - Looking for keys

    /// Where the key with this text is.
    func slot(of text: String) -> Int? {
        guard !isEmpty else { return nil }
        var text = text
        return text.withUTF8 { bytes in
            var hash = FNV1a()
            for byte in bytes { hash.add(byte) }
            return find(hash.value) { found in
                guard found.count == bytes.count else { return false }
                for index in found.indices where found[index] != bytes[index] { return false }
                return true
            }
        }
    }

    /// Where the key of a record is; nil where it is not parked, and for a record without one.
    func slot(of run: borrowing RecordRun, at index: Int) -> Int? {
        guard !isEmpty else { return nil }
        let layout = run.layout(of: index)
        guard layout.keyStart < layout.dataStart else { return nil }
        return slot(of: run.chunk.bytes, layout.keyStart..<layout.dataStart)
    }

    /// Where the key is that these bytes are.
    func slot(of bytes: [UInt8], _ place: Range<Int>) -> Int? {
        find(FNV1a.hash(bytes, place)) { found in
            guard found.count == place.count else { return false }
            for index in found.indices where found[index] != bytes[place.lowerBound + index] { return false }
            return true
        }
    }

    /// Whether the key is parked.
    func contains(_ text: String) -> Bool { slot(of: text) != nil }

    /// Whether the key of a record is.
    func contains(_ run: borrowing RecordRun, at index: Int) -> Bool { slot(of: run, at: index) != nil }

    @inline(__always) private func find(_ hash: UInt64, _ isSame: ([UInt8]) -> Bool) -> Int? {
        guard !table.isEmpty else { return nil }
        var place = home(hash)
        while table[place] != 0 {
            let slot = Int(table[place]) - 1
            if hashes[slot] == hash, isSame(slots[slot].bytes) { return slot }
            place = (place + 1) & (table.count - 1)
        }
        return nil
    }

    /// Where the search for a hash begins.
    private func home(_ hash: UInt64) -> Int {
        Int(truncatingIfNeeded: (hash ^ hash >> 32) &* 0x9E37_79B9_7F4A_7C15 >> 32) & (table.count - 1)
    }

    // MARK: - Which keys there are

    private mutating func insert(_ key: ParkedKey, _ bytes: [UInt8]) {
        let slot = free.popLast() ?? slots.count
        let hash = FNV1a.hash(bytes, bytes.indices)
        if slot == slots.count {
            slots.append(Entry(bytes: bytes, key: key))
            hashes.append(hash)
        } else {
            slots[slot] = Entry(bytes: bytes, key: key)
            hashes[slot] = hash
        }
        count += 1
        count(slot, 1)
        guard count * 2 <= table.count else {
            let entered = table
            table = Array(repeating: 0, count: max(16, table.count * 2))
            for place in entered where place > 0 { enter(Int(place) - 1) }
            enter(slot)
            return
        }
        enter(slot)
    }

    private mutating func enter(_ slot: Int) {
        var place = home(hashes[slot])
        while table[place] != 0 { place = (place + 1) & (table.count - 1) }
        table[place] = UInt32(slot + 1)
    }

    private mutating func remove(_ slot: Int) {
        let mask = table.count - 1
        var place = home(hashes[slot])
        while table[place] != UInt32(slot + 1) { place = (place + 1) & mask }
        // What comes after it without a gap moves up, where its search begins at this place or before it.
        var next = (place + 1) & mask
        while table[next] != 0 {
            let start = home(hashes[Int(table[next]) - 1])
            if (next - start) & mask >= (next - place) & mask {
                table[place] = table[next]
                place = next
            }
            next = (next + 1) & mask
        }
        table[place] = 0
        count(slot, -1)
        count -= 1
        slots[slot].bytes = []
        free.append(slot)
    }

    // MARK: - Batches

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

    /// Whether the keys of all records of a batch are parked, or of none.
    func holds(_ batch: RecordBatch, all isAll: Bool) -> Bool {
        for run in batch.runs {
            for index in 0..<run.count where contains(run, at: index) != isAll { return false }
        }
        return true
    }
}

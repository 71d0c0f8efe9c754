import CHash
import StreamModel

/// What is known about the records before they are put: their keys, the shards of the keys, and the records' content.
///
/// The shard of a key is computed here, from the definition of hash keys and of the division of their space. It is not
/// read from the store, because the store is what is judged.
struct Workload: Sendable {
    /// A given record: the place of its key among ``keys`` and a checksum of its data.
    struct Given: Sendable {
        var key: Int
        var checksum: UInt32
    }

    /// Keys of made records: `user-000000` to `user-009999`.
    static let keyCount = 10_000
    /// Made records are copied from a supply of this many.
    static let supplyCount = 8192

    let keys: [String]
    /// The given records, in their order; empty where records are made.
    let records: [NewRecord]
    /// The supply: the bytes of the records that made records are copied from, one after the other.
    let supply: [UInt8]
    /// Bytes of one made record.
    let size: Int
    /// One element for each given record; empty where records are made.
    let given: [Given]
    /// For each key, the given records with it, in their order.
    let givenOfKey: [[Int]]
    private let keyOfText: [UTF8Key: Int]
    /// The shard of a key, and the key's place among the keys of that shard.
    struct Home: Sendable {
        var shard: ShardID
        var place: Int32
    }
    /// One element for each key. One array, because a judge that looks both values up in two arrays waits for memory
    /// twice.
    let homes: [Home]
    /// How many keys each shard has.
    let keysOfShard: [Int]

    var isGiven: Bool { !given.isEmpty }

    init(_ data: BenchSettings.Data, shards: Int) {
        var maker = RecordMaker()
        switch data {
        case .json(let size):
            supply = Array((0..<Self.count(for: size)).lazy.map { _ in maker.json(size: size) }.joined())
            (records, self.size) = ([], size)
        case .random(let size):
            supply = maker.noise(size: size * Self.count(for: size))
            (records, self.size) = ([], size)
        case .given(let records):
            self.records = records
            (supply, size) = ([], records.reduce(0) { $0 + $1.data.count } / max(1, records.count))
        }
        if case .given(let records) = data {
            var keyOfText: [UTF8Key: Int] = [:]
            var keys: [String] = []
            var given: [Given] = []
            var givenOfKey: [[Int]] = []
            for (index, record) in records.enumerated() {
                let text = UTF8Key(record.partitionKey)
                let key = keyOfText[text] ?? keys.count
                if key == keys.count {
                    keyOfText[text] = key
                    keys.append(record.partitionKey)
                    givenOfKey.append([])
                }
                given.append(Given(key: key, checksum: Fingerprint.of(record.data)))
                givenOfKey[key].append(index)
            }
            self.keys = keys
            self.given = given
            self.givenOfKey = givenOfKey
            self.keyOfText = keyOfText
        } else {
            keys = (0..<Self.keyCount).map { index in
                let digits = String(index)
                return "user-" + String(repeating: "0", count: 6 - digits.utf8.count) + digits
            }
            given = []
            givenOfKey = []
            keyOfText = [:]
        }
        let ranges = HashKeyRange.even(shards)
        var keysOfShard = [Int32](repeating: 0, count: shards)
        homes = keys.map { key in
            let hash = HashKey(partitionKey: key)
            var low = 0
            var high = ranges.count - 1
            while low < high {
                let middle = (low + high + 1) / 2
                if ranges[middle].first <= hash { low = middle } else { high = middle - 1 }
            }
            defer { keysOfShard[low] += 1 }
            return Home(shard: ShardID(UInt32(low)), place: keysOfShard[low])
        }
        self.keysOfShard = keysOfShard.map(Int.init)
    }

    /// Fewer records where they are large: the supply has at most 64 MiB.
    private static func count(for size: Int) -> Int { max(16, min(supplyCount, (64 << 20) / size)) }

    /// The place of a record's key; nil for a key that was never put.
    func key(of record: borrowing Record) -> Int? {
        if isGiven { return keyOfText[UTF8Key(record.partitionKey)] }
        let bytes = record.keyBytes
        guard bytes.count == 11 else { return nil }
        var index = 0
        for place in 5..<11 {
            let digit = bytes[place] &- 0x30
            guard digit < 10 else { return nil }
            index = index * 10 + Int(digit)
        }
        return index < keys.count ? index : nil
    }
}

/// A checksum of a record's data, by which receipt and delivery are compared.
enum Fingerprint {
    static func of(_ data: [UInt8]) -> UInt32 { data.withUnsafeBytes { of($0) } }

    static func of(_ data: UnsafeRawBufferPointer) -> UInt32 { shardline_crc32c(0, data.baseAddress, data.count) }

    static func of(_ data: Span<UInt8>) -> UInt32 { data.withUnsafeBytes { of($0) } }
}

import StreamModel

/// Which lane a record belongs to (ESM-K2).
enum KeyLanes {
    /// The lane of the partition key at these places of `bytes` among `factor` lanes.
    ///
    /// FNV-1a with 64 bits, and the last mixing step of MurmurHash3. Fixed: stored checkpoints depend on it. It has
    /// nothing in common with the hash that assigns keys to shards, so the keys of a narrow shard spread as well.
    static func lane(of bytes: [UInt8], _ key: Range<Int>, factor: Int) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        let bytes = bytes.span
        for index in key { hash = (hash ^ UInt64(bytes[index])) &* 0x100_0000_01B3 }
        hash = (hash ^ hash >> 33) &* 0xFF51_AFD7_ED55_8CCD
        hash = (hash ^ hash >> 33) &* 0xC4CE_B9FE_1A85_EC53
        hash ^= hash >> 33
        return Int(hash % UInt64(factor))
    }
}

extension RecordRun {
    /// The lane of a record among `factor` lanes.
    func lane(of index: Int, factor: Int) -> Int {
        let layout = layout(of: index)
        return KeyLanes.lane(of: chunk.bytes, layout.keyStart..<layout.dataStart, factor: factor)
    }
}

extension ShardCore {
    /// The lane of a partition key among `factor` lanes.
    package static func lane(ofKey key: String, factor: Int) -> Int {
        let bytes = Array(key.utf8)
        return KeyLanes.lane(of: bytes, bytes.indices, factor: factor)
    }
}

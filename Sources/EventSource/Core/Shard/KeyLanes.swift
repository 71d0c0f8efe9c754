import StreamModel

/// Which lane a record belongs to (ESM-K2).
enum KeyLanes {
    /// The lane of the partition key at these places of `bytes` among `factor` lanes.
    ///
    /// FNV-1a with 64 bits, and the last mixing step of MurmurHash3. Fixed: stored checkpoints depend on it. It has
    /// nothing in common with the hash that assigns keys to shards, so the keys of a narrow shard spread as well.
    static func lane(of bytes: [UInt8], _ key: Range<Int>, factor: Int) -> Int {
        lane(ofHash: FNV1a.hash(bytes, key), factor: factor)
    }

    /// The lane of a record without a key: by its number, the lowest byte first (ESM-K2).
    static func lane(of number: SequenceNumber, factor: Int) -> Int {
        var hash = FNV1a()
        for shift in stride(from: 0, to: 64, by: 8) { hash.add(UInt8(truncatingIfNeeded: number.rawValue >> shift)) }
        return lane(ofHash: hash.value, factor: factor)
    }

    private static func lane(ofHash hash: UInt64, factor: Int) -> Int {
        var hash = hash
        hash = (hash ^ hash >> 33) &* 0xFF51_AFD7_ED55_8CCD
        hash = (hash ^ hash >> 33) &* 0xC4CE_B9FE_1A85_EC53
        hash ^= hash >> 33
        return Int(hash % UInt64(factor))
    }
}

extension RecordRun {
    /// The lane of a record among `factor` lanes.
    package func lane(of index: Int, factor: Int) -> Int {
        let layout = layout(of: index)
        if layout.keyStart == layout.dataStart {
            return KeyLanes.lane(of: kinesisSequenceNumber(at: index).sequenceNumber, factor: factor)
        }
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

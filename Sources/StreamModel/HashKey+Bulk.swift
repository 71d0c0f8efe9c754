import CHash

extension HashKey {
    /// The size of an MD5 block, and the longest key that fits in it with the padding byte and the length.
    private static let blockCount = 64
    private static let longestInBlock = 55

    /// The hash keys of all records, in their order: the explicit one, or the partition key's MD5.
    ///
    /// Sixteen keys are hashed side by side, which costs a small part of hashing them one after the other.
    package static func all(of records: [NewRecord]) -> [HashKey] {
        [HashKey](unsafeUninitializedCapacity: records.count) { keys, initialized in
            records.withUnsafeBufferPointer { records in
                // A thousand keys at a time: 64 KiB stay in the processor's cache.
                var start = 0
                while start < records.count {
                    let end = min(start + 1024, records.count)
                    fill(
                        UnsafeMutableBufferPointer(rebasing: keys[start..<end]),
                        UnsafeBufferPointer(rebasing: records[start..<end]))
                    start = end
                }
            }
            initialized = records.count
        }
    }

    private static func fill(
        _ keys: UnsafeMutableBufferPointer<HashKey>, _ records: UnsafeBufferPointer<NewRecord>
    ) {
        withUnsafeTemporaryAllocation(byteCount: records.count * (blockCount + 16), alignment: 32) { room in
            let blocks = room.baseAddress!
            let digests = blocks + records.count * blockCount
            for index in records.indices {
                write(records[index].partitionKey, to: blocks + index * blockCount)
            }
            shardline_md5_blocks(blocks, records.count, digests)
            for index in records.indices {
                let key: HashKey
                if let explicit = records[index].explicitHashKey {
                    key = explicit
                } else if records[index].partitionKey.utf8.count > longestInBlock {
                    key = HashKey(partitionKey: records[index].partitionKey)
                } else {
                    key = HashKey(
                        digest: digests.load(fromByteOffset: index * 16, as: UInt64.self),
                        digests.load(fromByteOffset: index * 16 + 8, as: UInt64.self))
                }
                keys.initializeElement(at: index, to: key)
            }
        }
    }

    /// Writes a key as the only block of its message (RFC 1321, 3.1 and 3.2). The block of a longer key is not used.
    private static func write(_ key: String, to block: UnsafeMutableRawPointer) {
        block.initializeMemory(as: UInt8.self, repeating: 0, count: blockCount)
        var key = key
        key.withUTF8 { bytes in
            guard let base = bytes.baseAddress, bytes.count <= longestInBlock else { return }
            block.copyMemory(from: base, byteCount: bytes.count)
            (block + bytes.count).storeBytes(of: 0x80, as: UInt8.self)
            (block + 56).storeBytes(of: UInt64(bytes.count) * 8, as: UInt64.self)
        }
        // The empty key has no bytes, but its message has the padding byte.
        if key.utf8.isEmpty { block.storeBytes(of: 0x80, as: UInt8.self) }
    }
}

import CHash
import StreamModel
import TestSupport
import Testing

@Suite struct HashTests {
    private func md5(_ text: String) -> String {
        let bytes = Array(text.utf8)
        var digest = [UInt8](repeating: 0, count: 16)
        shardline_md5(bytes, bytes.count, &digest)
        return digest.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    @Test(arguments: [
        ("", "d41d8cd98f00b204e9800998ecf8427e"), ("a", "0cc175b9c0f1b6a831c399e269772661"),
        ("abc", "900150983cd24fb0d6963f7d28e17f72"), ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f"),
        (
            "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
            "57edf4a22be3c955ac49da2e2107b67a"
        ),
    ])
    func `MD5 gives the digests of RFC 1321`(text: String, digest: String) {
        #expect(md5(text) == digest)
    }

    /// The vectors of RFC 3720, B.4.
    @Test func `CRC-32C gives the published values`() {
        let vectors: [([UInt8], UInt32)] = [
            ([UInt8](repeating: 0, count: 32), 0x8A91_36AA), ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
            (Array(0..<32), 0x46DD_794E), (Array((0..<32).reversed()), 0x113F_DB5C),
            (Array("123456789".utf8), 0xE306_9283),
        ]
        for (bytes, crc) in vectors {
            #expect(shardline_crc32c(0, bytes, bytes.count) == crc)
            #expect(shardline_crc32c_table(0, bytes, bytes.count) == crc)
        }
    }

    @Test func `CRC-32C by instruction and by table agree at every length and cut`() {
        var random = SeededRandom(1)
        let bytes = random.bytes(30_000)
        // Longer buffers are done in three parts at once, of 256 bytes and of 4,096.
        let around = [768, 1536, 12_288, 13_056, 24_576].flatMap { $0 - 9...$0 + 9 }
        for length in Array(0...100) + around + [bytes.count] {
            let whole = shardline_crc32c(7, bytes, length)
            #expect(whole == shardline_crc32c_table(7, bytes, length))
            let head = shardline_crc32c(7, bytes, length / 2)
            #expect(shardline_crc32c(head, Array(bytes[(length / 2)...]), length - length / 2) == whole)
        }
    }
}

/// Keys that are hashed side by side come to what each comes to alone.
@Suite struct BulkHashTests {
    @Test func `hash keys of many records are those of each, at every length and number`() {
        var random = SeededRandom(7)
        for count in Array(0...40) + [1023, 1024, 1025, 3000] {
            let records = (0..<count).map { index in
                // 55 bytes are the most that one block holds; one key in seven is longer.
                let length = index % 7 == 6 ? 56 + random.below(300) : random.below(56)
                let key = (0..<length).map { _ in String(UnicodeScalar(UInt8(32 + random.below(90)))) }.joined()
                return NewRecord(
                    [], partitionKey: key, explicitHashKey: index % 11 == 3 ? HashKey(UInt128(random.next())) : nil)
            }
            let expected = records.map { $0.explicitHashKey ?? HashKey(partitionKey: $0.partitionKey) }
            #expect(HashKey.all(of: records) == expected)
        }
    }

    @Test(arguments: ["", "a", "abc", "ä€𐍈", String(repeating: "x", count: 55), String(repeating: "x", count: 56)])
    func `one block in each of its lanes gives the digest of RFC 1321's own form`(key: String) {
        for count in 1...17 {
            let keys = HashKey.all(of: (0..<count).map { _ in NewRecord([], partitionKey: key) })
            #expect(Set(keys) == [HashKey(partitionKey: key)])
        }
    }

    @Test func `vectors of every width give the same digests`() {
        for count in [1, 4, 15, 16, 17, 500] {
            var blocks = [UInt8](repeating: 0, count: 64 * count)
            var expected: [UInt8] = []
            for index in 0..<count {
                let key = Array("key-\(index)".utf8)
                blocks.replaceSubrange(64 * index..<64 * index + key.count, with: key)
                blocks[64 * index + key.count] = 0x80
                blocks[64 * index + 56] = UInt8(key.count * 8)
                var digest = [UInt8](repeating: 0, count: 16)
                shardline_md5(key, key.count, &digest)
                expected += digest
            }
            for lanes in [SHARDLINE_MD5_FOUR, SHARDLINE_MD5_TWICE_EIGHT, SHARDLINE_MD5_SIXTEEN] {
                var digests = [UInt8](repeating: 0, count: 16 * count)
                // Four are on every machine; the others where the processor has them.
                guard shardline_md5_blocks_in(lanes, blocks, count, &digests) != 0 else { continue }
                #expect(digests == expected)
            }
        }
    }

    @Test func `records written to raw memory are what appending them makes`() {
        for (keyLength, dataLength) in [(1, 0), (31, 5), (32, 127), (40, 128), (256, 20_000), (3, 16_384)] {
            for hashKey in [nil, HashKey(0x0102_0304_0506_0708_090A_0B0C_0D0E_0F10)] {
                let record = NewRecord(
                    (0..<dataLength).map { UInt8(truncatingIfNeeded: $0) },
                    partitionKey: String(repeating: "k", count: keyLength), explicitHashKey: hashKey)
                var appended: [UInt8] = []
                RecordEncoding.append(record, to: &appended)
                let other = NewRecord("between", partitionKey: "o")
                let records = [record, other, record]
                let sizes = RecordEncoding.sizes(of: records)
                #expect(sizes[0] == appended.count)
                let chunk = RecordEncoding.chunk(of: records, 0..<3, order: nil, sizes: sizes)
                #expect(chunk.offsets.map(Int.init) == [0, sizes[0], sizes[0] + sizes[1], chunk.bytes.count])
                #expect(Array(chunk.bytes.prefix(sizes[0])) == appended)
                #expect(Array(chunk.bytes.suffix(sizes[0])) == appended)
                let part = RecordEncoding.chunk(
                    of: records, 1..<3, order: [1, 2, 0], sizes: [sizes[1], sizes[2], sizes[0]])
                #expect(part.bytes == appended + appended)
            }
        }
    }
}

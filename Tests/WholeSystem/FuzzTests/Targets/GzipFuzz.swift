@testable import ShardlineCLI

/// Packed input. The first byte says in what pieces it arrives.
enum GzipFuzz {
    static func check(_ input: [UInt8]) throws {
        guard let first = input.first else { return }
        let packed = Array(input.dropFirst())
        let whole = unpacked(packed, pieces: max(1, packed.count))
        let pieces = unpacked(packed, pieces: Int(first) + 1)
        try hold(whole.damage == pieces.damage, "what is damaged depends on how it arrives")
        try hold(whole.bytes == pieces.bytes, "what comes out depends on how it arrives")
        // Deflate's limit.
        try hold(whole.bytes.count <= 1032 * packed.count, "more comes out than can be in it")
    }

    private static func unpacked(_ packed: [UInt8], pieces: Int) -> (bytes: [UInt8], damage: String?) {
        var unpacker = GzipUnpacker()
        var bytes: [UInt8] = []
        do throws(GzipUnpacker.Damage) {
            for start in stride(from: 0, to: packed.count, by: pieces) {
                try unpacker.unpack(packed[start..<min(start + pieces, packed.count)], into: &bytes)
            }
            try unpacker.finish()
            return (bytes, nil)
        } catch {
            return (bytes, error.description)
        }
    }
}

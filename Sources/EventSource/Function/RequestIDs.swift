import StreamModel

/// The ids of a run's invocations: UUIDs computed from one random number, the shard and the invocation's number, so
/// that a document can name an invocation whose id was not kept.
package struct RequestIDs: Sendable {
    private let run: UInt64

    package init(run: UInt64) { self.run = run }

    /// The id of a shard's invocation with this number, in the text form of a UUID of version 4.
    package func id(shard: ShardID, invocation: Int) -> String {
        var high = Self.mix(run ^ UInt64(shard.number) << 32)
        var low = Self.mix(high ^ UInt64(truncatingIfNeeded: invocation))
        high = high & ~0xF000 | 0x4000
        low = low & ~(0xC0 << 56) | 0x80 << 56
        let digits = Array((high.hexadecimal + low.hexadecimal).utf8)
        func part(_ range: Range<Int>) -> String { String(decoding: digits[range], as: UTF8.self) }
        return [part(0..<8), part(8..<12), part(12..<16), part(16..<20), part(20..<32)].joined(separator: "-")
    }

    /// The seed of the random part of a shard's pauses.
    func seed(of shard: ShardID) -> UInt64 { Self.mix(run &+ UInt64(shard.number)) }

    /// SplitMix64's step: close numbers give distant results.
    private static func mix(_ value: UInt64) -> UInt64 {
        var mixed = value &+ 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

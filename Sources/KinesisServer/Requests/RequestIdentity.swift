#if Server
import Synchronization

/// Gives each request an id, as UUID and as `x-amz-id-2`, without asking the system for random bytes each time.
final class RequestIdentities: Sendable {
    private let next: Atomic<UInt64>
    private static let step: UInt64 = 0x9E37_79B9_7F4A_7C15

    init() {
        var random = SystemRandomNumberGenerator()
        next = Atomic(random.next())
    }

    /// A number of SplitMix64: a counter, well mixed.
    private func number() -> UInt64 {
        var mixed = next.wrappingAdd(Self.step, ordering: .relaxed).newValue
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    private static let digits = Array("0123456789abcdef".utf8)
    private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// A random UUID, version 4.
    func uuid() -> String {
        let high = number() & ~0xF000 | 0x4000
        let low = number() & ~(3 << 62) | 2 << 62
        return String(unsafeUninitializedCapacity: 36) { text in
            var at = 0
            for index in 0..<32 {
                if [8, 12, 16, 20].contains(index) {
                    text[at] = UInt8(ascii: "-")
                    at += 1
                }
                let half = index < 16 ? high : low
                text[at] = Self.digits[Int(half >> (60 - UInt64(index % 16) * 4) & 15)]
                at += 1
            }
            return at
        }
    }

    /// 96 characters of base64, for 72 bytes (API-P-6).
    func secondID() -> String {
        String(unsafeUninitializedCapacity: 96) { text in
            for group in 0..<12 {
                var bits = number()
                for index in 0..<8 {
                    text[group * 8 + index] = Self.letters[Int(bits & 63)]
                    bits >>= 6
                }
            }
            return 96
        }
    }
}
#endif

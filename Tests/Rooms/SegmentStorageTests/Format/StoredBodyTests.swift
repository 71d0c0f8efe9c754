import DiskAccess
import Testing

@testable import SegmentStorage

/// STORE-C1: what is compressed, and what is stored as it is.
struct StoredBodyTests {
    private static func text(_ count: Int) -> [UInt8] {
        Array(repeatElement(Array("{\"flight\":1545,\"delay\":11}\n".utf8), count: count / 27 + 1).joined()).dropLast(
            27 - count % 27)
    }

    private static func check(_ raw: [UInt8], is codec: Codec, sourceLocation: SourceLocation = #_sourceLocation) {
        let stored = StoredBody(raw, seed: 7)
        #expect(stored.codec == codec, sourceLocation: sourceLocation)
        if codec == .raw { #expect(Array(stored.bytes.buffer) == raw, sourceLocation: sourceLocation) }
        let bytes = Array(stored.bytes.buffer)
        #expect(stored.codec.decode(bytes[...], rawCount: raw.count) == raw, sourceLocation: sourceLocation)
    }

    @Test(arguments: [512, 5000, 64 << 10, 200_000]) func `text gets smaller, noise stays as it is`(count: Int) {
        Self.check(Self.text(count), is: .lz4)
        Self.check(noise(count), is: .raw)
    }

    @Test func `below 512 bytes it is not tried`() { Self.check(Self.text(511), is: .raw) }

    @Test func `what gets smaller by less than a sixteenth is stored as it is`() {
        Self.check(noise(30_000) + [UInt8](repeating: 0, count: 1_500), is: .raw)
        Self.check(noise(30_000) + [UInt8](repeating: 0, count: 3_000), is: .lz4)
    }

    @Test func `something long is judged by its beginning, of which more is looked at before it is given up`() {
        Self.check(noise(6 << 10) + Self.text(100_000), is: .lz4)
        Self.check(noise(17 << 10) + Self.text(100_000), is: .raw)
        Self.check(Self.text(5 << 10) + noise(100_000), is: .raw)
    }
}

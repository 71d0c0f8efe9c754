import DataFormats
import Foundation
import TestSupport
import Testing

/// Base64, and Kinesis' three reasons why text is none (API-S-2).
@Suite struct Base64Tests {
    private static func decode(_ text: String) throws(Base64Problem) -> [UInt8] {
        try Array(text.utf8).withUnsafeBufferPointer { (text) throws(Base64Problem) in try Base64.decode(text) }
    }

    private static func check(_ text: String) throws(Base64Problem) {
        try Array(text.utf8).withUnsafeBufferPointer { (text) throws(Base64Problem) in try Base64.check(text) }
    }

    @Test func `API-S-2 base64 is what Foundation takes for it, at every length`() throws {
        var random = SeededRandom(1)
        for count in Array(0...100) + [1000, 65_537] {
            let bytes = random.bytes(count)
            let text = Data(bytes).base64EncodedString()
            var written = Array("a".utf8)
            Base64.append(bytes.span, to: &written)
            #expect(String(decoding: written, as: UTF8.self) == "a" + text)
            #expect(try Self.decode(text) == bytes)
            try Self.check(text)
            #expect(Base64.bytes(of: text) == bytes)
            #expect(Base64.size(of: count) == text.utf8.count)
            #expect(Array(text.utf8).withUnsafeBufferPointer { Base64.decodedCount(of: $0) } == count)
        }
    }

    @Test(
        arguments: [
            ("A", .length(1)), ("AA", .length(2)), ("AAA", .length(3)), ("AAAAA", .length(5)), ("=", .length(1)),
            ("AA=", .length(3)),
            ("!!!!!", .length(5)), ("!AAA", .character("!")), ("AAA!", .character("!")), ("AA!=", .character("!")),
            ("A!==", .character("!")), ("!AAAAA==", .character("!")), ("AAAA====", .character("=")),
            ("====", .character("=")),
            ("A===", .character("=")), ("=AAA", .character("=")), ("AA=A", .character("=")),
            ("AA==AAAA", .character("=")),
            ("AA\nA", .character("\n")), (" AA=", .character(" ")), ("AA-_", .character("-")),
            ("AA__", .character("_")),
            ("éAA", .character("é")), ("A😀AAA", .character("😀")), ("\0AAA", .character("\0")), ("AB==", .lastCharacter),
            ("AAB=", .lastCharacter), ("AAAA//==", .lastCharacter), ("AAA//===", .character("=")),
        ] as [(String, Base64Problem)])
    func `API-S-2 what is no base64 has one of three reasons`(text: String, problem: Base64Problem) {
        #expect(throws: problem) { try Self.decode(text) }
        #expect(throws: problem) { try Self.check(text) }
        #expect(Base64.bytes(of: text) == nil)
    }

    @Test func `API-S-2 each byte that is no letter is found at each place`() throws {
        let letters = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        for byte in UInt8.min...UInt8.max where !letters.contains(byte) {
            for place in 0..<7 {
                var text = Array("AAAAAAA=".utf8)
                text[place] = byte
                // Two characters of padding would be right.
                if place == 6, byte == UInt8(ascii: "=") { continue }
                let isRefused = text.withUnsafeBufferPointer {
                    (try? Base64.decode($0)) == nil && (try? Base64.check($0)) == nil
                }
                #expect(isRefused, "\(byte) at \(place)")
            }
        }
    }
}

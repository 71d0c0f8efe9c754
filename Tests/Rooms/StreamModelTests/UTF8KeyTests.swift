import StreamModel
import Testing

/// Keys that look equal are not equal: bytes are compared.
@Suite struct UTF8KeyTests {
    /// Pairs that `String` takes for equal, and whose bytes differ.
    static let lookalikes = [
        ("caf\u{E9}", "cafe\u{301}"), ("\u{AC00}", "\u{1100}\u{1161}"), ("\u{212B}", "\u{C5}"),
        ("\u{212B}", "A\u{30A}"),
        ("\u{212A}", "K"), ("\u{2126}", "\u{3A9}"), ("\u{37E}", ";"), ("a\u{323}\u{307}", "a\u{307}\u{323}"),
        ("\u{1E9B}\u{323}", "\u{17F}\u{323}\u{307}"),
    ]

    @Test(arguments: lookalikes) func `two forms of a text are two keys`(pair: (first: String, second: String)) {
        #expect(pair.first == pair.second, "the sample is none")
        let (first, second) = (UTF8Key(pair.first), UTF8Key(pair.second))
        #expect(first != second)
        #expect((first < second) != (second < first))
        #expect(Set([first, second]).count == 2)
        #expect([first: 1, second: 2][UTF8Key(pair.second)] == 2)
    }

    @Test(arguments: ["", "\0", "\0\0", "a\0", "a\0b", "caf\u{E9}", "😀", String(repeating: "ä", count: 300)])
    func `a text is one key however it was made`(text: String) {
        let others = [String(decoding: Array(text.utf8), as: UTF8.self), String(text.reversed().reversed()), text + ""]
        for other in others {
            #expect(UTF8Key(text) == UTF8Key(other))
            #expect(UTF8Key(text).hashValue == UTF8Key(other).hashValue)
            #expect(!(UTF8Key(text) < UTF8Key(other)))
        }
        #expect(UTF8Key(text).string.utf8.elementsEqual(text.utf8))
        #expect(UTF8Key(text) != UTF8Key(text + "\0"))
        #expect(UTF8Key(text) < UTF8Key(text + "\0"))
    }

    @Test func `the order is that of the bytes`() {
        let keys: [UTF8Key] = ["b", "", "\u{E9}", "e\u{301}", "a\0", "a", "\u{FF21}", "😀"]
        #expect(
            keys.sorted().map { Array($0.string.utf8) }
                == keys.map { Array($0.string.utf8) }.sorted { $0.lexicographicallyPrecedes($1) })
    }
}

import DataFormats
import Testing

/// What is written as JSON and as CBOR by the same calls (API-S-2 to API-S-8).
@Suite struct DocumentWriterTests {
    private static func write(_ format: DocumentFormat, _ body: (inout DocumentWriter) -> Void) -> [UInt8] {
        var writer = DocumentWriter(format, reserving: 16)
        body(&writer)
        return writer.bytes
    }
    private static func json(_ body: (inout DocumentWriter) -> Void) -> String {
        String(decoding: write(.json, body), as: UTF8.self)
    }
    private static func cbor(_ body: (inout DocumentWriter) -> Void) -> String { Hex.text(write(.cbor, body)) }

    @Test func `an answer in both formats`() {
        func body(_ writer: inout DocumentWriter) {
            writer.beginMap(5)
            writer.key("Records")
            writer.beginList(2)
            writer.beginMap(2)
            writer.key("Data")
            writer.blob([0, 255, 1][...])
            writer.key("SequenceNumber")
            writer.ascii("42".utf8)
            writer.endMap()
            writer.beginMap(0)
            writer.endMap()
            writer.endList()
            writer.key("Tags")
            writer.beginMap(1)
            writer.key(text: "a\"ü")
            writer.string("x\ny")
            writer.endMap()
            writer.key("HasMore")
            writer.bool(true)
            writer.key("None")
            writer.beginList(0)
            writer.endList()
            writer.key("At")
            writer.time(milliseconds: 1_700_000_000_123)
            writer.endMap()
        }
        #expect(
            Self.json(body)
                == #"{"Records":[{"Data":"AP8B","SequenceNumber":"42"},{}],"Tags":{"a\"ü":"x\ny"},"HasMore":true,"None":[],"At":1700000000.123}"#
        )
        #expect(
            Self.cbor(body)
                == "a5675265636f72647382a26444617461" + "4300ff01" + "6e53657175656e63654e756d626572623432" + "a0"
                + "6454616773a1646122c3bc63780a79" + "674861734d6f7265f5" + "644e6f6e6580"
                + "624174c11b0000018bcfe5687b")
    }

    /// API-V-4
    @Test func `API-V-4 a time is written as Java reads it`() {
        #expect(Self.cbor { $0.time(milliseconds: 1_700_000_000_123) } == "c11b0000018bcfe5687b")
        let map = Self.cbor { writer in
            writer.beginMap(1)
            writer.key("Timestamp")
            writer.time(milliseconds: 1_700_000_000_123)
            writer.endMap()
        }
        #expect(map == "a16954696d657374616d70c11b0000018bcfe5687b")
    }

    @Test(
        arguments: [
            (0, "0.000", "c100"), (1, "0.001", "c101"), (999, "0.999", "c11903e7"), (-1, "-0.001", "c120"),
            (-1500, "-1.500", "c13905db"),
            (60_000, "60.000", "c119ea60"), (.max, "9223372036854775.807", "c11b7fffffffffffffff"),
            (.min, "-9223372036854775.808", "c13b7fffffffffffffff"),
        ] as [(Int64, String, String)])
    func `API-S-3 times have three decimals in JSON`(milliseconds: Int64, json: String, cbor: String) {
        #expect(Self.json { $0.time(milliseconds: milliseconds) } == json)
        #expect(Self.cbor { $0.time(milliseconds: milliseconds) } == cbor)
    }

    @Test(
        arguments: [
            (0, "00"), (23, "17"), (24, "1818"), (255, "18ff"), (256, "190100"), (65_535, "19ffff"),
            (65_536, "1a00010000"),
            (4_294_967_295, "1affffffff"), (4_294_967_296, "1b0000000100000000"), (.max, "1b7fffffffffffffff"),
            (-1, "20"), (-24, "37"),
            (-25, "3818"), (-256, "38ff"), (-257, "390100"), (.min, "3b7fffffffffffffff"),
        ] as [(Int64, String)])
    func `API-S-4 whole numbers are written in the shortest form`(number: Int64, cbor: String) {
        #expect(Self.cbor { $0.int(number) } == cbor)
        #expect(Self.json { $0.int(number) } == "\(number)")
    }

    /// API-S-8
    @Test(
        arguments: [
            (0, "0.0"), (-0.0, "-0.0"), (1, "1.0"), (0.1, "0.1"), (-12.5, "-12.5"), (1e-5, "0.00001"),
            (-1.25e-7, "-0.000000125"),
            (1e16, "10000000000000000"), (1.5e20, "150000000000000000000"),
            (12_345_678_901_234_567_168, "12345678901234567000"),
            (123456.789, "123456.789"), (.infinity, "null"), (.nan, "null"),
        ] as [(Double, String)])
    func `API-S-8 doubles have no exponent`(number: Double, json: String) {
        #expect(Self.json { $0.double(number) } == json)
    }

    @Test func `API-S-8 the largest and smallest doubles read the same`() throws {
        for number in [Double.greatestFiniteMagnitude, .leastNonzeroMagnitude, .leastNormalMagnitude, .pi, 0x1p60] {
            for sign in [1.0, -1.0] {
                let text = Self.write(.json) { $0.double(sign * number) }
                #expect(!text.contains(UInt8(ascii: "e")))
                #expect(try Document(json: text).root.double == sign * number)
                #expect(try Document(cbor: Self.write(.cbor) { $0.double(sign * number) }).root.double == sign * number)
            }
        }
        #expect(Self.cbor { $0.double(1.1) } == "fb3ff199999999999a")
    }

    @Test func `every character is written so that it reads the same`() throws {
        let text = String(String.UnicodeScalarView((0..<0x300).compactMap(Unicode.Scalar.init))) + "\u{2028}😀\u{10FFFF}"
        #expect(try Document(json: Self.write(.json) { $0.string(text) }).root.text == text)
        #expect(try Document(cbor: Self.write(.cbor) { $0.string(text) }).root.text == text)
        #expect(Self.json { $0.string("\u{0}\u{1F}\"\\/\n\r\t\u{7F}") } == #""\u0000\u001f\"\\/\n\r\t"# + "\u{7F}\"")
    }

    @Test func `words, and collections of other kinds`() {
        #expect(Self.json { $0.bool(false) } == "false")
        #expect(Self.cbor { $0.bool(false) } == "f4")
        #expect(Self.json { $0.null() } == "null")
        #expect(Self.cbor { $0.null() } == "f6")
        #expect(Self.json { $0.ascii([0x31, 0x32].lazy.map { $0 + 1 }) } == "\"23\"")
        #expect(Self.cbor { $0.ascii([0x31, 0x32]) } == "623132")
        #expect(Self.cbor { $0.string(String(repeating: "a", count: 30)) }.hasPrefix("781e61"))
        #expect(Self.json { $0.blob([][...]) } == "\"\"")
        #expect(Self.cbor { $0.blob([UInt8](repeating: 7, count: 300)[...]) }.hasPrefix("59012c07"))
    }
}

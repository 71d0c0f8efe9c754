import Testing

@testable import DataFormats

/// The values of a CBOR item (API-S-3, API-S-4).
@Suite struct CBORTests {
    static func root(_ hex: String) throws -> Document.Value { try Document(cbor: Hex.bytes(hex)).root }

    /// RFC 8949, appendix A.
    @Test(
        arguments: [
            ("00", 0), ("17", 23), ("1818", 24), ("1903e8", 1000), ("1a000f4240", 1_000_000),
            ("1b000000e8d4a51000", 1_000_000_000_000),
            ("1bffffffffffffffff", .max), ("3bffffffffffffffff", .min), ("20", -1), ("3863", -100), ("3903e7", -1000),
            ("c249010000000000000000", .max), ("c349010000000000000000", .min), ("c24101", 1), ("c340", -1),
            ("c240", 0),
            ("c2480123456789abcdef", 0x0123_4567_89AB_CDEF), ("c25818" + String(repeating: "ff", count: 24), .max),
            ("1800", 0), ("1b0000000000000001", 1), ("d9d9f705", 5),
        ] as [(String, Int64)])
    func `whole numbers`(hex: String, number: Int64) throws {
        let value = try Self.root(hex)
        #expect(value.kind == .integer)
        #expect(value.int == number)
        #expect(value.double != nil)
    }

    /// RFC 8949, appendix A. API-S-5: they are cut down.
    @Test(
        arguments: [
            ("f90000", 0, 0), ("f98000", -0.0, 0), ("f93c00", 1, 1), ("fb3ff199999999999a", 1.1, 1), ("f93e00", 1.5, 1),
            ("f97bff", 65504, 65504), ("fa47c35000", 100_000, 100_000), ("fa7f7fffff", 3.4028234663852886e+38, .max),
            ("fb7e37e43c8800759c", 1.0e+300, .max), ("f90001", 5.960464477539063e-8, 0),
            ("f90400", 0.00006103515625, 0),
            ("f9c400", -4, -4), ("fbc010666666666666", -4.1, -5), ("f97c00", .infinity, .max),
            ("f9fc00", -.infinity, .min),
            ("fa7f800000", .infinity, .max), ("fb7ff0000000000000", .infinity, .max),
        ] as [(String, Double, Int64)])
    func `API-S-5 floats`(hex: String, double: Double, whole: Int64) throws {
        let value = try Self.root(hex)
        #expect(value.kind == .decimal)
        #expect(value.double == double)
        #expect(value.int == whole)
    }

    @Test func `NaN counts as 0`() throws {
        for hex in ["f97e00", "fa7fc00000", "fb7ff8000000000000"] {
            let value = try Self.root(hex)
            #expect(value.double?.isNaN == true)
            #expect(value.int == 0)
            #expect(value.milliseconds == nil)
        }
    }

    @Test func `simple values`() throws {
        #expect(try Self.root("f4").bool == false)
        #expect(try Self.root("f5").bool == true)
        #expect(try Self.root("f6").kind == .null)
        #expect(try Self.root("f7").kind == .null)
        for hex in ["f0", "f8ff", "f818", "f814", "e0", "fc", "fd", "fe", "ff"] {
            #expect(throws: DocumentError.self, "\(hex)") { try Self.root(hex) }
        }
    }

    // MARK: Strings

    @Test func `text and bytes, whole and in chunks`() throws {
        #expect(try Self.root("60").text == "")
        #expect(try Self.root("6161").text == "a")
        #expect(try Self.root("62c3bc").text == "ü")
        #expect(try Self.root("7f657374726561646d696e67ff").text == "streaming")
        #expect(try Self.root("7fff").text == "")
        #expect(try Self.root("7f657374726561646d696e67ff").equals("streaming"))
        let bytes = try Self.root("4401020304")
        #expect(bytes.kind == .blob)
        #expect(try bytes.blob() == [1, 2, 3, 4])
        #expect(bytes.blobCount == 4)
        #expect(bytes.text == nil)
        let chunks = try Self.root("5f42010243030405ff")
        #expect(chunks.kind == .blob)
        #expect(try chunks.blob() == [1, 2, 3, 4, 5])
        #expect(chunks.blobCount == 5)
        #expect(try Self.root("5fff").blob() == [])
        #expect(try Self.root("5f4040ff").blobCount == 0)
        // Text where bytes are due is base64.
        #expect(try Self.root("6441414543").blob() == [0, 1, 2])
        #expect(throws: Base64Problem.length(3)) { try Self.root("63414145").blob() }
    }

    @Test(arguments: [
        "5f4101", "5f6101ff", "7f4161ff", "5f5f4101ffff", "7f7f6161ffff", "5f01ff", "7f61c361bcff", "5f", "7f", "7f61",
    ])
    func `chunks of another type, in one another or without an end are refused`(hex: String) {
        #expect(throws: DocumentError.self) { try Self.root(hex) }
    }

    // MARK: Arrays and maps

    @Test(arguments: [
        "a26161016162820203", "bf61610161629f0203ffff", "a2616101616282c0021803", "bf616101616282c0020 3ff",
        "a27f6161ff0161629f02c003ff",
    ])
    func `API-S-4 arrays and maps, with and without a length`(hex: String) throws {
        let value = try Self.root(hex)
        #expect(value.kind == .object)
        #expect(value.count == 2)
        #expect(value["a"]?.int == 1)
        #expect(value["b"]?.elements.map(\.int) == [2, 3])
        #expect(value.members.map { $0.name.text } == ["a", "b"])
    }

    @Test(arguments: [
        "a10102", "bf0102ff", "a1f602", "a1410102", "a1c1616102", "a1", "a161", "a16161", "bf6161ff", "bf", "9f",
        "9f01", "82", "8201",
        "ff", "81ff", "a16161ff", "", "1c", "1f", "3f", "df00", "c1", "d81c", "5b7fffffffffffffff",
        "7b0000000100000000",
        "9bffffffffffffffff00", "bbffffffffffffffff6161", "9b7fffffffffffffff", "98ff00", "5a00000002ff", "1800ff",
        "0000",
    ])
    func `API-S-4 what is cut off, promises more than there is, or has names that are no text is refused`(hex: String) {
        #expect(throws: DocumentError.self) { try Self.root(hex) }
    }

    @Test func `API-S-4 arrays and maps are nested 32 deep at most, tags at will`() throws {
        for (open, inner) in [("81", "00"), ("a16161", "00"), ("9f", "")] {
            func nested(_ depth: Int) -> String {
                String(repeating: open, count: depth) + inner
                    + (inner.isEmpty ? String(repeating: "ff", count: depth) : "")
            }
            _ = try Self.root(nested(32))
            #expect(throws: DocumentError(.tooDeep, at: 16 * open.utf8.count)) { try Self.root(nested(33)) }
            #expect(throws: DocumentError.self) { try Self.root(String(repeating: open, count: 1 << 20)) }
        }
        let tags = [UInt8](repeating: 0xC5, count: 1 << 20)
        #expect(try Document(cbor: tags + [7]).root.int == 7)
        #expect(throws: DocumentError(.malformed, at: 1 << 20)) { try Document(cbor: tags) }
    }

    // MARK: Times

    /// API-V-4
    @Test func `API-V-4 Java's times are read`() throws {
        let time = try Self.root("c11b0000018bcfe5687b")
        #expect(time.kind == .time)
        #expect(time.milliseconds == 1_700_000_000_123)
        #expect(time.int == nil)
        for hex in ["a16954696d657374616d70c11b0000018bcfe5687b", "bf6954696d657374616d70c11b0000018bcfe5687bff"] {
            #expect(try Self.root(hex)["Timestamp"]?.milliseconds == 1_700_000_000_123)
        }
    }

    /// API-S-3
    @Test(
        arguments: [
            ("1b0000018bcfe5687b", 1_700_000_000_123), ("1a6553f100", 1_700_000_000_000),
            ("c11a6553f100", 1_700_000_000_000),
            ("1b000000174876e7ff", 99_999_999_999_000), ("1b000000174876e800", 100_000_000_000), ("20", -1000),
            ("c120", -1000),
            ("c1fb41d954fc4007df3b", 1_700_000_000_123), ("fb41d954fc4007df3b", 1_700_000_000_123), ("c1f93e00", 1500),
            ("c1f9be00", -1500), ("fb3f40624dd2f1a9fc", 0), ("c1c24101", 1000), ("c1d9d9f701", 1000),
            ("3bffffffffffffffff", nil), ("1bffffffffffffffff", nil), ("c1fb7e37e43c8800759c", nil), ("c1f97c00", nil),
            ("c16161", nil), ("f5", nil),
        ] as [(String, Int64?)])
    func `API-S-3 times`(hex: String, milliseconds: Int64?) throws {
        #expect(try Self.root(hex).milliseconds == milliseconds)
    }

    @Test func `a number with tag 1 is a time, other tags are skipped`() throws {
        #expect(try Self.root("c101").kind == .time)
        #expect(try Self.root("c1f93c00").kind == .time)
        #expect(try Self.root("c16161").kind == .string)
        #expect(try Self.root("d9d9f7a16161c0c101")["a"]?.kind == .time)
        #expect(try Self.root("c20a").int == 10)
    }
}

enum Hex {
    static func bytes(_ text: String) -> [UInt8] {
        let digits = text.compactMap(\.hexDigitValue)
        return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    static func text(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}

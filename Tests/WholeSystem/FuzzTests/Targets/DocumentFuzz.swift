import DataFormats
import EventSource
import FilterModel
import StreamModel

/// A value of a request, as it is compared.
indirect enum FuzzValue: Equatable {
    case null
    case bool(Bool)
    case int(Int64)
    /// By its bits, so that NaN is NaN.
    case double(UInt64)
    case text([UInt8])
    case blob([UInt8])
    case time(Int64?)
    case list([FuzzValue])
    case map([Member])

    struct Member: Equatable {
        var name: [UInt8]
        var value: FuzzValue
    }

    /// Goes through a value by all that can be asked of it.
    init(_ value: Document.Value) throws {
        let isNumber = value.kind == .integer || value.kind == .decimal
        try hold((value.int != nil) == isNumber && (value.double != nil) == isNumber, "a number without a value")
        try hold((value.bool != nil) == (value.kind == .bool), "a truth of another kind")
        try hold((value.text != nil) == (value.kind == .string), "a text of another kind")
        if !isNumber, value.kind != .time { try hold(value.milliseconds == nil, "a time of another kind") }
        switch value.kind {
        case .null: self = .null
        case .bool: self = .bool(value.bool == true)
        case .integer: self = .int(value.int ?? 0)
        case .decimal: self = .double((value.double ?? 0).bitPattern)
        case .string:
            let text = value.text ?? ""
            self = .text(Array(text.utf8))
            try Self.checkBase64(value, text)
        case .blob:
            let blob = try value.blob()
            try hold(value.blobCount == blob.count, "a blob has another length")
            self = .blob(blob)
        case .time: self = .time(value.milliseconds)
        case .array:
            let elements = try value.elements.map(FuzzValue.init)
            try hold(elements.count == value.count, "a list has another length")
            self = .list(elements)
        case .object:
            let members = try value.members.map { member in
                Member(name: Array((member.name.text ?? "").utf8), value: try FuzzValue(member.value))
            }
            try hold(members.count == value.count, "a map has another length")
            let last = members.last { $0.name == Array("key".utf8) && $0.value != .null }
            try hold(try value["key"].map(FuzzValue.init) == last?.value, "another member is found")
            self = .map(members)
        }
    }

    private static func checkBase64(_ value: Document.Value, _ text: String) throws {
        let bytes = Base64.bytes(of: text)
        do {
            let blob = try value.blob()
            try hold(blob == bytes, "base64 differs in the body and as text")
            if let count = value.blobCount { try hold(count == blob.count, "base64 has another length") }
        } catch is Base64Problem {
            try hold(bytes == nil, "text is base64, and is not in the body")
        }
        try hold(value.equals("key") == (text.utf8.elementsEqual("key".utf8)), "a comparison differs")
    }

    func write(to writer: inout DocumentWriter) {
        switch self {
        case .null: writer.null()
        case .bool(let value): writer.bool(value)
        case .int(let value): writer.int(value)
        case .double(let bits): writer.double(Double(bitPattern: bits))
        case .text(let text): writer.string(String(decoding: text, as: UTF8.self))
        case .blob(let bytes): writer.blob(bytes[...])
        case .time(let milliseconds): writer.time(milliseconds: milliseconds ?? 0)
        case .list(let elements):
            writer.beginList(elements.count)
            for element in elements { element.write(to: &writer) }
            writer.endList()
        case .map(let members):
            writer.beginMap(members.count)
            for member in members {
                writer.key(text: String(decoding: member.name, as: UTF8.self))
                member.value.write(to: &writer)
            }
            writer.endMap()
        }
    }
}

/// A body of a request: what is read is written so that it reads the same, in both formats.
enum DocumentFuzz {
    static func checkJSON(_ input: [UInt8]) throws {
        let document: Document
        do {
            document = try Document(json: input)
        } catch {
            try hold(error.offset <= input.count, "an error is after the end")
            guard error.reason != .tooDeep else { return }
            return try hold(ModelJSON(input) == nil && JSONValue(input) == nil, "another reader takes it")
        }
        let value = try FuzzValue(document.root)
        try hold(ModelJSON(input).map { isSame($0, document.root) } == true, "the model reads something else")
        try hold(JSONValue(input).map { isSame($0, document.root) } == true, "another reader reads something else")
        try checkNumbers(document.root)
        try checkAgain(value, .json)
    }

    static func checkCBOR(_ input: [UInt8]) throws {
        let document: Document
        do {
            document = try Document(cbor: input)
        } catch {
            return try hold(error.offset <= input.count, "an error is after the end")
        }
        try checkAgain(try FuzzValue(document.root), .cbor)
    }

    private static func checkAgain(_ value: FuzzValue, _ format: DocumentFormat) throws {
        var writer = DocumentWriter(format)
        value.write(to: &writer)
        let again = try format == .json ? Document(json: writer.bytes) : Document(cbor: writer.bytes)
        let read = try FuzzValue(again.root)
        try hold(plain(read) == plain(value), "a value reads differently when it is written again")
    }

    /// Without what is not kept: infinite numbers in JSON, the digits beyond those of a `Double`, and times, as a time of CBOR
    /// below 10^11 reads as seconds.
    private static func plain(_ value: FuzzValue) -> FuzzValue {
        switch value {
        case .time: .time(nil)
        case .double(let bits): plain(Double(bitPattern: bits))
        case .int(let value): plain(Double(value))
        case .list(let elements): .list(elements.map(plain))
        case .map(let members): .map(members.map { .init(name: $0.name, value: plain($0.value)) })
        default: value
        }
    }

    private static func plain(_ number: Double) -> FuzzValue {
        guard number.isFinite else { return .null }
        // A whole number that has no 64 bits is read as the nearest that has.
        return .double((number == 0 ? 0 : min(max(number, -0x1p63), 0x1p63)).bitPattern)
    }

    /// The model stands on no scanner of ours. What a number is is compared below.
    private static func isSame(_ one: ModelJSON, _ other: Document.Value) -> Bool {
        switch one {
        case .null: other.kind == .null
        case .bool(let value): other.bool == value
        case .number: other.kind == .integer || other.kind == .decimal
        case .string(let text): other.text.map { $0.utf8.elementsEqual(text.utf8) } == true
        case .array(let elements):
            other.kind == .array && elements.count == other.count
                && zip(elements, other.elements).allSatisfy { isSame($0, $1) }
        case .object(let members):
            other.kind == .object && members.count == other.count
                && zip(members, other.members).allSatisfy { member, found in
                    isSame(ModelJSON.string(member.name), found.name) && isSame(member.value, found.value)
                }
        }
    }

    private static func isSame(_ one: JSONValue, _ other: Document.Value) -> Bool {
        switch one {
        case .null: other.kind == .null
        case .bool(let value): other.bool == value
        case .number(let text): other.double == Double(text)
        case .string(let text): other.text.map { $0.utf8.elementsEqual(text.utf8) } == true
        case .array(let elements):
            elements.count == other.count && zip(elements, other.elements).allSatisfy { isSame($0, $1) }
        case .object(let members):
            other.kind == .object
                && Set(other.members.map { UTF8Key($0.name.text ?? "") }) == Set(members.keys)
                && members.allSatisfy { name, value in
                    Array(other.members).last { UTF8Key($0.name.text ?? "") == name }.map { isSame(value, $0.value) }
                        == true
                }
        }
    }

    /// The parts of a number contradict each other nowhere.
    private static func checkNumbers(_ value: Document.Value) throws {
        for element in value.elements { try checkNumbers(element) }
        for member in value.members { try checkNumbers(member.value) }
        guard let double = value.double, let int = value.int else { return }
        let whole = double.rounded(.down)
        try hold(
            abs(Double(int) - whole) <= 1 + abs(whole) * 1e-15 || (whole > 9e18 && int > 9_000_000_000_000_000_000)
                || (whole < -9e18 && int < -9_000_000_000_000_000_000), "a number is cut to another one")
        let seconds = double * 1000
        if let milliseconds = value.milliseconds {
            try hold(abs(Double(milliseconds) - seconds) <= 1 + abs(seconds) * 1e-15, "a time is another one")
        } else {
            try hold(abs(seconds) > 9.2e18, "a time is missing")
        }
    }
}

/// Values that the input makes up, written in both formats, read the same.
enum DocumentWriterFuzz {
    static func check(_ input: [UInt8]) throws {
        var source = Source(bytes: input[...])
        let value = source.value(depth: 0)
        for format in [DocumentFormat.json, .cbor] {
            var writer = DocumentWriter(format)
            value.write(to: &writer)
            let document = try format == .json ? Document(json: writer.bytes) : Document(cbor: writer.bytes)
            try compare(value, document.root, format)
        }
    }

    private static func compare(_ value: FuzzValue, _ read: Document.Value, _ format: DocumentFormat) throws {
        switch value {
        case .null: try hold(read.kind == .null, "null")
        case .bool(let value): try hold(read.bool == value, "a truth")
        case .int(let value): try hold(read.kind == .integer && read.int == value, "a whole number")
        case .double(let bits):
            let number = Double(bitPattern: bits)
            if format == .json, !number.isFinite { return try hold(read.kind == .null, "no number") }
            try hold(number.isNaN ? read.double?.isNaN == true : read.double == number, "a double")
        case .text(let text): try hold(read.text.map { Array($0.utf8) } == text, "a text")
        case .blob(let bytes):
            try hold(try read.blob() == bytes && read.blobCount == bytes.count, "a blob")
            try hold(read.kind == (format == .json ? .string : .blob), "a blob's kind")
        case .time(let time):
            let milliseconds = time ?? 0
            try hold(read.kind == (format == .json ? .decimal : .time), "a time's kind")
            // In CBOR a small time would be one in seconds.
            if format == .json || milliseconds >= 100_000_000_000 {
                try hold(read.milliseconds == milliseconds, "a time")
            }
        case .list(let elements):
            try hold(read.kind == .array && read.count == elements.count, "a list")
            for (element, other) in zip(elements, read.elements) { try compare(element, other, format) }
        case .map(let members):
            try hold(read.kind == .object && read.count == members.count, "a map")
            for (member, other) in zip(members, read.members) {
                try hold(other.name.text.map { Array($0.utf8) } == member.name, "a name")
                try compare(member.value, other.value, format)
            }
        }
    }

    /// Values out of bytes.
    private struct Source {
        var bytes: ArraySlice<UInt8>

        mutating func byte() -> UInt8 { bytes.popFirst() ?? 0 }

        mutating func number() -> UInt64 { (0..<8).reduce(0) { number, _ in number << 8 | UInt64(byte()) } }

        mutating func data() -> [UInt8] {
            let count = min(Int(byte()), bytes.count)
            defer { bytes = bytes.dropFirst(count) }
            return Array(bytes.prefix(count))
        }

        mutating func text() -> [UInt8] { Array(String(decoding: data(), as: UTF8.self).utf8) }

        mutating func value(depth: Int) -> FuzzValue {
            switch byte() % (depth < 20 ? 9 : 7) {
            case 0: .null
            case 1: .bool(byte() & 1 == 1)
            case 2: .int(Int64(bitPattern: number()) >> Int64(byte() & 63))
            case 3: .double(number())
            case 4: .text(text())
            case 5: .blob(data())
            case 6: .time(Int64(bitPattern: number()) >> Int64(byte() & 63))
            case 7: .list((0..<byte() % 5).map { _ in value(depth: depth + 1) })
            default: .map((0..<byte() % 5).map { _ in .init(name: text(), value: value(depth: depth + 1)) })
            }
        }
    }
}

/// Text of a blob: it is read where it is what would be written, and else Kinesis' reasons are told in their order.
enum Base64Fuzz {
    static func check(_ input: [UInt8]) throws {
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        do {
            let bytes = try input.withUnsafeBufferPointer { (text) throws(Base64Problem) in try Base64.decode(text) }
            var again: [UInt8] = []
            Base64.append(bytes.span, to: &again)
            try hold(again == input, "base64 is written differently")
            try hold(input.withUnsafeBufferPointer { Base64.decodedCount(of: $0) } == bytes.count, "another length")
        } catch let problem as Base64Problem {
            let padding = input.suffix(2).reversed().prefix { $0 == UInt8(ascii: "=") }.count
            let bad = input.dropLast(padding).firstIndex { !letters.contains($0) }
            switch problem {
            case .length(let count): try hold(count == input.count && count % 4 != 0, "the length is right")
            case .character(let character):
                try hold(input.count % 4 == 0, "the length comes first")
                let text = bad.map { String(decoding: input[$0...].prefix(4), as: UTF8.self) }
                try hold(text?.unicodeScalars.first.map { Character($0) } == character, "another character is bad")
            case .lastCharacter:
                try hold(input.count % 4 == 0 && bad == nil && padding > 0, "another reason comes first")
            }
        }
        // And the other way: what is put in comes out.
        var text: [UInt8] = []
        Base64.append(input.span, to: &text)
        let bytes = try text.withUnsafeBufferPointer { (text) throws(Base64Problem) in try Base64.decode(text) }
        try hold(bytes == input, "bytes are read differently")
    }
}

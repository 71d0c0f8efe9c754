import DataFormats
import StreamModel

/// A JSON value, read strictly (RFC 8259) and with a limited depth.
package enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    /// A number, as it was written.
    case number(String)
    case string(String)
    case array([JSONValue])
    /// The members, unordered. The last of several members with one name counts, as in most readers.
    case object([UTF8Key: JSONValue])

    /// Reads one value, with only white space around it; nil if `bytes` are not JSON.
    package init?(_ bytes: [UInt8]) {
        guard let value = Self.read(bytes)?.value else { return nil }
        self = value
    }

    /// A value that was read, and what it does not keep of its bytes.
    package struct Reading: Hashable, Sendable {
        package var value: JSONValue
        /// The names that occur more than once in any object of the value, at most 100.
        package var repeated: [String] = []
        /// The bytes of the outermost object's member with the name that was asked for.
        package var member: [UInt8]?
    }

    /// The same, with the bytes of one member of the outermost object.
    package static func read(_ bytes: [UInt8], keeping member: UTF8Key? = nil) -> Reading? {
        var reader = Reader(bytes: bytes, kept: member)
        reader.skipSpace()
        guard let value = reader.value(depth: 0) else { return nil }
        reader.skipSpace()
        guard reader.at == bytes.count else { return nil }
        return Reading(value: value, repeated: reader.repeated, member: reader.member.map { Array(bytes[$0]) })
    }

    package var text: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// The value of a member of an object; nil if there is none.
    package subscript(_ name: String) -> JSONValue? {
        if case .object(let members) = self { members[UTF8Key(name)] } else { nil }
    }

    private struct Reader {
        /// Deeper than any meaningful response, shallow enough for the stack.
        static let maximumDepth = 200
        let bytes: [UInt8]
        let kept: UTF8Key?
        var member: Range<Int>?
        var at = 0
        var repeated: [String] = []

        init(bytes: [UInt8], kept: UTF8Key?) {
            self.bytes = bytes
            self.kept = kept
        }

        mutating func skipSpace() {
            while at < bytes.count, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[at]) { at += 1 }
        }

        mutating func take(_ byte: UInt8) -> Bool {
            guard at < bytes.count, bytes[at] == byte else { return false }
            at += 1
            return true
        }

        mutating func take(_ word: String) -> Bool {
            guard bytes[at...].starts(with: word.utf8) else { return false }
            at += word.utf8.count
            return true
        }

        mutating func value(depth: Int) -> JSONValue? {
            guard depth < Self.maximumDepth, at < bytes.count else { return nil }
            switch bytes[at] {
            case UInt8(ascii: "{"): return object(depth: depth)
            case UInt8(ascii: "["): return array(depth: depth)
            case UInt8(ascii: "\""): return string().map { .string($0) }
            case UInt8(ascii: "t"): return take("true") ? .bool(true) : nil
            case UInt8(ascii: "f"): return take("false") ? .bool(false) : nil
            case UInt8(ascii: "n"): return take("null") ? .null : nil
            default: return number()
            }
        }

        mutating func object(depth: Int) -> JSONValue? {
            at += 1
            var members: [UTF8Key: JSONValue] = [:]
            skipSpace()
            if take(UInt8(ascii: "}")) { return .object(members) }
            while true {
                skipSpace()
                guard at < bytes.count, bytes[at] == UInt8(ascii: "\""), let name = string() else { return nil }
                skipSpace()
                guard take(UInt8(ascii: ":")) else { return nil }
                skipSpace()
                let start = at
                guard let value = value(depth: depth + 1) else { return nil }
                if depth == 0, UTF8Key(name) == kept { member = start..<at }
                if members.updateValue(value, forKey: UTF8Key(name)) != nil, repeated.count < 100 {
                    repeated.append(name)
                }
                skipSpace()
                if take(UInt8(ascii: "}")) { return .object(members) }
                guard take(UInt8(ascii: ",")) else { return nil }
            }
        }

        mutating func array(depth: Int) -> JSONValue? {
            at += 1
            var elements: [JSONValue] = []
            skipSpace()
            if take(UInt8(ascii: "]")) { return .array(elements) }
            while true {
                skipSpace()
                guard let value = value(depth: depth + 1) else { return nil }
                elements.append(value)
                skipSpace()
                if take(UInt8(ascii: "]")) { return .array(elements) }
                guard take(UInt8(ascii: ",")) else { return nil }
            }
        }

        mutating func number() -> JSONValue? {
            let start = at
            _ = take(UInt8(ascii: "-"))
            if !take(UInt8(ascii: "0")), digits() == 0 { return nil }
            if take(UInt8(ascii: ".")), digits() == 0 { return nil }
            if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
                if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
                if digits() == 0 { return nil }
            }
            return .number(String(decoding: bytes[start..<at], as: UTF8.self))
        }

        mutating func digits() -> Int {
            let start = at
            while at < bytes.count, (0x30...0x39).contains(bytes[at]) { at += 1 }
            return at - start
        }

        mutating func string() -> String? {
            at += 1
            var text: [UInt8] = []
            while true {
                // Text without escapes is copied in one piece: a record's data may have many megabytes.
                let start = at
                at = endOfPlainText(from: start)
                guard at < bytes.count else { return nil }
                let plain = bytes[start..<at]
                let byte = bytes[at]
                at += 1
                switch byte {
                case UInt8(ascii: "\""):
                    if text.isEmpty { return String(validating: plain, as: UTF8.self) }
                    text.append(contentsOf: plain)
                    return String(validating: text, as: UTF8.self)
                case UInt8(ascii: "\\"):
                    text.append(contentsOf: plain)
                    guard escape(into: &text) else { return nil }
                default: return nil
                }
            }
        }

        /// The index of the next quote, backslash or control character, or the end.
        private func endOfPlainText(from start: Int) -> Int {
            bytes.withUnsafeBufferPointer { bytes in
                var index = start
                while index < bytes.count, bytes[index] >= 0x20, bytes[index] != 0x22, bytes[index] != 0x5C {
                    index += 1
                }
                return index
            }
        }

        mutating func escape(into text: inout [UInt8]) -> Bool {
            guard at < bytes.count else { return false }
            let byte = bytes[at]
            at += 1
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
            case UInt8(ascii: "b"): text.append(0x08)
            case UInt8(ascii: "f"): text.append(0x0C)
            case UInt8(ascii: "n"): text.append(0x0A)
            case UInt8(ascii: "r"): text.append(0x0D)
            case UInt8(ascii: "t"): text.append(0x09)
            case UInt8(ascii: "u"):
                guard var code = hexadecimal() else { return false }
                if (0xD800..<0xDC00).contains(code) {
                    guard take("\\u"), let low = hexadecimal(), (0xDC00..<0xE000).contains(low) else { return false }
                    code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
                }
                guard let scalar = Unicode.Scalar(code) else { return false }
                text.append(contentsOf: String(scalar).utf8)
            default: return false
            }
            return true
        }

        mutating func hexadecimal() -> UInt32? {
            guard at + 4 <= bytes.count else { return nil }
            var code: UInt32 = 0
            for byte in bytes[at..<at + 4] {
                guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else { return nil }
                code = code << 4 | UInt32(digit)
            }
            at += 4
            return code
        }
    }
}

extension JSONValue {
    /// The value as JSON, with sorted members. Numbers are as they were read.
    package var bytes: [UInt8] {
        var writer = JSONWriter(reserving: 64)
        write(to: &writer)
        return writer.bytes
    }

    private func write(to writer: inout JSONWriter) {
        switch self {
        case .null: writer.raw("null")
        case .bool(let value): writer.raw(value ? "true" : "false")
        case .number(let text): writer.raw(text)
        case .string(let text): writer.string(text)
        case .array(let elements): writer.array { list in for element in elements { element.write(to: &list) } }
        case .object(let members):
            writer.object { object in
                for (name, value) in members.sorted(by: { $0.key.string < $1.key.string }) {
                    object.name(text: name.string)
                    value.write(to: &object)
                }
            }
        }
    }
}

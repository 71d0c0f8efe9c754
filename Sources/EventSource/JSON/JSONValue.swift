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
        bytes.withUnsafeBufferPointer { bytes in
            var reader = Reader(scanner: JSONScanner(bytes), kept: member)
            reader.scanner.skipSpace()
            guard let value = reader.value(depth: 0) else { return nil }
            reader.scanner.skipSpace()
            guard reader.scanner.isAtEnd else { return nil }
            return Reading(value: value, repeated: reader.repeated, member: reader.member.map { Array(bytes[$0]) })
        }
    }

    package var text: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// The value of a member of an object; nil if there is none.
    package subscript(_ name: String) -> JSONValue? {
        if case .object(let members) = self { members[UTF8Key(name)] } else { nil }
    }

    private struct Reader {
        var scanner: JSONScanner
        let kept: UTF8Key?
        var member: Range<Int>?
        var repeated: [String] = []

        mutating func value(depth: Int) -> JSONValue? {
            guard depth < JSONScanner.maximumDepth else { return nil }
            switch scanner.next {
            case UInt8(ascii: "{"): return object(depth: depth)
            case UInt8(ascii: "["): return array(depth: depth)
            case UInt8(ascii: "\""): return string().map { .string($0) }
            case UInt8(ascii: "t"): return scanner.take("true") ? .bool(true) : nil
            case UInt8(ascii: "f"): return scanner.take("false") ? .bool(false) : nil
            case UInt8(ascii: "n"): return scanner.take("null") ? .null : nil
            default:
                return scanner.number().map { .number(String(decoding: scanner.slice($0), as: UTF8.self)) }
            }
        }

        private mutating func string() -> String? { scanner.string()?.string(in: scanner) }

        private mutating func object(depth: Int) -> JSONValue? {
            var members: [UTF8Key: JSONValue] = [:]
            scanner.at += 1
            scanner.skipSpace()
            if scanner.take(UInt8(ascii: "}")) { return .object(members) }
            while true {
                scanner.skipSpace()
                guard scanner.next == UInt8(ascii: "\""), let name = string() else { return nil }
                scanner.skipSpace()
                guard scanner.take(UInt8(ascii: ":")) else { return nil }
                scanner.skipSpace()
                let start = scanner.at
                guard let value = value(depth: depth + 1) else { return nil }
                if depth == 0, UTF8Key(name) == kept { member = start..<scanner.at }
                if members.updateValue(value, forKey: UTF8Key(name)) != nil, repeated.count < 100 {
                    repeated.append(name)
                }
                scanner.skipSpace()
                if scanner.take(UInt8(ascii: "}")) { return .object(members) }
                guard scanner.take(UInt8(ascii: ",")) else { return nil }
            }
        }

        private mutating func array(depth: Int) -> JSONValue? {
            var elements: [JSONValue] = []
            scanner.at += 1
            scanner.skipSpace()
            if scanner.take(UInt8(ascii: "]")) { return .array(elements) }
            while true {
                scanner.skipSpace()
                guard let value = value(depth: depth + 1) else { return nil }
                elements.append(value)
                scanner.skipSpace()
                if scanner.take(UInt8(ascii: "]")) { return .array(elements) }
                guard scanner.take(UInt8(ascii: ",")) else { return nil }
            }
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

/// JSON as a tree in which nothing is lost: the members of an object in their order, repeated names included.
package indirect enum ModelJSON: Equatable {
    case null
    case bool(Bool)
    case number(ModelNumber)
    case string(String)
    case array([ModelJSON])
    case object([Member])

    package struct Member: Equatable {
        package let name: String
        package let value: ModelJSON

        package init(_ name: String, _ value: ModelJSON) {
            self.name = name
            self.value = value
        }
    }

    /// Texts are equal when their bytes are.
    package static func == (left: ModelJSON, right: ModelJSON) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let left), .bool(let right)): left == right
        case (.number(let left), .number(let right)): left.compared(to: right) == 0
        case (.string(let left), .string(let right)): left.utf8.elementsEqual(right.utf8)
        default: false
        }
    }

    var members: [Member]? { if case .object(let members) = self { members } else { nil } }

    subscript(_ name: String) -> ModelJSON? { members?.last { $0.name == name }?.value }

    /// The elements of a list and of the lists in it.
    var elements: [ModelJSON] { if case .array(let elements) = self { elements.flatMap(\.elements) } else { [self] } }

    /// Reads JSON; nil if it is none.
    package init?(_ bytes: [UInt8]) {
        guard String(validating: bytes, as: UTF8.self) != nil else { return nil }
        var reader = Reader(bytes: bytes)
        guard let value = reader.value(0) else { return nil }
        reader.space()
        guard reader.at == bytes.count else { return nil }
        self = value
    }

    private struct Reader {
        let bytes: [UInt8]
        var at = 0

        var next: UInt8? { at < bytes.count ? bytes[at] : nil }

        mutating func space() {
            while let byte = next, [0x20, 0x0A, 0x0D, 0x09].contains(byte) { at += 1 }
        }

        mutating func take(_ text: String) -> Bool {
            guard bytes[at...].starts(with: text.utf8) else { return false }
            at += text.utf8.count
            return true
        }

        mutating func value(_ depth: Int) -> ModelJSON? {
            space()
            guard depth < 200 else { return nil }
            if take("null") { return .null }
            if take("true") { return .bool(true) }
            if take("false") { return .bool(false) }
            if next == UInt8(ascii: "\"") { return string().map { .string($0) } }
            if take("[") {
                var elements: [ModelJSON] = []
                space()
                if take("]") { return .array([]) }
                while let element = value(depth + 1) {
                    elements.append(element)
                    space()
                    if take("]") { return .array(elements) }
                    if !take(",") { return nil }
                }
                return nil
            }
            if take("{") {
                var members: [Member] = []
                space()
                if take("}") { return .object([]) }
                while true {
                    space()
                    guard next == UInt8(ascii: "\""), let name = string() else { return nil }
                    space()
                    guard take(":"), let value = value(depth + 1) else { return nil }
                    members.append(Member(name, value))
                    space()
                    if take("}") { return .object(members) }
                    if !take(",") { return nil }
                }
            }
            return number()
        }

        mutating func number() -> ModelJSON? {
            let rest = String(
                decoding: bytes[at...].prefix { $0 != 0x2C && $0 != 0x5D && $0 != 0x7D && $0 > 0x20 }, as: UTF8.self)
            guard rest.wholeMatch(of: #/-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/#) != nil else {
                return nil
            }
            at += rest.utf8.count
            return .number(ModelNumber(rest))
        }

        mutating func string() -> String? {
            at += 1
            var text: [UInt8] = []
            while let byte = next {
                at += 1
                switch byte {
                case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
                case ..<0x20: return nil
                case UInt8(ascii: "\\"):
                    guard let scalar = escape() else { return nil }
                    text += String(scalar).utf8
                default: text.append(byte)
                }
            }
            return nil
        }

        mutating func escape() -> Unicode.Scalar? {
            let simple: [(String, Unicode.Scalar)] = [
                ("\"", "\""), ("\\", "\\"), ("/", "/"), ("b", "\u{8}"), ("f", "\u{C}"), ("n", "\n"), ("r", "\r"),
                ("t", "\t"),
            ]
            for (letter, scalar) in simple where take(letter) { return scalar }
            guard let first = unit() else { return nil }
            if let scalar = Unicode.Scalar(first) { return scalar }
            guard take("\\"), let second = unit() else { return nil }
            var units = [first, second].makeIterator()
            var decoder = UTF16()
            if case .scalarValue(let scalar) = decoder.decode(&units) { return scalar } else { return nil }
        }

        mutating func unit() -> UInt16? {
            let digits = bytes[at...].dropFirst().prefix(4)
            guard next == UInt8(ascii: "u"), digits.count == 4,
                digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit && $0 < 0x80 })
            else { return nil }
            at += 5
            return UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
        }
    }
}

/// A number of any size and precision.
package struct ModelNumber {
    private var isNegative: Bool
    /// 0.digits · 10^power, without zeros at either end; without digits it is zero.
    private var digits: [UInt8]
    private var power: Int

    init(_ text: String) {
        isNegative = text.hasPrefix("-")
        let parts = text.drop { $0 == "-" }.split { $0 == "e" || $0 == "E" }
        let mantissa = parts[0].split(separator: ".")
        digits = Array(mantissa.joined().utf8)
        let sign = parts.count > 1 && parts[1].hasPrefix("-") ? -1 : 1
        let exponent = parts.count > 1 ? parts[1].drop { $0 == "-" || $0 == "+" || $0 == "0" } : "0"
        power = mantissa[0].utf8.count + sign * min(Int(exponent.prefix(15)) ?? 0, 1_000_000_000_000)
        while digits.first == 0x30 {
            digits.removeFirst()
            power -= 1
        }
        while digits.last == 0x30 { digits.removeLast() }
    }

    /// Below 0 if it is less than `other`, above if it is greater.
    func compared(to other: ModelNumber) -> Int {
        if digits.isEmpty || other.digits.isEmpty {
            return (digits.isEmpty ? 0 : isNegative ? -1 : 1) - (other.digits.isEmpty ? 0 : other.isNegative ? -1 : 1)
        }
        if isNegative != other.isNegative { return isNegative ? -1 : 1 }
        let size =
            power != other.power
            ? (power < other.power ? -1 : 1)
            : digits == other.digits ? 0 : digits.lexicographicallyPrecedes(other.digits) ? -1 : 1
        return isNegative ? -size : size
    }
}

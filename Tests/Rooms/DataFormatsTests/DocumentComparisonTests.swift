import DataFormats
import Foundation
import TestSupport
import Testing

/// Random documents, and Foundation's reader and writer as the judges.
@Suite struct DocumentComparisonTests {
    /// A value as both readers have it.
    enum Value: Equatable {
        case null
        case bool(Bool)
        case number(Double)
        case text([UInt8])
        case array([Value])
        case object([[UInt8]: Value])

        init(_ value: Document.Value) {
            switch value.kind {
            case .null: self = .null
            case .bool: self = .bool(value.bool == true)
            case .integer, .decimal, .time: self = .number(value.double ?? .nan)
            case .string: self = .text(Array((value.text ?? "?").utf8))
            case .blob: self = .text((try? value.blob()) ?? [])
            case .array: self = .array(value.elements.map(Value.init))
            case .object:
                self = .object(
                    Dictionary(value.members.map { (Array(($0.name.text ?? "?").utf8), Value($0.value)) }) { $1 })
            }
        }

        static func == (left: Value, right: Value) -> Bool {
            switch (left, right) {
            case (.null, .null): true
            case (.bool(let left), .bool(let right)): left == right
            // Foundation's numbers are a little off where a fraction has an exponent.
            case (.number(let left), .number(let right)): abs(left - right) <= 1e-14 * max(abs(left), abs(right))
            case (.text(let left), .text(let right)): left == right
            case (.array(let left), .array(let right)): left == right
            case (.object(let left), .object(let right)): left == right
            default: false
            }
        }

        /// A value of JSONSerialization.
        init?(foundation value: Any) {
            switch value {
            case is NSNull: self = .null
            case let text as String: self = .text(Array(text.utf8))
            case let list as [Any]: self = .array(list.compactMap(Value.init(foundation:)))
            case let map as [String: Any]:
                self = .object(
                    Dictionary(
                        uniqueKeysWithValues: map.compactMap { name, value in
                            Value(foundation: value).map { (Array(name.utf8), $0) }
                        }))
            case let number as NSNumber:
                let isBool = String(cString: number.objCType) == "c"
                self = isBool ? .bool(number.boolValue) : .number(number.doubleValue)
            default: return nil
            }
        }
    }

    /// Text of a random value, in a random spelling.
    struct Generator {
        var random: SeededRandom

        mutating func value(_ depth: Int) -> String {
            let space = random.pick(["", "", "", " ", "\n\t", "\r "])
            let kinds = depth > 5 ? 6 : 9
            let text =
                switch random.below(kinds) {
                case 0: random.pick(["null", "true", "false"])
                case 1, 2: number()
                case 3, 4, 5: string()
                case 6: "[" + (0..<random.below(5)).map { _ in value(depth + 1) }.joined(separator: ",") + space + "]"
                default:
                    // Foundation compares names as Unicode does, so they differ by their number.
                    "{"
                        + (0..<random.below(5)).map {
                            "\"\($0)\(random.pick(["", "a", #"\u00e9"#]))\"" + space + ":" + value(depth + 1)
                        }
                        .joined(separator: ",") + space + "}"
                }
            return space + text + space
        }

        private mutating func number() -> String {
            let sign = random.pick(["", "-"])
            let whole = random.pick(["0", "\(random.pick(1...9))", "\(random.pick(1...999_999_999))"])
            let fraction = random.pick(["", "", ".\(random.below(1000))", ".000\(random.below(10))"])
            let exponent = random.pick([
                "", "", "e\(random.below(20))", "E-\(random.below(20))", "e+\(random.below(9))",
            ])
            return sign + whole + fraction + exponent
        }

        private mutating func string() -> String {
            let pieces = [
                "a", "StreamName", "é", "ü", "€", "😀", #"\""#, #"\\"#, #"\/"#, #"\n"#, #"\u00e9"#, #"\ud83d\ude00"#,
                #"\u0041"#,
                #"\u001f"#, "\u{7F}", "0123456789abcdef", " ", "{", "]", ",",
            ]
            return "\"" + (0..<random.below(12)).map { _ in random.pick(pieces) }.joined() + "\""
        }
    }

    @Test func `Foundation reads the same values`() throws {
        for seed in UInt64(0)..<400 {
            var generator = Generator(random: SeededRandom(seed))
            let text = generator.value(0)
            let theirs = try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
            let document = try Document(json: Array(text.utf8))
            #expect(Value(document.root) == Value(foundation: theirs), "seed \(seed): \(text)")
        }
    }

    @Test func `Foundation refuses what is refused, in texts with a byte changed`() throws {
        var accepted = 0
        for seed in UInt64(0)..<2000 {
            var generator = Generator(random: SeededRandom(seed))
            var text = Array(generator.value(3).utf8)
            let place = generator.random.below(text.count)
            text[place] = generator.random.pick(Array("\"\\{}[],:0-e.tn \u{1}".utf8) + [0xC3, 0xFF])
            let theirs = try? JSONSerialization.jsonObject(with: Data(text), options: .fragmentsAllowed)
            guard let document = try? Document(json: text) else { continue }
            accepted += 1
            #expect(
                theirs.map { Value(document.root) == Value(foundation: $0) } == true,
                "seed \(seed): \(String(decoding: text, as: UTF8.self))")
        }
        #expect(accepted > 200)
    }

    @Test func `what is written in either format reads the same`() throws {
        for seed in UInt64(0)..<300 {
            var generator = Generator(random: SeededRandom(seed))
            let root = try Document(json: Array(generator.value(0).utf8)).root
            for format in [DocumentFormat.json, .cbor] {
                var writer = DocumentWriter(format)
                Self.write(root, to: &writer)
                let again = try format == .json ? Document(json: writer.bytes) : Document(cbor: writer.bytes)
                #expect(Value(again.root) == Value(root), "seed \(seed)")
            }
        }
    }

    private static func write(_ value: Document.Value, to writer: inout DocumentWriter) {
        switch value.kind {
        case .null: writer.null()
        case .bool: writer.bool(value.bool == true)
        case .integer: writer.int(value.int ?? 0)
        case .decimal, .time, .blob: writer.double(value.double ?? 0)
        case .string: writer.string(value.text ?? "")
        case .array:
            writer.beginList(value.count)
            for element in value.elements { write(element, to: &writer) }
            writer.endList()
        case .object:
            writer.beginMap(value.count)
            for member in value.members {
                writer.key(text: member.name.text ?? "")
                write(member.value, to: &writer)
            }
            writer.endMap()
        }
    }
}

import FilterModel
import StreamModel
import TestSupport
import Testing

@testable import EventSource

/// Random patterns and documents, judged by the model: ``FilterModel`` is made of trees and knows no tables.
@Suite("Filters beside their model") struct FilterDifferentialTests {
    @Test(arguments: 0..<4) func `random patterns keep what the model keeps (ESM-F1 to ESM-F20)`(seed: UInt64) throws {
        var words = FilterWords(seed: seed)
        var kept = 0
        var total = 0
        for _ in 0..<60 {
            let patterns = (0..<words.random.pick(1...3)).map { _ in words.pattern() }
            let filter: RecordFilter
            do {
                filter = try RecordFilter(patterns: patterns)
            } catch {
                Issue.record("\(error): \(patterns)")
                return
            }
            let model = FilterModel(patterns.map { Array($0.utf8) })
            for _ in 0..<20 {
                var data = Array(words.document().utf8)
                if words.random.once(in: 12) { words.damage(&data) }
                let key = words.random.pick(["a", "b", "ab"])
                let expected = model.keeps(key: key, data: data)
                let found = filter.matches(Filtered.run([Array("{}".utf8), data], key: key), at: 1)
                total += 1
                kept += expected ? 1 : 0
                guard found != expected else { continue }
                Issue.record(
                    "\(patterns) \(found ? "keep" : "drop") \(String(decoding: data, as: UTF8.self)) of \(key)")
                return
            }
        }
        // Both answers are frequent, so that neither is right by chance.
        #expect(kept * 8 > total && (total - kept) * 8 > total, "\(kept) of \(total)")
    }

    @Test func `what is JSON to the other reader is JSON to the filters (ESM-F20)`() throws {
        var words = FilterWords(seed: 99)
        let filter = try RecordFilter(patterns: [#"{"data":{"zz":[{"exists":false}]}}"#])
        var valid = 0
        for _ in 0..<1500 {
            var data = Array(words.document().utf8)
            words.damage(&data)
            var isObject = false
            if case .object? = JSONValue(data) { isObject = true }
            valid += isObject ? 1 : 0
            #expect(
                filter.matches(Filtered.run([data]), at: 0) == isObject, "\(String(decoding: data, as: UTF8.self))")
        }
        #expect(valid > 150)
    }
}

/// Patterns and documents of few words, so that they often fit.
struct FilterWords {
    var random: SeededRandom
    private let names = ["a", "b", "ab", "a.b", "", "a.", "b.a.b", "longer name than eight", "\u{E9}"]
    private let texts = [
        "", "a", "A", "ab", "aB", "abc", "ba", "a*b", "a\\b", "\u{E9}", "\u{C9}", "e\u{301}", "\u{3C2}", "\u{3A3}",
        "longer text than eight", "longer text than Eight", "10.0.0.1", "10.0.1.1", "::1", "2001:db8::10.0.0.1", "5",
        "null",
        "a\"\n", "🙂",
    ]
    private let numbers = [
        "0", "-0", "5", "5.0", "50e-1", "0.5e1", "-5", "5.000001", "5.0000010", "300", "3e2", "4999999999.999999",
        "1e22",
        "0.1", "1E-1", "12345678901234567891", "1234567890123456789.1",
    ]

    init(seed: UInt64) { random = SeededRandom(seed) }

    // MARK: Documents

    mutating func document() -> String { object(depth: 0) }

    private mutating func object(depth: Int) -> String {
        let members = (0..<random.below(5)).map { _ in
            "\(space())\(string(random.pick(names)))\(space()):\(space())\(value(depth: depth + 1))\(space())"
        }
        return "{\(members.joined(separator: ","))\(space())}"
    }

    private mutating func value(depth: Int) -> String {
        switch random.below(depth > 4 ? 8 : 14) {
        case 0: return "null"
        case 1: return random.pick(["true", "false"])
        case 2, 3: return random.pick(numbers)
        case 4...7: return string(random.pick(texts))
        case 8...10: return object(depth: depth)
        default:
            let elements = (0..<random.below(4)).map { _ in value(depth: depth + 1) }
            return "[\(elements.joined(separator: ", "))]"
        }
    }

    private mutating func space() -> String { random.once(in: 6) ? random.pick([" ", "\n", "\t \r"]) : "" }

    /// A string with some characters as escapes.
    private mutating func string(_ text: String) -> String {
        var written = "\""
        for scalar in text.unicodeScalars {
            if scalar == "\"" || scalar == "\\" {
                written += "\\\(scalar)"
            } else if scalar.value < 0x20 || random.once(in: 15) {
                for unit in String(scalar).utf16 {
                    let digits = String(unit, radix: 16, uppercase: random.once(in: 2))
                    written += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            } else {
                written.unicodeScalars.append(scalar)
            }
        }
        return written + "\""
    }

    /// Changes, removes or adds a few bytes.
    mutating func damage(_ data: inout [UInt8]) {
        for _ in 0..<random.pick(1...2) where !data.isEmpty {
            let place = random.below(data.count)
            switch random.below(4) {
            case 0: data[place] = UInt8(random.below(256))
            case 1: data.remove(at: place)
            case 2: data.insert(random.pick(Array("\"\\{}[]:,.-+eE019utfn \u{1}".utf8)), at: place)
            default: data.removeSubrange(place..<min(data.count, place + random.below(4)))
            }
        }
    }

    // MARK: Patterns

    mutating func pattern() -> String {
        let data = "\"data\":\(fields(depth: 0))"
        switch random.below(8) {
        case 0: return "{\"partitionKey\":\(alternatives())}"
        case 1: return "{\"partitionKey\":\(alternatives()),\(data)}"
        case 2: return "{\"$or\":[{\"partitionKey\":\(alternatives())},{\(data)}]}"
        default: return "{\(data)}"
        }
    }

    private mutating func fields(depth: Int) -> String {
        var members = (0..<random.pick(1...(depth > 2 ? 1 : 2))).map { _ in
            "\(string(random.pick(names))):"
                + (random.once(in: 3) && depth < 3 ? fields(depth: depth + 1) : alternatives())
        }
        if random.once(in: 6), depth < 3 {
            let choices = (0..<random.pick(2...3)).map { _ in fields(depth: depth + 1) }
            members.insert("\"$or\":[\(choices.joined(separator: ","))]", at: random.below(members.count + 1))
        }
        return "{\(members.joined(separator: ","))}"
    }

    private mutating func alternatives() -> String {
        "[\((0..<random.pick(1...3)).map { _ in alternative() }.joined(separator: ","))]"
    }

    private mutating func alternative() -> String {
        switch random.below(18) {
        case 0: return "null"
        case 1: return random.pick(["true", "false"])
        case 2: return number()
        case 3...4: return string(random.pick(texts))
        case 5: return "{\"exists\":true}"
        case 6: return "{\"exists\":false}"
        case 7: return "{\"prefix\":\(string(random.pick(texts)))}"
        case 8: return "{\"suffix\":\(string(random.pick(texts)))}"
        case 9:
            return "{\"\(random.pick(["prefix", "suffix"]))\":{\"equals-ignore-case\":\(string(random.pick(texts)))}}"
        case 10: return "{\"equals-ignore-case\":\(string(random.pick(texts)))}"
        case 11: return "{\"wildcard\":\(wildcard())}"
        case 12:
            return "{\"cidr\":\"\(random.pick(["10.0.0.0/24", "10.0.0.0/8", "::/0", "2001:db8::/32", "0.0.0.0/0"]))\"}"
        case 13:
            return "{\"numeric\":\(random.pick(["[\"=\",5]", "[\">\",5]", "[\">=\",5,\"<\",300]", "[\"<=\",0.1]"]))}"
        case 14: return "{\"anything-but\":\(random.once(in: 2) ? number() : string(random.pick(texts)))}"
        case 15: return "{\"anything-but\":[\(number()),\(number())]}"
        case 16:
            let operation = random.pick(["prefix", "suffix", "equals-ignore-case"])
            return "{\"anything-but\":{\"\(operation)\":[\(string(random.pick(texts) + "a")),\"b\"]}}"
        default: return "{\"anything-but\":{\"wildcard\":\(wildcard())}}"
        }
    }

    private mutating func number() -> String { random.pick(numbers.filter { $0.utf8.count < 20 }) }

    private mutating func wildcard() -> String {
        string(random.pick(["*", "", "a*", "*b", "a*b", "*a*b*", "a\\*b", "\\\\", "a\\\\*", "lo*n*t*t", "*\u{301}"]))
    }
}

import StreamModel
import Testing

@testable import EventSource

@Suite("What is said of wrong filter patterns") struct FilterMessageTests {
    @Test(arguments: [
        ("", 0, "$", "the text ends where a value is expected"),
        ("order", 0, "$", "no JSON value"),
        (#"["a"]"#, 0, "$", "the pattern is a list"),
        (#""a""#, 0, "$", "the pattern is the string \"a\""),
        ("{}", 0, "$", "an empty object"),
        (#"{"data":{"type":"order"}}"#, 16, "$.data.type", "the value is the string \"order\""),
        (#"{"data":{"type":["order"]}"#, 26, "$", "an object that does not go on"),
        (#"{"data":{"type":["order",]}}"#, 25, "$.data.type[1]", "no JSON value"),
        (#"{"data":{"type":[]}}"#, 16, "$.data.type", "an empty list"),
        (#"{"data":{"type":[["a"]]}}"#, 17, "$.data.type[0]", "a list in a list"),
        (#"{"data":{"type":[{"pre":"a"}]}}"#, 18, "$.data.type[0].pre", "no operator \"pre\""),
        (#"{"data":{"type":["a",{"prefix":5}]}}"#, 31, "$.data.type[1].prefix", "the operand is the number 5"),
        (#"{"data":{"type":[{"prefix":"a","suffix":"b"}]}}"#, 17, "$.data.type[0]", "2 operators in one alternative"),
        (#"{"data":{"type":[{}]}}"#, 17, "$.data.type[0]", "0 operators in one alternative"),
        (#"{"data":{"a b":5}}"#, 15, "$.data[\"a b\"]", "the value is the number 5"),
        (#"{"data":{"type":["é"],"x":5}}"#, 27, "$.data.x", "the value is the number 5"),
        (#"{"type":["order"]}"#, 1, "$.type", "a record has no field of this name"),
        (#"{"$or":[{"data":{"a":[1]}},{"type":["order"]}]}"#, 28, "$.type", "a record has no field of this name"),
        (#"{"data":["order"]}"#, 1, "$.data", "a list for the whole data"),
        (#"{"partitionKey":{"a":["k"]}}"#, 1, "$.partitionKey", "an object of fields for partitionKey"),
        (#"{"data":{"n":[{"numeric":[">",5,">",6]}]}}"#, 32, "$.data.n[0].numeric[2]", "no further comparison \">\""),
        (#"{"data":{"t":["a\x"]}}"#, 14, "$.data.t[0]", "a string that is not closed or has a wrong escape"),
    ]) func `ESM-F19 names place, offset, fault and what is allowed`(
        pattern: String, offset: Int, path: String, what: String
    ) throws {
        let message = try #require(Filtered.violation(pattern))
        let beginning = "filters[0]: invalid filter pattern definition, byte \(offset), at \(path): \(what)"
        #expect(message.hasPrefix(beginning), "\(message)")
        #expect(message.contains(" (allowed: ") && message.hasSuffix(")") && !message.contains("\n"))
    }

    @Test func `ESM-S26 all wrong patterns are named at once`() throws {
        let patterns = [#"{"data":{"a":[1]}}"#, "order", "{}", #"{"data":{"a":[{"cidr":"x"}]}}"#]
        let error = try #require(throws: ShardlineError.self) { _ = try RecordFilter(patterns: patterns) }
        #expect(error.code == .invalidArgument)
        for index in 1...3 { #expect(error.message.contains("filters[\(index)]: invalid filter pattern definition")) }
        #expect(!error.message.contains("filters[0]"))
    }

    @Test func `ESM-S15 at most 10 filters of at most 4,096 characters`() throws {
        let longest = #"{"data":{"a":["é\#(String(repeating: "x", count: 4096 - 20))"]}}"#
        #expect(longest.unicodeScalars.count == 4096)
        #expect(throws: Never.self) { try RecordFilter(patterns: [String](repeating: longest, count: 10)) }
        let many = RecordFilter.violations(of: [String](repeating: longest, count: 11)) { "\($0)" }
        #expect(many == ["11 filters (allowed: at most 10)"])
        let tooLong = Filtered.violation(longest + " ")
        #expect(tooLong?.contains("4097 characters (allowed: at most 4096 characters)") == true)
    }

    @Test func `deep and wide patterns are refused or matched without harm`() throws {
        func nested(_ levels: Int) -> String {
            String(repeating: #"{"a":"#, count: levels) + "[1]" + String(repeating: "}", count: levels)
        }
        #expect(Filtered.violation(#"{"data":\#(nested(99))}"#) == nil)
        #expect(Filtered.violation(#"{"data":\#(nested(100))}"#)?.contains("too deep") == true)
        #expect(
            Filtered.violation(#"{"data.\#([String](repeating: "a", count: 100).joined(separator: "."))":[1]}"#) != nil)
        #expect(Filtered.violation(String(repeating: "[", count: 4000))?.contains("too deep") == true)
        let choices =
            String(repeating: #"{"$or":[{"a":[1]},"#, count: 150) + #"{"b":[2]}"# + String(repeating: "]}", count: 150)
        if Filtered.violation(#"{"data":\#(choices)}"#) == nil {
            #expect(try Filtered.keeps(data: choices, #"{"b":2}"#))
        }
        // A document that leads as far into the pattern as it can, by dots and by objects.
        let dots = [String](repeating: "a", count: 99).joined(separator: ".")
        #expect(try Filtered.keeps(data: nested(99), #"{"\#(dots)":1}"#))
        #expect(try !Filtered.keeps(data: nested(99), #"{"\#(dots).a.a.a.a":1}"#))
        #expect(try Filtered.keeps(data: nested(99), nested(99)))
        let deep = String(repeating: #"{"a":"#, count: 5000) + "1" + String(repeating: "}", count: 5000)
        #expect(try !Filtered.keeps(data: nested(99), deep))
    }

    @Test func `a search for a wildcard's pieces takes time in proportion to the text`() throws {
        // With a search that begins again at each byte this would take 2,000 times as long.
        let operand = "*" + String(repeating: "a", count: 2000) + "b*"
        let text = String(repeating: "a", count: 100_000)
        #expect(try !Filtered.accepts(#"[{"wildcard":"\#(operand)"}]"#, "\"\(text)\""))
    }
}

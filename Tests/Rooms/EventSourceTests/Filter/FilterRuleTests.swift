import StreamModel
import Testing

@testable import EventSource

@Suite("Which records the filters keep") struct FilterRuleTests {
    @Test func `ESM-F1 a record that one pattern matches is kept, and without patterns every record`() throws {
        let patterns = [#"{"data":{"type":["order"]}}"#, #"{"data":{"amount":[5]}}"#]
        #expect(try Filtered.keeps(patterns, #"{"type":"order"}"#))
        #expect(try Filtered.keeps(patterns, #"{"amount":5}"#))
        #expect(try !Filtered.keeps(patterns, #"{"type":"refund","amount":6}"#))
        #expect(try Filtered.keeps([], "anything"))
    }

    @Test func `ESM-F2 all named fields must match, each in one of its alternatives, with case`() throws {
        let pattern = #"{"type":["order","refund"],"amount":[5]}"#
        #expect(try Filtered.keeps(data: pattern, #"{"amount":5,"more":[],"type":"refund"}"#))
        #expect(try !Filtered.keeps(data: pattern, #"{"type":"refund"}"#))
        #expect(try !Filtered.keeps(data: pattern, #"{"amount":5,"type":"Refund"}"#))
        #expect(try !Filtered.keeps(data: pattern, #"{"amount":5,"Type":"refund"}"#))
        #expect(Filtered.violation(#"{"data":{"k":[{"Prefix":"x"}]}}"#)?.contains("no operator \"Prefix\"") == true)
    }

    @Test func `ESM-F3 patterns name the fields of the event beside the data`() throws {
        let filter = { (pattern: String) in
            try RecordFilter(
                patterns: [pattern], source: .init(region: "eu-west-1", streamARN: "arn:aws:kinesis:eu:0:stream/s"))
        }
        let run = Filtered.run([Array("no JSON".utf8), Array("{}".utf8)])
        let number = run.kinesisSequenceNumber(at: 1).description
        for pattern in [
            #"{"partitionKey":["k1"]}"#, #"{"sequenceNumber":["\#(number)"]}"#,
            #"{"approximateArrivalTimestamp":[1545084650.987]}"#, #"{"kinesisSchemaVersion":["1.0"]}"#,
            #"{"approximateArrivalTimestamp":[{"numeric":[">=",1545084650.987,"<",1545084650.9871]}]}"#,
            #"{"eventSource":["aws:kinesis"]}"#, #"{"eventID":["shardId-000000000006:\#(number)"]}"#,
            #"{"eventName":["aws:kinesis:record"]}"#, #"{"awsRegion":["eu-west-1"]}"#,
            #"{"eventSourceARN":[{"suffix":"stream/s"}]}"#, #"{"eventID":[{"prefix":"shardId-000000000006:"}]}"#,
        ] {
            #expect(try filter(pattern).matches(run, at: 1), "\(pattern)")
            // The same with another operand.
            let other = pattern.replacing(#/(":\[|fix":)"(?![<>])/#) { "\($0.1)\"no" }.replacing(
                "50.987", with: "51.987")
            #expect(try !filter(other).matches(run, at: 1), "\(other)")
        }
        #expect(try !filter(#"{"sequenceNumber":["\#(number)"]}"#).matches(run, at: 0))
        for pattern in [
            #"{"type":["order"]}"#, #"{"kinesis":{"partitionKey":["k"]}}"#, #"{"dynamodb":{"NewImage":{"k":["v"]}}}"#,
        ] {
            let violation = try #require(Filtered.violation(pattern))
            #expect(violation.contains("allowed: data, partitionKey, sequenceNumber, approximateArrivalTimestamp"))
        }
    }

    @Test(arguments: [
        (
            #"["a",1,true]"#, [#""a""#, "1", "true", "1.0"],
            [#""A""#, "2", "false", "null", #""1""#, #""true""#, "{}", "[]"]
        ),
        // No folding, no normalization: é is not e with an accent.
        (#"["caf\u00e9"]"#, ["\"caf\u{E9}\"", #""caf\u00E9""#], ["\"cafe\u{301}\"", #""caf\u00c9""#]),
        (#"["a\"\\b\n"]"#, [#""a\"\\b\n""#, #""\u0061\u0022\u005c\u0062\u000A""#], [#""ab""#]),
        (
            #"["exactly as long"]"#, [#""exactly as long""#],
            [#""exactly as lonG""#, #""exactly as""#, #""exactly as long ""#]
        ),
        (#"[false]"#, ["false"], ["true", "0", "null", #""""#]),
    ]) func `ESM-F6 exact values`(alternatives: String, kept: [String], dropped: [String]) throws {
        for value in kept { #expect(try Filtered.accepts(alternatives, value), "\(value)") }
        for value in dropped { #expect(try !Filtered.accepts(alternatives, value), "\(value)") }
    }

    @Test func `ESM-F7 null and the empty string`() throws {
        #expect(try Filtered.accepts("[null]", "null"))
        for value in [#""null""#, "[]", "{}", "0", "false", #""""#] {
            #expect(try !Filtered.accepts("[null]", value))
        }
        #expect(try !Filtered.keeps(data: #"{"k":[null]}"#, "{}"))
        #expect(try Filtered.accepts(#"[""]"#, #""""#))
        for value in ["null", "[]", #"" ""#, "0"] { #expect(try !Filtered.accepts(#"[""]"#, value)) }
    }

    @Test func `API-U-1 ESM-F8 a record without a key has no partition key to match`() throws {
        var bytes: [UInt8] = []
        RecordEncoding.append(NewRecord("{}", partitionKey: "", explicitHashKey: HashKey(1)), to: &bytes)
        RecordEncoding.append(NewRecord("{}", partitionKey: "k"), to: &bytes)
        let run = RecordRun(
            bytes: bytes, offsets: RecordEncoding.offsets(of: 2, in: bytes.span)!, range: 0..<2, shard: ShardID(0),
            shardCreationSecond: 1, firstSequence: SequenceNumber(1), arrival: Timestamp(milliseconds: 1000))
        for (pattern, kept) in [(#"{"exists":false}"#, [true, false]), (#"{"exists":true}"#, [false, true])] {
            let filter = try RecordFilter(patterns: [#"{"partitionKey":[\#(pattern)]}"#])
            #expect((0..<2).map { filter.matches(run, at: $0) } == kept)
        }
    }

    @Test func `ESM-F8 exists asks for a value, which null is and an object or an empty list is not`() throws {
        for value in ["null", "0", #""""#, "false", "[1]", "[[],[{},2]]"] {
            #expect(try Filtered.accepts(#"[{"exists":true}]"#, value), "\(value)")
            #expect(try !Filtered.accepts(#"[{"exists":false}]"#, value), "\(value)")
        }
        for value in ["{}", #"{"x":1}"#, "[]", "[[]]", #"[{"x":1}]"#] {
            #expect(try !Filtered.accepts(#"[{"exists":true}]"#, value), "\(value)")
            #expect(try Filtered.accepts(#"[{"exists":false}]"#, value), "\(value)")
        }
        #expect(try !Filtered.keeps(data: #"{"k":[{"exists":true}]}"#, "{}"))
        #expect(try Filtered.keeps(data: #"{"k":[{"exists":false}]}"#, "{}"))
        // A parent that is missing, or no object, has no field.
        for data in ["{}", #"{"p":1}"#, #"{"p":[]}"#, #"{"p":{}}"#, #"{"p":{"x":1}}"#, #"{"p":[{"x":1}]}"#] {
            #expect(try Filtered.keeps(data: #"{"p":{"k":[{"exists":false}]}}"#, data), "\(data)")
            #expect(try !Filtered.keeps(data: #"{"p":{"k":[{"exists":true}]}}"#, data), "\(data)")
        }
        #expect(try !Filtered.keeps(data: #"{"p":{"k":[{"exists":false}]}}"#, #"{"p":{"k":null}}"#))
        // Beside another alternative.
        #expect(try Filtered.keeps(data: #"{"k":["a",{"exists":false}]}"#, "{}"))
        #expect(try Filtered.accepts(#"["a",{"exists":false}]"#, #""a""#))
        #expect(try !Filtered.accepts(#"["a",{"exists":false}]"#, #""b""#))
    }

    @Test func `ESM-F9 prefix and suffix, with and without case`() throws {
        #expect(try Filtered.accepts(#"[{"prefix":"us-"}]"#, #""us-east""#))
        #expect(try !Filtered.accepts(#"[{"prefix":"us-"}]"#, #""US-east""#))
        #expect(try !Filtered.accepts(#"[{"prefix":"us-"}]"#, #""us""#))
        #expect(try Filtered.accepts(#"[{"suffix":".png"}]"#, #""a.png""#))
        #expect(try !Filtered.accepts(#"[{"suffix":".png"}]"#, #""a.PNG""#))
        for operand in ["prefix", "suffix"] {
            #expect(try Filtered.accepts(#"[{"\#(operand)":""}]"#, #""""#))
            #expect(try Filtered.accepts(#"[{"\#(operand)":""}]"#, #""any""#))
            for value in ["5", "null", "true", "[]"] {
                #expect(try !Filtered.accepts(#"[{"\#(operand)":""}]"#, value))
            }
            let ignoring = #"[{"\#(operand)":{"equals-ignore-case":"äB"}}]"#
            #expect(try Filtered.accepts(ignoring, #""ÄbxÄb""#))
            #expect(try Filtered.accepts(ignoring, #""\u00C4B""#))
            #expect(try !Filtered.accepts(ignoring, #""b""#))
            #expect(try !Filtered.accepts(ignoring, #""xäbx""#))
            for wrong in ["5", #"["a"]"#, "null", #"{"prefix":"a"}"#] {
                #expect(Filtered.violation(#"{"data":{"k":[{"\#(operand)":\#(wrong)}]}}"#) != nil)
            }
        }
    }

    @Test func `ESM-F10 equals-ignore-case`() throws {
        let alternatives = #"[{"equals-ignore-case":"Straße Σ"}]"#
        #expect(try Filtered.accepts(alternatives, #""STRAßE ς""#))
        #expect(try Filtered.accepts(alternatives, #""straẞe σ""#))
        for value in [#""STRASSE Σ""#, #""straße σ ""#, "1", "null"] {
            #expect(try !Filtered.accepts(alternatives, value), "\(value)")
        }
        for wrong in ["5", #"["a"]"#, "{}"] {
            #expect(Filtered.violation(#"{"data":{"k":[{"equals-ignore-case":\#(wrong)}]}}"#) != nil)
        }
    }

    @Test(arguments: [
        (#""x""#, [#""y""#, #""X""#, "5", "null", "true"], [#""x""#]),
        (#"["x","y"]"#, [#""z""#, "5"], [#""x""#, #""y""#]),
        ("5", ["6", #""5""#, "null", "false"], ["5", "5.0", "50e-1"]),
        ("[1,2]", ["3", #""1""#], ["1", "2", "2.0"]),
        (#"{"prefix":"in"}"#, [#""out""#, "5", "null"], [#""in""#, #""init""#]),
        (#"{"prefix":["in","out"]}"#, [#""x""#], [#""init""#, #""outer""#]),
        (#"{"suffix":".png"}"#, [#"".pn""#, "1"], [#""a.png""#]),
        (#"{"suffix":["a","b"]}"#, [#""c""#], [#""xa""#, #""b""#]),
        (#"{"equals-ignore-case":"Ab"}"#, [#""abc""#, "1"], [#""aB""#]),
        (#"{"equals-ignore-case":["a","b"]}"#, [#""c""#], [#""A""#, #""B""#]),
        (#"{"wildcard":"a*c"}"#, [#""ab""#, "1"], [#""abc""#, #""ac""#]),
        (#"{"wildcard":["a*","*b"]}"#, [#""c""#], [#""ac""#, #""cb""#]),
    ]) func `ESM-F11 anything-but`(operand: String, kept: [String], dropped: [String]) throws {
        let alternatives = #"[{"anything-but":\#(operand)}]"#
        for value in kept { #expect(try Filtered.accepts(alternatives, value), "\(value)") }
        for value in dropped + ["{}", "[]", #"{"x":1}"#] {
            #expect(try !Filtered.accepts(alternatives, value), "\(value)")
        }
        #expect(try !Filtered.keeps(data: #"{"k":\#(alternatives)}"#, "{}"))
    }

    @Test(arguments: [
        "null", "true", "[]", "[null]", #"["a",1]"#, #"{"prefix":""}"#, #"{"suffix":["a",""]}"#, #"{"prefix":5}"#, "{}",
        #"{"numeric":["=",1]}"#, #"{"wildcard":"a**"}"#, #"{"prefix":"a","suffix":"b"}"#, #"{"prefix":[]}"#,
        #"[["a"]]"#,
    ]) func `ESM-F11 operands of anything-but that are refused`(operand: String) throws {
        #expect(Filtered.violation(#"{"data":{"k":[{"anything-but":\#(operand)}]}}"#) != nil)
    }

    @Test(arguments: [
        (
            #"[">",10,"<=",20]"#, ["10.000001", "20", "2e1", "11"],
            ["10", "20.0000001", #""15""#, "null", "-15", "true"]
        ),
        (#"["<=",20,">",10]"#, ["20"], ["10"]), (#"["=",5]"#, ["5", "5.0", "0.5e1"], ["5.0000001", "-5"]),
        (#"["=",-0.5]"#, ["-0.5", "-5E-1"], ["0.5"]),
        (#"["=",0]"#, ["0", "-0", "0.000", "0e99"], ["1e-300", "-1e-300"]),
        (#"["<",-1]"#, ["-1.5", "-1e400"], ["-1", "0", "-0.99"]),
        (#"[">=",5e9]"#, ["5000000000", "1e400"], ["4999999999.999999"]),
        (#"[">",1.999999]"#, ["1.99999900000000000000000001", "2"], ["1.999999", "1.99999899999999999999999999"]),
        (#"[">=",5,"<=",5]"#, ["5"], ["4", "6"]),
    ]) func `ESM-F12 numeric`(operand: String, kept: [String], dropped: [String]) throws {
        let alternatives = #"[{"numeric":\#(operand)}]"#
        for value in kept { #expect(try Filtered.accepts(alternatives, value), "\(value)") }
        for value in dropped { #expect(try !Filtered.accepts(alternatives, value), "\(value)") }
    }

    @Test(arguments: [
        "[]", "5", #"["="]"#, #"["=","5"]"#, #"["==",5]"#, #"[">",1,">=",2]"#, #"["=",1,"<",2]"#,
        #"[">",1,"<",2,"<",3]"#,
        #"["=",5000000000.1]"#, #"["=",-5000000001]"#, #"["=",0.0000001]"#, #"[">",2,"<",1]"#, #"[">",2,"<=",2]"#,
        #"[5,"="]"#,
    ]) func `ESM-F12 operands of numeric that are refused`(operand: String) throws {
        #expect(Filtered.violation(#"{"data":{"k":[{"numeric":\#(operand)}]}}"#) != nil)
    }

    @Test func `ESM-F13 $or over fields, nested, with fields beside it`() throws {
        let pattern = #"{"t":["x"],"$or":[{"a":[1]},{"b":[2],"$or":[{"c":[3]},{"d":[4]}]},{"e":{"f":[5]}}]}"#
        for data in [
            #"{"t":"x","a":1}"#, #"{"b":2,"c":3,"t":"x"}"#, #"{"b":2,"d":4,"t":"x"}"#, #"{"t":"x","e":{"f":5}}"#,
        ] { #expect(try Filtered.keeps(data: pattern, data), "\(data)") }
        for data in [
            #"{"a":1}"#, #"{"t":"x"}"#, #"{"t":"x","b":2}"#, #"{"t":"x","c":3,"d":4}"#, #"{"t":"x","e":{"g":5}}"#,
        ] { #expect(try !Filtered.keeps(data: pattern, data), "\(data)") }
        // Over the data and what is beside it.
        let both = [#"{"$or":[{"partitionKey":["k1"]},{"data":{"a":[1]}}]}"#]
        #expect(try Filtered.keeps(both, "no JSON"))
        #expect(try Filtered.keeps(both, #"{"a":1}"#, key: "k2"))
        #expect(try !Filtered.keeps(both, "no JSON", key: "k2"))
        for wrong in ["[]", #"[{"a":[1]}]"#, #"{"a":[1]}"#, #"[{"a":[1]},{}]"#, #"[{"a":[1]},5]"#, "5"] {
            #expect(Filtered.violation(#"{"data":{"$or":\#(wrong)}}"#) != nil, "\(wrong)")
        }
    }

    @Test(arguments: [
        ("dir/*/x", ["dir/a/x", "dir//x", "dir/a/b/x"], ["dir/x", "dir/a/xy", "adir/a/x"]), ("*", ["", "any"], []),
        ("", [""], ["a"]), ("a*", ["a", "ab"], ["", "ba"]), ("*a", ["a", "ba"], ["ab"]),
        ("*aab*", ["aaab", "aab"], ["aa", "abab"]),
        ("a*a", ["aa", "aba"], ["a"]), ("*a*b*c*", ["abc", "xaxbxcx", "aabbcc"], ["acb"]),
        (#"1\\*2\\\\3*"#, ["1*2\\\\3", "1*2\\\\3x"], ["1x2\\\\3", "1\\\\*23"]),
        ("ab*abac*a", ["ababac-a", "abababaca"], ["ababaca".replacing("ac", with: "a")]),
    ]) func `ESM-F14 wildcard`(operand: String, kept: [String], dropped: [String]) throws {
        let alternatives = #"[{"wildcard":"\#(operand)"}]"#
        for value in kept { #expect(try Filtered.accepts(alternatives, "\"\(value)\""), "\(value)") }
        for value in dropped { #expect(try !Filtered.accepts(alternatives, "\"\(value)\""), "\(value)") }
        for value in ["5", "null", "true"] { #expect(try !Filtered.accepts(alternatives, value)) }
    }

    @Test(arguments: [#""a**b""#, #""**""#, #"["a"]"#, "5", #""a\\b""#, #""a\\""#])
    func `ESM-F14 operands of wildcard that are refused`(operand: String) throws {
        #expect(Filtered.violation(#"{"data":{"k":[{"wildcard":\#(operand)}]}}"#) != nil)
    }

    @Test(arguments: [
        (
            "10.0.0.0/24", ["10.0.0.0", "10.0.0.255"],
            ["10.0.1.0", "10.0.0", "10.0.0.256", "010.0.0.1", "::ffff:10.0.0.1", ""]
        ),
        ("10.0.0.77/24", ["10.0.0.1"], ["10.0.1.77"]), ("0.0.0.0/0", ["255.255.255.255"], ["::", "a"]),
        ("1.2.3.4/32", ["1.2.3.4"], ["1.2.3.5", "1.2.3.4 ", "1.2.3.4/32", "1.2.3.4."]),
        (
            "2001:db8::/32", ["2001:db8::1", "2001:0DB8:ffff:0:0:0:1.2.3.4"],
            ["2001:db9::", "2001:db8:::1", "2001:db8::1::2"]
        ),
        (
            "::/0", ["::", "::1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::"],
            ["1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", ":1", "1:", "12345::", "fe80::1%lo"]
        ),
        ("fe80::1/128", ["fe80::1", "FE80:0::0:1"], ["fe80::2"]),
    ]) func `ESM-F15 cidr`(block: String, kept: [String], dropped: [String]) throws {
        let alternatives = #"[{"cidr":"\#(block)"}]"#
        for value in kept { #expect(try Filtered.accepts(alternatives, "\"\(value)\""), "\(value)") }
        for value in dropped { #expect(try !Filtered.accepts(alternatives, "\"\(value)\""), "\(value)") }
        #expect(try !Filtered.accepts(alternatives, "10"))
    }

    @Test(arguments: [
        #""10.0.0.0""#, #""10.0.0.0/33""#, #""10.0.0/8""#, #""::/129""#, #""10.0.0.0/""#, #""10.0.0.0/-1""#,
        #""10.0.0.0/+8""#,
        #""a/8""#, "10", #"["10.0.0.0/8"]"#, #""10.0.0.0/8/8""#, #""10.0.0.0/08""#, #""/8""#,
    ]) func `ESM-F15 blocks that are refused`(operand: String) throws {
        #expect(Filtered.violation(#"{"data":{"k":[{"cidr":\#(operand)}]}}"#) != nil)
    }

    @Test func `ESM-F16 of a list one element is enough, which must have all fields of a nested pattern`() throws {
        #expect(try Filtered.accepts(#"["a"]"#, #"["b","a"]"#))
        #expect(try Filtered.accepts(#"["a"]"#, #"[{"x":1},["b",["a"]]]"#))
        #expect(try !Filtered.accepts(#"["a"]"#, #"["b",{"k":"a"}]"#))
        #expect(try Filtered.accepts(#"[{"anything-but":"a"}]"#, #"["a","b"]"#))
        let nested = #"{"k":{"x":[1],"y":{"z":[2]}}}"#
        #expect(try Filtered.keeps(data: nested, #"{"k":[{"x":2},5,{"x":1,"y":[{"z":3},{"z":2}]}]}"#))
        #expect(try Filtered.keeps(data: nested, #"{"k":[[{"x":1,"y":{"z":2}}],{"x":1}]}"#))
        #expect(try !Filtered.keeps(data: nested, #"{"k":[{"x":1,"y":{"z":3}},{"x":2,"y":{"z":2}}]}"#))
        #expect(try !Filtered.keeps(data: nested, #"{"k":[{"x":1},{"y":{"z":2}}]}"#))
        // The same two fields in other patterns, or as other paths, are asked for by themselves.
        #expect(
            try Filtered.keeps(data: #"{"k":{"x":[1]},"$or":[{"k":{"y":[2]}},{"n":[0]}]}"#, #"{"k":[{"x":1},{"y":2}]}"#)
        )
        // A field is missing in one of the elements.
        #expect(try Filtered.keeps(data: #"{"k":{"x":[{"exists":false}]}}"#, #"{"k":[{"x":1},{"y":2}]}"#))
        #expect(try !Filtered.keeps(data: #"{"k":{"x":[{"exists":false}]}}"#, #"{"k":[5,{"x":1}]}"#))
    }

    @Test func `ESM-F17 numbers are compared by value`() throws {
        for value in ["300", "300.0", "3e2", "3.00E+2", "3000e-1"] { #expect(try Filtered.accepts("[300]", value)) }
        for value in ["300.0000000000000000000000000001", "-300", #""300""#, "3e20"] {
            #expect(try !Filtered.accepts("[300]", value), "\(value)")
        }
        // Beyond what a double tells apart.
        #expect(try Filtered.accepts("[9007199254740993]", "9007199254740993"))
        #expect(try !Filtered.accepts("[9007199254740993]", "9007199254740992"))
        #expect(try !Filtered.accepts("[1234567890123456789]", "12345678901234567891e-1"))
        #expect(
            Filtered.violation(#"{"data":{"k":[12345678901234567891]}}"#)?.contains("19 significant digits") == true)
        #expect(Filtered.violation(#"{"data":{"k":[1e1000]}}"#) != nil)
        #expect(try Filtered.accepts("[1e-7]", "0.0000001"))
    }

    @Test func `ESM-F18 of a repeated name the last counts, and a dot leads into an object`() throws {
        #expect(try Filtered.keeps(data: #"{"k":["a"],"k":["b"]}"#, #"{"k":"b"}"#))
        #expect(try !Filtered.keeps(data: #"{"k":["a"],"k":["b"]}"#, #"{"k":"a"}"#))
        #expect(try Filtered.keeps([#"{"partitionKey":["x"],"partitionKey":["k1"]}"#], ""))
        for pattern in [#"{"k":{"a":[1]},"k":{"b":[2]}}"#, #"{"k":["a"],"k":{"b":[2]}}"#] {
            #expect(try Filtered.keeps(data: pattern, #"{"k":{"b":2}}"#))
        }
        #expect(try !Filtered.keeps(data: #"{"k":["a"]}"#, #"{"k":"a","k":"b"}"#))
        #expect(try !Filtered.keeps(data: #"{"k":["a"]}"#, #"{"k":"a","k":["b"]}"#))
        for pattern in [#"{"p":{"k":["a"],"m":[1]}}"#, #"{"p.k":["a"],"p.m":[1]}"#, #"{"p":{"k":["a"]},"p.m":[1]}"#] {
            for data in [
                #"{"p":{"k":"a","m":1}}"#, #"{"p.k":"a","p.m":1}"#, #"{"p.k":"a","p":{"m":1}}"#,
                #"{"p":{"m":1},"p.k":"b","p.k":"a"}"#, #"{"\u0070\u002ek":"a","p.m":1}"#, #"{"p":5,"p.k":"a","p.m":1}"#,
                #"{"p.k":"a","p.m":1,"p":[5]}"#,
            ] { #expect(try Filtered.keeps(data: pattern, data), "\(pattern) \(data)") }
            for data in [
                #"{"k":"a","m":1}"#, #"{"p.k":"a"}"#, #"{"p":[{"k":"a"},{"m":1}]}"#, #"{"p.k":{"":"a"},"p.m":1}"#,
            ] {
                #expect(try !Filtered.keeps(data: pattern, data), "\(pattern) \(data)")
            }
        }
        #expect(try Filtered.keeps([#"{"data.p.k":["a"]}"#], #"{"p":{"k":"a"}}"#))
        // A field whose name ends in a dot is a field with an empty name.
        #expect(try Filtered.keeps(data: #"{"p.":["a"]}"#, #"{"p":{"":"a"}}"#))
        #expect(try Filtered.keeps(data: #"{"p":{"":["a"]}}"#, #"{"p.":"a"}"#))
        // A value and an object of the same name are two things, as in flat logs.
        #expect(
            try Filtered.keeps(data: #"{"error":[true],"error.message":["x"]}"#, #"{"error":true,"error.message":"x"}"#)
        )
    }

    @Test(arguments: [
        "", "no JSON", "{", #"{"k":"a"}x"#, #"{"k":"a",}"#, #"{"k":"a","x":01}"#, #"{"k":"a","x":"\u{1}"}"#,
        #"{"k":"a","x":"\ud800"}"#, #"["k"]"#, #""{\"k\":\"a\"}""#, "5", "null", #"[{"k":"a"}]"#,
        "\u{FEFF}{\"k\":\"a\"}",
        #"{"k":"a","x":\#(String(repeating: "[", count: 200))\#(String(repeating: "]", count: 200))}"#,
    ]) func `ESM-F20 data that are no JSON object are dropped where a pattern asks for data`(data: String) throws {
        #expect(try !Filtered.keeps(data: #"{"k":["a"]}"#, data))
        #expect(try !Filtered.keeps(data: #"{"no":[{"exists":false}]}"#, data))
        #expect(try !Filtered.keeps([#"{"partitionKey":["k1"],"data":{"no":[{"exists":false}]}}"#], data))
        // Without such a pattern the data are not looked at.
        #expect(try Filtered.keeps([#"{"partitionKey":["k1"]}"#, #"{"data":{"k":["b"]}}"#], data))
        #expect(try !Filtered.keeps([#"{"partitionKey":["k2"]}"#], data))
    }

    @Test func `ESM-F20 data that are not UTF-8 are dropped, and JSON in a string is a string`() throws {
        for bytes: [UInt8] in [
            [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xC3], [0xE2, 0x82],
        ] {
            let data = Array(#"{"k":"a","x":""#.utf8) + bytes + Array(#""}"#.utf8)
            #expect(try !Filtered.keeps([#"{"data":{"k":["a"]}}"#], data), "\(bytes)")
        }
        #expect(try Filtered.keeps(data: #"{"k":["a"]}"#, " \r\n\t{\"k\" : \"a\" , \"x\":\"é€🙂\"} "))
        #expect(try !Filtered.keeps(data: #"{"k":{"x":["a"]}}"#, #"{"k":"{\"x\":\"a\"}"}"#))
        let deep = #"{"k":"a","x":\#(String(repeating: "[", count: 199))\#(String(repeating: "]", count: 199))}"#
        #expect(try Filtered.keeps(data: #"{"k":["a"]}"#, deep))
        for wrong in [#"{"data":["a"]}"#, #"{"data":[{"exists":true}]}"#, #"{"data":"a"}"#, #"{"data":{}}"#] {
            #expect(Filtered.violation(wrong) != nil)
        }
    }

    @Test func `many fields, alternatives and slots are found as few are`() throws {
        let names = (0..<60).map { "n\(String(repeating: "x", count: $0 % 12))\($0)" }
        let pattern = "{" + names.map { "\"\($0)\":[\"\($0)\",\($0.count)]" }.joined(separator: ",") + "}"
        let values = names.enumerated().map { "\"\($1)\":" + ($0 % 2 == 0 ? "\"\($1)\"" : "\($1.count)") }
        #expect(try Filtered.keeps(data: pattern, "{" + values.reversed().joined(separator: ",") + "}"))
        for index in values.indices {
            var others = values
            others.remove(at: index)
            #expect(try !Filtered.keeps(data: pattern, "{" + others.joined(separator: ",") + "}"))
        }
        let alternatives = "[" + names.map { "\"\($0)\"" }.joined(separator: ",") + "]"
        for name in names { #expect(try Filtered.accepts(alternatives, "\"\(name)\"")) }
        #expect(try !Filtered.accepts(alternatives, "\"n\""))
    }
}

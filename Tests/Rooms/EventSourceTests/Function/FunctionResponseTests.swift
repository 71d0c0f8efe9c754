import StreamModel
import Testing

@testable import EventSource

@Suite("What a function's answer means")
struct FunctionResponseTests {
    /// A unit of three records, 1 to 3, and the numbers of its records as text.
    private let unit = Records.unit(["a", "b", "c"])
    private var numbers: [String] { unit.records.map { $0.kinesisSequenceNumber.description } }

    private enum Meaning: Equatable { case success, partial(UInt64), failed, badReport, permanent(UInt64?) }

    private func meaning(_ line: String, reports: Bool = true) -> Meaning {
        switch FunctionResponse.parse(Array(line.utf8), reportsFailures: reports).result(for: unit) {
        case .success: .success
        case .partial(let from, _): .partial(from.rawValue)
        case .failed: .failed
        case .badReport: .badReport
        case .permanent(let record, _): .permanent(record?.rawValue)
        case .notReached, .notCalled, .expired, .cancelled: .failed
        }
    }

    @Test func `an answer whose members all mean nothing is told apart, as it is mostly a typo (ESM-R3, ESM-R19b)`() {
        func unknown(_ line: String) -> JSONValue.Unknown? { JSONValue(Array(line.utf8))?.unknownAnswer }
        #expect(unknown(#"{"batchItemFailure": [], "Error": 1}"#) == .members(["Error", "batchItemFailure"]))
        for (line, what) in [
            ("17", "17"), ("[1]", "a list"), ("false", "false"),
            (#""failed""#, #"the text "failed""#),
        ] { #expect(unknown(line) == .other(what), "\(line)") }
        for line in [
            "{}", "null", #""""#, "[]", #"{"batchItemFailures": null}"#, #"{"errorMessage": "x", "more": 1}"#,
            #"{"errorType": "E"}"#, #"{"permanent": true}"#,
        ] { #expect(unknown(line) == nil, "\(line)") }
    }

    @Test(arguments: [
        // ESM-R1, ESM-R2, ESM-R3.
        "null", #""""#, "[]", "{}", #"{"batchItemFailures": []}"#, #"{"batchItemFailures": null}"#, "", "  ", "\r",
        #"{"other": 1}"#, "17", "true", #"["batchItemFailures"]"#, #"{"errorMessage": null}"#,
    ]) func `success with and without reports (ESM-R1 to ESM-R3)`(line: String) {
        #expect(meaning(line) == .success)
        #expect(meaning(line, reports: false) == .success)
    }

    @Test func `reported records are a partial success from the lowest on (ESM-R4, ESM-R10, ESM-R11)`() {
        let second = #"{"batchItemFailures": [{"itemIdentifier": "\#(numbers[1])"}]}"#
        #expect(meaning(second) == .partial(2))
        let several =
            #"{"batchItemFailures": [{"itemIdentifier": "\#(numbers[2])"}, {"itemIdentifier": "\#(numbers[1])"}, {"itemIdentifier": "\#(numbers[1])"}]}"#
        #expect(meaning(several) == .partial(2))
        #expect(meaning(second, reports: false) == .success)
    }

    @Test(arguments: [
        // ESM-R5, ESM-R6, ESM-R7, ESM-R8, ESM-R12.
        #"{"itemIdentifier": ""}"#, #"{"itemIdentifier": null}"#, #"{"id": "1"}"#, "{}",
        #"{"itemIdentifier": "4711"}"#, #"{"itemIdentifier": 1}"#, "5", #""x""#, "null",
    ]) func `an unusable report fails the whole unit, also beside good entries (ESM-R5 to ESM-R8, ESM-R11, ESM-R12)`(
        entry: String
    ) {
        #expect(meaning(#"{"batchItemFailures": [\#(entry)]}"#) == .badReport)
        #expect(
            meaning(#"{"batchItemFailures": [{"itemIdentifier": "\#(numbers[1])"}, \#(entry)]}"#) == .badReport)
        #expect(meaning(#"{"batchItemFailures": [\#(entry)]}"#, reports: false) == .success)
    }

    @Test(arguments: ["5", #""x""#, "{}", "true"])
    func `batchItemFailures that is no list fails the whole unit (ESM-R12)`(value: String) {
        #expect(meaning(#"{"batchItemFailures": \#(value)}"#) == .badReport)
        #expect(meaning(#"{"batchItemFailures": \#(value)}"#, reports: false) == .success)
    }

    @Test func `a number of another shard is no number of this unit (ESM-R8)`() {
        let other = KinesisSequenceNumber(
            shard: ShardID(7), shardCreationSecond: 1, sequenceNumber: SequenceNumber(2), arrivalSecond: 0)
        #expect(meaning(#"{"batchItemFailures": [{"itemIdentifier": "\#(other)"}]}"#) == .badReport)
    }

    @Test(arguments: [
        "no JSON", "{", #"{"a": 1} x"#, "{'a': 1}", "nul", "01", #"{"errorMessage": "boom"}"#,
        #"{"errorMessage": "boom", "errorType": "Oops", "batchItemFailures": []}"#, #"{"errorMessage": 5}"#,
    ]) func `nonsense and errors are failures in both modes (ESM-R9, ESM-R19)`(line: String) {
        #expect(meaning(line) == .failed)
        #expect(meaning(line, reports: false) == .failed)
    }

    @Test func `the error's message and type are kept`() {
        let line = #"{"errorMessage": "zu gro\u00df", "errorType": "Oops"}"#
        #expect(
            FunctionResponse.parse(Array(line.utf8), reportsFailures: true)
                == .failed(LaneCore.FunctionFailure("zu groß", type: "Oops")))
    }

    @Test(arguments: [
        #"{"errorMessage":null,"errorType":"java.lang.NullPointerException"}"#, #"{"errorType": "E"}"#,
        #"{"errorType": ""}"#, #"{"errorType": 5}"#, #"{"errorType": {"name": "E"}, "batchItemFailures": []}"#,
        #"{"errorMessage": ""}"#, #"{"errorMessage": "", "errorType": null}"#, #"{"errorMessage": false}"#,
        #"{"errorMessage":null,"errorType":"E","stackTrace":["at a"],"requestId":"1"}"#,
        #"{"errorMessage":null,"errorType":null,"stackTrace":["at a"]}"#,
        #"{"permanent": "true"}"#, #"{"permanent": 1}"#, #"{"permanent": []}"#,
        #"{"errorMessage": "x", "permanent": "true"}"#, #"{"errorType": "E", "permanent": false}"#,
        #"{"batchItemFailures": null, "errorType": "E"}"#,
        // Of members that are there twice none may hide an error.
        #"{"errorMessage": "x", "errorMessage": null}"#, #"{"errorMessage": null, "errorMessage": null}"#,
        #"{"permanent": true, "permanent": false}"#, #"{"batchItemFailures": [1], "batchItemFailures": []}"#,
        #"{"batchItemFailures": [{"itemIdentifier": "1", "itemIdentifier": "2"}]}"#,
    ]) func `an error that is reported in any form is a failure (ESM-R9, ESM-R19)`(line: String) {
        #expect(meaning(line) == .failed)
        #expect(meaning(line, reports: false) == .failed)
    }

    @Test(arguments: [
        #"{"errorType": null}"#, #"{"errorMessage": null, "errorType": null}"#, #"{"permanent": false}"#,
        #"{"permanent": null}"#, #"{"stackTrace": ["x"]}"#, #"{"errorMessage": null, "stackTrace": []}"#,
        #"{"batchItemFailures": [], "errorType": null, "permanent": false}"#, #"{"other": 1, "other": 2}"#,
        "\u{FEFF}{}", "\u{FEFF}", " {} \r", "\u{FEFF}null\r",
    ]) func `what reports no error is success`(line: String) {
        #expect(meaning(line) == .success)
    }

    @Test(arguments: [
        (#"{"state": {"b": 1, "a": [2e1]} }"#, #"{"b": 1, "a": [2e1]}"#),
        ("\u{FEFF}{\"state\":{}}", "{}"), (#"{"state": {"state": 1}, "batchItemFailures": []}"#, #"{"state": 1}"#),
        (#"{"state": [1]}"#, nil), (#"{"state": null}"#, nil), (#"{"other": {"state": {}}}"#, nil), ("{}", nil),
        ("", nil), (#"{"state": {}, "state": {}}"#, nil),
    ]) func `a state is an object, byte by byte as it was answered (ESM-T4)`(line: String, state: String?) {
        var found: [UInt8]?
        let response = FunctionResponse.parse(Array(line.utf8), reportsFailures: true, state: &found)
        #expect(found.map { String(decoding: $0, as: UTF8.self) } == state)
        // Which of two states counts is not known.
        if line.contains(#"{}, "state""#) {
            guard case .failed = response else {
                Issue.record("\(response)")
                return
            }
        }
    }

    @Test(arguments: [#"{"permanent": true}"#, #"{"permanent": true, "batchItemFailures": []}"#])
    func `permanent alone is a permanent failure (ESM-R20)`(line: String) {
        #expect(meaning(line) == .permanent(nil))
    }

    @Test(
        arguments: [
            (#"{"errorType": "E"}"#, "the function reported E without a message", "E"),
            (#"{"errorMessage": " ", "errorType": "E"}"#, "the function reported E without a message", "E"),
            (#"{"errorMessage": ""}"#, "the function reported an error without a message", nil),
            (#"{"permanent": true}"#, "the function reported a permanent error without a message", nil),
            (
                #"{"errorMessage": "x", "permanent": 1}"#,
                "x ('permanent' is neither true nor false, so it counts as false)", nil
            ),
        ] as [(String, String, String?)]) func `an error without a message gets one`(
            line: String, text: String, type: String?
        )
    {
        let failure = LaneCore.FunctionFailure(text, type: type)
        let response = FunctionResponse.parse(Array(line.utf8), reportsFailures: true)
        #expect(response == .failed(failure) || response == .permanent(failure), "\(response)")
    }

    @Test func `an entry's error needs no message either`() {
        let line =
            #"{"batchItemFailures": [{"itemIdentifier": "1", "errorType": "E"}, {"itemIdentifier": "2", "permanent": 1}, {"itemIdentifier": "3", "permanent": true}, {"itemIdentifier": "4", "errorMessage": null}]}"#
        guard case .report(let entries) = FunctionResponse.parse(Array(line.utf8), reportsFailures: true) else {
            Issue.record("no report")
            return
        }
        #expect(entries.map(\.isPermanent) == [false, false, true, false])
        #expect(entries[0].failure == LaneCore.FunctionFailure("the function reported E without a message", type: "E"))
        #expect(entries[1].failure?.text.contains("neither true nor false") == true)
        #expect(entries[2].failure == nil && entries[3].failure == nil)
    }

    @Test func `permanent stands beside the message or in an entry (ESM-R20)`() {
        #expect(meaning(#"{"errorMessage": "boom", "permanent": true}"#) == .permanent(nil))
        #expect(meaning(#"{"errorMessage": "boom", "permanent": false}"#) == .failed)
        #expect(
            meaning(#"{"batchItemFailures": [{"itemIdentifier": "\#(numbers[2])", "permanent": true}]}"#)
                == .permanent(3))
    }

    @Test func `a long text is cut between characters`() {
        let cut = FunctionResponse.limited(String(repeating: "ß", count: 3000))
        #expect(cut.utf8.count <= 4096 && cut.utf8.count > 4090)
        #expect(cut.hasSuffix("ß…"))
        #expect(FunctionResponse.limited("short") == "short")
    }

    /// A document that no destination takes would hold up the shard for ever (ESM-D9).
    @Test func `an error's type is cut too, wherever it stands`() {
        let long = String(repeating: "\u{1}", count: 5 << 20)
        let answers = [
            "{\"errorMessage\":\"m\",\"errorType\":\"@\"}",
            "{\"batchItemFailures\":[{\"itemIdentifier\":\"1\",\"errorMessage\":\"m\",\"errorType\":\"@\"}]}",
        ].map { Array($0.replacing("@", with: String(repeating: "x", count: 5 << 20)).utf8) }
        guard case .failed(let failure) = FunctionResponse.parse(answers[0], reportsFailures: true),
            case .report(let entries) = FunctionResponse.parse(answers[1], reportsFailures: true)
        else {
            Issue.record("the answers mean something else")
            return
        }
        #expect(failure.type?.utf8.count == 256 && entries[0].failure?.type?.utf8.count == 256)
        #expect(FunctionResponse.limitedType(long).utf8.count <= 256)
    }

    @Test func `what a Swift function throws means the same (ESM-R17, ESM-R20)`() {
        let foreign = Records.batch(["x"], from: 9)[0]
        func meaning(_ error: any Error) -> Meaning {
            switch unit.result(ofThrown: error) {
            case .partial(let from, _): .partial(from.rawValue)
            case .permanent(let record, _): .permanent(record?.rawValue)
            case .failed: .failed
            default: .success
            }
        }
        #expect(meaning(BatchFailure(from: unit.records[1], because: .malformed)) == .partial(2))
        #expect(meaning(PermanentFailure(unit.records[2], because: .malformed)) == .permanent(3))
        #expect(meaning(PermanentFailure(because: MalformedRecord())) == .permanent(nil))
        #expect(meaning(MalformedRecord()) == .failed)
        #expect(meaning(BatchFailure(from: foreign, because: "no idea")) == .failed)
        #expect(meaning(PermanentFailure(foreign, because: "no idea")) == .failed)
    }
}

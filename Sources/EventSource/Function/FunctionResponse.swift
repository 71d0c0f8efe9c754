import StreamModel

/// What the one line that a function outside Swift answers means, before it is held against the unit (ESM-R1 to
/// ESM-R12, ESM-R19, ESM-R20).
package enum FunctionResponse: Hashable, Sendable {
    /// All records are done (ESM-R1 to ESM-R4).
    case success
    /// These records are reported as failed (ESM-R4 to ESM-R8).
    case report([LaneCore.ReportedFailure])
    /// The report can't be read, so the whole unit has failed (ESM-R12).
    case unreadableReport(LaneCore.FunctionFailure)
    /// The function says that it failed, or answered nonsense (ESM-R9, ESM-R19).
    case failed(LaneCore.FunctionFailure)
    /// The function says that it failed and would fail for ever (ESM-R20).
    case permanent(LaneCore.FunctionFailure)

    /// Reads an answer.
    ///
    /// - Parameters:
    ///   - line: the answer without its end of line.
    ///   - reportsFailures: whether `batchItemFailures` is looked at (ESM-S13).
    package static func parse(_ line: [UInt8], reportsFailures: Bool) -> FunctionResponse {
        let value: JSONValue
        switch AnswerLine(line) {
        case .blank: return .success
        case .noJSON:
            return .failed(
                LaneCore.FunctionFailure(
                    "the answer is no JSON: \(excerpt(line)); allowed: one line with one JSON value, or an empty line",
                    type: "InvalidResponse"))
        case .value(let found, let repeated):
            // Which of them counts is each reader's own choice, so one could hide an error behind another.
            if let name = repeated.first(where: { JSONValue.answerMembers.contains(UTF8Key($0)) }) {
                return .failed(
                    LaneCore.FunctionFailure(
                        "the answer has the member '\(name)' more than once; allowed: each member once",
                        type: "InvalidResponse"))
            }
            value = found
        }
        if let error = ReportedError(in: value) {
            return error.isPermanent ? .permanent(error.failure) : .failed(error.failure)
        }
        guard reportsFailures, let report = value["batchItemFailures"], report != .null else { return .success }
        guard case .array(let entries) = report else {
            return .unreadableReport(
                LaneCore.FunctionFailure("batchItemFailures is neither a list nor null", type: "BadReport"))
        }
        return .report(
            entries.map { entry in
                let error = ReportedError(in: entry)
                return LaneCore.ReportedFailure(
                    entry["itemIdentifier"]?.text, isPermanent: error?.isPermanent ?? false,
                    failure: error?.hasReason == true ? error?.failure : nil)
            })
    }

    /// What the answer means for the unit that it answers.
    package func result(for unit: LaneCore.Unit) -> LaneCore.InvocationResult {
        switch self {
        case .success: .success
        case .report(let entries): unit.result(ofReport: entries)
        case .unreadableReport(let failure): .badReport(failure)
        case .failed(let failure): .failed(failure)
        case .permanent(let failure): .permanent(nil, failure)
        }
    }

    /// At most 4 KiB of a text, cut between characters.
    package static func limited(_ text: String) -> String { limited(text, to: 4096) }

    /// The same of an error's type: at most 256 bytes. A document that a destination can't take would hold up its shard.
    package static func limitedType(_ type: String) -> String { limited(type, to: 256) }

    private static func limited(_ text: String, to limit: Int) -> String {
        guard text.utf8.count > limit else { return text }
        var size = 0
        var end = text.startIndex
        for index in text.unicodeScalars.indices {
            size += UTF8.width(text.unicodeScalars[index])
            guard size <= limit - 3 else { break }
            end = text.unicodeScalars.index(after: index)
        }
        return String(text[..<end]) + "…"
    }

    private static func excerpt(_ line: [UInt8]) -> String {
        let shown = String(decoding: line.prefix(80), as: UTF8.self)
        return "'\(shown)\(line.count > 80 ? "…" : "")'"
    }
}

/// A line that a function has answered, as it is read: before what it means.
package enum AnswerLine: Sendable {
    /// Nothing, or only white space (ESM-R3's empty body).
    case blank
    /// One JSON value, and the names that an object in it has more than once.
    case value(JSONValue, repeated: [String])
    case noJSON

    /// Reads a line without its end. A byte-order mark before it means nothing, as some runtimes begin their output so.
    package init(_ line: [UInt8]) {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let text = line.starts(with: mark) ? Array(line.dropFirst(mark.count)) : line
        if text.allSatisfy({ [0x20, 0x09, 0x0D, 0x0A].contains($0) }) {
            self = .blank
        } else if let (value, repeated) = JSONValue.read(text) {
            self = .value(value, repeated: repeated)
        } else {
            self = .noJSON
        }
    }
}

/// What an answer, or an entry of `batchItemFailures`, says of an error, in whatever form (ESM-R9, ESM-R19, ESM-R20).
private struct ReportedError {
    var failure: LaneCore.FunctionFailure
    var isPermanent: Bool
    /// Whether there is more than `permanent`.
    var hasReason: Bool

    /// Nil where it reports none: a member that is not there, or null, reports nothing.
    init?(in object: JSONValue) {
        func given(_ name: String) -> JSONValue? { object[name].flatMap { $0 == .null ? nil : $0 } }
        let (message, type) = (given("errorMessage"), given("errorType"))
        // Lambda's runtimes write all three of an error; alone it would be a member like any other.
        let isOfError = object["errorMessage"] != nil || object["errorType"] != nil
        let trace = isOfError ? given("stackTrace").flatMap { $0 == .array([]) ? nil : $0 } : nil
        let permanent = given("permanent") ?? .bool(false)
        isPermanent = permanent == .bool(true)
        let isUnclear = !isPermanent && permanent != .bool(false)
        hasReason = message != nil || type != nil || trace != nil || isUnclear
        guard hasReason || isPermanent else { return nil }
        let name = type?.shortText ?? ""
        var text = message?.shortText ?? ""
        if text.allSatisfy(\.isWhitespace) {
            text =
                name.isEmpty
                ? "the function reported \(isPermanent ? "a permanent" : "an") error without a message"
                : "the function reported \(name) without a message"
        }
        // Given up by mistake, a record is gone; tried again, it is not.
        if isUnclear { text += " ('permanent' is neither true nor false, so it counts as false)" }
        failure = LaneCore.FunctionFailure(
            FunctionResponse.limited(text), type: name.isEmpty ? nil : FunctionResponse.limitedType(name))
    }
}

extension JSONValue {
    /// An answer in which nothing means anything: success for ESM-R3, no answer for ESM-R19b.
    package enum Unknown: Hashable, Sendable {
        /// An object with these members, sorted.
        case members([String])
        /// No object at all: what it is, in a word or two.
        case other(String)
    }

    /// The members of an answer that mean something.
    package static let answerMembers: [UTF8Key] = [
        "batchItemFailures", "errorMessage", "errorType", "permanent", "itemIdentifier",
    ]

    /// Those that a function may send empty with every answer.
    private static let silentMembers: [UTF8Key] = ["errorMessage", "errorType", "stackTrace", "permanent"]

    /// What an answer that means nothing is; nil for one that means something. `null`, `{}`, `""` and `[]` say that all
    /// is done (ESM-R1, ESM-R2).
    package var unknownAnswer: Unknown? {
        switch self {
        case .object(let members):
            // A log line may have the members of an error too, empty ones.
            let isAnswer = members["batchItemFailures"] != nil || ReportedError(in: self) != nil
            guard !isAnswer, members.keys.contains(where: { !Self.silentMembers.contains($0) }) else {
                return nil
            }
            return .members(members.keys.sorted().map(\.string))
        case .null, .string(""), .array([]): return nil
        case .string(let text): return .other("the text \"\(text)\"")
        case .number, .bool, .array: return .other(shortText)
        }
    }

    /// The text of a string, and a word or two of anything else.
    fileprivate var shortText: String {
        switch self {
        case .string(let text): text
        case .number(let text): text
        case .bool(let value): value ? "true" : "false"
        case .null: "null"
        case .array: "a list"
        case .object: "an object"
        }
    }
}

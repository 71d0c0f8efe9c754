import StreamModel

/// The meaning of the response line of a function outside Swift, before it is checked against the unit (ESM-R1 to
/// ESM-R12, ESM-R19, ESM-R20).
package enum FunctionResponse: Hashable, Sendable {
    /// All records are done (ESM-R1 to ESM-R4).
    case success
    /// These records are reported as failed (ESM-R4 to ESM-R8).
    case report([LaneCore.ReportedFailure])
    /// The report can't be read, so the whole unit has failed (ESM-R12).
    case unreadableReport(LaneCore.FunctionFailure)
    /// The function reports that it failed, or its response is invalid (ESM-R9, ESM-R19).
    case failed(LaneCore.FunctionFailure)
    /// The function reports a failure that a retry can't fix (ESM-R20).
    case permanent(LaneCore.FunctionFailure)

    /// Reads a response.
    ///
    /// - Parameters:
    ///   - line: the response without its newline.
    ///   - reportsFailures: whether `batchItemFailures` is read (ESM-S13).
    package static func parse(_ line: [UInt8], reportsFailures: Bool) -> FunctionResponse {
        var state: [UInt8]?
        return parse(line, reportsFailures: reportsFailures, state: &state)
    }

    /// Reads a response to an event with a tumbling window: `state` becomes the bytes of the member of that name, if
    /// there is one (ESM-T4).
    package static func parse(_ line: [UInt8], reportsFailures: Bool, state: inout [UInt8]?) -> FunctionResponse {
        let value: JSONValue
        switch AnswerLine(line) {
        case .blank: return .success
        case .noJSON:
            return .failed(
                LaneCore.FunctionFailure(
                    "the answer is no JSON: \(excerpt(line)); allowed: one line with one JSON value, or an empty line",
                    type: "InvalidResponse"))
        case .value(let found):
            // JSON readers differ in which of them counts, so a repeated member could hide an error.
            if let name = found.repeated.first(where: { JSONValue.answerMembers.contains(UTF8Key($0)) }) {
                return .failed(
                    LaneCore.FunctionFailure(
                        "the answer has the member '\(name)' more than once; allowed: each member once",
                        type: "InvalidResponse"))
            }
            value = found.value
            if case .object? = value["state"] { state = found.member }
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

    /// What the response means for the unit that was sent.
    package func result(for unit: LaneCore.Unit) -> LaneCore.InvocationResult {
        switch self {
        case .success: .success
        case .report(let entries): unit.result(ofReport: entries)
        case .unreadableReport(let failure): .badReport(failure)
        case .failed(let failure): .failed(failure)
        case .permanent(let failure): .permanent(nil, failure)
        }
    }

    /// A text cut to at most 4 KiB, between characters.
    package static func limited(_ text: String) -> String { limited(text, to: 4096) }

    /// An error's type cut to at most 256 bytes.
    package static func limitedType(_ type: String) -> String {
        limited(type, to: LaneCore.FunctionFailure.typeLimit)
    }

    static func limited(_ text: String, to limit: Int) -> String { LaneCore.FunctionFailure.limited(text, to: limit) }

    private static func excerpt(_ line: [UInt8]) -> String {
        let shown = String(decoding: line.prefix(80), as: UTF8.self)
        return "'\(shown)\(line.count > 80 ? "…" : "")'"
    }
}

/// A function's response line as JSON, without its meaning.
package enum AnswerLine: Sendable {
    /// The line is empty or white space (ESM-R3's empty body).
    case blank
    /// One JSON value, with the bytes of its member `state`.
    case value(JSONValue.Reading)
    case noJSON

    /// Reads a line without its newline. A byte-order mark, with which some runtimes begin their output, is ignored.
    package init(_ line: [UInt8]) {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let text = line.starts(with: mark) ? Array(line.dropFirst(mark.count)) : line
        if text.allSatisfy({ [0x20, 0x09, 0x0D, 0x0A].contains($0) }) {
            self = .blank
        } else if let found = JSONValue.read(text, keeping: "state") {
            self = .value(found)
        } else {
            self = .noJSON
        }
    }
}

/// An error in a response or in an entry of `batchItemFailures`, in any of its forms (ESM-R9, ESM-R19, ESM-R20).
private struct ReportedError {
    var failure: LaneCore.FunctionFailure
    var isPermanent: Bool
    /// Whether there is any member besides `permanent`.
    var hasReason: Bool

    /// Nil if no error is reported: missing and null members report nothing.
    init?(in object: JSONValue) {
        func given(_ name: String) -> JSONValue? { object[name].flatMap { $0 == .null ? nil : $0 } }
        let (message, type) = (given("errorMessage"), given("errorType"))
        // Lambda's runtimes write all three members of an error. A `stackTrace` alone is a member like any other.
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
        // A needless retry does less harm than giving up a record by mistake.
        if isUnclear { text += " ('permanent' is neither true nor false, so it counts as false)" }
        failure = LaneCore.FunctionFailure(
            FunctionResponse.limited(text), type: name.isEmpty ? nil : FunctionResponse.limitedType(name))
    }
}

extension JSONValue {
    /// A response without any known member: a success by ESM-R3, not a response by ESM-R19b.
    package enum Unknown: Hashable, Sendable {
        /// An object with these members, sorted.
        case members([String])
        /// A value that is not an object, described in a word or two.
        case other(String)
    }

    /// The members of a response that have a meaning.
    package static let answerMembers: [UTF8Key] = [
        "batchItemFailures", "errorMessage", "errorType", "permanent", "itemIdentifier", "state", "records",
    ]

    /// The members that a function may send without a content, null, empty or false, with every response.
    private static let silentMembers: [UTF8Key] = ["errorMessage", "errorType", "stackTrace", "permanent"]

    /// What a response without a known member is; nil for one with a meaning. `null`, `{}`, `""` and `[]` mean that all
    /// records are done (ESM-R1, ESM-R2).
    package var unknownAnswer: Unknown? { unknownAnswer(returnsRecords: false) }

    /// The same; `returnsRecords` says that `records` has a meaning (ESM-O2).
    package func unknownAnswer(returnsRecords: Bool) -> Unknown? {
        switch self {
        case .object(let members):
            // A log line may also have an error's members, empty.
            let isAnswer =
                members["batchItemFailures"] != nil || members["state"] != nil || ReportedError(in: self) != nil
                || returnsRecords && members["records"] != nil
            let isSilent = members.allSatisfy { name, value in
                Self.silentMembers.contains(name) && [.null, .array([]), .bool(false)].contains(value)
            }
            if isAnswer || isSilent { return nil }
            return .members(members.keys.sorted().map(\.string))
        case .null, .string(""), .array([]): return nil
        case .string(let text): return .other("the text \"\(text)\"")
        case .number, .bool, .array: return .other(shortText)
        }
    }

    /// A string's text, or a word or two for any other value.
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

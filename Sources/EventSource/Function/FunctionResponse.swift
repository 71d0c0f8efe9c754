import StreamModel

/// What the one line that a function outside Swift answers means, before it is held against the unit (ESM-R).
package enum FunctionResponse: Hashable, Sendable {
    /// All records are done (R1 to R4).
    case success
    /// These records are reported as failed (R4 to R8).
    case report([LaneCore.ReportedFailure])
    /// The report can't be read, so the whole unit has failed (R12).
    case unreadableReport(LaneCore.FunctionFailure)
    /// The function says that it failed, or answered nonsense (R9, R19).
    case failed(LaneCore.FunctionFailure)
    /// The function says that it failed and would fail for ever (R20).
    case permanent(LaneCore.FunctionFailure)

    /// Reads an answer.
    ///
    /// - Parameters:
    ///   - line: the answer without its end of line.
    ///   - reportsFailures: whether `batchItemFailures` is looked at (ESM-S13).
    package static func parse(_ line: [UInt8], reportsFailures: Bool) -> FunctionResponse {
        if line.allSatisfy({ [0x20, 0x09, 0x0D, 0x0A].contains($0) }) { return .success }
        guard let value = JSONValue(line) else {
            return .failed(
                LaneCore.FunctionFailure(
                    "the answer is no JSON: \(excerpt(line)); allowed: one line with a JSON value, or an empty line",
                    type: "InvalidResponse"))
        }
        if let message = value["errorMessage"], message != .null {
            let failure = LaneCore.FunctionFailure(limited(message.shortText), type: type(in: value))
            return value["permanent"] == .bool(true) ? .permanent(failure) : .failed(failure)
        }
        guard reportsFailures, let report = value["batchItemFailures"], report != .null else { return .success }
        guard case .array(let entries) = report else {
            return .unreadableReport(
                LaneCore.FunctionFailure("batchItemFailures is neither a list nor null", type: "BadReport"))
        }
        return .report(
            entries.map { entry in
                LaneCore.ReportedFailure(
                    entry["itemIdentifier"]?.text, isPermanent: entry["permanent"] == .bool(true),
                    failure: entry["errorMessage"].flatMap { message in
                        message == .null
                            ? nil
                            : LaneCore.FunctionFailure(limited(message.shortText), type: type(in: entry))
                    })
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

    private static func type(in answer: JSONValue) -> String? { answer["errorType"]?.text.map(limitedType) }

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

extension JSONValue {
    /// An answer that is success only because nothing in it means anything (R3).
    package enum Unknown: Hashable, Sendable {
        /// An object with these members, sorted.
        case members([String])
        /// No object at all: what it is, in a word or two.
        case other(String)
    }

    /// What an answer that means nothing is; nil for one that means something. `null` and `{}` say that all is done (R1).
    package var unknownAnswer: Unknown? {
        let known: Set = ["batchItemFailures", "errorMessage", "errorType", "permanent"]
        switch self {
        case .object(let members):
            guard !members.isEmpty, known.isDisjoint(with: members.keys) else { return nil }
            return .members(members.keys.sorted())
        case .null, .string(""): return nil
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

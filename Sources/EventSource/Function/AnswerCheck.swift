import Synchronization

/// Tells the answers of functions outside Swift from what only looks like one, such as a log line (ESM-R19b).
package final class AnswerCheck: Sendable {
    /// What an answer is.
    package enum Finding: Hashable, Sendable {
        /// It has a meaning, or is taken for success.
        case answer
        case noJSON
        /// JSON that says nothing, in words.
        case noAnswer(String)
    }

    private let acceptsAnyJSON: Bool
    private let warn: @Sendable (String) -> Void
    private let hasWarned = Atomic(false)

    /// - Parameters:
    ///   - acceptsAnyJSON: whether JSON without a known member means that all records are done (ESM-R3), as with
    ///     Lambda; otherwise it is a failure (ESM-R19b).
    ///   - warn: called for the first such answer that is accepted.
    package init(acceptsAnyJSON: Bool = false, warn: @escaping @Sendable (String) -> Void = { _ in }) {
        self.acceptsAnyJSON = acceptsAnyJSON
        self.warn = warn
    }

    /// What the answer `line` is; `returnsRecords` says that `records` has a meaning (ESM-O2).
    package func finding(in line: [UInt8], returnsRecords: Bool) -> Finding {
        switch AnswerLine(line) {
        case .blank: return .answer
        case .noJSON: return .noJSON
        case .value(let found):
            guard let unknown = found.value.unknownAnswer(returnsRecords: returnsRecords) else { return .answer }
            guard acceptsAnyJSON else { return .noAnswer(Self.words(unknown)) }
            warnOnce(of: unknown)
            return .answer
        }
    }

    /// What a function may answer, for messages.
    package static let allowed =
        "allowed: {}, null, an empty line, or an object with batchItemFailures, state, errorMessage, errorType or permanent"

    private static func words(_ answer: JSONValue.Unknown) -> String {
        switch answer {
        case .members(let members):
            let names = members.prefix(5).map { "'\(shortened($0))'" }.joined(separator: ", ")
            return "an object with \(names)\(members.count > 5 ? ", …" : "") only"
        case .other(let text): return shortened(text)
        }
    }

    private static func shortened(_ text: String) -> String { text.count > 80 ? text.prefix(79) + "…" : text }

    /// Such an answer is usually a typo, or comes from a function that wants to report a failure.
    private func warnOnce(of answer: JSONValue.Unknown) {
        guard !hasWarned.exchange(true, ordering: .relaxed) else { return }
        warn(
            "the function answered \(Self.words(answer)), which means nothing here: its records count as done, by --accept-any-json (\(Self.allowed))"
        )
    }
}

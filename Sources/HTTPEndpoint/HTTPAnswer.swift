#if Server
import EventSource

/// A whole answer of an endpoint.
package struct HTTPAnswer: Sendable {
    package var status: Int
    /// Such as `Not Found`.
    package var reason: String
    /// The field `X-Amz-Function-Error`, with which Lambda says that the function has failed.
    package var functionError: String?
    /// Where a redirect leads.
    package var location: String?
    /// At most ``HTTPCaller/longestAnswer`` bytes.
    package var body: [UInt8]
    /// Whether the body went on after that.
    package var isCut: Bool

    package init(
        status: Int, reason: String = "", functionError: String? = nil, location: String? = nil, body: [UInt8] = [],
        isCut: Bool = false
    ) {
        self.status = status
        self.reason = reason
        self.functionError = functionError
        self.location = location
        self.body = body
        self.isCut = isCut
    }

    var isSuccess: Bool { (200...299).contains(status) }

    /// An answer other than success in words: the status, and the first part of what came with it.
    var words: String {
        var text = "the endpoint answered \(status)\(reason.isEmpty ? "" : " \(reason)")"
        if (300...399).contains(status), let location {
            text += ", a redirect to \(location), which is not followed"
        }
        let body = String(decoding: body.prefix(1024), as: UTF8.self).split(whereSeparator: \.isWhitespace)
        guard !body.isEmpty else { return text }
        return "\(text): \(body.joined(separator: " "))\(self.body.count > 1024 ? "…" : "")"
    }

    /// What the answer means for the event that was sent (ESM-R21).
    package func meaning(_ check: AnswerCheck, returnsRecords: Bool = false) -> OutsideAnswer {
        switch status {
        case 429, 503: return .notReached(words)
        case 200...299: break
        default: return .failed(words, type: "HTTP\(status)")
        }
        guard !isCut else {
            return .failed(
                "the endpoint's answer is longer than \(HTTPCaller.longestAnswer) bytes", type: "AnswerTooLong")
        }
        if let functionError {
            guard !Self.reportsError(body) else { return .answered(body) }
            let text = String(decoding: body.prefix(1024), as: UTF8.self)
            return .failed(
                "the function reported an error (X-Amz-Function-Error: \(functionError))\(text.isEmpty ? "" : ": \(text)")",
                type: functionError)
        }
        guard case .noAnswer(let found) = check.finding(in: body, returnsRecords: returnsRecords) else {
            return .answered(body)
        }
        return .failed(
            "the endpoint answered \(found), which says nothing of the records (\(AnswerCheck.allowed); --accept-any-json takes any JSON for success)",
            type: "InvalidResponse")
    }

    private static func reportsError(_ body: [UInt8]) -> Bool {
        guard case .value(let found) = AnswerLine(body) else { return false }
        return ["errorMessage", "errorType"].contains { found.value[$0].map { $0 != .null } ?? false }
    }
}
#endif

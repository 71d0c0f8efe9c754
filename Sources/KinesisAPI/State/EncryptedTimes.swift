import StreamModel

/// When a stream was shown as encrypted: what holds of a record is what held when it arrived (API-Encryption-1).
struct EncryptedTimes: Sendable, Equatable {
    private struct Span: Sendable, Equatable {
        /// In milliseconds since 1970; the end is not part of it.
        var start: Int64
        /// Nil: it goes on.
        var end: Int64?
    }

    /// In order; only the last one may go on.
    private var spans: [Span] = []
    /// Spans that are kept: an attribute is small.
    private static let kept = 100

    init() {}

    /// Reads ``text``; what is no span there is passed over.
    init(_ text: String) {
        for part in text.split(separator: ",") {
            let times = part.split(separator: "-", omittingEmptySubsequences: false).map { Int64($0) }
            guard times.count == 2, let start = times[0] else { continue }
            spans.append(Span(start: start, end: times[1]))
        }
    }

    /// `1700000000000-1700000001000,1700000002000-`; empty where the stream never was.
    var text: String { spans.map { "\($0.start)-\($0.end.map(String.init) ?? "")" }.joined(separator: ",") }

    var isEmpty: Bool { spans.isEmpty }

    mutating func begin(at time: Timestamp) {
        if let last = spans.last, last.end == nil { return }
        spans.append(Span(start: time.milliseconds))
        // Records of earlier ones have expired: none is older than the longest retention.
        let oldest = time.milliseconds - Limits.retention.upperBound.components.seconds * 1000
        spans.removeAll { $0.end.map { $0 < oldest } ?? false }
        spans.removeFirst(max(0, spans.count - Self.kept))
    }

    mutating func end(at time: Timestamp) {
        guard let last = spans.indices.last, spans[last].end == nil else { return }
        spans[last].end = time.milliseconds
    }

    /// Whether the stream was shown as encrypted at a time.
    func contains(_ time: Timestamp) -> Bool {
        spans.contains { span in
            time.milliseconds >= span.start && span.end.map { time.milliseconds < $0 } ?? true
        }
    }
}

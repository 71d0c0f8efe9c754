import EventSource
import Foundation
import StreamModel

/// A failure document as a person reads it on a terminal: when, which key, why, how often it was tried, and the data.
struct ShortFailure {
    /// One line without control characters.
    let line: String

    /// Nil for a record that is no failure document.
    init?(_ record: Record) {
        guard let document = JSONValue(Array(record.bytes)), let context = document["document"]?["requestContext"],
            let condition = context["condition"]?.text, case .object(let error)? = document["error"]
        else { return nil }
        let attempts = if case .number(let count)? = error["attempts"] { Int(count) ?? 0 } else { 0 }
        let reason = error["text"]?.text ?? "no error"
        var what = "\(condition), \(Readable.count(attempts, "attempt"))"
        var data = ""
        if let given = document["record"] {
            let bytes = given["data"]?.text.flatMap { Data(base64Encoded: $0) }
            data = Output.escaped(Array(bytes ?? Data()))
        } else if case .number(let count)? = document["document"]?["KinesisBatchInfo"]?["batchSize"] {
            what += ", \(Readable.count(Int(count) ?? 0, "record")) never read"
        }
        let key = Output.escaped((document["record"]?["partitionKey"]?.text ?? record.partitionKey).utf8)
        let text = Output.escaped(Readable.shortened(reason, to: 500).utf8, backslash: "\\")
        line = ["\(record.approximateArrivalTimestamp)", key, "\(text) (\(what))", data].filter { !$0.isEmpty }
            .joined(separator: "  ")
    }
}

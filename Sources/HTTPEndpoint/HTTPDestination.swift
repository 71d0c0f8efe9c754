#if Server
import EventSource

/// A failure destination that is an HTTP endpoint: each document is a POST of its JSON (ESM-D11).
package struct HTTPDestination: FailureDestination, CustomStringConvertible {
    /// An answer that does not take the document.
    struct Refusal: Error, CustomStringConvertible {
        var description: String
    }

    private let caller: HTTPCaller

    package init(_ caller: HTTPCaller) { self.caller = caller }

    package var description: String { "the endpoint \(caller.address.text)" }

    package func deliver(_ document: FailureDocument) async throws {
        let answer = try await caller.post(
            document.json(), fields: [("Idempotency-Key", Self.fieldValue(document.id))])
        guard answer.isSuccess else { throw Refusal(description: answer.words) }
    }

    /// Closes the connections, after the last delivery.
    package func close() async { await caller.close() }

    /// What a header field can't hold is left out.
    private static func fieldValue(_ text: String) -> String {
        String(decoding: text.utf8.filter { (0x20...0x7E).contains($0) }, as: UTF8.self)
    }
}
#endif

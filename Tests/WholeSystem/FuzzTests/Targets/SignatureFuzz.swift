import StreamModel

@testable import KinesisServer

/// What a request says about its signature: a field, a path with a query, and a date, all from who has proven nothing.
enum SignatureFuzz {
    static func check(_ input: [UInt8]) throws {
        let text = String(decoding: input, as: UTF8.self)
        let field = SignatureParameters(authorization: text)
        if let scope = field.scope, let credential = field.credential {
            try hold("\(scope.keyID)/\(scope.text)" == credential, "a scope is not what the credential says")
        }
        let path = text.prefix { $0 != "?" }
        let query = String(text.dropFirst(path.count).dropFirst())
        _ = SignatureParameters(query: query[...])
        let canonical = CanonicalRequest(
            method: "POST", path: String(path), query: query, headers: [(name: "host", value: text)], bodyHash: "0")
        try hold(
            canonical.text.utf8.count <= 16 * input.count + 64, "a canonical request is far longer than the request")
        let onePath = CanonicalRequest.path(String(path))
        try hold(
            onePath.hasPrefix("/") && !onePath.contains("//") && !onePath.contains("/../"), "a path leads elsewhere")
        let oneQuery = CanonicalRequest.query(query)
        try hold(CanonicalRequest.query(oneQuery) == oneQuery, "a canonical query is none")
        if let moment = AmazonDate.timestamp(text), !text.hasPrefix("0000") {
            let isLast = text.utf8.dropFirst(13).starts(with: "60".utf8) || (Int(text.dropFirst(6).prefix(2)) ?? 0) > 28
            try hold(isLast || AmazonDate.text(moment) == text, "a date reads as another")
        }
    }
}

/// A request in the one form that both sides sign, by Amazon's Signature Version 4.
package struct CanonicalRequest: Sendable {
    package var method: String
    /// The path as it was sent.
    package var path: String
    /// The query as it was sent, without its question mark.
    package var query: String
    /// The signed fields, by name in small letters and in the order of the names.
    package var headers: [(name: String, value: String)]
    /// SHA-256 of the body in hexadecimal digits, or what the request says in its place.
    package var bodyHash: String

    package init(
        method: String, path: String, query: String, headers: [(name: String, value: String)], bodyHash: String
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.bodyHash = bodyHash
    }

    /// The text.
    package var text: String {
        let fields = headers.map { "\($0.name):\(Self.trimmed($0.value))\n" }.joined()
        let names = headers.map(\.name).joined(separator: ";")
        return "\(method)\n\(Self.path(path))\n\(Self.query(query))\n\(fields)\n\(names)\n\(bodyHash)"
    }

    /// Without white space at the ends, and with one space for several.
    static func trimmed(_ value: String) -> String {
        value.split(whereSeparator: { $0 == " " || $0 == "\t" }).joined(separator: " ")
    }

    /// Without `.`, `..` and empty parts, each part encoded: twice, where it came encoded.
    static func path(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/") {
            switch part {
            case ".": break
            case "..": parts = parts.dropLast()
            default: parts.append(part)
            }
        }
        let isFolder = path.hasSuffix("/") || path.hasSuffix("/.") || path.hasSuffix("/..")
        let text = parts.map { "/" + PercentCoding.encoded($0.utf8) }.joined()
        return text.isEmpty ? "/" : text + (isFolder ? "/" : "")
    }

    /// In the order of names and values as they are encoded, without the signature.
    static func query(_ query: String) -> String {
        var pairs: [(name: String, value: String)] = []
        for word in query.split(separator: "&") {
            let equals = word.firstIndex(of: "=") ?? word.endIndex
            let name = PercentCoding.encoded(PercentCoding.bytes(word[..<equals]))
            guard name != "X-Amz-Signature" else { continue }
            pairs.append((name, PercentCoding.encoded(PercentCoding.bytes(word[equals...].dropFirst()))))
        }
        return pairs.sorted { $0 < $1 }.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
    }
}

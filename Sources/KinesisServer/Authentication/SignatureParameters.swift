/// What a request says about its signature, in the field `Authorization` or in its query (API-A-1).
///
/// Any text is parsed: who sends it has proven nothing.
package struct SignatureParameters: Equatable, Sendable {
    /// The access key and the scope: `{key}/{date}/{region}/{service}/aws4_request`.
    package var credential: String?
    package var signature: String?
    /// Names of fields with `;` between them.
    package var signedHeaders: String?
    /// `AWS4-HMAC-SHA256`, where it is this version of the signature.
    package var algorithm: String?
    /// The moment of the signature; only in a query.
    package var date: String?

    package init() {}

    /// Of the field `Authorization`.
    package init(authorization text: String) {
        let words = text.split(whereSeparator: { $0 == "," || $0 == " " || $0 == "\t" })
        algorithm = words.first.map(String.init)
        for word in words.dropFirst() {
            let (name, value) = Self.pair(word)
            switch name {
            case "Credential": credential = value
            case "Signature": signature = value
            case "SignedHeaders": signedHeaders = value
            default: break
            }
        }
    }

    /// Of a query, without its question mark.
    package init(query: Substring) {
        for word in query.split(separator: "&") {
            let (name, value) = Self.pair(word)
            switch name {
            case "X-Amz-Algorithm": algorithm = PercentCoding.decoded(value)
            case "X-Amz-Credential": credential = PercentCoding.decoded(value)
            case "X-Amz-Signature": signature = PercentCoding.decoded(value)
            case "X-Amz-SignedHeaders": signedHeaders = PercentCoding.decoded(value)
            case "X-Amz-Date": date = PercentCoding.decoded(value)
            default: break
            }
        }
    }

    private static func pair(_ word: Substring) -> (name: Substring, value: String?) {
        guard let equals = word.firstIndex(of: "=") else { return (word, nil) }
        let value = word[word.index(after: equals)...]
        return (word[..<equals], value.isEmpty ? nil : String(value))
    }

    /// The parts of ``credential``; nil where they are not five.
    package var scope: Scope? {
        guard let parts = credential?.split(separator: "/", omittingEmptySubsequences: false), parts.count == 5 else {
            return nil
        }
        return Scope(
            keyID: String(parts[0]), date: String(parts[1]), region: String(parts[2]), service: String(parts[3]),
            end: String(parts[4]))
    }

    /// Whose key it is, and where and when it signs.
    package struct Scope: Equatable, Sendable {
        package var keyID: String
        /// `20150830`.
        package var date: String
        package var region: String
        package var service: String
        /// `aws4_request`.
        package var end: String

        package init(keyID: String, date: String, region: String, service: String, end: String) {
            self.keyID = keyID
            self.date = date
            self.region = region
            self.service = service
            self.end = end
        }

        /// What stands in the text that is signed.
        package var text: String { "\(date)/\(region)/\(service)/\(end)" }
    }
}

/// `%2F` and the like, as SigV4 has it: everything but letters, digits and `-._~` is encoded, in capitals.
package enum PercentCoding {
    private static let digits = Array("0123456789ABCDEF".utf8)

    static func encoded(_ bytes: some Sequence<UInt8>, keepsSlash: Bool = false) -> String {
        var text: [UInt8] = []
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                text.append(byte)
            case UInt8(ascii: "/") where keepsSlash: text.append(byte)
            default: text += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// The bytes; a `%` that two digits don't follow stands for itself.
    static func bytes(_ text: some StringProtocol) -> [UInt8] {
        let coded = Array(text.utf8)
        var bytes: [UInt8] = []
        var at = 0
        while at < coded.count {
            if coded[at] == UInt8(ascii: "%"), at + 2 < coded.count, let high = digit(coded[at + 1]),
                let low = digit(coded[at + 2])
            {
                bytes.append(high << 4 | low)
                at += 3
            } else {
                bytes.append(coded[at])
                at += 1
            }
        }
        return bytes
    }

    static func decoded(_ text: String?) -> String? {
        text.map { String(decoding: bytes($0), as: UTF8.self) }
    }
}

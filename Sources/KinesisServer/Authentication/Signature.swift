#if Server
import Crypto

/// Amazon's Signature Version 4.
package enum Signature {
    package static let algorithm = "AWS4-HMAC-SHA256"

    /// SHA-256 in hexadecimal digits.
    package static func hash(_ bytes: some Sequence<UInt8>) -> String {
        var hash = SHA256()
        if bytes.withContiguousStorageIfAvailable({ hash.update(bufferPointer: UnsafeRawBufferPointer($0)) }) == nil {
            hash.update(data: Array(bytes))
        }
        return hexadecimal(hash.finalize())
    }

    /// The signature in hexadecimal digits.
    ///
    /// - Parameter date: as in the request: `20150830T123600Z`.
    package static func signature(
        of request: CanonicalRequest, date: String, scope: SignatureParameters.Scope, secret: String
    ) -> String {
        let text = "\(algorithm)\n\(date)\n\(scope.text)\n\(hash(request.text.utf8))"
        var key = SymmetricKey(data: Array("AWS4\(secret)".utf8))
        for part in [scope.date, scope.region, scope.service, scope.end] {
            key = SymmetricKey(data: HMAC<SHA256>.authenticationCode(for: Array(part.utf8), using: key))
        }
        return hexadecimal(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key))
    }

    /// HMAC by SHA-256.
    static func code(of message: [UInt8], key: [UInt8]) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: message, using: SymmetricKey(data: key)))
    }

    /// Whether two texts are the same, in a time that does not tell how much of them is.
    static func areEqual(_ left: String, _ right: String) -> Bool {
        let (left, right) = (Array(left.utf8), Array(right.utf8))
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(0) { $0 | $1.0 ^ $1.1 } == 0
    }

    private static let digits = Array("0123456789abcdef".utf8)

    private static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
#endif

#if Server
import KinesisServer
import StreamModel

/// The fields by which a request says who asks.
package struct RequestSigner: Sendable {
    /// A key to sign with.
    package struct Key: Sendable {
        package var id: String
        package var secret: String
        /// What goes into `X-Amz-Security-Token`; nil: nothing.
        package var sessionToken: String?

        package init(id: String, secret: String, sessionToken: String? = nil) {
            self.id = id
            self.secret = secret
            self.sessionToken = sessionToken
        }
    }

    private let key: Key?
    private let region: String
    private let timeSource: any TimeSource
    /// The fields of all requests without a key: nobody checks them, and they cost nothing.
    private let unchecked: [(name: String, value: String)]

    /// - Parameter key: signs by SigV4; nil: the field has the right form and a signature of zeros.
    package init(key: Key?, region: String, timeSource: any TimeSource) {
        self.key = key
        self.region = region
        self.timeSource = timeSource
        let date = AmazonDate.text(timeSource.wallTime)
        let scope = Self.scope(keyID: "shardline", date: date, region: region)
        unchecked = [
            ("x-amz-date", date),
            (
                "authorization",
                Self.authorization(scope, names: Self.names, signature: String(repeating: "0", count: 64))
            ),
        ]
    }

    private static let names = ["content-type", "host", "x-amz-date", "x-amz-target"]

    static func target(of request: APIRequest) -> String { "Kinesis_20131202.\(request.operation)" }

    /// The fields beside `Host`, `Content-Type` and `X-Amz-Target`.
    func headers(for request: APIRequest, host: String) -> [(name: String, value: String)] {
        guard let key else { return unchecked }
        let date = AmazonDate.text(timeSource.wallTime)
        var fields = [
            (name: "content-type", value: request.contentType), (name: "host", value: host),
            (name: "x-amz-date", value: date),
        ]
        if let token = key.sessionToken { fields.append((name: "x-amz-security-token", value: token)) }
        fields.append((name: "x-amz-target", value: Self.target(of: request)))
        let scope = Self.scope(keyID: key.id, date: date, region: region)
        let canonical = CanonicalRequest(
            method: "POST", path: "/", query: "", headers: fields, bodyHash: Signature.hash(request.body))
        let signature = Signature.signature(of: canonical, date: date, scope: scope, secret: key.secret)
        var headers = [
            (name: "x-amz-date", value: date),
            (
                name: "authorization",
                value: Self.authorization(scope, names: fields.map(\.name), signature: signature)
            ),
        ]
        if let token = key.sessionToken { headers.append((name: "x-amz-security-token", value: token)) }
        return headers
    }

    private static func scope(keyID: String, date: String, region: String) -> SignatureParameters.Scope {
        SignatureParameters.Scope(
            keyID: keyID, date: String(date.prefix(8)), region: region, service: "kinesis", end: "aws4_request")
    }

    private static func authorization(
        _ scope: SignatureParameters.Scope, names: [String], signature: String
    ) -> String {
        "\(Signature.algorithm) Credential=\(scope.keyID)/\(scope.text), SignedHeaders=\(names.joined(separator: ";")), Signature=\(signature)"
    }
}
#endif

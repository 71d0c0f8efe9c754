#if Server
import HTTPTypes
import KinesisAPI
import StreamModel

/// What a request proves who it is from with.
struct Proof: Sendable {
    var request: HTTPRequest
    var body: [UInt8]
}

/// Finds out who asks (API-A-6, API-A-7, API-N-1).
struct Authenticator: Sendable {
    private let account: String
    private let region: String
    private let acceptsUnsigned: Bool
    /// By id; nil where any key is taken.
    private let keys: [UTF8Key: KinesisServer.Credentials.Key]?
    private let timeSource: any TimeSource

    /// How far a signature's clock may be from this one's.
    private static let skew = Duration.seconds(300)

    init(_ configuration: KinesisServer.Configuration, timeSource: any TimeSource) {
        account = configuration.account
        region = configuration.region
        acceptsUnsigned = configuration.acceptsUnsigned
        keys = configuration.credentials.map { credentials in
            Dictionary(credentials.keys.map { (UTF8Key($0.id), $0) }, uniquingKeysWith: { $1 })
        }
        self.timeSource = timeSource
    }

    /// Who asks.
    ///
    /// - Parameter operation: the operation's name; nil before one is known.
    func authenticate(_ proof: Proof, operation: String?) throws(ServiceError) -> Caller {
        let path = proof.request.path ?? "/"
        let query = path.firstIndex(of: "?").map { path[path.index(after: $0)...] } ?? ""
        let inQuery = SignatureParameters(query: query)
        let header = proof.request.headerFields[.authorization]
        if let header {
            guard inQuery.algorithm == nil else {
                throw ServiceError(
                    code: "InvalidSignatureException",
                    message:
                        "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")
            }
            let parameters = SignatureParameters(authorization: header)
            let date = proof.request.headerFields[.amazonDate] ?? proof.request.headerFields[.date]
            try Self.requireAll(parameters, date: date, header: header)
            return try caller(proof, parameters, date: date ?? "", query: query, operation: operation)
        }
        guard query.split(separator: "&").contains(where: { $0.hasPrefix("X-Amz-Algorithm") }) else {
            // API-A-2.
            if acceptsUnsigned { return Caller(account: account, region: region, keyID: nil) }
            throw ServiceError(code: "MissingAuthenticationTokenException", message: "Missing Authentication Token")
        }
        try Self.requireAll(inQuery)
        return try caller(proof, inQuery, date: inQuery.date ?? "", query: query, operation: operation)
    }

    /// What of a signature in a field has to be there (API-A-3).
    private static func requireAll(
        _ parameters: SignatureParameters, date: String?, header: String
    ) throws(ServiceError) {
        var text = ""
        for (value, name) in [
            (parameters.credential, "Credential"), (parameters.signature, "Signature"),
            (parameters.signedHeaders, "SignedHeaders"),
        ] where value == nil {
            text += "Authorization header requires '\(name)' parameter. "
        }
        if date == nil {
            text += "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
        }
        guard text.isEmpty else {
            throw ServiceError(code: "IncompleteSignatureException", message: text + "Authorization=\(header)")
        }
    }

    /// What of a signature in a query has to be there (API-A-4).
    private static func requireAll(_ parameters: SignatureParameters) throws(ServiceError) {
        var text = ""
        for (value, name) in [
            (parameters.algorithm, "Algorithm"), (parameters.credential, "Credential"),
            (parameters.signature, "Signature"), (parameters.signedHeaders, "SignedHeaders"),
            (parameters.date, "Date"),
        ] where value == nil {
            text += "AWS query-string parameters must include 'X-Amz-\(name)'. "
        }
        guard text.isEmpty else {
            throw ServiceError(
                code: "IncompleteSignatureException", message: text + "Re-examine the query-string parameters.")
        }
    }

    private func caller(
        _ proof: Proof, _ parameters: SignatureParameters, date: String, query: Substring, operation: String?
    ) throws(ServiceError) -> Caller {
        let scope = parameters.scope
        let region = scope.map(\.region).flatMap { KinesisServer.Configuration.isRegion($0) ? $0 : nil } ?? self.region
        guard let keys else {
            let keyID = scope?.keyID ?? parameters.credential.map { String($0.prefix { $0 != "/" }) }
            let named = keyID.flatMap { KinesisServer.Configuration.isAccount($0) ? $0 : nil }
            return Caller(account: named ?? account, region: region, keyID: keyID)
        }
        guard let scope, scope.service == "kinesis", scope.end == "aws4_request", scope.region == region else {
            throw Self.invalid(
                "Credential should be scoped to a valid region and to the service 'kinesis', and end with 'aws4_request'."
            )
        }
        guard let key = keys[UTF8Key(scope.keyID)] else {
            throw ServiceError(
                code: "UnrecognizedClientException", message: "The security token included in the request is invalid.")
        }
        try verify(proof, parameters, scope, key, date: date, query: query)
        if let operation, let allowed = key.operations,
            !allowed.contains(where: { Caller.Permissions.matches($0, operation) })
        {
            throw ServiceError(
                code: "AccessDeniedException",
                message: "The key \(key.id) is not authorized to perform: kinesis:\(operation)")
        }
        return Caller(
            account: key.account ?? account, region: region, keyID: key.id,
            permissions: Caller.Permissions(streams: key.streams))
    }

    private func verify(
        _ proof: Proof, _ parameters: SignatureParameters, _ scope: SignatureParameters.Scope,
        _ key: KinesisServer.Credentials.Key, date: String, query: Substring
    ) throws(ServiceError) {
        guard parameters.algorithm == Signature.algorithm else {
            throw ServiceError(
                code: "IncompleteSignatureException",
                message: "Unsupported AWS 'algorithm': '\(parameters.algorithm ?? "")'.")
        }
        let names = (parameters.signedHeaders ?? "").split(separator: ";").map { $0.lowercased() }
        let fields = proof.request.headerFields
        for needed in ["host", fields[.target] == nil ? "host" : "x-amz-target"] where !names.contains(needed) {
            throw Self.invalid("'\(needed)' must be a 'SignedHeader' in the AWS Authorization.")
        }
        try checkDate(date, scope)
        let hash = Signature.hash(proof.body)
        if let claimed = fields[.contentHash], !Signature.areEqual(claimed, hash) {
            throw Self.invalid("The value passed in as x-amz-content-sha256 does not match the SHA-256 of the body.")
        }
        let path = proof.request.path ?? "/"
        let canonical = CanonicalRequest(
            method: proof.request.method.rawValue, path: String(path.prefix { $0 != "?" }), query: String(query),
            headers: names.map { name in (name, Self.value(of: name, in: proof.request)) }, bodyHash: hash)
        let expected = Signature.signature(of: canonical, date: date, scope: scope, secret: key.secret)
        guard Signature.areEqual(expected, parameters.signature ?? "") else {
            throw Self.invalid(
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
            )
        }
    }

    private func checkDate(_ date: String, _ scope: SignatureParameters.Scope) throws(ServiceError) {
        guard let time = AmazonDate.timestamp(date) else {
            throw ServiceError(
                code: "IncompleteSignatureException",
                message:
                    "Date must be in ISO-8601 'basic format'. Got '\(date)'. See http://en.wikipedia.org/wiki/ISO_8601"
            )
        }
        guard date.hasPrefix(scope.date) else {
            throw Self.invalid(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '\(scope.date)' != '\(date.prefix(8))', from '\(date)'."
            )
        }
        let now = timeSource.wallTime
        if time < now - Self.skew {
            let earliest = AmazonDate.text(now - Self.skew)
            throw Self.invalid(
                "Signature expired: \(date) is now earlier than \(earliest) (\(AmazonDate.text(now)) - 5 min.)")
        }
        if time > now + Self.skew {
            let latest = AmazonDate.text(now + Self.skew)
            throw Self.invalid(
                "Signature not yet current: \(date) is still later than \(latest) (\(AmazonDate.text(now)) + 5 min.)")
        }
    }

    private static func value(of name: String, in request: HTTPRequest) -> String {
        // HTTP/1.1's Host is HTTP/2's :authority.
        if name == "host" { return request.authority ?? "" }
        guard let field = HTTPField.Name(name) else { return "" }
        return request.headerFields[values: field].map(CanonicalRequest.trimmed).joined(separator: ",")
    }

    private static func invalid(_ message: String) -> ServiceError {
        ServiceError(code: "InvalidSignatureException", message: message)
    }
}
#endif

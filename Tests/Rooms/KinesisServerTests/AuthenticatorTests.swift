#if Server
import HTTPTypes
import KinesisAPI
import ShardlineTesting
import StreamModel
import Testing

@testable import KinesisServer

/// Who may ask, and who is taken to ask.
@Suite struct AuthenticatorTests {
    static let moment = Timestamp(milliseconds: 1_440_938_160_000)
    static let date = "20150830T123600Z"
    static let key = KinesisServer.Credentials.Key(id: "AKIDEXAMPLE", secret: "secret")

    private func authenticator(
        keys: [KinesisServer.Credentials.Key]? = nil, acceptsUnsigned: Bool = false, at moment: Timestamp = moment
    ) -> Authenticator {
        var configuration = KinesisServer.Configuration()
        configuration.account = "111122223333"
        configuration.region = "eu-west-1"
        configuration.acceptsUnsigned = acceptsUnsigned
        configuration.credentials = keys.map { KinesisServer.Credentials(keys: $0) }
        return Authenticator(configuration, timeSource: VirtualTime(wallTime: moment))
    }

    private func request(_ path: String = "/", _ fields: HTTPFields = [:]) -> HTTPRequest {
        HTTPRequest(method: .post, scheme: "http", authority: "localhost:4567", path: path, headerFields: fields)
    }

    private func caller(
        _ authenticator: Authenticator, _ request: HTTPRequest, body: String = "{}", operation: String? = "PutRecord"
    ) -> Result<Caller, ServiceError> {
        Result { () throws(ServiceError) in
            try authenticator.authenticate(Proof(request: request, body: Array(body.utf8)), operation: operation)
        }
    }

    private func error(_ result: Result<Caller, ServiceError>) -> ServiceError? {
        if case .failure(let error) = result { error } else { nil }
    }

    private func code(_ result: Result<Caller, ServiceError>) -> String? { error(result)?.code }

    private func authorization(_ scope: String, signature: String = "0", headers: String = "host") -> String {
        "AWS4-HMAC-SHA256 Credential=\(scope), SignedHeaders=\(headers), Signature=\(signature)"
    }

    /// A request as a client signs it.
    private func signed(
        _ key: KinesisServer.Credentials.Key = key, body: String = "{}", date: String = date,
        region: String = "us-east-1", service: String = "kinesis",
        names: [String] = ["host", "x-amz-date", "x-amz-target"]
    ) -> HTTPRequest {
        let target = "Kinesis_20131202.PutRecord"
        let values = ["host": "localhost:4567", "x-amz-date": date, "x-amz-target": target]
        let scope = "\(key.id)/\(date.prefix(8))/\(region)/\(service)/aws4_request"
        let parameters = SignatureParameters(authorization: authorization(scope))
        let canonical = CanonicalRequest(
            method: "POST", path: "/", query: "", headers: names.map { (name: $0, value: values[$0] ?? "") },
            bodyHash: Signature.hash(Array(body.utf8)))
        let signature = Signature.signature(
            of: canonical, date: date, scope: parameters.scope!, secret: key.secret)
        return request(
            "/",
            [
                .authorization: authorization(scope, signature: signature, headers: names.joined(separator: ";")),
                .amazonDate: date, .target: target,
            ])
    }

    @Test func `a field and a query together are refused (API-A-1)`() {
        let both = request("/?X-Amz-Algorithm=a", [.authorization: authorization("a"), .amazonDate: Self.date])
        #expect(
            error(caller(authenticator(), both))
                == ServiceError(
                    code: "InvalidSignatureException",
                    message:
                        "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."))
    }

    @Test func `a request without a signature is refused, unless such are accepted (API-A-2)`() throws {
        let missing = ServiceError(
            code: "MissingAuthenticationTokenException", message: "Missing Authentication Token")
        #expect(error(caller(authenticator(), request())) == missing)
        #expect(error(caller(authenticator(keys: [Self.key]), request())) == missing)
        let unsigned = try caller(authenticator(acceptsUnsigned: true), request()).get()
        #expect(unsigned == Caller(account: "111122223333", region: "eu-west-1", keyID: nil))
    }

    @Test func `a field that lacks parts says which (API-A-3)`() {
        let empty = request("/", [.authorization: "AWS4-HMAC-SHA256"])
        #expect(
            error(caller(authenticator(), empty))?.message
                == "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256"
        )
        let part = request("/", [.authorization: "AWS4-HMAC-SHA256 Signature=b,Credential=a", .date: "x"])
        #expect(
            error(caller(authenticator(), part))
                == ServiceError(
                    code: "IncompleteSignatureException",
                    message:
                        "Authorization header requires 'SignedHeaders' parameter. Authorization=AWS4-HMAC-SHA256 Signature=b,Credential=a"
                ))
    }

    @Test func `a query that lacks parts says which (API-A-4)`() {
        let query = request("/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=a")
        #expect(
            error(caller(authenticator(), query))
                == ServiceError(
                    code: "IncompleteSignatureException",
                    message:
                        "AWS query-string parameters must include 'X-Amz-Credential'. AWS query-string parameters must include 'X-Amz-Signature'. AWS query-string parameters must include 'X-Amz-SignedHeaders'. Re-examine the query-string parameters."
                ))
        #expect(error(caller(authenticator(), request("/?X-Amz-Algorithm")))?.code == "IncompleteSignatureException")
    }

    @Test func `without keys any signature is taken, and the scope names region and account (API-A-6, API-N-1)`() throws
    {
        func asked(_ scope: String) throws -> Caller {
            let fields: HTTPFields = [.authorization: authorization(scope), .amazonDate: "never"]
            return try caller(authenticator(), request("/", fields)).get()
        }
        #expect(
            try asked("key/20200101/ap-south-1/kinesis/aws4_request")
                == Caller(account: "111122223333", region: "ap-south-1", keyID: "key"))
        #expect(
            try asked("123456789012/20200101/us-east-1/kinesis/aws4_request")
                == Caller(account: "123456789012", region: "us-east-1", keyID: "123456789012"))
        #expect(try asked("key") == Caller(account: "111122223333", region: "eu-west-1", keyID: "key"))
        #expect(try asked("k/d/Not a region/kinesis/aws4_request").region == "eu-west-1")
    }

    @Test func `with keys a signature is checked (API-A-6)`() throws {
        let authenticator = authenticator(keys: [Self.key])
        #expect(
            try caller(authenticator, signed()).get()
                == Caller(
                    account: "111122223333", region: "us-east-1", keyID: "AKIDEXAMPLE",
                    permissions: Caller.Permissions()))
        #expect(code(caller(authenticator, signed(), body: "{ }")) == "InvalidSignatureException")
        var other = Self.key
        other.secret = "other"
        #expect(code(caller(authenticator, signed(other))) == "InvalidSignatureException")
        other.id = "unknown"
        #expect(code(caller(authenticator, signed(other))) == "UnrecognizedClientException")
        #expect(code(caller(authenticator, signed(service: "s3"))) == "InvalidSignatureException")
    }

    @Test func `what decides a request has to be signed`() {
        let authenticator = authenticator(keys: [Self.key])
        #expect(
            code(caller(authenticator, signed(names: ["x-amz-date", "x-amz-target"]))) == "InvalidSignatureException")
        #expect(code(caller(authenticator, signed(names: ["host", "x-amz-date"]))) == "InvalidSignatureException")
        var changed = signed()
        changed.headerFields[.target] = "Kinesis_20131202.DeleteStream"
        #expect(code(caller(authenticator, changed)) == "InvalidSignatureException")
        var claimed = signed()
        claimed.headerFields[.contentHash] = "UNSIGNED-PAYLOAD"
        #expect(code(caller(authenticator, claimed)) == "InvalidSignatureException")
        claimed.headerFields[.contentHash] = Signature.hash(Array("{}".utf8))
        #expect(code(caller(authenticator, claimed)) == nil)
    }

    @Test(arguments: [(-301, false), (-300, true), (0, true), (300, true), (301, false)])
    func `a signature is good for five minutes before and after its date`(seconds: Int, isGood: Bool) {
        let now = Self.moment + .seconds(seconds)
        #expect((code(caller(authenticator(keys: [Self.key], at: now), signed())) == nil) == isGood)
    }

    @Test func `a key may be for an account and for some operations`() throws {
        let key = KinesisServer.Credentials.Key(
            id: "k", secret: "s", account: "999900001111", operations: ["Get*", "ListShards"])
        let authenticator = authenticator(keys: [Self.key, key])
        #expect(try caller(authenticator, signed(key), operation: "GetRecords").get().account == "999900001111")
        #expect(code(caller(authenticator, signed(key), operation: "ListShards")) == nil)
        #expect(code(caller(authenticator, signed(key), operation: "PutRecord")) == "AccessDeniedException")
        #expect(code(caller(authenticator, signed(key), operation: "ListShardsX")) == "AccessDeniedException")
    }

    @Test func `a query is signed as well (API-A-6)`() throws {
        let scope = "AKIDEXAMPLE/20150830/us-east-1/kinesis/aws4_request"
        let query =
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=\(scope.replacing("/", with: "%2F"))&X-Amz-Date=\(Self.date)&X-Amz-SignedHeaders=host"
        let canonical = CanonicalRequest(
            method: "POST", path: "/", query: query, headers: [("host", "localhost:4567")],
            bodyHash: Signature.hash(Array("{}".utf8)))
        let signature = Signature.signature(
            of: canonical, date: Self.date,
            scope: try #require(SignatureParameters(authorization: authorization(scope)).scope), secret: "secret")
        let good = request("/?\(query)&X-Amz-Signature=\(signature)")
        #expect(code(caller(authenticator(keys: [Self.key]), good)) == nil)
        let bad = request("/?\(query)&a=b&X-Amz-Signature=\(signature)")
        #expect(code(caller(authenticator(keys: [Self.key]), bad)) == "InvalidSignatureException")
    }
}
#endif

#if Server
import StreamModel
import Testing

@testable import KinesisServer

/// Signatures, by the vectors that Amazon has published (aws-sig-v4-test-suite).
@Suite struct SignatureTests {
    struct Vector: Sendable, CustomTestStringConvertible {
        var name: String
        var method = "GET"
        var path = "/"
        var query = ""
        var headers: [(String, String)] = []
        var body = ""
        var signature: String
        var testDescription: String { name }
    }

    static let vectors = [
        Vector(name: "get-vanilla", signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        Vector(
            name: "get-vanilla-query-order-key-case", query: "Param2=value2&Param1=value1",
            signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        Vector(
            name: "get-vanilla-empty-query-key", query: "Param1=value1",
            signature: "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
        Vector(
            name: "get-vanilla-utf8-query", query: "\u{1234}=bar",
            signature: "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
        Vector(
            name: "post-vanilla", method: "POST",
            signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        Vector(
            name: "post-vanilla-query", method: "POST", query: "Param1=value1",
            signature: "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"),
        Vector(
            name: "post-x-www-form-urlencoded", method: "POST",
            headers: [("content-type", "application/x-www-form-urlencoded")], body: "Param1=value1",
            signature: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
        Vector(
            name: "get-header-key-duplicate", headers: [("my-header1", "value2,value2,value1")],
            signature: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"),
        Vector(
            name: "get-header-value-order", headers: [("my-header1", "value4,value1,value3,value2")],
            signature: "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"),
        Vector(
            name: "get-header-value-trim", headers: [("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
            signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
        Vector(
            name: "get-unreserved", path: "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            signature: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
        Vector(
            name: "get-utf8", path: "/\u{1234}",
            signature: "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
        Vector(
            name: "get-space", path: "/example space/",
            signature: "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"),
        Vector(
            name: "get-relative-relative", path: "/example1/example2/../..",
            signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        Vector(
            name: "get-slashes", path: "//",
            signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ]

    @Test(arguments: vectors) func `a published request has its published signature`(vector: Vector) throws {
        let headers = [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")] + vector.headers
        let request = CanonicalRequest(
            method: vector.method, path: vector.path, query: vector.query,
            headers: headers.sorted { $0.0 < $1.0 }.map { (name: $0.0, value: $0.1) },
            bodyHash: Signature.hash(Array(vector.body.utf8)))
        let parameters = SignatureParameters(
            authorization:
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=a, Signature=b"
        )
        let signature = Signature.signature(
            of: request, date: "20150830T123600Z", scope: try #require(parameters.scope),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
        #expect(signature == vector.signature)
    }

    @Test func `the parameters are found whatever stands between them`() {
        let text = "AWS4-HMAC-SHA256 Credential=a/b/c/d/e,SignedHeaders=h;i ,\tSignature=0f"
        let parameters = SignatureParameters(authorization: text)
        #expect(parameters.algorithm == "AWS4-HMAC-SHA256")
        #expect(parameters.credential == "a/b/c/d/e" && parameters.signedHeaders == "h;i")
        #expect(parameters.signature == "0f")
        #expect(parameters.scope?.region == "c" && parameters.scope?.end == "e")
        #expect(SignatureParameters(authorization: "AWS4-HMAC-SHA256 Credential=a/b").scope == nil)
        let query = SignatureParameters(query: "X-Amz-Credential=a%2Fb%2fc%2Fd%2Fe&X-Amz-Date=%&X-Amz-Signature=")
        #expect(query.credential == "a/b/c/d/e" && query.date == "%" && query.signature == nil)
    }

    @Test func `two texts are compared as a whole`() {
        #expect(Signature.areEqual("abc", "abc") && Signature.areEqual("", ""))
        #expect(!Signature.areEqual("abc", "abd") && !Signature.areEqual("abc", "ab") && !Signature.areEqual("", "a"))
    }

    @Test(
        arguments: [
            ("20150830T123600Z", 1_440_938_160_000), ("19700101T000000Z", 0), ("20240229T235959Z", 1_709_251_199_000),
            ("20000301T000000Z", 951_868_800_000),
        ] as [(String, Int64)])
    func `a date of a signature is a moment`(text: String, milliseconds: Int64) {
        #expect(AmazonDate.timestamp(text)?.milliseconds == milliseconds)
        #expect(AmazonDate.text(Timestamp(milliseconds: milliseconds)) == text)
    }

    @Test(arguments: [
        "", "20150830T123600", "20151330T123600Z", "2015083OT123600Z", "20150830T253600Z", "ü0150830T12360Z",
    ])
    func `another text is no date`(text: String) { #expect(AmazonDate.timestamp(text) == nil) }

    @Test func `HMAC is that of RFC 4231`() {
        let code = Signature.code(of: Array("Hi There".utf8), key: [UInt8](repeating: 0x0B, count: 20))
        #expect(code.prefix(4) == [0xB0, 0x34, 0x4C, 0x61] && code.count == 32)
    }
}
#endif

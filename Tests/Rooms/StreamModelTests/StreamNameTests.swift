import StreamModel
import Testing

/// Plain and qualified names of streams.
struct StreamNameTests {
    @Test(arguments: ["a", "A.b-c_9", "0", "...", String(repeating: "n", count: 128)])
    func `a plain name belongs to no account (STORE-Q3)`(text: String) throws {
        let name = try #require(StreamName(text))
        #expect(name.account == nil && name.region == nil && name.name == text && name.description == text)
        #expect(Limits.isStreamName(text) && Limits.isName(text))
        let qualified = try #require(StreamName(text, account: "123456789012", region: "eu-west-1"))
        #expect(qualified.description == "123456789012:eu-west-1:\(text)")
        #expect(StreamName(qualified.description) == qualified)
        #expect(Limits.isStreamName(qualified.description) && !Limits.isName(qualified.description))
    }

    @Test(arguments: [
        "", ".", "..", "a b", "a/b", "ä", "a\u{0}", String(repeating: "n", count: 129), ":", "::", "a:b", ":a", "a:",
        "123456789012:us-east-1:", "123456789012::a", ":us-east-1:a", "12345678901:us-east-1:a",
        "1234567890123:us-east-1:a", "12345678901a:us-east-1:a", "12345678901\u{FF11}:us-east-1:a",
        "123456789012:us-east-1:..", "123456789012:us-east-1:a:b", "123456789012:us-east-1:a:", "123456789012:US:a",
        "123456789012:us.east:a", "123456789012:us_east:a", "123456789012:us/east:a",
        "123456789012:\(String(repeating: "r", count: 33)):a",
        "123456789012:us-east-1:\(String(repeating: "n", count: 129))", "123456789012:us-east-1:a/b",
        "a\u{301}:us-east-1:a", "123456789012:us-east-1\u{301}:a",
    ])
    func `no stream is called so (STORE-Q3)`(text: String) {
        #expect(StreamName(text) == nil && !Limits.isStreamName(text))
    }

    @Test func `a region has up to 32 characters`() {
        #expect(StreamName("123456789012:\(String(repeating: "r", count: 32)):a") != nil)
        #expect(StreamName("000000000000:-:a")?.region == "-")
        #expect(StreamName("a:b", account: "123456789012", region: "r") == nil)
    }
}

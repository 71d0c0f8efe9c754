import HTTPEndpoint
import StreamModel
import Testing

/// Which URLs of endpoints are taken, and what is said of others.
@Suite struct HTTPAddressTests {
    @Test(arguments: [
        "http://127.0.0.1:8080", "https://example.com/orders?x=1&y=%20", "http://[::1]:80/", "http://a",
        "http://a/b:c@d",
    ]) func `a URL with a host is taken as it is`(text: String) throws {
        #expect(try HTTPAddress(text, option: "--url").text == text)
    }

    @Test(arguments: [
        ("", "http:// or https:// with a host"), ("localhost:80", "http:// or https://"),
        ("ftp://a", "http:// or https://"),
        ("http://", "with a host"), ("http:///path", "with a host"), ("http://?x", "with a host"),
        ("http://[]", "with a host"),
        ("http://a:0", "a port from 1 to 65535"), ("http://a:65536", "a port"), ("http://a:", "a port"),
        ("http://a:b", "a port"), ("http://[::1]80", "a port"), ("http://me:secret@a", "without a user and a password"),
        ("http://a/b c", "%XX"), ("http://ä", "%XX"), ("http://a/#b", "nothing after a #"),
        ("http://a$", "with a host"),
        ("http://a/" + String(repeating: "x", count: 2048), "at most 2,048 characters"),
    ]) func `another text is refused with what is allowed`(text: String, allowed: String) {
        let error = #expect(throws: ShardlineError.self) { try HTTPAddress(text, option: "--url") }
        #expect(error?.code == .invalidArgument)
        #expect(
            error?.message.hasPrefix("--url '\(text)' (allowed: ") == true && error?.message.contains(allowed) == true)
    }
}

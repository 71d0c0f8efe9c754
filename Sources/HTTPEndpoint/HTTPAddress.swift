import StreamModel

/// The URL of an endpoint that takes events or documents: `http://` or `https://`, a host, perhaps a port, a path and a
/// query.
package struct HTTPAddress: Hashable, Sendable {
    /// As it was given.
    package let text: String

    /// Throws `invalidArgument` for what is no such URL.
    ///
    /// - Parameter option: where it was given, for the message.
    package init(_ text: String, option: String) throws {
        func wrong(_ allowed: String) -> ShardlineError {
            ShardlineError(.invalidArgument, "\(option) '\(text)' (allowed: \(allowed))")
        }
        let form = "http:// or https:// with a host, perhaps a port and a path, such as http://127.0.0.1:8080/orders"
        guard let scheme = ["http://", "https://"].first(where: { text.hasPrefix($0) }) else { throw wrong(form) }
        let isPlain = text.utf8.allSatisfy { (0x21...0x7E).contains($0) && !"\"<>\\^`{|}#".utf8.contains($0) }
        guard isPlain, text.utf8.count <= 2048 else {
            throw wrong("at most 2,048 characters of ASCII, what else a URL can't have as %XX, and nothing after a #")
        }
        let authority = text.dropFirst(scheme.count).prefix { $0 != "/" && $0 != "?" }
        // What is given on a command line, and said in logs, is no place for a password.
        guard !authority.contains("@") else { throw wrong("a URL without a user and a password") }
        let host: Substring
        if authority.hasPrefix("["), let end = authority.lastIndex(of: "]") {
            host = authority[...end]
        } else {
            host = authority.prefix { $0 != ":" }
        }
        let port = authority[host.endIndex...]
        let isHost = host.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20) || "-._[]:".utf8.contains(byte)
        }
        let isBracketed = host.contains("[") || host.contains("]")
        guard !host.isEmpty, host != "[]", isHost, !isBracketed || authority.hasPrefix("[") && host.hasSuffix("]")
        else { throw wrong(form) }
        if !port.isEmpty {
            let digits = port.dropFirst()
            guard port.first == ":", digits.allSatisfy(\.isNumber), let number = UInt16(digits), number > 0 else {
                throw wrong("a port from 1 to 65535 after the host")
            }
        }
        self.text = text
    }
}

#if Server
import StreamModel

/// Where a server of the Kinesis API listens: `http://` or `https://`, a host, and a port.
package struct EndpointURL: Sendable {
    /// As it was given, without a slash at its end.
    package let text: String
    /// The host, with the port where one is given.
    let authority: String

    /// Throws `invalidArgument` for what is no such URL.
    package init(_ text: String) throws {
        let wrong = ShardlineError(
            .invalidArgument,
            "--endpoint '\(text)' (allowed: http:// or https:// with a host and perhaps a port, such as http://127.0.0.1:4567)"
        )
        let bare = text.hasSuffix("/") ? String(text.dropLast()) : text
        guard let scheme = ["http://", "https://"].first(where: { bare.hasPrefix($0) }) else { throw wrong }
        let authority = bare.dropFirst(scheme.count)
        let isPlain = authority.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20) || "-._:[]".utf8.contains(byte)
        }
        guard !authority.isEmpty, isPlain, authority.first != ":" else { throw wrong }
        if let colon = authority.lastIndex(of: ":"), !authority.hasSuffix("]") {
            guard let port = UInt16(authority[authority.index(after: colon)...]), port > 0 else { throw wrong }
        }
        self.text = bare
        self.authority = String(authority)
    }
}
#endif

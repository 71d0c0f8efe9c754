/// Who asks, as authentication found out (API-A-1 to API-A-7), and where streams without an ARN are looked for (API-N-1).
package struct Caller: Hashable, Sendable {
    /// 12 digits.
    package var account: String
    /// Such as `us-east-1`.
    package var region: String
    /// The id of the access key; nil: unsigned.
    package var keyID: String?

    /// What the key may do; nil: all, since any key is taken.
    package var permissions: Permissions?

    package init(account: String, region: String, keyID: String? = nil, permissions: Permissions? = nil) {
        self.account = account
        self.region = region
        self.keyID = keyID
        self.permissions = permissions
    }

    /// What a key may do in its account, and in no other one.
    package struct Permissions: Hashable, Sendable {
        /// The streams by name; `*` at the end stands for any further characters. Nil: all.
        package var streams: [String]?

        package init(streams: [String]? = nil) { self.streams = streams }

        func allow(stream: String) -> Bool { streams?.contains { Self.matches($0, stream) } ?? true }

        /// Whether a name is the pattern's, or begins as it does before its `*`.
        package static func matches(_ pattern: String, _ name: String) -> Bool {
            pattern.hasSuffix("*") ? name.utf8.starts(with: pattern.utf8.dropLast()) : name == pattern
        }
    }
}

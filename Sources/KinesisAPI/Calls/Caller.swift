/// Who asks, as authentication found out (API-A-1 to API-A-7), and where streams without an ARN are looked for (API-N-1).
package struct Caller: Hashable, Sendable {
    /// 12 digits.
    package var account: String
    /// Such as `us-east-1`.
    package var region: String
    /// The id of the access key; nil: unsigned.
    package var keyID: String?

    package init(account: String, region: String, keyID: String? = nil) {
        self.account = account
        self.region = region
        self.keyID = keyID
    }
}

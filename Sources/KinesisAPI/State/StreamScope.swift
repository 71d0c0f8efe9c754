import StreamModel

/// How streams of accounts and regions are named in the store (API-N-1): those of the configured account and region as
/// they are, so that streams made in Swift and on the command line are theirs (API-A-7), others with both before the name.
package struct StreamScope: Sendable {
    /// The account and the region of plain names.
    package var account: String
    package var region: String

    package init(account: String, region: String) {
        self.account = account
        self.region = region
    }

    /// The stream's name in the store.
    package func storeName(of address: StreamAddress) -> String {
        prefix(account: address.account, region: address.region) + address.name
    }

    /// What the names of an account and region begin with in the store; empty for plain names.
    package func prefix(account: String, region: String) -> String {
        account == self.account && region == self.region ? "" : "\(account):\(region):"
    }

    /// The stream with this name in the store.
    package func address(ofStoreName name: String) -> StreamAddress {
        let parts = name.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3 else { return StreamAddress(account: account, region: region, name: name) }
        return StreamAddress(account: String(parts[0]), region: String(parts[1]), name: String(parts[2]))
    }
}

/// A stream's name in its parts (STORE-Q3).
///
/// A store may hold streams of several accounts and regions. The name of such a stream is qualified, as
/// `123456789012:us-east-1:orders`; a plain name, as `orders`, belongs to no account in particular. Both are names like any
/// other to the store: streams whose names differ are different streams.
public struct StreamName: Hashable, Sendable, CustomStringConvertible {
    /// The account, 12 digits; nil: the name is plain.
    public let account: String?
    /// The region, 1 to 32 of `[a-z0-9-]`; nil: the name is plain.
    public let region: String?
    /// The name in its account and region: 1 to 128 characters of `[a-zA-Z0-9_.-]`, and neither `.` nor `..`.
    public let name: String

    /// The parts of a stream's whole name; nil where no stream can have it.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 3, omittingEmptySubsequences: false)
        switch parts.count {
        case 1:
            guard Limits.isName(text) else { return nil }
            self.init(account: nil, region: nil, name: text)
        case 3: self.init(String(parts[2]), account: String(parts[0]), region: String(parts[1]))
        default: return nil
        }
    }

    private init(account: String?, region: String?, name: String) {
        self.account = account
        self.region = region
        self.name = name
    }

    /// The qualified name of a stream of this account and region; nil where a part is outside its limits.
    public init?(_ name: String, account: String, region: String) {
        guard account.utf8.count == 12, account.utf8.allSatisfy(Self.digits.contains),
            (1...32).contains(region.utf8.count), region.utf8.allSatisfy(Self.isOfRegion), Limits.isName(name)
        else { return nil }
        self.init(account: account, region: region, name: name)
    }

    private static let digits = UInt8(ascii: "0")...UInt8(ascii: "9")

    private static func isOfRegion(_ byte: UInt8) -> Bool {
        digits.contains(byte) || byte == UInt8(ascii: "-") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
    }

    /// The whole name, as the store knows it.
    public var description: String {
        if let account, let region { "\(account):\(region):\(name)" } else { name }
    }

    /// What a stream may be called, for the error of one that may not.
    package static let allowed =
        "1 to \(Limits.nameLength.upperBound) of a-z A-Z 0-9 _ . -, and neither '.' nor '..', also after an account and a region, as in 123456789012:us-east-1:NAME"
}

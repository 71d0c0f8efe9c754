import StreamStorage

/// What a stream has beyond what the store knows of it: its attributes in the store (STORE-B1), each with its name here.
struct StreamProperties: Sendable, Equatable {
    /// Whether the stream is in on-demand mode (API-H-5).
    var isOnDemand = false
    /// The warm throughput in MiB a second that was asked for; it has no effect here.
    var warmThroughput: Int?
    /// Whether records need no partition key (API-U-1).
    var distributesRecords = false
    /// The key that the stream is said to be encrypted with (API-Encryption-1); nil: none.
    var encryptionKey: String?
    /// When it was.
    var encryptedTimes = EncryptedTimes()
    /// The shard-level metrics that are enabled, in the order of the model.
    var shardMetrics: [String] = []

    /// What the names of these attributes begin with; tags, consumers and the policy have other names, so that a request
    /// for records does not read them.
    static let prefix = "property/"

    init() {}

    init(_ attributes: some Sequence<Attribute>) {
        for attribute in attributes {
            let value = String(decoding: attribute.value, as: UTF8.self)
            switch attribute.name.dropFirst(Self.prefix.count) {
            case "mode": isOnDemand = value == "ON_DEMAND"
            case "warm-throughput": warmThroughput = Int(value)
            case "record-distribution": distributesRecords = value == "AUTO"
            case "encryption-key": encryptionKey = value
            case "encrypted-times": encryptedTimes = EncryptedTimes(value)
            case "shard-metrics": shardMetrics = value.split(separator: ",").map(String.init)
            default: break
            }
        }
    }

    /// The values by attribute; nil: the attribute is absent.
    private var values: [(name: String, value: String?)] {
        [
            ("mode", isOnDemand ? "ON_DEMAND" : nil), ("warm-throughput", warmThroughput.map(String.init)),
            ("record-distribution", distributesRecords ? "AUTO" : nil), ("encryption-key", encryptionKey),
            ("encrypted-times", encryptedTimes.isEmpty ? nil : encryptedTimes.text),
            ("shard-metrics", shardMetrics.isEmpty ? nil : shardMetrics.joined(separator: ",")),
        ]
    }

    /// The attributes of a stream that is created with these properties.
    var initial: [NewAttribute] {
        values.compactMap { entry in
            entry.value.map { NewAttribute(Self.prefix + entry.name, Array($0.utf8)) }
        }
    }

    /// The changes that make these properties of those before.
    func changes(from before: StreamProperties, of owner: AttributeOwner) -> [AttributeChange] {
        zip(values, before.values).compactMap { now, before in
            guard now.value != before.value else { return nil }
            return AttributeChange(
                owner, Self.prefix + now.name, now.value.map { .set(Array($0.utf8)) } ?? .remove)
        }
    }
}

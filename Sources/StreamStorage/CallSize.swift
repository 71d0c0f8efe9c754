import StreamModel

extension Change {
    /// Throws `commitTooLarge` where the keys and data of one call are more than a store takes.
    package static func checkSize(of changes: [Change]) throws {
        var bytes = 0
        for case .append(let append) in changes {
            for record in append.records { bytes += record.partitionKey.utf8.count + record.data.count }
        }
        guard bytes <= Limits.callSize else {
            throw ShardlineError(
                .commitTooLarge,
                "the call holds \(bytes) bytes of keys and data; at most \(Limits.callSize) are allowed")
        }
    }
}

import StreamModel

extension Change {
    /// The bytes of keys and data in one call. Throws `commitTooLarge` where a store does not accept that many.
    @discardableResult
    public static func checkSize(of changes: [Change]) throws -> Int {
        var bytes = 0
        for case .append(let append) in changes { bytes += RecordEncoding.payload(of: append.records) }
        guard bytes <= Limits.callSize else {
            throw ShardlineError(
                .commitTooLarge,
                "the call holds \(bytes) bytes of keys and data; at most \(Limits.callSize) are allowed")
        }
        return bytes
    }
}

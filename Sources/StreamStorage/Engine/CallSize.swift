import StreamModel

extension Change {
    /// The bytes of keys and data in one call. Throws `commitTooLarge` where a store does not accept that many.
    @discardableResult
    public static func checkSize(of changes: [Change]) throws -> Int {
        var bytes = 0
        var attributes = 0
        var parked = 0
        for change in changes {
            switch change {
            case .append(let append): bytes += RecordEncoding.payload(of: append.records)
            case .attribute(let change): attributes += change.byteCount
            case .reserved(let change):
                if case .park(let change) = change.kind { parked += change.byteCount }
            default: continue
            }
        }
        guard attributes <= AttributeChange.commitLimit else {
            throw ShardlineError(
                .commitTooLarge,
                "the commit holds \(attributes) bytes of attributes; at most \(AttributeChange.commitLimit) are allowed"
            )
        }
        guard parked <= Limits.callSize else {
            throw ShardlineError(
                .commitTooLarge,
                "the commit holds \(parked) bytes of parked keys; at most \(Limits.callSize) are allowed")
        }
        guard bytes <= Limits.callSize else {
            throw ShardlineError(
                .commitTooLarge,
                "the call holds \(bytes) bytes of keys and data; at most \(Limits.callSize) are allowed")
        }
        return bytes
    }
}

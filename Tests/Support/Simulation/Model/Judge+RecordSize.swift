/// How large the stream's records may be: what was acknowledged last, or a later change that nobody knows the end of.
extension Judge {
    /// The size that a stream is made with.
    static let initialRecordSize = 1 << 20

    /// The size is about to be changed to this one, which it never was.
    package mutating func willResize(to size: Int) { recordSizes.insert(size) }

    /// The change was acknowledged.
    package mutating func hasResized(to size: Int) { recordSizes = [size] }

    /// Nobody changes anything, and somebody looks at the stream.
    package mutating func sawRecordSize(_ size: Int) {
        guard isStream == .there else { return }
        guard recordSizes.contains(size) else {
            return fail("the stream takes records of \(size) bytes, and \(recordSizes.sorted()) was set (STORE-Q4)")
        }
        recordSizes = [size]
    }
}

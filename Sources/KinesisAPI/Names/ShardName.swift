import StreamModel

extension ShardID {
    /// Reads a shard's name as leniently as AWS does (API-N-6): the digits between the first and the second `-`, or the
    /// whole text; nil where they are no number of a shard.
    package init?(lenient text: String) {
        let parts = text.split(separator: "-", maxSplits: 2, omittingEmptySubsequences: false)
        let digits = parts.count > 1 ? parts[1] : parts[0]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt32(digits),
            number < 1 << 31
        else { return nil }
        self.init(number)
    }
}

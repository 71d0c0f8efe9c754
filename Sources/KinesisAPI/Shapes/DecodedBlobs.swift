import DataFormats

/// The blobs of an input that were strings in base64, decoded where their type was checked.
struct DecodedBlobs: Sendable {
    /// By the place of the value, in ascending order.
    private var blobs: [(place: Int, bytes: [UInt8])] = []

    /// Adds a blob, which may stand before others.
    mutating func add(_ bytes: [UInt8], of value: Document.Value) {
        let place = blobs.last.map { $0.place < value.index } ?? true ? blobs.count : index(of: value)
        blobs.insert((value.index, bytes), at: place)
    }

    /// The bytes of a blob.
    func bytes(of value: Document.Value) throws(Base64Problem) -> [UInt8] {
        let place = index(of: value)
        guard place < blobs.count, blobs[place].place == value.index else { return try value.blob() }
        return blobs[place].bytes
    }

    /// The first place that is not before the value's.
    private func index(of value: Document.Value) -> Int {
        var (low, high) = (0, blobs.count)
        while low < high {
            let middle = low + (high - low) / 2
            if blobs[middle].place < value.index { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

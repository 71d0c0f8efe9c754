import DataFormats
import StreamModel

extension FailureDocument {
    /// The maximum bytes of documents in one commit (ESM-D10): 32 MiB.
    package static let partSize = 32 << 20

    /// The records for a failure stream: one for each record that was given up, with its own partition key; a single
    /// one with the shard's name as its key if the records were never read.
    ///
    /// They come in parts of at most `partSize` bytes (a larger record is a part of its own), each with the last number
    /// that it covers. Records up to `taken` are left out.
    package func parts(behind taken: SequenceNumber?, partSize: Int = Self.partSize) -> DocumentParts {
        DocumentParts(document: self, taken: taken, partSize: partSize)
    }
}

/// The parts of one document for a failure stream. They are made one at a time, so that only one is in memory.
package struct DocumentParts: Sequence, IteratorProtocol {
    private let document: FailureDocument
    private let head: [UInt8]
    private let partSize: Int
    private var index: Int
    private var isDone = false

    fileprivate init(document: FailureDocument, taken: SequenceNumber?, partSize: Int) {
        self.document = document
        self.partSize = partSize
        head = document.sharedHead()
        index =
            taken.map { taken in document.records.firstIndex { $0.sequenceNumber > taken } ?? document.records.count }
            ?? 0
    }

    package mutating func next() -> (records: [NewRecord], through: SequenceNumber)? {
        guard !isDone else { return nil }
        guard !document.records.isEmpty else {
            isDone = true
            return (
                [NewRecord(head + [UInt8(ascii: "}")], partitionKey: document.shard.description)],
                document.endSequenceNumber.sequenceNumber
            )
        }
        var part: [NewRecord] = []
        var size = 0
        while index < document.records.count {
            let record = document.records[index]
            // An upper bound of the document's size, so that a part is closed before the document is written.
            let bytes = head.count + Base64.size(of: record.dataByteCount) + 6 * record.keyByteCount + 320
            if !part.isEmpty, size + bytes > partSize { break }
            // One without a key keeps its hash key; another's key decides the shard, as in every failure stream.
            let key = record.partitionKey
            part.append(
                NewRecord(
                    document.json(of: record, head: head), partitionKey: key,
                    explicitHashKey: key.isEmpty ? record.explicitHashKey : nil))
            size += bytes
            index += 1
        }
        guard !part.isEmpty else { return nil }
        return (part, document.records[index - 1].sequenceNumber)
    }
}

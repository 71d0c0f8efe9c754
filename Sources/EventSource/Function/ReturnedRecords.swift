import DataFormats
import StreamModel

/// The records that a function outside Swift returns for the mapping's success stream (ESM-O2): the member `records` of its
/// answer, a list of objects with `partitionKey`, `data` in base64, and optionally `sequenceNumber`, that of the record of the
/// batch that it was made of.
enum ReturnedRecords {
    static let member = "records"

    /// One of them.
    struct Item: Sendable {
        var record: NewRecord
        var source: SequenceNumber?
    }

    /// What is wrong with the answer.
    struct Problem: Error {
        let text: String
    }

    /// Reads an answer; empty without the member, or with null.
    static func read(_ line: [UInt8], for records: RecordBatch) throws(Problem) -> [Item] {
        guard case .value(let found) = AnswerLine(line), let value = found.value[member], value != .null else {
            return []
        }
        guard case .array(let list) = value else { throw Problem(text: "\(member) is neither a list nor null") }
        var items: [Item] = []
        items.reserveCapacity(list.count)
        for (index, entry) in list.enumerated() { items.append(try item(entry, "\(member)[\(index)]", records)) }
        return items
    }

    private static func bytes(ofBase64 text: String) -> [UInt8]? {
        var text = text
        return text.withUTF8 { try? Base64.decode($0) }
    }

    private static func item(_ entry: JSONValue, _ name: String, _ records: RecordBatch) throws(Problem) -> Item {
        guard let key = entry["partitionKey"]?.text else {
            throw Problem(text: "\(name).partitionKey is no text (allowed: 1 to 256 characters)")
        }
        guard let text = entry["data"]?.text, let data = bytes(ofBase64: text) else {
            throw Problem(text: "\(name).data is no base64 (allowed: the record's bytes in base64)")
        }
        var item = Item(record: NewRecord(data, partitionKey: key))
        if let value = entry["sequenceNumber"], value != .null {
            guard let number = value.text.flatMap(KinesisSequenceNumber.init),
                let index = records.index(of: number.sequenceNumber),
                records[index].kinesisSequenceNumber == number
            else {
                throw Problem(text: "\(name).sequenceNumber is none of this batch (allowed: that of a record of it)")
            }
            item.source = number.sequenceNumber
        }
        return item
    }
}

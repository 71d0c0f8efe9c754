import StreamModel

@testable import ShardlineCLI

/// The lines of `put`. The first byte says where the key comes from, the second in what pieces the lines arrive.
enum RowsFuzz {
    private struct Item: Equatable {
        var line: Int
        var key: String?
        var data: [UInt8]
        var reason: String?
    }
    private struct Zeros: RandomNumberGenerator {
        mutating func next() -> UInt64 { 0 }
    }

    static func check(_ input: [UInt8]) throws {
        guard input.count >= 2 else { return }
        let source: KeySource =
            switch input[0] % 5 {
            case 0: .random
            case 1: .fixed("k")
            case 2: .jsonField("key")
            case 3: .csvColumn("key")
            default: .printedRecord
            }
        let bytes = Array(input.dropFirst(2))
        let whole = items(of: bytes, source, pieces: max(1, bytes.count))
        let pieces = items(of: bytes, source, pieces: Int(input[1]) + 1)
        try hold(whole == pieces, "what the lines mean depends on how they arrive")
        try hold(whole.reduce(0) { $0 + $1.data.count } <= bytes.count, "records have more bytes than the input")
        try hold(
            zip(whole, whole.dropFirst()).allSatisfy { $0.line < $1.line }, "a line is told twice, or out of order")
        for item in whole {
            guard let reason = item.reason else { continue }
            try hold(!reason.isEmpty && item.data.isEmpty, "a malformed line has no reason")
        }
    }

    private static func items(of bytes: [UInt8], _ source: KeySource, pieces: Int) -> [Item] {
        var reader = RecordReader(keySource: source, maximumRecordSize: 300, random: Zeros())
        var items: [Item] = []
        func take(atEnd: Bool) {
            while let item = reader.next(atEnd: atEnd) {
                switch item {
                case .record(let line, let record):
                    items.append(Item(line: line, key: record.partitionKey, data: record.data))
                case .malformed(let line, let reason): items.append(Item(line: line, data: [], reason: reason))
                }
            }
        }
        for start in stride(from: 0, to: bytes.count, by: pieces) {
            _ = reader.append { room in
                room += bytes[start..<min(start + pieces, bytes.count)]
                return InputFile.Outcome.bytes
            }
            take(atEnd: false)
        }
        take(atEnd: true)
        return items
    }
}

import Benchmark
import DataFormats

/// Bodies of Kinesis' API: puts of 500 records of 100 bytes, and what answers a read of as many.
func documentPieces() {
    for format in [DocumentFormat.json, .cbor] {
        let body = DocumentSamples.put(format)
        Benchmark("document: \(format), a put is read, per record") { benchmark in
            try Cost.measure(500 * 20, benchmark) {
                for _ in 0..<20 { blackHole(try DocumentSamples.read(body, format)) }
            }
        }
        Benchmark("document: \(format), the records of a put are taken out, per record") { benchmark in
            let document = try DocumentSamples.read(body, format)
            try Cost.measure(500 * 20, benchmark) {
                for _ in 0..<20 { blackHole(try DocumentSamples.records(of: document)) }
            }
        }
        Benchmark("document: \(format), an answer is written, per record") { benchmark in
            Cost.measure(500 * 20, benchmark) {
                for _ in 0..<20 { blackHole(DocumentSamples.answer(format)) }
            }
        }
    }
}

/// Bodies of requests and answers.
enum DocumentSamples {
    private static let data = (0..<100).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
    private static let number = Array("49646437577108476416916876405825929425585429676275269634".utf8)

    static func put(_ format: DocumentFormat) -> [UInt8] {
        var writer = DocumentWriter(format)
        writer.beginMap(2)
        writer.key("StreamName")
        writer.string("orders")
        writer.key("Records")
        writer.beginList(500)
        for index in 0..<500 {
            writer.beginMap(2)
            writer.key("Data")
            writer.blob(data[...])
            writer.key("PartitionKey")
            writer.string("user-\(10_000 + index)")
            writer.endMap()
        }
        writer.endList()
        writer.endMap()
        return writer.bytes
    }

    static func read(_ body: [UInt8], _ format: DocumentFormat) throws -> Document {
        try format == .json ? Document(json: body) : Document(cbor: body)
    }

    static func records(of document: Document) throws -> Int {
        var bytes = 0
        guard let records = document.root["Records"] else { return 0 }
        for record in records.elements {
            let key = record["PartitionKey"]?.text ?? ""
            let data = try record["Data"]?.blob() ?? []
            guard record["ExplicitHashKey"] == nil else { return 0 }
            bytes += key.utf8.count + data.count
        }
        return bytes
    }

    static func answer(_ format: DocumentFormat) -> [UInt8] {
        var writer = DocumentWriter(format, reserving: 500 * 320)
        writer.beginMap(2)
        writer.key("Records")
        writer.beginList(500)
        for _ in 0..<500 {
            writer.beginMap(4)
            writer.key("SequenceNumber")
            writer.ascii(number)
            writer.key("ApproximateArrivalTimestamp")
            writer.time(milliseconds: 1_700_000_000_123)
            writer.key("Data")
            writer.blob(data[...])
            writer.key("PartitionKey")
            writer.string("user-10000")
            writer.endMap()
        }
        writer.endList()
        writer.key("MillisBehindLatest")
        writer.int(0)
        writer.endMap()
        return writer.bytes
    }
}

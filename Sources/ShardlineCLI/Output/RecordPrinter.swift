import EventSource
import StreamModel

/// Prints records for people or for programs.
struct RecordPrinter: Sendable {
    /// One JSON object a line, or text.
    var isJSON: Bool
    var output: Output
    /// Whether records that are failure documents are told in short, for people: what was given up, and why.
    var shortensFailures = false

    /// Prints `records` with one write.
    func print(_ records: some Sequence<Record>) throws {
        var lines = JSONLines()
        var text: [UInt8] = []
        for record in records {
            if isJSON { lines.line(record) } else { text += self.text(of: record) }
        }
        if isJSON { try output.write(json: lines.bytes) } else { try output.write(text) }
    }

    private func text(of record: Record) -> [UInt8] {
        if shortensFailures, let failure = ShortFailure(record) { return Array((failure.line + "\n").utf8) }
        let key = Output.escaped(record.partitionKey.utf8)
        var line = Array("\(record.approximateArrivalTimestamp)  \(record.shard)  \(key)  ".utf8)
        line += output.isTerminal ? Array(Output.escaped(record.bytes).utf8) : Array(record.bytes)
        line.append(UInt8(ascii: "\n"))
        return line
    }
}

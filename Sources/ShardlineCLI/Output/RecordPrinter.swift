import DataFormats
import EventSource
import StreamModel

/// Prints records for people or for programs.
struct RecordPrinter: Sendable {
    /// How records are printed.
    enum Form: Sendable {
        /// A line with arrival, shard, key and data.
        case text
        /// One JSON object a line.
        case json
        /// The data and nothing else.
        case raw
    }

    var form: Form
    var output: Output
    /// Whether records that the Kinesis Producer Library has aggregated are printed as their user records.
    var deaggregates = false
    /// Whether records that are failure documents are told in short, for people: what was given up, and why.
    var shortensFailures = false

    /// What is printed of `record`: its user records, or the record as it is.
    func parts(of record: Record) -> UserRecords { UserRecords(record, deaggregates: deaggregates) }

    /// Prints `records` with one write.
    func print(_ records: some Sequence<UserRecord>) async throws {
        var bytes: [UInt8] = []
        switch form {
        case .json:
            var lines = JSONLines()
            for record in records { lines.line(record) }
            return try await output.asyncWrite(json: lines.bytes)
        case .text: for record in records { bytes += text(of: record) }
        case .raw: for record in records { bytes += record.bytes }
        }
        try await output.asyncWrite(bytes)
    }

    private func text(of record: UserRecord) -> [UInt8] {
        if shortensFailures, let failure = ShortFailure(record.record) { return Array((failure.line + "\n").utf8) }
        let key = Output.escaped(record.partitionKey.utf8)
        var line = Array("\(record.approximateArrivalTimestamp)  \(record.shard)  \(key)  ".utf8)
        line += output.isTerminal ? Array(Output.escaped(record.bytes).utf8) : Array(record.bytes)
        line.append(UInt8(ascii: "\n"))
        return line
    }
}

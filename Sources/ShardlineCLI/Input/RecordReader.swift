import EventSource
import StreamModel

/// Where the partition keys of `put` come from.
enum KeySource: Equatable, Sendable {
    /// A new one for each record: records spread over the shards.
    case random
    /// The same for all.
    case fixed(String)
    /// The value of a member of the JSON object that a line is.
    case jsonField(String)
    /// The value of a column of a CSV file with a header.
    case csvColumn(String)
    /// Each line is a whole record, as `tail --json` prints it.
    case printedRecord
}

/// Something that the input holds.
enum InputItem: Sendable {
    /// A record and the number of its (first) line.
    case record(line: Int, NewRecord)
    /// A line that can't be put, and why.
    case malformed(line: Int, reason: String)
}

/// Makes records of the lines of one input.
struct RecordReader<Random: RandomNumberGenerator> {
    private let keySource: KeySource
    private let maximumRecordSize: Int
    private var random: Random
    private var splitter: LineSplitter
    /// Lines that are to be looked at again, the last one first.
    private var pending: [InputLine] = []
    private var csv = CSVState.unused
    /// Nothing of the input can be put, which was said.
    private var isRefused = false

    private enum CSVState {
        case unused
        case header
        case rows(column: Int, of: Int)
    }

    /// A quoted field goes on in the next line.
    private var open: (scanner: CSVScanner, lines: [InputLine], length: Int)?

    /// A reader whose records have at most `maximumRecordSize` bytes of data.
    init(keySource: KeySource, maximumRecordSize: Int, random: Random) {
        self.keySource = keySource
        self.maximumRecordSize = maximumRecordSize
        self.random = random
        splitter = LineSplitter(
            maximumLength: keySource == .printedRecord
                ? PrintedRecord.maximumLength(maximumRecordSize: maximumRecordSize) : maximumRecordSize)
        switch keySource {
        case .csvColumn:
            csv = .header
            // A carriage return in a header's field stands in quotes, as all of CSV.
            splitter.endsAtReturn = true
        // Any bytes may be data here; in JSON a carriage return at a line's end never is.
        case .random, .fixed: splitter.followsFirstLine = true
        case .jsonField, .printedRecord: break
        }
    }

    /// Lets `fill` append bytes of the input.
    mutating func append<Failure>(
        _ fill: (inout [UInt8]) throws(Failure) -> InputFile.Outcome
    ) throws(Failure) -> InputFile.Outcome {
        try splitter.append(fill)
    }

    /// The number of the last line of the last item; a quoted field that goes on is none yet.
    var lastLine: Int { splitter.number - (open?.lines.count ?? 0) }

    /// The next item; nil where more input is needed first.
    mutating func next(atEnd: Bool) -> InputItem? {
        while true {
            if isRefused {
                while splitter.next(atEnd: atEnd) != nil {}
                return nil
            }
            guard let line = pending.popLast() ?? splitter.next(atEnd: atEnd) else {
                return atEnd ? atEndOfInput() : nil
            }
            if splitter.beginning == .utf16 {
                isRefused = true
                return .malformed(
                    line: 1,
                    reason:
                        "the input is in UTF-16, as its byte-order mark says, and put takes UTF-8: convert it first, with `iconv -f UTF-16 -t UTF-8`; nothing of it was put"
                )
            }
            if let item = item(of: line) { return item }
        }
    }

    // Nil where the line alone makes no item.
    private mutating func item(of line: InputLine) -> InputItem? {
        switch csv {
        case .unused:
            let item = lineItem(of: line)
            guard line.number == 1, line.end.isEmpty, line.bytes.contains(0x0D) else { return item }
            // All of the input is this line: to a program that ends lines with CR alone it is one or several. Within JSON a
            // carriage return is white space.
            switch (item, keySource) {
            case (.record, .jsonField), (.record, .printedRecord), (nil, _): return item
            default:
                let way = line.bytes.last == 0x0D ? "put it with --records" : "end it with a line feed"
                return .malformed(
                    line: 1,
                    reason:
                        "the input has carriage returns (CR) and no line feed; if its lines end with CR alone, convert it first, with `tr '\\r' '\\n'`; if it is one record, \(way); nothing of it was put"
                )
            }
        case .header, .rows: return csvItem(of: line)
        }
    }

    // A line that is an item by itself: of all inputs but CSV.
    private mutating func lineItem(of line: InputLine) -> InputItem? {
        guard line.isComplete else {
            return .malformed(
                line: line.number,
                reason: keySource == .printedRecord ? tooLongPrinted(line.length) : tooLong(line.length))
        }
        switch keySource {
        case .random:
            let digits = String(random.next() as UInt64, radix: 16)
            return record(line.number, line.bytes, key: String(repeating: "0", count: 16 - digits.count) + digits)
        case .fixed(let key): return record(line.number, line.bytes, key: key)
        case .jsonField(let name):
            if Self.isBlankJSON(line) { return nil }
            do {
                return record(line.number, line.bytes, key: try JSONField.text(of: name, in: line.bytes))
            } catch {
                return .malformed(line: line.number, reason: error.reason)
            }
        case .printedRecord:
            if Self.isBlankJSON(line) { return nil }
            do {
                return checked(line.number, try PrintedRecord.record(in: line.bytes))
            } catch {
                return .malformed(line: line.number, reason: error.reason)
            }
        case .csvColumn: return nil
        }
    }

    // White space means nothing in JSON, and many files end with some.
    private static func isBlankJSON(_ line: InputLine) -> Bool {
        line.bytes.allSatisfy { [0x20, 0x09, 0x0D].contains($0) }
    }

    private mutating func csvItem(of line: InputLine) -> InputItem? {
        var line = line
        if line.end.isEmpty, line.isComplete, line.bytes.last == 0x0D {
            // Half of the input's last end of a line.
            line.bytes.removeLast()
            line.length -= 1
            line.end = [0x0D]
        }
        // Blank lines hold nothing, and many files end with some.
        if open == nil, line.length == 0 { return nil }
        var scanner: CSVScanner
        var lines: [InputLine] = []
        var length = line.length
        if let open {
            (scanner, lines) = (open.scanner, open.lines)
            length += open.length
            self.open = nil
        } else if case .rows(let column, _) = csv {
            scanner = CSVScanner(keeping: column)
        } else {
            scanner = CSVScanner(keeping: nil)
        }
        lines.append(line)
        guard line.isComplete, length <= maximumRecordSize else {
            let reason =
                lines.count > 1
                ? "a quoted field has no closing quote within \(maximumRecordSize) bytes" : tooLong(length)
            return malformed(lines, reason)
        }
        switch scanner.scan(line.bytes, lineEnd: line.end) {
        case .open:
            open = (scanner, lines, length + line.end.count)
            return nil
        case .malformed(let reason):
            return malformed(lines, reason)
        case .complete:
            return complete(scanner, lines)
        }
    }

    private mutating func complete(_ scanner: CSVScanner, _ lines: [InputLine]) -> InputItem? {
        let first = lines[0].number
        guard case .rows(_, let columns) = csv else {
            splitter.endsAtReturn = lines.last?.end == [0x0D]
            return takeHeader(scanner.fields, line: first)
        }
        guard scanner.count == columns else {
            return malformed(
                lines, "the row has \(scanner.count) field\(scanner.count == 1 ? "" : "s"), the header \(columns)")
        }
        guard let key = String(validating: scanner.fields[0], as: UTF8.self) else {
            return .malformed(line: first, reason: "the key is not UTF-8")
        }
        var data = lines[0].bytes
        for (before, line) in zip(lines, lines.dropFirst()) { data += before.end + line.bytes }
        return record(first, data, key: key)
    }

    private mutating func takeHeader(_ fields: [[UInt8]], line: Int) -> InputItem? {
        guard case .csvColumn(let name) = keySource else { return nil }
        let columns = fields.indices.filter { fields[$0].elementsEqual(name.utf8) }
        guard columns.count == 1 else {
            isRefused = true
            let names = fields.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ", ")
            let alike = fields.contains { String(decoding: $0, as: UTF8.self) == name } ? JSONField.alike : ""
            let places = columns.map { String($0 + 1) }.joined(separator: ", ")
            return .malformed(
                line: line,
                reason: columns.isEmpty
                    ? "the header has no column '\(name)', only \(names)\(alike); nothing of this file was put"
                    : "the header has \(columns.count) columns '\(name)' (the columns \(places)), so which is the key is not known; give them different names; nothing of this file was put"
            )
        }
        csv = .rows(column: columns[0], of: fields.count)
        return nil
    }

    // Behind a record that is none, reading goes on in the next line: a stray quote must not swallow the file.
    // Without a header there are no records.
    private mutating func malformed(_ lines: [InputLine], _ reason: String) -> InputItem {
        if case .header = csv {
            isRefused = true
        } else {
            pending += lines.dropFirst().reversed()
        }
        return .malformed(line: lines[0].number, reason: reason)
    }

    private mutating func atEndOfInput() -> InputItem? {
        if let open {
            self.open = nil
            return malformed(open.lines, "a quoted field has no closing quote")
        }
        if case .header = csv {
            isRefused = true
            return .malformed(line: 1, reason: "the file is empty; it must begin with a header")
        }
        return nil
    }

    private func tooLong(_ length: Int) -> String {
        "the record has \(length) bytes of data; the stream takes at most \(maximumRecordSize)"
    }

    private func tooLongPrinted(_ length: Int) -> String {
        "the line has \(length) bytes, more than a record of the \(maximumRecordSize) bytes of data that the stream takes at most"
    }

    private func record(_ line: Int, _ data: [UInt8], key: String) -> InputItem {
        checked(line, NewRecord(data, partitionKey: key))
    }

    private func checked(_ line: Int, _ record: NewRecord) -> InputItem {
        do {
            try record.validate(maximumRecordSize: maximumRecordSize)
            return .record(line: line, record)
        } catch {
            return .malformed(line: line, reason: "\(error)")
        }
    }
}

/// Reads one record of a CSV file (RFC 4180), piece by piece, as quoted fields may hold the ends of lines.
///
/// Keeps the fields only of the header; of other records only the one that is asked for.
struct CSVScanner {
    /// What became of the bytes so far.
    enum Progress: Equatable {
        /// A quoted field has not ended yet.
        case open
        /// The record is whole.
        case complete
        /// This is no CSV.
        case malformed(String)
    }

    private enum State {
        case fieldStart, plain, quoted, quoteInQuoted
    }

    /// The only field that is kept; nil: all are.
    private let column: Int?
    private var state = State.fieldStart
    private var isFieldWanted: Bool
    private var field: [UInt8] = []
    /// The fields that are kept, their quotes taken off.
    private(set) var fields: [[UInt8]] = []
    /// How many fields there are.
    private(set) var count = 0

    /// A scanner of one record that keeps the field `column`, or all.
    init(keeping column: Int?) {
        self.column = column
        isFieldWanted = column == nil || column == 0
    }

    /// Reads one line without its end; the record goes on in the next line where the answer is `open`, and then
    /// `lineEnd` belongs to the field.
    mutating func scan(_ line: [UInt8], lineEnd: [UInt8]) -> Progress {
        for byte in line {
            switch (state, byte) {
            // The end of a line in some files, data in others: only the quotes tell.
            case (.fieldStart, 0x0D), (.plain, 0x0D), (.quoteInQuoted, 0x0D):
                return .malformed(
                    "field \(count + 1) has a carriage return outside of quotes; the header's line ends with a line feed, so every line must"
                )
            case (.fieldStart, UInt8(ascii: "\"")): state = .quoted
            case (.fieldStart, UInt8(ascii: ",")), (.plain, UInt8(ascii: ",")), (.quoteInQuoted, UInt8(ascii: ",")):
                endField()
            case (.plain, UInt8(ascii: "\"")):
                return .malformed("field \(count + 1) has a quote but does not begin with one")
            case (.fieldStart, _), (.plain, _):
                state = .plain
                keep(byte)
            case (.quoted, UInt8(ascii: "\"")): state = .quoteInQuoted
            case (.quoted, _): keep(byte)
            case (.quoteInQuoted, UInt8(ascii: "\"")):
                state = .quoted
                keep(byte)
            case (.quoteInQuoted, _):
                return .malformed("field \(count + 1) goes on after its closing quote")
            }
        }
        if case .quoted = state {
            for byte in lineEnd { keep(byte) }
            return .open
        }
        endField()
        return .complete
    }

    private mutating func keep(_ byte: UInt8) { if isFieldWanted { field.append(byte) } }

    private mutating func endField() {
        if isFieldWanted { fields.append(field) }
        field.removeAll(keepingCapacity: true)
        count += 1
        isFieldWanted = column == nil || column == count
        state = .fieldStart
    }
}

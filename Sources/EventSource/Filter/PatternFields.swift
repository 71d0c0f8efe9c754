/// One object of a pattern, checked, with dotted names taken apart: all its fields must match (ESM-F2).
final class PatternFields {
    /// What a pattern says of a field: alternatives for the values there, an object for the objects there, or both.
    struct Field {
        let name: String
        var alternatives: [PatternAlternative]?
        var nested: PatternFields?
    }

    private(set) var fields: [Field] = []
    /// The lists of `$or`: of each, one at least must match (ESM-F13).
    var choices: [[PatternFields]] = []

    /// Changes what is said of a field.
    func change(_ name: String, _ body: (inout Field) throws -> Void) rethrows {
        if let index = fields.firstIndex(where: { $0.name.utf8.elementsEqual(name.utf8) }) {
            try body(&fields[index])
        } else {
            var field = Field(name: name)
            try body(&field)
            fields.append(field)
        }
    }

    /// What is said of the objects of a field.
    func nested(_ name: String) -> PatternFields {
        var found = PatternFields()
        change(name) { field in
            if let nested = field.nested { found = nested } else { field.nested = found }
        }
        return found
    }
}

/// One of the alternatives for a value: a value or an operator.
enum PatternAlternative: Hashable {
    /// A value that the operand accepts.
    case one(PatternOperand)
    /// `anything-but`: a value that none of the operands accepts (ESM-F11).
    case none([PatternOperand])
    /// `exists: false`: no value at all (ESM-F8).
    case absent
}

/// What accepts single values: strings, numbers, true, false and null.
enum PatternOperand: Hashable {
    /// `exists: true`: every value.
    case any
    case null
    case bool(Bool)
    case number(DecimalNumber)
    case range(NumberRange)
    /// Bytes of UTF-8: no two texts are the same for looking alike.
    case string([UInt8])
    case prefix([UInt8])
    case suffix([UInt8])
    case wildcard(Wildcard)
    case block(AddressBlock)
    /// Folded scalars (``CaseFolding``).
    case equalIgnoringCase([UInt32])
    case prefixIgnoringCase([UInt32])
    case suffixIgnoringCase([UInt32])
}

/// A text with `*` for any run of characters (ESM-F14).
struct Wildcard: Hashable {
    /// The pieces of literal text before, between and after the stars; only the first and the last may be empty.
    let pieces: [[UInt8]]

    /// Why a text is no wildcard.
    enum Problem: Error { case adjacentStars, wrongEscape }

    /// Reads the operand: `\*` and `\\` are a star and a backslash.
    init(_ text: String) throws(Problem) {
        var pieces: [[UInt8]] = [[]]
        var bytes = text.utf8.makeIterator()
        while let byte = bytes.next() {
            switch byte {
            case UInt8(ascii: "*"):
                guard pieces.count == 1 || !pieces[pieces.count - 1].isEmpty else { throw .adjacentStars }
                pieces.append([])
            case UInt8(ascii: "\\"):
                guard let escaped = bytes.next(), escaped == UInt8(ascii: "*") || escaped == byte else {
                    throw .wrongEscape
                }
                pieces[pieces.count - 1].append(escaped)
            default: pieces[pieces.count - 1].append(byte)
            }
        }
        self.pieces = pieces
    }
}

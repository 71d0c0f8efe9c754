/// One line of the input.
struct InputLine: Equatable {
    /// Counted from 1 in its file.
    var number: Int
    /// The line without its end; only its beginning where the line is longer than is wanted.
    var bytes: [UInt8]
    /// Bytes of the line in the input, its end not counted.
    var length: Int
    /// The line's end: `\n`, `\r\n`, `\r` where that ends lines, or nothing at the end of the input.
    var end: [UInt8]

    var isComplete: Bool { bytes.count == length }
}

/// Cuts bytes that come in pieces into lines, and keeps no more of a line than `maximumLength`.
struct LineSplitter {
    /// What the first bytes of an input say of its encoding.
    enum Beginning {
        /// UTF-8, or bytes of any kind. A byte-order mark is taken away.
        case bytes
        /// A byte-order mark of UTF-16 or UTF-32.
        case utf16
    }

    private static let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    private static let wideMarks: [[UInt8]] = [[0xFF, 0xFE], [0xFE, 0xFF]]

    private let maximumLength: Int
    private var buffer: [UInt8] = []
    private var start = 0
    private var searched = 0
    private var dropped = 0
    /// What the input begins with; nil as long as too little of it is there.
    private(set) var beginning: Beginning?
    /// Whether a carriage return ends a line also where no line feed follows it.
    var endsAtReturn = false
    /// Whether a carriage return before a line feed belongs to the line's end only where it does in the first line. Otherwise
    /// it always does.
    var followsFirstLine = false
    /// Whether the first line ended with a line feed alone.
    private var isFirstWithoutReturn = false
    /// The number of the last line that was cut off.
    private(set) var number = 0

    /// Lines of which at most `maximumLength` bytes are kept.
    init(maximumLength: Int) { self.maximumLength = maximumLength }

    mutating func append<Failure>(
        _ fill: (inout [UInt8]) throws(Failure) -> InputFile.Outcome
    ) throws(Failure) -> InputFile.Outcome {
        if start > 0 {
            buffer.removeFirst(start)
            searched -= start
            start = 0
        }
        return try fill(&buffer)
    }

    /// The next line; nil where its end has not come yet. At the input's end the rest is a line too.
    mutating func next(atEnd: Bool) -> InputLine? {
        guard knowsBeginning(atEnd: atEnd) else { return nil }
        if let end = lineEnd(atEnd: atEnd) {
            let line = line(upTo: end.lowerBound, end: Array(buffer[end]))
            if line.number == 1 { isFirstWithoutReturn = end.count == 1 }
            start = end.upperBound
            searched = start
            return line
        }
        if atEnd {
            guard buffer.count > start || dropped > 0 else { return nil }
            let line = line(upTo: buffer.count, end: [])
            start = buffer.count
            searched = start
            return line
        }
        // A line without end must not fill the memory: its beginning is enough to say that it is too long. The last
        // byte stays, as it may be half of a line's end.
        let kept = maximumLength + 1
        if buffer.count - start > 2 * kept + 1 {
            let surplus = start + kept..<buffer.count - 1
            dropped += surplus.count
            buffer.removeSubrange(surplus)
            searched = buffer.count - 1
        }
        return nil
    }

    // The mark may come byte by byte.
    private mutating func knowsBeginning(atEnd: Bool) -> Bool {
        if beginning != nil { return true }
        let first = buffer.prefix(Self.mark.count)
        if Self.wideMarks.contains(where: first.starts(with:)) {
            beginning = .utf16
        } else if first.elementsEqual(Self.mark) {
            beginning = .bytes
            start = Self.mark.count
            searched = start
        } else if !first.isEmpty, atEnd || !(Self.wideMarks + [Self.mark]).contains(where: { $0.starts(with: first) }) {
            beginning = .bytes
        }
        return beginning != nil
    }

    // Where the end of the next line is, as far as that is known.
    private mutating func lineEnd(atEnd: Bool) -> Range<Int>? {
        while let index = buffer[searched...].firstIndex(where: { $0 == 0x0A || endsAtReturn && $0 == 0x0D }) {
            if buffer[index] == 0x0A {
                let hasReturn =
                    !endsAtReturn && !(followsFirstLine && isFirstWithoutReturn) && index > start
                    && buffer[index - 1] == 0x0D
                return (hasReturn ? index - 1 : index)..<index + 1
            }
            if index + 1 < buffer.count { return index..<(buffer[index + 1] == 0x0A ? index + 2 : index + 1) }
            // A line feed may follow.
            searched = index
            return atEnd ? index..<index + 1 : nil
        }
        searched = buffer.count
        return nil
    }

    private mutating func line(upTo end: Int, end lineEnd: [UInt8]) -> InputLine {
        number += 1
        let length = end - start + dropped
        dropped = 0
        let kept = length > maximumLength ? min(maximumLength, end - start) : end - start
        return InputLine(number: number, bytes: Array(buffer[start..<start + kept]), length: length, end: lineEnd)
    }
}

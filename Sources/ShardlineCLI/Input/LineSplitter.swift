/// One line of the input.
struct InputLine: Equatable {
    /// Counted from 1 in its file.
    var number: Int
    /// The line without its end; only its beginning where the line is longer than is wanted.
    var bytes: [UInt8]
    /// Bytes of the line in the input, its end not counted.
    var length: Int
    /// The line's end: `\n`, `\r\n`, or nothing at the end of the input.
    var end: [UInt8]

    var isComplete: Bool { bytes.count == length }
}

/// Cuts bytes that come in pieces into lines, and keeps no more of a line than `maximumLength`.
struct LineSplitter {
    private let maximumLength: Int
    private var buffer: [UInt8] = []
    private var start = 0
    private var searched = 0
    private var dropped = 0
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
        if let newline = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
            let hasReturn = newline > start && buffer[newline - 1] == UInt8(ascii: "\r")
            let line = line(upTo: hasReturn ? newline - 1 : newline, end: hasReturn ? [0x0D, 0x0A] : [0x0A])
            start = newline + 1
            searched = start
            return line
        }
        searched = buffer.count
        if atEnd {
            guard buffer.count > start || dropped > 0 else { return nil }
            let line = line(upTo: buffer.count, end: [])
            start = buffer.count
            return line
        }
        // A line without end must not fill the memory: its beginning is enough to say that it is too long. The last
        // byte stays, as it may be half of a line's end.
        let kept = maximumLength + 1
        if buffer.count - start > 2 * kept + 1 {
            let surplus = start + kept..<buffer.count - 1
            dropped += surplus.count
            buffer.removeSubrange(surplus)
            searched = buffer.count
        }
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

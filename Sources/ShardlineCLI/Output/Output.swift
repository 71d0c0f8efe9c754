import DiskAccess
import Glibc
import Synchronization

/// The process's two output streams: whole writes in order, and what a terminal may be shown.
///
/// A write waits for its reader without a limit; the process's end does not wait with it: ``endBlockedWrites()``.
final class Output: Sendable {
    /// Standard output: what the command was asked for.
    static let standard = Output(STDOUT_FILENO)
    /// Standard error: everything else.
    static let error = Output(STDERR_FILENO)

    /// Thrown when the other end of a pipe is gone (`shardline tail … | head`).
    struct Closed: Error {}
    /// Thrown when the other end takes nothing and the command was told to end.
    struct Blocked: Error {}

    private let descriptor: Int32
    private let writer: DescriptorWriter
    // The line that is redrawn at the bottom of a terminal; other output goes above it.
    private let status = Mutex("")
    /// Whether a person looks at it.
    let isTerminal: Bool
    /// Whether that is a terminal that can draw a line again; one that is called dumb can only go on.
    private let canRedraw: Bool

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        writer = DescriptorWriter(descriptor)
        isTerminal = isatty(descriptor) == 1
        canRedraw = isTerminal && getenv("TERM").map { String(cString: $0) } != "dumb"
    }

    /// Characters in a line of the terminal; 80 where it is none.
    var width: Int {
        var size = winsize()
        guard isTerminal, ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// Writes all of `bytes`; the calling thread waits. Throws ``Closed``, ``Blocked``, or ``CommandFailure`` where writing
    /// fails otherwise.
    func write(_ bytes: [UInt8]) throws {
        let result = OneTimeResult()
        enqueue(bytes) { result.set($0) }
        try result.wait()
    }

    /// The same for a task: its thread does not wait.
    func asyncWrite(_ bytes: [UInt8]) async throws {
        try await withWaiter { waiter in
            enqueue(bytes) { waiter.resume(returning: $0) }
        }.get()
    }

    /// The same as ``write(json:)`` for a task.
    func asyncWrite(json: [UInt8]) async throws { try await asyncWrite(Self.harmless(json: json)) }

    /// From now on a write whose other end takes nothing for `patience` throws ``Blocked``, and so does every later one: a
    /// pipe that nobody reads and a terminal that was stopped must not keep a command from ending.
    func endBlockedWrites(after patience: Duration = .seconds(1)) { writer.endBlockedWrites(after: patience) }

    /// Whether a write has been given up for that.
    var isBlocked: Bool { writer.isAbandoned }

    // In the order of the calls, and with the line at the bottom redrawn after it.
    private func enqueue(_ bytes: [UInt8], then completion: @escaping DescriptorWriter.Completion) {
        status.withLock { status in
            let all = status.isEmpty ? bytes : Array("\r\u{1B}[K".utf8) + bytes + Array(status.utf8)
            writer.enqueue(all, then: completion)
        }
    }

    /// Writes `text`, which may have several lines, without anything that a terminal would do, and ends the line.
    func line(_ text: String) throws {
        var shown = ""
        for scalar in text.unicodeScalars {
            if scalar == "\n" || Self.isHarmless(scalar) {
                shown.unicodeScalars.append(scalar)
            } else {
                shown += Self.escaped(String(scalar).utf8)
            }
        }
        try write(Array(shown.utf8) + [UInt8(ascii: "\n")])
    }

    /// Writes whole lines of JSON, in which what a terminal would do is written as an escape.
    func write(json: [UInt8]) throws { try write(Self.harmless(json: json)) }

    /// Runs `body`, which writes a report. A reader that has gone away has seen what it wanted of it; what the command has
    /// found out is told by its exit code all the same.
    static func untilClosed(_ body: () throws -> Void) throws {
        do { try body() } catch is Closed {}
    }

    /// Says something to the operator, as one line that begins with the command's name. Nobody can be told where that
    /// fails, so the failure is ignored.
    func say(_ message: String) {
        let oneLine = message.split(whereSeparator: \.isNewline).joined(separator: " ")
        try? line("shardline: " + Self.escaped(oneLine.utf8, backslash: "\\"))
    }

    /// Asks the operator something; the answer comes after it in the same line.
    func ask(_ question: String) {
        try? write(Array(("shardline: " + Self.escaped(question.utf8, backslash: "\\")).utf8))
    }

    /// Ends the line of a question that got no answer.
    func endQuestion() { try? write([UInt8(ascii: "\n")]) }

    /// Passes on what a function has said, a line without its end, after its name: to a terminal without what that
    /// would do, to a file byte by byte as it is, whether it is UTF-8 or not.
    func passOn(_ line: [UInt8], from name: String) {
        let shown = isTerminal ? Array(Self.escapedBytes(line).utf8) : line
        try? write(Array("\(name): ".utf8) + shown + [UInt8(ascii: "\n")])
    }

    /// Redraws the line at the bottom of a terminal; an empty text takes it away. Does nothing elsewhere, and on a terminal
    /// that can't.
    func showStatus(_ text: String) {
        guard canRedraw else { return }
        let fitting = String(Self.escaped(text.utf8, backslash: "\\").prefix(width - 1))
        status.withLock { status in
            guard status != fitting else { return }
            writer.enqueue(Array(("\r\u{1B}[K" + fitting).utf8)) { _ in }
            status = fitting
        }
    }

}

extension Output {
    /// `bytes` as a terminal may be shown them, in one line: control characters (also U+0080 to U+009F) become `\\xNN`,
    /// those that turn or hide text `\\u{…}`, so that no record can move the cursor, change the title or be read as
    /// another. What is no UTF-8 becomes U+FFFD.
    static func escaped(_ bytes: some Collection<UInt8>, backslash: String = "\\\\") -> String {
        var text = ""
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            switch scalar {
            case "\\": text += backslash
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            default:
                let hexadecimal = String(scalar.value, radix: 16, uppercase: true)
                if isHarmless(scalar) {
                    text.unicodeScalars.append(scalar)
                } else if scalar.value < 0x100 {
                    text += "\\x" + (scalar.value < 0x10 ? "0" : "") + hexadecimal
                } else {
                    text += "\\u{" + hexadecimal + "}"
                }
            }
        }
        return text
    }

    /// The same in one line, where a byte that is part of no UTF-8 becomes `\\xNN` instead of U+FFFD.
    static func escapedBytes(_ bytes: [UInt8]) -> String {
        if let text = String(validating: bytes, as: UTF8.self) { return escaped(text.utf8, backslash: "\\") }
        var text = ""
        var good = bytes[...].prefix(0)
        var at = bytes.startIndex
        while at < bytes.endIndex {
            let length =
                switch bytes[at] {
                case 0xC0..<0xE0: 2
                case 0xE0..<0xF0: 3
                case 0xF0...: 4
                default: 1
                }
            let character = bytes[at...].prefix(length)
            if String(validating: character, as: UTF8.self) != nil {
                good = bytes[good.startIndex..<character.endIndex]
                at = character.endIndex
                continue
            }
            let hexadecimal = String(bytes[at], radix: 16, uppercase: true)
            text += escaped(good, backslash: "\\") + "\\x" + hexadecimal
            at += 1
            good = bytes[at..<at]
        }
        return text + escaped(good, backslash: "\\")
    }

    /// The same JSON without characters that are not harmless: they can only stand in strings, where an escape means the
    /// same.
    static func harmless(json: [UInt8]) -> [UInt8] {
        // JSON of ours has no control characters of ASCII but white space; only DEL and what is beyond need a look.
        guard json.contains(where: { $0 >= 0x7F }) else { return json }
        var safe: [UInt8] = []
        safe.reserveCapacity(json.count)
        for scalar in String(decoding: json, as: UTF8.self).unicodeScalars {
            if scalar.value < 0x7F || isHarmless(scalar) {
                safe += String(scalar).utf8
            } else {
                for unit in String(scalar).utf16 {
                    let digits = String(unit, radix: 16)
                    safe += ("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).utf8
                }
            }
        }
        return safe
    }

    /// Whether a terminal shows the character and does nothing else: no control character, none that ends a line, none
    /// that turns the direction of text or can't be seen. The two joiners stay, as scripts and emoji need them.
    static func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.value < 0x7F { return scalar.value >= 0x20 }
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: return false
        case .format: return scalar == "\u{200C}" || scalar == "\u{200D}"
        default: return true
        }
    }
}

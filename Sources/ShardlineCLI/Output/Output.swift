import Glibc
import Synchronization

/// The process's two output streams: whole writes in order, and what a terminal may be shown.
final class Output: Sendable {
    /// Standard output: what the command was asked for.
    static let standard = Output(STDOUT_FILENO)
    /// Standard error: everything else.
    static let error = Output(STDERR_FILENO)

    /// Thrown when the other end of a pipe is gone (`shardline tail … | head`).
    struct Closed: Error {}

    private let descriptor: Int32
    // The line that is redrawn at the bottom of a terminal; other output goes above it.
    private let status = Mutex("")
    /// Whether a person looks at it.
    let isTerminal: Bool

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        isTerminal = isatty(descriptor) == 1
    }

    /// Characters in a line of the terminal; 80 where it is none.
    var width: Int {
        var size = winsize()
        guard isTerminal, ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// Writes all of `bytes`. Throws ``Closed``, or ``CommandFailure`` where writing fails otherwise.
    func write(_ bytes: [UInt8]) throws {
        try status.withLock { status in
            if !status.isEmpty { try writeAll(Array("\r\u{1B}[K".utf8)) }
            try writeAll(bytes)
            if !status.isEmpty { try writeAll(Array(status.utf8)) }
        }
    }

    /// Writes `text` and ends the line.
    func line(_ text: String) throws { try write(Array(text.utf8) + [UInt8(ascii: "\n")]) }

    /// Says something to the operator, as one line that begins with the command's name. Nobody can be told where that
    /// fails, so it is passed over.
    func say(_ message: String) {
        let oneLine = message.split(whereSeparator: \.isNewline).joined(separator: " ")
        try? line("shardline: " + Self.escaped(oneLine.utf8, backslash: "\\"))
    }

    /// Redraws the line at the bottom of a terminal; an empty text takes it away. Does nothing elsewhere.
    func showStatus(_ text: String) {
        guard isTerminal else { return }
        let fitting = String(text.prefix(width - 1))
        status.withLock { status in
            guard status != fitting else { return }
            try? writeAll(Array(("\r\u{1B}[K" + fitting).utf8))
            status = fitting
        }
    }

    private func writeAll(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                // Somebody made the terminal or pipe that we share non-blocking.
                var wanted = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&wanted, 1, -1)
            } else if errno == EPIPE {
                throw Closed()
            } else if errno != EINTR {
                throw CommandFailure(
                    .inputOutput,
                    "\(descriptor == STDOUT_FILENO ? "standard output" : "standard error") can't be written: \(systemMessage())"
                )
            }
        }
    }
}

extension Output {
    /// `bytes` as a terminal may be shown them: control characters (also those of C1, and what is no UTF-8) become
    /// `\xNN` and the like, so that no record can move the cursor or change the title.
    static func escaped(_ bytes: some Collection<UInt8>, backslash: String = "\\\\") -> String {
        var text = ""
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            switch scalar {
            case "\\": text += backslash
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            default:
                // Bidirectional overrides too: they make text read as another.
                let value = scalar.value
                if value < 0x20 || (0x7F...0x9F).contains(value) {
                    text += "\\x" + (value < 0x10 ? "0" : "") + String(value, radix: 16, uppercase: true)
                } else if (0x202A...0x202E).contains(value) || (0x2066...0x2069).contains(value) {
                    text += "\\u{" + String(value, radix: 16, uppercase: true) + "}"
                } else {
                    text.unicodeScalars.append(scalar)
                }
            }
        }
        return text
    }
}

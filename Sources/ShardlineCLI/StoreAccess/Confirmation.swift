import DiskAccess
import Glibc

/// Asks a person at a terminal before something that can't be taken back.
///
/// It asks where both standard input and standard error are a terminal. Elsewhere nobody could see the question or answer
/// it: scripts go on without one, as with `--yes`. A command asks while it has no store open, so that a question that
/// nobody answers keeps nobody from the store.
struct Confirmation: Sendable {
    private let input: Int32
    private let errors: Output
    private let interruption: @Sendable () -> Interruption
    /// Whether the command has to ask.
    let isNeeded: Bool

    /// - Parameters:
    ///   - interruption: what Ctrl-C is noticed by; asked for only where there is a question.
    init(
        _ options: ConfirmationOptions, input: Int32 = STDIN_FILENO, errors: Output = .error,
        interruption: @escaping @Sendable () -> Interruption = { .ofProcess }
    ) {
        self.input = input
        self.errors = errors
        self.interruption = interruption
        isNeeded = !options.yes && errors.isTerminal && isatty(input) == 1
    }

    /// Asks `question`, and returns where the answer is `y` or `yes`. Does nothing where it is not needed.
    ///
    /// - Parameter otherwise: what is said where the answer is anything else, such as "nothing was deleted".
    /// - Throws: ``CommandFailure`` for any other answer, for the end of input and for Ctrl-C.
    func confirm(_ question: String, otherwise: String) async throws {
        guard isNeeded else { return }
        let interruption = interruption()
        errors.ask("\(question) [y/N] ")
        let answer = try await BlockingThreads.shared.run { [input] in Self.line(of: input, interruption) }
        guard let answer else {
            errors.endQuestion()
            throw CommandFailure(.failed, "\(interruption.isInterrupted ? "interrupted" : "no answer"); \(otherwise)")
        }
        guard ["y", "yes"].contains(Self.trimmed(answer).lowercased()) else {
            throw CommandFailure(.failed, otherwise)
        }
    }

    /// The next line; nil at the end of input and after an interruption.
    private static func line(of input: Int32, _ interruption: Interruption) -> [UInt8]? {
        var line: [UInt8] = []
        while !interruption.isInterrupted {
            // Woken now and then, since the signal is handled by another thread.
            var wanted = pollfd(fd: input, events: Int16(POLLIN), revents: 0)
            let ready = poll(&wanted, 1, 50)
            if ready == 0 || ready < 0 && errno == EINTR { continue }
            var byte: UInt8 = 0
            let count = read(input, &byte, 1)
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            guard ready > 0, count == 1 else { return nil }
            if byte == UInt8(ascii: "\n") { return line }
            // Nobody types as much; the rest of the line says nothing better.
            if line.count < 1024 { line.append(byte) }
        }
        return nil
    }

    private static func trimmed(_ answer: [UInt8]) -> String {
        let isBlank: (UInt8) -> Bool = {
            $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: "\r")
        }
        let text = answer.drop(while: isBlank)
        return String(
            decoding: text[..<(text.lastIndex { !isBlank($0) }.map { $0 + 1 } ?? text.startIndex)], as: UTF8.self)
    }
}

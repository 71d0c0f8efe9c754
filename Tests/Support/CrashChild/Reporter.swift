import Glibc

/// Writes reports to a file: what `write` has returned of survives the death of the process.
struct Reporter: Sendable {
    /// Standard output, unless that has another use.
    var descriptor: Int32 = 1

    /// Appends to the file at `path`.
    static func appending(to path: String) -> Reporter {
        Reporter(descriptor: open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600))
    }

    /// One call of `write` for all, so that they are in the file before anything else happens.
    func send(_ reports: [Report]) {
        var bytes: [UInt8] = []
        for report in reports {
            bytes.append(contentsOf: Array(report.line.utf8))
            bytes.append(0x0A)
        }
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress! + sent, $0.count - sent) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { exit(71) }
            sent += count
        }
    }

    func send(_ report: Report) { send([report]) }

    /// Says what must not happen, and ends the process.
    func fail(_ text: String) -> Never {
        send(.failed(text))
        exit(70)
    }
}

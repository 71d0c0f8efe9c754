import Glibc

/// Writes reports to standard output, which is a file: what `write` has returned of survives the death of the process.
struct Reporter: Sendable {
    /// One call of `write` for all, so that they are in the file before anything else happens.
    func send(_ reports: [Report]) {
        var bytes: [UInt8] = []
        for report in reports {
            bytes.append(contentsOf: Array(report.line.utf8))
            bytes.append(0x0A)
        }
        send(bytes)
    }

    func send(_ report: Report) { send([report]) }

    private func send(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { write(1, $0.baseAddress! + sent, $0.count - sent) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { exit(70) }
            sent += count
        }
    }

    /// Says what must not happen, and ends the process.
    func fail(_ text: String) -> Never {
        send(.failed(text))
        exit(70)
    }
}

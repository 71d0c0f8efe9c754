import Glibc

/// A file or standard input as it is read by one thread; gzip data is unpacked, under any file name.
final class InputFile {
    /// What a read came to.
    enum Outcome: Equatable {
        /// Bytes were appended.
        case bytes
        /// Nothing came within the time.
        case nothing
        /// The input has ended.
        case end
    }

    /// The name for messages: the path, or `stdin`.
    let name: String
    /// The file's size on disk; nil for pipes and terminals.
    let size: Int?
    /// Bytes of the file that were read, packed as they are.
    private(set) var bytesRead = 0

    private let descriptor: Int32
    private var isPacked: Bool?
    private var beginning: [UInt8] = []
    private var unpacker = GzipUnpacker()
    private var chunk = [UInt8](repeating: 0, count: 64 << 10)

    /// Opens a file, or standard input where `path` is `-`. Throws ``CommandFailure`` with what to do.
    init(_ path: String) throws {
        if path == "-" {
            name = "stdin"
            descriptor = STDIN_FILENO
        } else {
            name = path
            descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else {
                throw CommandFailure(.inputOutput, "\(path) can't be read: \(systemMessage()); nothing was put")
            }
        }
        // A closed one has been opened for writing by Main, so that no file of the store gets its number.
        guard fcntl(descriptor, F_GETFL) & O_ACCMODE != O_WRONLY else {
            throw CommandFailure(
                .inputOutput,
                "\(name) can't be read: it is closed, or open for writing alone; give files, or an input; nothing was put"
            )
        }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0 else {
            throw CommandFailure(.inputOutput, "\(name) can't be read: \(systemMessage()); nothing was put")
        }
        let kind = facts.st_mode & S_IFMT
        guard kind != S_IFDIR else {
            if descriptor != STDIN_FILENO { close(descriptor) }
            throw CommandFailure(.inputOutput, "\(name) is a directory; give the files in it; nothing was put")
        }
        size = kind == S_IFREG ? Int(facts.st_size) : nil
    }

    deinit { if descriptor != STDIN_FILENO { close(descriptor) } }

    /// Whether a person may be typing at the other end.
    var isTerminal: Bool { isatty(descriptor) == 1 }

    /// Appends what is there to `bytes`; waits for it at most `milliseconds`, without a limit below 0. Where it throws, it has
    /// appended what is in front of the damage.
    func read(into bytes: inout [UInt8], waiting milliseconds: Int32) throws(CommandFailure) -> Outcome {
        if size == nil {
            var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&wanted, 1, milliseconds)
            if ready == 0 || (ready < 0 && errno == EINTR) { return .nothing }
        }
        let count = Glibc.read(descriptor, &chunk, chunk.count)
        if count < 0 {
            if errno == EINTR || errno == EAGAIN { return .nothing }
            throw CommandFailure(.inputOutput, "\(name) can't be read to its end: \(systemMessage())")
        }
        bytesRead += count
        return try take(chunk[..<count], into: &bytes)
    }

    private func take(_ new: ArraySlice<UInt8>, into bytes: inout [UInt8]) throws(CommandFailure) -> Outcome {
        if let isPacked {
            return try deliver(new, isPacked: isPacked, into: &bytes)
        }
        // Two bytes tell gzip data from others, and a pipe may give them one by one.
        beginning += new
        if beginning.count < 2, !new.isEmpty, beginning.first == GzipUnpacker.magic.0 { return .nothing }
        let isPacked = beginning.starts(with: [GzipUnpacker.magic.0, GzipUnpacker.magic.1])
        self.isPacked = isPacked
        let all = beginning
        beginning = []
        if new.isEmpty, !all.isEmpty {
            // A single byte and the end.
            bytes += all
            return .bytes
        }
        return try deliver(all[...], isPacked: isPacked, into: &bytes)
    }

    private func deliver(_ new: ArraySlice<UInt8>, isPacked: Bool, into bytes: inout [UInt8]) throws(CommandFailure)
        -> Outcome
    {
        guard isPacked else {
            bytes += new
            return new.isEmpty ? .end : .bytes
        }
        do throws(GzipUnpacker.Damage) {
            if new.isEmpty {
                try unpacker.finish()
                return .end
            }
            try unpacker.unpack(new, into: &bytes)
            return .bytes
        } catch {
            throw CommandFailure(.badData, "\(name) is damaged gzip data: \(error.description)")
        }
    }
}

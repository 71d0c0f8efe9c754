import DiskAccess
import StreamModel
import Synchronization

/// Reads inputs on a thread of its own, makes records of them and hands them on in batches.
///
/// A batch goes on when it is full, or 5 ms after its first record when no more came: so a line that is typed or piped
/// is put at once, and a file in large batches. While the taker is busy a batch goes on growing.
final class InputPump: Sendable {
    /// Records of one input, in order, with what was malformed among them.
    struct Batch: Sendable {
        /// Index of the input.
        var input: Int
        var items: [InputItem] = []
        /// Keys and data, in bytes.
        var byteCount = 0
        /// Bytes of all inputs that were read so far, packed as they are.
        var bytesRead = 0
        /// Why the input can't be read to its end; the items come before that.
        var failure: Failure?
    }

    /// What keeps the rest of an input from being read.
    struct Failure: Sendable {
        /// The last whole line before it.
        var lastLine: Int
        var reason: CommandFailure
    }

    /// When a batch is full.
    struct BatchLimits: Sendable {
        var records = 2_000
        var bytes = 4 << 20
    }

    private static let linger = Duration.milliseconds(5)

    private let queue = BatchQueue<Batch>(capacity: 2)
    /// The inputs' names, for messages.
    let names: [String]
    /// The size of all inputs together; nil where one of them has none.
    let totalSize: Int?
    /// Whether somebody may be typing.
    let isTerminal: Bool

    private let files: Mutex<[Opened]>
    // Handed to the reading thread once, and used by nobody else.
    private struct Opened: @unchecked Sendable { let file: InputFile }

    /// Opens the inputs, all before the first is read, so that a wrong name costs nothing.
    init(paths: [String]) throws {
        let files = try paths.map { Opened(file: try InputFile($0)) }
        names = files.map(\.file.name)
        let sizes = files.compactMap(\.file.size)
        totalSize = sizes.count == files.count ? sizes.reduce(0, +) : nil
        isTerminal = files.contains { $0.file.isTerminal }
        self.files = Mutex(files)
    }

    /// Starts reading.
    func start(keySource: KeySource, maximumRecordSize: Int, limits: BatchLimits = BatchLimits()) {
        let files = files.withLock { files in
            defer { files = [] }
            return files
        }
        _ = WorkerThread(name: "shardline-input") { [queue] in
            var bytesRead = 0
            for (index, opened) in files.enumerated() {
                var reader = RecordReader(
                    keySource: keySource, maximumRecordSize: maximumRecordSize, random: SystemRandomNumberGenerator())
                Self.pump(opened.file, index, through: &reader, to: queue, limits: limits, bytesRead: bytesRead)
                bytesRead += opened.file.bytesRead
                if queue.isClosed { return }
            }
            queue.finish()
        }
    }

    private static func pump(
        _ file: InputFile, _ index: Int, through reader: inout RecordReader<SystemRandomNumberGenerator>,
        to queue: BatchQueue<Batch>, limits: BatchLimits, bytesRead: Int
    ) {
        let clock = SystemTimeSource()
        var batch = Batch(input: index)
        var begun = clock.monotonicTime
        var isAtEnd = false
        var failure: CommandFailure?
        while !isAtEnd, failure == nil, !queue.isClosed {
            do throws(CommandFailure) {
                let outcome = try reader.append { bytes throws(CommandFailure) in
                    try file.read(
                        into: &bytes, waiting: batch.items.isEmpty ? -1 : Int32(linger.wholeMilliseconds))
                }
                isAtEnd = outcome == .end
                if !batch.items.isEmpty, clock.monotonicTime - begun >= linger, queue.offer(batch) {
                    batch = Batch(input: index)
                }
            } catch {
                failure = error
            }
            // Where reading fails, the whole lines before it count; a part of a line is no line then.
            while let item = reader.next(atEnd: isAtEnd) {
                if batch.items.isEmpty { begun = clock.monotonicTime }
                batch.items.append(item)
                if case .record(_, let record) = item {
                    batch.byteCount += record.data.count + record.partitionKey.utf8.count
                }
                if batch.items.count >= limits.records || batch.byteCount >= limits.bytes {
                    batch.bytesRead = bytesRead + file.bytesRead
                    queue.give(batch)
                    batch = Batch(input: index)
                }
            }
            batch.bytesRead = bytesRead + file.bytesRead
        }
        batch.failure = failure.map { Failure(lastLine: reader.lastLine, reason: $0) }
        if !batch.items.isEmpty || batch.failure != nil { queue.give(batch) }
    }

    /// The next batch; nil after the last one and after ``stop()``.
    func next() async -> Batch? { await queue.next() }

    /// Ends reading; what was read but not taken is dropped.
    func stop() { queue.close() }
}

import DiskAccess
import StreamModel

/// Reads the records of `bench --input` into memory.
struct BenchInput: Sendable {
    let path: String
    let keySource: KeySource
    private static let limit = 1 << 30

    /// All records of the input. Throws what a line can't be put for.
    func read() async throws -> [NewRecord] {
        try await BlockingThreads.shared.run { try readNow() }
    }

    private func readNow() throws -> [NewRecord] {
        let file = try InputFile(path)
        var reader = RecordReader(
            keySource: keySource, maximumRecordSize: Limits.defaultRecordSize, random: SystemRandomNumberGenerator())
        var records: [NewRecord] = []
        var bytes = 0
        var isAtEnd = false
        while true {
            while let item = reader.next(atEnd: isAtEnd) {
                switch item {
                case .record(_, let record):
                    bytes += record.data.count
                    records.append(record)
                case .malformed(let line, let reason):
                    throw CommandFailure(.badData, "\(file.name):\(line): \(reason)")
                }
            }
            if isAtEnd { break }
            guard bytes <= Self.limit else {
                throw CommandFailure(
                    .usage, "\(file.name) holds more than 1 GiB; a bench keeps its input in memory, so give it a part")
            }
            isAtEnd = try reader.append { try file.read(into: &$0, waiting: -1) } == .end
        }
        guard !records.isEmpty else { throw CommandFailure(.badData, "\(file.name) holds no record") }
        return records
    }
}

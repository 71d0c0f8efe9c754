import CZlib
import Shardline

/// A file of departures: comma-separated values with a header, plain or compressed with gzip.
public struct FlightsFile: Sendable {
    /// The path that it was read from.
    public let path: String
    /// The positions of the columns.
    public let columns: FlightColumns
    /// The lines after the header, without their ends; empty lines are left out.
    public let lines: [ArraySlice<UInt8>]

    /// Reads a whole file; blocks until it is read.
    ///
    /// Throws `notAccessible` where it can't be read, `invalidArgument` where columns are missing.
    public init(path: String) throws {
        try self.init(path: path, bytes: Self.unpacked(path))
    }

    init(path: String, bytes: [UInt8]) throws {
        var lines = bytes.split(separator: UInt8(ascii: "\n"))
            .map { $0.last == UInt8(ascii: "\r") ? $0.dropLast() : $0 }
            .filter { !$0.isEmpty }
        guard !lines.isEmpty else {
            throw ShardlineError(.invalidArgument, "'\(path)' is empty; its first line must name the columns")
        }
        do {
            columns = try FlightColumns(header: lines.removeFirst())
        } catch let error as ShardlineError {
            throw ShardlineError(error.code, "'\(path)': \(error.message)")
        }
        self.lines = lines
        self.path = path
    }

    /// The records for these lines, keyed by aircraft.
    public func records(_ range: Range<Int>) -> [NewRecord] {
        lines[range].map { NewRecord(Array($0), partitionKey: columns.partitionKey(of: $0)) }
    }

    /// Reads a file that may be compressed: zlib passes uncompressed files on unchanged.
    private static func unpacked(_ path: String) throws -> [UInt8] {
        guard let file = gzopen(path, "rb") else {
            throw ShardlineError(.notAccessible, "'\(path)' can't be opened; does it exist, and may you read it?")
        }
        defer { gzclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = gzread(file, &chunk, UInt32(chunk.count))
            var code: Int32 = 0
            let message = gzerror(file, &code).map { String(cString: $0) } ?? ""
            guard count >= 0, code == Z_OK || code == Z_STREAM_END else {
                throw ShardlineError(
                    .notAccessible, "'\(path)' can't be read: \(message.isEmpty ? "damaged" : message)")
            }
            if count == 0 { return bytes }
            bytes += chunk.prefix(Int(count))
        }
    }
}

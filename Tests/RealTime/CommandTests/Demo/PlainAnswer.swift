import CZlib
import Foundation
import TestSupport

/// What the job has to find, told in plain Swift over the file's text: nothing of Shardline or of the job is used.
struct PlainAnswer {
    /// Lines that are no departures.
    var bad = 0
    /// The longest run of each aircraft that flew.
    var longest: [String: Int] = [:]

    init(_ lines: [String]) {
        var current: [String: Int] = [:]
        for line in lines {
            let fields = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            let (time, delay, aircraft) = (fields[3], fields[5], fields[11])
            if time == "NA" || aircraft == "NA" {
                bad += 1
            } else {
                current[aircraft] = Int(delay)! > 0 ? current[aircraft, default: 0] + 1 : 0
                longest[aircraft] = max(longest[aircraft, default: 0], current[aircraft]!)
            }
        }
    }

    /// What `--results` must write.
    var resultLines: [String] { longest.sorted { $0.key < $1.key }.map { "\($0.key),\($0.value)" } }

    /// Whether a line is none of a departure.
    static func isBad(_ line: String) -> Bool { PlainAnswer([line]).bad == 1 }
}

/// The real file of the examples, as text.
struct FlightLines {
    let header: String
    let lines: [String]

    static let real = try! FlightLines(
        path: PackageFolder.path("examples/flights-2013-01.csv.gz"))

    private init(path: String) throws {
        let file = gzopen(path, "rb")!
        defer { gzclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = gzread(file, &chunk, UInt32(chunk.count))
            guard count > 0 else { break }
            bytes += chunk.prefix(Int(count))
        }
        var lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
        header = lines.removeFirst()
        self.lines = lines
    }

    /// A file of these lines under the header.
    func write(_ lines: some Sequence<String>, to path: String) throws {
        try ([header] + lines).map { $0 + "\n" }.joined().write(toFile: path, atomically: true, encoding: .utf8)
    }
}

import Shardline

/// What the job needs from one line of the file: the aircraft, and how late it left.
public struct Departure: Equatable, Sendable {
    /// The aircraft's tail number.
    public var aircraft: String
    /// Minutes after the scheduled time; negative for an early departure.
    public var delay: Int

    /// Whether the aircraft left late: by a minute or more.
    public var isLate: Bool { delay > 0 }
}

/// A line that is not a departure. The function throws this error like any other; the mapping has to find out by itself
/// which record has caused it.
public struct NotADeparture: Error, CustomStringConvertible {
    /// What is wrong, with the line.
    public var description: String
}

/// The positions of the job's columns in a file, from its header.
public struct FlightColumns: Equatable, Sendable {
    private let aircraft: Int
    private let departureTime: Int
    private let delay: Int

    /// Finds `tailnum`, `dep_time` and `dep_delay` in a header; throws `invalidArgument` with the missing names.
    public init(header: some Collection<UInt8>) throws {
        let names = Self.fields(of: header)
        let missing = ["tailnum", "dep_time", "dep_delay"].filter { !names.contains($0) }
        guard missing.isEmpty else {
            throw ShardlineError(
                .invalidArgument,
                "the header has no column \(missing.joined(separator: ", ")); it has \(names.joined(separator: ","))")
        }
        aircraft = names.firstIndex(of: "tailnum")!
        departureTime = names.firstIndex(of: "dep_time")!
        delay = names.firstIndex(of: "dep_delay")!
    }

    /// The departure in a line. Throws ``NotADeparture`` where time or aircraft are `NA` (a cancelled flight) or the
    /// line is malformed.
    public func departure(in line: some Collection<UInt8>) throws -> Departure {
        let fields = Self.fields(of: line)
        func problem(_ what: String) -> NotADeparture {
            NotADeparture(description: "\(what): \(String(decoding: line.prefix(200), as: UTF8.self))")
        }
        guard fields.count > max(aircraft, departureTime, delay) else { throw problem("fields are missing") }
        guard fields[departureTime] != "NA" else { throw problem("no time of departure") }
        guard fields[aircraft] != "NA", !fields[aircraft].isEmpty else { throw problem("no aircraft") }
        guard let minutes = Int(fields[delay]) else { throw problem("no delay") }
        return Departure(aircraft: fields[aircraft], delay: minutes)
    }

    /// The key that keeps the departures of one aircraft in order: its tail number, unchanged.
    public func partitionKey(of line: some Collection<UInt8>) -> String {
        let fields = Self.fields(of: line)
        guard fields.count > aircraft, !fields[aircraft].isEmpty else { return "NA" }
        return String(fields[aircraft].unicodeScalars.prefix(Limits.partitionKeyLength.upperBound))
    }

    /// The fields of one line of comma-separated values; a field may be quoted, with doubled quotes in it.
    static func fields(of line: some Collection<UInt8>) -> [String] {
        var fields: [String] = []
        var field: [UInt8] = []
        var isQuoted = false
        var wasQuote = false
        for byte in line {
            switch byte {
            case UInt8(ascii: "\""):
                if isQuoted || wasQuote {
                    if wasQuote { field.append(byte) }
                    isQuoted.toggle()
                    wasQuote = !isQuoted
                } else {
                    isQuoted = true
                }
                continue
            case UInt8(ascii: ",") where !isQuoted:
                fields.append(String(decoding: field, as: UTF8.self))
                field.removeAll(keepingCapacity: true)
            default:
                field.append(byte)
            }
            wasQuote = false
        }
        fields.append(String(decoding: field, as: UTF8.self))
        return fields
    }
}

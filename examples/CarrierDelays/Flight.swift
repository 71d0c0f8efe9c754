import Shardline

/// What the job needs from one line of the file.
public struct Flight: Equatable, Sendable {
    /// The carrier's code, such as `UA`.
    public var carrier: String
    /// When it left, to the minute; nil: it was cancelled.
    public var departure: Timestamp?
    /// How many minutes it left after its scheduled time, negative before it; nil: it was cancelled.
    public var delay: Int?

    /// Reads a line of the file. Throws ``MalformedRecord`` where it is not one.
    public init(line: some Collection<UInt8>) throws {
        let fields = line.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        guard fields.count == 19, !fields[9].isEmpty, let year = Int(fields[0]), let month = Int(fields[1]),
            let day = Int(fields[2])
        else { throw MalformedRecord("no departure: \(String(decoding: line.prefix(100), as: UTF8.self))") }
        carrier = fields[9]
        guard let time = Int(fields[3]), let delay = Int(fields[5]) else { return }
        self.delay = delay
        // 517 is 5:17 in New York, which is five hours behind UTC in winter.
        let minutes = (Self.days(year, month, day) * 24 + time / 100 + 5) * 60 + time % 100
        departure = Timestamp(milliseconds: Int64(minutes) * 60_000)
    }

    /// The days from 1970 to a day of the Gregorian calendar. Years begin in March here, so that the leap day is the last.
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let year = month <= 2 ? year - 1 : year
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        return year * 365 + year / 4 - year / 100 + year / 400 + dayOfYear - 719_468
    }
}

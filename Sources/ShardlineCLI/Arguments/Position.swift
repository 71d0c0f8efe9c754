import StreamModel
import StreamStorage

/// Where to begin, as `--from` and `--to` take it.
enum Position: Equatable, Sendable {
    case trimHorizon
    case latest
    case at(Timestamp)
    case ago(Duration)
    /// A place in one shard.
    case sequence(KinesisSequenceNumber)
    /// A place in a shard that has to be named beside it.
    case number(SequenceNumber)

    static let help =
        "trim-horizon (the oldest record that is kept), latest (after the newest), a time, or a sequence number. A time is 2026-01-31T08:30:00Z, an age such as 15m or -15m, or seconds since 1970 with a decimal point, as --json prints them: 1769848200.000. Digits alone are a sequence number: 56 of them, or with --shard a plain one such as 17"

    /// Reads one of the forms of ``help``.
    init(_ text: String) throws {
        switch text.lowercased() {
        case "trim-horizon", "trim_horizon": self = .trimHorizon
        case "latest": self = .latest
        default:
            if let number = KinesisSequenceNumber(text) {
                self = .sequence(number)
            } else if text.utf8.count < 20, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let number = UInt64(text),
                number <= SequenceNumber.max.rawValue
            {
                self = .number(SequenceNumber(number))
            } else if let moment = Timestamp(iso8601: text) ?? Timestamp(secondsSince1970: text) {
                self = .at(moment)
            } else if let ago = Self.age(text) {
                self = .ago(ago)
            } else {
                throw ArgumentProblem(
                    description:
                        "a position is trim-horizon, latest, a time (2026-01-31T08:30:00Z, an age such as 15m or -15m, or seconds since 1970 with a decimal point such as 1769848200.000), or a sequence number (56 digits, or with --shard a plain one)"
                )
            }
        }
    }

    /// Reads `15m` and `-15m`, which mean the same. A unit is required, as a number alone is a sequence number.
    private static func age(_ text: String) -> Duration? {
        let amount = text.utf8.first == UInt8(ascii: "-") ? String(text.dropFirst()) : text
        return amount.last?.isLetter == true ? try? Amounts.duration(amount) : nil
    }

    /// The same in the store's words. Throws for a time that is still to come.
    func starting(now: Timestamp) throws -> StartingPosition {
        switch self {
        case .trimHorizon: return .trimHorizon
        case .latest: return .latest
        case .at(let moment):
            guard moment <= now else {
                throw CommandFailure(
                    .usage,
                    "\(moment) is in the future, now it is \(now); allowed: a time that has passed, or latest for what is still to come"
                )
            }
            return .atTimestamp(moment)
        case .ago(let duration): return .atTimestamp(now - duration)
        case .sequence(let number): return .at(number)
        case .number(let number): return .atSequenceNumber(number)
        }
    }

    /// Whether it is a place in one shard only.
    var isOfOneShard: Bool {
        switch self {
        case .sequence, .number: true
        case .trimHorizon, .latest, .at, .ago: false
        }
    }

    /// The only shard that the position is in, if it names one.
    var shard: ShardID? {
        if case .sequence(let number) = self { number.shard } else { nil }
    }
}

extension Timestamp {
    /// Reads seconds since 1970 as `--json` prints times: digits, a point, and at least one digit, of which those after the
    /// third are cut off. Nil for anything else, digits without a point too.
    init?(secondsSince1970 text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy { (0x30...0x39).contains($0) } }),
            let seconds = Int64(String(Substring(parts[0]))), seconds <= Self.plausible.upperBound / 1000
        else { return nil }
        let fraction = (Array(parts[1].prefix(3)) + [0x30, 0x30]).prefix(3).reduce(0 as Int64) {
            $0 * 10 + Int64($1 - 0x30)
        }
        self.init(milliseconds: seconds * 1000 + fraction)
    }

    /// Reads `2026-01-31`, `2026-01-31T08:30`, with seconds, with a fraction, with `Z` or `+01:00`; UTC without a zone.
    /// Nil for anything else, days that no month has included.
    init?(iso8601 text: String) {
        var rest = text[...]
        func number(_ digits: Int) -> Int64? {
            let taken = rest.prefix(digits)
            guard taken.count == digits, taken.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
            rest = rest.dropFirst(digits)
            return Int64(taken)
        }
        func skip(_ characters: Set<Character>) -> Bool {
            guard let first = rest.first, characters.contains(first) else { return false }
            rest = rest.dropFirst()
            return true
        }
        guard let year = number(4), skip(["-"]), let month = number(2), skip(["-"]), let day = number(2),
            (1...12).contains(month), year >= 1, (1...Self.days(inMonth: month, of: year)).contains(day)
        else { return nil }
        var inDay: Int64 = 0
        if skip(["T", "t", " "]) {
            guard let hour = number(2), hour < 24, skip([":"]), let minute = number(2), minute < 60 else { return nil }
            inDay = (hour * 60 + minute) * 60_000
            if skip([":"]) {
                guard let second = number(2), second < 60 else { return nil }
                inDay += second * 1000
                if skip(["."]) {
                    let digits = rest.prefix { $0.isASCII && $0.isNumber }
                    guard !digits.isEmpty, let milliseconds = Int64((digits + "00").prefix(3)) else { return nil }
                    inDay += milliseconds
                    rest = rest.dropFirst(digits.count)
                }
            }
            if rest.first == "+" || rest.first == "-" {
                let sign: Int64 = rest.first == "+" ? 1 : -1
                rest = rest.dropFirst()
                guard let hours = number(2), hours < 24 else { return nil }
                _ = skip([":"])
                guard let minutes = number(2), minutes < 60 else { return nil }
                inDay -= sign * (hours * 60 + minutes) * 60_000
            } else {
                _ = skip(["Z", "z"])
            }
        }
        guard rest.isEmpty else { return nil }
        self.init(milliseconds: Self.daysSince1970(year, month, day) * 86_400_000 + inDay)
    }

    private static func days(inMonth month: Int64, of year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    // The reverse of the calendar in Timestamp's description: years that begin on 1 March.
    private static func daysSince1970(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = shiftedYear / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}

import StreamModel

/// Why an argument can't be taken; the parser sets the option's name before it.
struct ArgumentProblem: Error, CustomStringConvertible {
    var description: String
}

/// An amount with the text that it was read from, so that who refuses it can say what was typed.
struct Given<Value: Sendable>: Sendable {
    var value: Value
    var text: String
}

/// Reads the amounts that options take.
enum Amounts {
    private static let units: [(String, Int64)] = [
        ("ms", 1), ("s", 1000), ("m", 60_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000),
        ("w", 604_800_000),
    ]

    /// About 140,000 years, which is beyond every range and within every number.
    private static let longest = Timestamp.plausible.upperBound

    /// A time such as `500ms`, `90s`, `1.5h`, `24h`, `7d`, `2w`; a number alone is in seconds.
    static func duration(_ text: String) throws -> Duration {
        guard let (number, unit) = split(text),
            let length = unit.isEmpty ? 1000 : units.first(where: { $0.0 == unit })?.1
        else {
            throw ArgumentProblem(
                description: "a time is a number and ms, s, m, h, d or w, such as 500ms, 90s, 24h or 7d")
        }
        // What is read knows its own range; longer than this none of them is.
        return .milliseconds(Int64(min((number * Double(length)).rounded(), Double(longest))))
    }

    /// Bytes such as `65536`, `256KiB`, `2MiB`.
    static func bytes(_ text: String) throws -> Int {
        let units = [
            "": 1, "b": 1, "k": 1 << 10, "kib": 1 << 10, "m": 1 << 20, "mib": 1 << 20, "kb": 1000, "mb": 1_000_000,
        ]
        guard let (number, unit) = split(text), let size = units[unit.lowercased()] else {
            throw ArgumentProblem(
                description: "a size is a number of bytes, or with KiB or MiB, such as 65536, 256KiB or 2MiB")
        }
        return Int(min((number * Double(size)).rounded(), Double(1 << 52 as Int)))
    }

    /// A time, with its text.
    static func givenDuration(_ text: String) throws -> Given<Duration> {
        Given(value: try duration(text), text: text)
    }

    /// Bytes, with their text.
    static func givenBytes(_ text: String) throws -> Given<Int> { Given(value: try bytes(text), text: text) }

    private static func split(_ text: String) -> (Double, String)? {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        guard let first = digits.first, first.isNumber, let number = Double(digits) else { return nil }
        return (number, String(text.dropFirst(digits.count)))
    }
}

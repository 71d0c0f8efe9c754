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

extension Given {
    /// The same where there is a value.
    func present<Wrapped>() -> Given<Wrapped>? where Value == Wrapped? {
        value.map { Given<Wrapped>(value: $0, text: text) }
    }
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
                description:
                    "a time is a number and ms, s, m (or min), h, d or w, such as 500ms, 90s, 1.5h or 7d; a number alone is in seconds"
            )
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
                description:
                    "a size is a number of bytes, or of K or KiB (1,024 bytes), M or MiB, kB (1,000) or MB, such as 65536, 256KiB or 2MiB"
            )
        }
        return Int(min((number * Double(size)).rounded(), Double(1 << 52 as Int)))
    }

    /// A whole number. Beyond what an integer holds it is the largest or smallest, so that who refuses it says its range.
    static func wholeNumber(_ text: String) throws -> Int {
        if let number = Int(text) { return number }
        let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            throw ArgumentProblem(description: "a whole number is wanted, such as 100")
        }
        return text.hasPrefix("-") ? .min : .max
    }

    /// A number, with a fraction or not.
    static func number(_ text: String) throws -> Double {
        guard let number = Double(text) else {
            throw ArgumentProblem(description: "a number is wanted, such as 500 or 0.5")
        }
        return number
    }

    /// A time, with its text.
    static func givenDuration(_ text: String) throws -> Given<Duration> {
        Given(value: try duration(text), text: text)
    }

    /// A time with its text, or -1 for none.
    static func givenDurationOrNone(_ text: String) throws -> Given<Duration?> {
        if text == "-1" { return Given(value: nil, text: text) }
        do {
            return Given(value: try duration(text), text: text)
        } catch let problem as ArgumentProblem {
            throw ArgumentProblem(description: problem.description + "; -1 is no limit")
        }
    }

    /// Bytes, with their text.
    static func givenBytes(_ text: String) throws -> Given<Int> { Given(value: try bytes(text), text: text) }

    private static func split(_ text: String) -> (Double, String)? {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        guard let first = digits.first, first.isNumber, let number = Double(digits) else { return nil }
        return (number, String(text.dropFirst(digits.count)))
    }
}

import ArgumentParser
import EventSource
import StreamModel

/// Which of a mapping's parked keys are meant.
struct ParkedKeyOptions: ParsableArguments {
    // A key may begin with a hyphen.
    @Option(
        name: .customLong("key"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Only this partition key; may be given more than once.", valueName: "key"))
    var keys: [String] = []

    @Option(
        help: ArgumentHelp(
            "Only keys that were parked by failures of this group, such as 67eb9b242de3b258: what `shardline mapping keys` shows as GROUP.",
            valueName: "group"),
        transform: { text in
            guard let group = FailureGroup(text) else {
                throw ArgumentProblem(
                    description: "a group has 16 hexadecimal digits, as `shardline mapping keys` shows it")
            }
            return group
        })
    var group: FailureGroup?

    @Option(help: ArgumentHelp("Only keys whose last error has this type, such as ValueError.", valueName: "type"))
    var errorType: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Only keys that were parked then or later: \(Moment.help).", valueName: "time"),
        transform: Moment.init)
    var parkedSince: Moment?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Only keys that were parked before then: a time as above.", valueName: "time"),
        transform: Moment.init)
    var parkedBefore: Moment?

    /// Whether it is said which keys are meant.
    var isGiven: Bool {
        !keys.isEmpty || group != nil || errorType != nil || parkedSince != nil || parkedBefore != nil
    }

    /// The same in the library's words.
    func selection(now: Timestamp) -> ParkedKeySelection {
        ParkedKeySelection(
            keys: keys.isEmpty ? nil : Set(keys.map { UTF8Key($0) }), group: group, errorType: errorType,
            since: parkedSince?.timestamp(now: now), before: parkedBefore?.timestamp(now: now))
    }
}

/// The keys of a command that does something with them: it has to be said which.
struct MeantKeyOptions: ParsableArguments {
    @Flag(help: "All parked keys of the mapping.")
    var all = false

    @OptionGroup var parked: ParkedKeyOptions

    /// Throws what is allowed where neither all keys nor some are meant, or both.
    func check() throws {
        let allowed = "--all, or some of --key, --group, --error-type, --parked-since and --parked-before"
        guard all || parked.isGiven else {
            throw CommandFailure(.usage, "it has to be said which parked keys are meant (allowed: \(allowed))")
        }
        guard !(all && parked.isGiven) else {
            throw CommandFailure(
                .usage, "all parked keys and some of them can't be meant together (allowed: \(allowed))")
        }
    }
}

/// A time, or an age, as ``Position`` reads them.
enum Moment: Equatable, Sendable {
    case at(Timestamp)
    case ago(Duration)

    static let help =
        "2026-01-31T08:30:00Z, an age such as 15m or -15m, or seconds since 1970 with a decimal point"

    /// Reads one of the forms of ``help``.
    init(_ text: String) throws {
        switch try? Position(text) {
        case .at(let moment): self = .at(moment)
        case .ago(let age): self = .ago(age)
        default: throw ArgumentProblem(description: "a time is \(Self.help), such as 1769848200.000")
        }
    }

    /// The moment, given the present one.
    func timestamp(now: Timestamp) -> Timestamp {
        switch self {
        case .at(let moment): moment
        case .ago(let age): now - age
        }
    }
}

import ArgumentParser
import DiskAccess

/// `--reason`, of commands that act on a mapping.
struct ControlOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Why, for people: `shardline mapping describe` shows it. At most 1,024 bytes.", valueName: "text"))
    var reason = ""

    /// Who acts.
    static var actor: String { ProcessName.user }
}

import ArgumentParser

/// `--yes`, of commands that ask before they do what can't be taken back.
struct ConfirmationOptions: ParsableArguments {
    @Flag(name: [.customShort("y"), .long], help: "Don't ask. Without a terminal nothing is asked either.")
    var yes = false
}

import ArgumentParser

/// Finds which command a command line names, before the parser sees it: of a name that there isn't the parser says only
/// that it is unexpected, together with all that follows it.
struct CommandPath {
    /// The names on the way to the command, such as `mapping` and `list`.
    private(set) var names: [String] = []
    /// The arguments as the parser takes them.
    private(set) var arguments: [String] = []
    private var command: any ParsableCommand.Type = ShardlineCommand.self

    /// Options that mean something before the command's name; the parser knows them.
    private static let general = [
        "--help", "-h", "-help", "--help-hidden", "--version", "--generate-completion-script",
        "--experimental-dump-help", "---completion",
    ]

    /// Reads the arguments after the program's name.
    ///
    /// `shardline --data DIR put …` means the same as `shardline put … --data DIR`, and `shardline mapping help list` the
    /// same as `shardline help mapping list`; the parser knows neither.
    ///
    /// - Throws: ``CommandFailure`` for a name that there isn't, with the nearest one and those that there are.
    init(_ given: [String]) throws {
        var rest = given[...]
        var store: [String] = []
        while !command.configuration.subcommands.isEmpty {
            guard let argument = rest.first else {
                // `shardline` alone is answered with its help.
                if !names.isEmpty || !store.isEmpty { throw Self.missing(after: names, command) }
                break
            }
            if argument == "--data", rest.count > 1 {
                store = Array(rest.prefix(2))
                rest = rest.dropFirst(2)
            } else if argument.hasPrefix("--data=") {
                store = [argument]
                rest = rest.dropFirst()
            } else if argument == "help" {
                arguments = try Self.help(names + rest.dropFirst())
                return
            } else if argument.hasPrefix("-") {
                guard Self.general.contains(where: { argument == $0 || argument.hasPrefix($0 + "=") }) else {
                    throw CommandFailure(
                        .usage,
                        "\(Self.quoted(names + [argument])): no command is named before that option (allowed there: --data DIR, --help, --version); other options come after the command"
                    )
                }
                break
            } else {
                command = try Self.command(argument, after: names, command)
                names.append(argument)
                rest = rest.dropFirst()
            }
        }
        arguments = names + store + rest
    }

    /// The first option that the command doesn't have, with the nearest one. The parser says first what is missing, which
    /// is no help where it was given under a misspelled name.
    var unknownOption: String? {
        let given = arguments.prefix { $0 != "--" }.filter { $0.hasPrefix("--") }.map { $0.prefix { $0 != "=" } }
        let known = options
        return given.first { !known.contains(String($0)) }.map { words(ofUnknown: String($0)) }
    }

    /// That the command has no such option, with the nearest one and those that there are.
    func words(ofUnknown option: String) -> String {
        let known = options
        // `-data` is meant for `--data`.
        let text = option.hasPrefix("--") || option.utf8.count <= 2 ? option : "-" + option
        let near = Self.nearest(to: text, of: known).map { " (did you mean '\($0)'?)" } ?? ""
        return "unknown option '\(option)'\(near); there are \(known.joined(separator: ", "))"
    }

    /// The long options of the command, in the order of its help: the parser offers them in no other way.
    private var options: [String] {
        ShardlineCommand.helpMessage(for: command).split(separator: "\n").filter { $0.hasPrefix("  -") }
            .compactMap { line in
                line.split(whereSeparator: { $0 == " " || $0 == "," }).first { $0.hasPrefix("--") }.map(String.init)
            }
    }

    /// `shardline help …`, after making sure that there is what it is asked about: the parser would show something else.
    private static func help(_ given: [String]) throws -> [String] {
        var command: any ParsableCommand.Type = ShardlineCommand.self
        var path: [String] = []
        for name in given where !name.hasPrefix("-") {
            guard !command.configuration.subcommands.isEmpty else {
                throw CommandFailure(
                    .usage,
                    "\(quoted(path)) has no commands below it, so there is no \(quoted(path + [name]))")
            }
            command = try self.command(name, after: path, command)
            path.append(name)
        }
        return ["help"] + given
    }

    private static func command(
        _ name: String, after path: [String], _ parent: any ParsableCommand.Type
    ) throws -> any ParsableCommand.Type {
        // Closures: key paths of metatypes crash the compiler of Swift 6.3.
        if let found = parent.configuration.subcommands.first(where: { $0.configuration.commandName == name }) {
            return found
        }
        let near = suggestions(for: name, after: path, parent).map(quoted).joined(separator: " or ")
        throw CommandFailure(
            .usage,
            "there is no command \(quoted(path + [name]))\(near.isEmpty ? "" : " (did you mean \(near)?)"); there are \(names(below: parent).joined(separator: ", "))"
        )
    }

    private static func missing(after path: [String], _ parent: any ParsableCommand.Type) -> CommandFailure {
        CommandFailure(
            .usage,
            "no command is named after \(quoted(path)); there are \(names(below: parent).joined(separator: ", "))")
    }

    private static func quoted(_ path: [String]) -> String { "'\((["shardline"] + path).joined(separator: " "))'" }

    private static func names(below parent: any ParsableCommand.Type) -> [String] {
        parent.configuration.subcommands.filter { $0.configuration.shouldDisplay }
            .compactMap { $0.configuration.commandName }
    }

    /// What other tools call these commands.
    private static let otherNames = [
        "create": ["make", "new", "add", "init"], "list": ["ls", "show", "all"],
        "describe": ["show", "info", "get", "inspect", "status", "stat"],
        "update": ["change", "alter", "set", "modify"],
        "delete": ["remove", "rm", "drop", "destroy"], "seek": ["move", "reset", "rewind", "goto"],
        "put": ["write", "send", "produce", "push", "append"],
        "tail": ["read", "cat", "get", "head", "follow", "watch"],
        "consume": ["run", "exec", "subscribe", "process", "follow"], "check": ["verify", "fsck", "validate"],
        "repair": ["fix", "recover"], "backup": ["copy", "export", "dump", "save"], "restore": ["import", "load"],
        "bench": ["benchmark", "perf"], "redrive": ["release", "retry", "replay", "reprocess"],
        "keys": ["parked"], "discard": ["skip", "purge"],
    ]

    /// The commands that may have been meant: the nearest one of the same group, else those of the name elsewhere, else
    /// those that other tools call so.
    private static func suggestions(
        for name: String, after path: [String], _ parent: any ParsableCommand.Type
    ) -> [[String]] {
        if let near = nearest(to: name, of: names(below: parent)) { return [path + [near]] }
        var others: [[String]] = []
        func look(below command: any ParsableCommand.Type, _ path: [String]) {
            for next in command.configuration.subcommands where next.configuration.shouldDisplay {
                guard let known = next.configuration.commandName else { continue }
                if known == name { others.append(path + [known]) }
                look(below: next, path + [known])
            }
        }
        look(below: ShardlineCommand.self, [])
        if !others.isEmpty { return others }
        return names(below: parent).filter { nearest(to: name, of: otherNames[$0] ?? []) != nil }.map { path + [$0] }
    }

    /// The name that `text` begins, or that it becomes by fewest changes: one, or two where it is longer than four
    /// characters.
    static func nearest(to text: String, of names: [String]) -> String? {
        let text = text.lowercased()
        guard text.utf8.count >= 2, text.utf8.count <= 40 else { return nil }
        if let begun = names.first(where: { $0.hasPrefix(text) }) { return begun }
        let distances = names.map { (name: $0, distance: distance(Array(text.utf8), Array($0.utf8))) }
        guard let best = distances.min(by: { $0.distance < $1.distance }) else { return nil }
        return best.distance <= (text.utf8.count > 4 ? 2 : 1) ? best.name : nil
    }

    /// How many bytes have to be put in, taken out, changed or swapped with the next one to make `right` of `left`.
    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var rows = [Array(0...right.count)]
        for row in 0..<left.count {
            var next = [row + 1]
            for column in 0..<right.count {
                var least = min(
                    next[column] + 1, rows[row][column + 1] + 1,
                    rows[row][column] + (left[row] == right[column] ? 0 : 1))
                if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                    least = min(least, rows[row - 1][column - 1] + 1)
                }
                next.append(least)
            }
            rows.append(next)
        }
        return rows[left.count][right.count]
    }
}

import ArgumentParser
import Glibc
import Logging

/// Which store a command works on, and how much it says.
struct StoreOptions: ParsableArguments {
    @Option(
        name: .long, help: "The store's directory. Default: the environment variable SHARDLINE_DATA.",
        completion: .directory)
    var data: String?

    @Flag(name: .shortAndLong, help: "Say on standard error what happens inside.")
    var verbose = false

    /// The store's directory. Throws where none is given.
    var directory: String {
        get throws {
            if let data {
                // Not that of the variable: a script whose own variable is empty means another store.
                guard !data.isEmpty else {
                    throw CommandFailure(.usage, "--data is empty (allowed: the path of the store's directory)")
                }
                return data
            }
            if let variable = getenv("SHARDLINE_DATA"), variable.pointee != 0 { return String(cString: variable) }
            throw CommandFailure(
                .usage,
                "which store? Give its directory with --data DIR, or set the environment variable SHARDLINE_DATA")
        }
    }

    /// The store's directory where a command takes it as an argument too. Throws where it is given twice, or not at all.
    func directory(named argument: String?) throws -> String {
        guard let argument else { return try directory }
        guard !argument.isEmpty else {
            throw CommandFailure(.usage, "the store's directory is empty (allowed: the path of a directory)")
        }
        if let data {
            throw CommandFailure(.usage, "the store is named twice, as '\(argument)' and with --data '\(data)'")
        }
        return argument
    }

    /// What the library logs to.
    var logger: Logger {
        Logger(label: "shardline") { _ in CommandLog(level: verbose ? .debug : .warning) }
    }
}

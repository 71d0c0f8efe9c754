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
            if let data, !data.isEmpty { return data }
            if let variable = getenv("SHARDLINE_DATA"), variable.pointee != 0 { return String(cString: variable) }
            throw CommandFailure(
                .usage,
                "which store? Give its directory with --data DIR, or set the environment variable SHARDLINE_DATA")
        }
    }

    /// What the library logs to.
    var logger: Logger {
        Logger(label: "shardline") { _ in CommandLog(level: verbose ? .debug : .warning) }
    }
}

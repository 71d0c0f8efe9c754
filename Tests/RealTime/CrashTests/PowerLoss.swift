import CrashChild
import Glibc
import TestSupport

/// The loss of power, for processes that run under a preloaded library (Tests/Support/PowerLoss): it remembers what they had
/// not made durable, and ``lose(_:seed:)`` takes that back when they were killed.
struct PowerLoss {
    /// What was lost.
    struct Loss: CustomStringConvertible {
        /// How many changes were not durable: writes, lengths, names.
        var volatileChanges: Int
        /// How many sectors and names are not there any more.
        var lost: Int
        /// How many bytes a process had written to its standard output before it began to write what was not durable
        /// in the journal; what it had said by then is durable. Nil: all is.
        var promised: Int?
        var description: String
    }

    /// The library and the program, compiled.
    struct Tools {
        var library: String
        var program: String

        /// Compiles both, once for a process of tests.
        static let compiled = Result { try Tools() }

        private init() throws {
            let place = PackageFolder.path("Tests/Support/PowerLoss")
            let folder = "\(ChildProcess.binaries)/PowerLoss"
            _ = mkdir(folder, 0o700)
            library = "\(folder)/preload-\(getpid()).so"
            program = "\(folder)/lose_power-\(getpid())"
            for (arguments, result) in [
                (["-shared", "-fPIC", "\(place)/preload.c"], library), (["\(place)/lose_power.c"], program),
            ] {
                let all = ["-O2", "-Wall", "-Wextra", "-Werror", "-o", result] + arguments
                let compiler = try ChildProcess(
                    "/usr/bin/env", [Self.compiler] + all, files: "\(folder)/compiler-\(getpid())")
                guard compiler.endByItself() == .exited(0) else {
                    throw CrashDirectory.Failure(
                        description: "\(Self.compiler) can't compile \(place): \(compiler.errors())")
                }
            }
        }

        /// The one of Swift's own toolchain, or the system's.
        private static let compiler: String = {
            let places = String(cString: getenv("PATH") ?? strdup("/usr/bin")).split(separator: ":")
            return places.contains { access("\($0)/clang", X_OK) == 0 } ? "clang" : "cc"
        }()
    }

    /// A sync that processes are to leave out.
    enum MissingSync: String, CaseIterable {
        /// Every one.
        case all = "/"
        /// Those of the journal's files.
        case journal = "/journal/"
        /// Those of segments.
        case segments = "/segments/"
        /// Those of SQLite.
        case metadata = "/metadata.sqlite"
        /// Those of directories, which make names durable.
        case directories
    }

    private let tools: Tools
    private let root: String
    private let log: String
    private let missing: MissingSync?

    /// For the store at `root`; `log` is a folder that is made for what is remembered.
    init(root: String, log: String, missing: MissingSync? = nil) throws {
        tools = try Tools.compiled.get()
        self.root = root
        self.log = log
        self.missing = missing
        guard mkdir(log, 0o700) == 0 else { throw CrashDirectory.Failure(description: "can't make '\(log)'") }
    }

    /// What a process needs in its environment to be followed.
    var environment: [String: String] {
        [
            "LD_PRELOAD": tools.library, "POWERLOSS_ROOT": root, "POWERLOSS_LOG": log,
            "POWERLOSS_IGNORE_SYNC": missing?.rawValue ?? "",
        ]
    }

    /// Takes back what was not durable. All processes that worked on the store must have ended.
    ///
    /// - Parameter seed: decides what had reached the disk by itself; 0: nothing.
    func lose(files: String, seed: UInt64) throws -> Loss {
        let process = try ChildProcess(tools.program, [root, log, "\(seed)"], files: files)
        guard process.endByItself() == .exited(0), let line = process.lines().last else {
            throw CrashDirectory.Failure(description: "lose_power ended with \(process.end!): \(process.errors())")
        }
        let words = line.split(separator: " ")
        var values: [Substring: Int] = [:]
        for (name, value) in zip(words, words.dropFirst()) { values[name] = Int(value) }
        guard let unsynced = values["volatile"], let sectors = values["lost-sectors"],
            let names = values["lost-names"], let promised = values["promised"]
        else { throw CrashDirectory.Failure(description: "lose_power wrote '\(line)'") }
        return Loss(
            volatileChanges: unsynced, lost: sectors + names, promised: promised < 0 ? nil : promised,
            description: String(line))
    }
}

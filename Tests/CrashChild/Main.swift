import Glibc
import Shardline
import StreamStorage

/// The process that crash tests kill. Everything that it does and finds, it says on standard output (``Report``).
///
///     CrashChild work DIRECTORY NAME SEED    puts and consumes until it is killed
///     CrashChild drain DIRECTORY             consumes until nothing is left
///     CrashChild audit DIRECTORY stay|close  says all that the store holds; then closes it, or waits to be killed
@main struct Main {
    static func main() async {
        let reporter = Reporter()
        let arguments = Array(CommandLine.arguments.dropFirst())
        do {
            guard arguments.count >= 2 else { reporter.fail("wrong arguments: \(arguments)") }
            let store = try await CrashStore.open(arguments[1])
            reporter.send(.opened)
            switch arguments[0] {
            case "work":
                guard arguments.count == 4, let seed = UInt64(arguments[3]) else {
                    reporter.fail("wrong arguments: \(arguments)")
                }
                try await CrashStore.makeStreams(in: store)
                try await work(on: store, name: arguments[2], seed: seed, reporter: reporter)
            case "audit":
                try await Auditor(store: store, reporter: reporter).run()
                if arguments.last == "stay" { while true { pause() } }
            default: reporter.fail("wrong arguments: \(arguments)")
            }
            try await store.close()
        } catch {
            reporter.fail("\(error)")
        }
    }

    /// Three producers beside the mapping; when they are through, everything ends in an orderly way.
    static func work(on store: any StreamStore, name: String, seed: UInt64, reporter: Reporter) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for producer in 0..<3 {
                group.addTask {
                    var putter = Putter(
                        name: "\(name).\(producer)", seed: seed &+ UInt64(producer), store: store, reporter: reporter)
                    try await putter.run(limit: 250)
                }
            }
            try await group.waitForAll()
        }
    }
}

import Glibc
import Shardline
import StreamStorage
import TestSupport

/// The process that crash tests kill. Everything that it does and finds, it says on standard output (``Report``).
///
///     CrashChild work DIRECTORY NAME SEED    puts and consumes until it is killed
///     CrashChild drain DIRECTORY             consumes until nothing is left
///     CrashChild audit DIRECTORY stay|close  says all that the store holds; then closes it, or waits to be killed
///     CrashChild fill DIRECTORY BALLAST END  fills the disk, goes on without room, and with it when BALLAST is removed;
///                                            END: `die` in the middle, or `close`
///     CrashChild pour DIRECTORY MEBIBYTES    puts so much, as fast as it goes, for a function that is slower
///     CrashChild answer FILE                 a function for `shardline consume --exec`; its reports go to FILE
@main struct Main {
    static func main() async {
        let arguments = Array(CommandLine.arguments.dropFirst())
        var reporter = Reporter()
        do {
            guard arguments.count >= 2 else { reporter.fail("wrong arguments: \(arguments)") }
            if arguments[0] == "answer" {
                reporter = .appending(to: arguments[1])
                return try Answerer(reporter: reporter).run()
            }
            let store = try await CrashStore.open(
                arguments[1], logs: ["fill", "pour"].contains(arguments[0]), isSmall: arguments[0] != "pour")
            reporter.send(.opened)
            switch arguments[0] {
            case "work":
                guard arguments.count == 4, let seed = UInt64(arguments[3]) else {
                    reporter.fail("wrong arguments: \(arguments)")
                }
                try await CrashStore.makeStreams(in: store)
                try await work(on: store, name: arguments[2], seed: seed, reporter: reporter)
            case "drain":
                try await CrashStore.makeStreams(in: store)
                try await Consumer(reporter: reporter).mapping(on: store).run(until: .caughtUp)
            case "fill":
                guard arguments.count == 4 else { reporter.fail("wrong arguments: \(arguments)") }
                try await Filler(store: store, reporter: reporter, ballast: arguments[2], dies: arguments[3] == "die")
                    .run()
            case "pour":
                guard arguments.count == 3, let size = Int(arguments[2]) else {
                    reporter.fail("wrong arguments: \(arguments)")
                }
                try await Pourer(store: store, reporter: reporter).run(size << 20)
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
    static func work(on store: any StoreEngine, name: String, seed: UInt64, reporter: Reporter) async throws {
        let mapping = try await Consumer(reporter: reporter).mapping(on: store)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await mapping.run(until: .stopped) }
            try await withThrowingTaskGroup(of: Void.self) { producers in
                for producer in 0..<3 {
                    producers.addTask {
                        var putter = Putter(
                            name: "\(name).\(producer)", seed: seed &+ UInt64(producer), store: store,
                            reporter: reporter)
                        try await putter.run(limit: 250)
                    }
                }
                try await withThrowingTaskGroup(of: Void.self) { resharding in
                    if CrashStore.Mode.churns {
                        resharding.addTask {
                            var resharder = Resharder(store: store, random: SeededRandom(~seed))
                            try await resharder.run()
                        }
                    }
                    try await producers.waitForAll()
                    resharding.cancelAll()
                }
            }
            mapping.triggerGracefulShutdown()
            try await group.waitForAll()
        }
    }
}

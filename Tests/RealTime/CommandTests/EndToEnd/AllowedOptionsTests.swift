import Foundation
import TestSupport
import Testing

/// Every option with a range takes the bounds and special values that its message names, and refuses their neighbours.
@Suite(.timeLimit(.minutes(2))) struct AllowedOptionsTests {
    /// An option: the command line before its value, what is refused, and what is taken. The commands end at once in any
    /// case, as there is no store.
    struct Option: Sendable, CustomTestStringConvertible {
        var line: String
        var words: String
        var refused: [String]
        var taken: [String]
        var testDescription: String { line }
    }

    private static let consume = "consume s --mapping m --exec cat"
    static let options = [
        Option(
            line: "stream create s --shards", words: "--shards VALUE (allowed: 1 to 10000)",
            refused: ["0", "10001", "-1"], taken: []),
        Option(
            line: "stream create s --retention", words: "--retention VALUE (allowed: 1s to 365d)",
            refused: ["0", "999ms", "366d", "0.9s"], taken: []),
        Option(
            line: "stream create s --max-record-size", words: "--max-record-size VALUE (allowed: 1 to 10485760 bytes)",
            refused: ["0", "10485761", "11MiB"], taken: []),
        Option(
            line: "tail s --limit", words: "--limit VALUE (allowed: at least 1)", refused: ["0", "-1"],
            taken: ["1", "9223372036854775807"]),
        Option(
            line: "put s --key k --rate", words: "(allowed: above 0, up to 1000000000 records a second)",
            refused: ["0", "-1", "1000000001", "nan", "inf"], taken: ["0.001", "1000000000"]),
        Option(
            line: "\(consume) --batch-size", words: "--batch-size VALUE (allowed: 1 to 10000)",
            refused: ["0", "10001", "-1"], taken: ["1", "10000"]),
        Option(
            line: "\(consume) --batch-window", words: "--batch-window VALUE (allowed: 0s to 5m)",
            refused: ["301s", "5.1m"], taken: ["0", "300s", "5m", "5min"]),
        Option(
            line: "\(consume) --parallelization-factor", words: "--parallelization-factor VALUE (allowed: 1 to 10)",
            refused: ["0", "11", "-1"], taken: ["1", "10"]),
        Option(
            line: "\(consume) --max-retries", words: "--max-retries VALUE (allowed: 0 to 10000, or -1 for no limit)",
            refused: ["-2", "10001"], taken: ["0", "10000", "-1"]),
        Option(
            line: "\(consume) --max-age", words: "--max-age VALUE (allowed: 1m to 7d, or -1 for no limit)",
            refused: ["59s", "604801s", "0", "8d"], taken: ["60s", "604800", "7d", "1w", "-1"]),
        Option(
            line: "\(consume) --timeout", words: "--timeout VALUE (allowed: 1ms to 1d)",
            refused: ["0", "86401s", "0.0001s"], taken: ["1ms", "0.001s", "1d"]),
        Option(
            line: "\(consume) --concurrency", words: "--concurrency VALUE (allowed: 1 to 10000)",
            refused: ["0", "-1", "10001"], taken: ["1", "10000"]),
        Option(
            line: "\(consume) --filter", words: "--filter, number 1: invalid filter pattern definition, byte ",
            refused: ["", "{}", "a", #"{"data":"a"}"#, #"{"type":["a"]}"#],
            taken: [#"{"data":{"a":[1]}}"#, #"{"partitionKey":[{"prefix":"-"}]}"#]),
        Option(
            line: "\(consume) --when-exhausted",
            words: "what becomes of such records is give-up, park-key or pause-shard",
            refused: ["park", "", "PARK-KEY", "giveUp"], taken: ["give-up", "park-key", "pause-shard"]),
        Option(
            line: "\(consume) --breaker", words: "--breaker VALUE (allowed: 1 to 99 percent, or -1 for none)",
            refused: ["0", "100"], taken: ["1", "99", "-1"]),
        Option(
            line: "\(consume) --redrive-rate",
            words: "--redrive-rate VALUE (allowed: 1 to 1000000 records a second, or -1 for no limit)",
            refused: ["0", "1000001"], taken: ["1", "1000000", "-1"]),
        Option(
            line: "\(consume) --maximum-parked-records-per-key",
            words: "--maximum-parked-records-per-key VALUE (allowed: 1 to 100000000)",
            refused: ["0", "-1", "100000001"], taken: ["1", "100000000"]),
        Option(
            line: "\(consume) --maximum-parked-records",
            words: "--maximum-parked-records VALUE (allowed: 1 to 100000000)", refused: ["0", "100000001"],
            taken: ["1", "100000000"]),
        Option(
            line: "\(consume) --when-exhausted park-key --tumbling-window",
            words: "--when-exhausted park-key with --tumbling-window (allowed: give-up", refused: ["1s"], taken: ["0"]),
        Option(
            line: "mapping keys s m --group", words: "a group has 16 hexadecimal digits",
            refused: ["", "abc", "67eb9b242de3b25g", "67eb9b242de3b2580"],
            taken: ["67eb9b242de3b258", "67EB9B242DE3B258"]),
        Option(
            line: "mapping keys s m --parked-since", words: "an age such as 15m or -15m",
            refused: ["", "latest", "17", "yesterday", "2019-02-29"],
            taken: ["15m", "-15m", "2026-01-31T08:30:00Z", "1769848200.000"]),
        Option(
            line: "\(consume) --grace", words: "--grace VALUE (allowed: 0s to 1h)", refused: ["3601s", "2h"],
            taken: ["0", "1h"]),
        Option(
            line: "\(consume) --on-failure",
            words: "dead-letter-stream, stream:NAME, file:PATH, url:URL, exec:COMMAND or none",
            refused: ["queue:x", "stream", "", "NONE", "own:x"],
            taken: ["dead-letter-stream", "stream:x", "file:/tmp/x", "none"]),
        Option(
            line: "\(consume) --on-failure", words: "(allowed: a name of 1 to 128 of a-z A-Z 0-9 _ . -, and neither",
            refused: ["stream:", "stream:.", "stream:a b"], taken: ["stream:..."]),
        Option(
            line: "\(consume) --batch-window",
            words:
                "a number and ms, s, m (or min), h, d or w, such as 500ms, 90s, 1.5h or 7d; a number alone is in seconds",
            refused: ["1x", "s", "-1s", "", "1 s"], taken: ["1.5s", "0.01h", "0w", "0d", "1", "9ms"]),
        Option(
            line: "stream create s --max-record-size",
            words: "a number of bytes, or of K or KiB (1,024 bytes), M or MiB, kB (1,000) or MB",
            refused: ["1x", "", "-1", "1GiB"], taken: []),
        Option(
            line: "tail s --shard", words: "a shard is named 3 or shardId-000000000003",
            refused: ["-1", "x", "", "shard-3", "2147483648"], taken: ["3", "shardId-000000000003", "2147483647"]),
        Option(
            line: "tail s --limit",
            words: "'VALUE' is invalid for '--limit <limit>': a whole number is wanted, such as 100",
            refused: ["abc", "1.5", "", "0x10", "1_000"], taken: ["99999999999999999999"]),
        Option(
            line: "\(consume) --batch-size", words: "--batch-size 9223372036854775807 (allowed: 1 to 10000)",
            refused: ["99999999999999999999"], taken: []),
        Option(
            line: "put s --key k --rate",
            words: "'VALUE' is invalid for '--rate <rate>': a number is wanted, such as 500 or 0.5",
            refused: ["abc", "", "5/s"], taken: ["1e3"]),
        // What is taken here would run: only that the refused is told with what is taken elsewhere.
        Option(
            line: "bench --records", words: "--records VALUE (allowed: 1 to 1000000000000)",
            refused: ["0", "-1", "1000000000001"], taken: []),
        Option(
            line: "bench --size", words: "--size VALUE (allowed: 24 to 1048576)", refused: ["23", "2MiB"], taken: []),
        Option(line: "bench --shards", words: "--shards 0 (allowed: 1 to 10000)", refused: ["0", "1,0"], taken: []),
        Option(
            line: "bench --shards", words: "numbers with commas between them", refused: ["", "1,,2", "1;2", "a"],
            taken: []),
        Option(
            line: "bench --mappings", words: "--mappings VALUE (allowed: 1 to 100)", refused: ["0", "101"], taken: []),
        Option(
            line: "bench --producers", words: "--producers VALUE (allowed: 1 to 255)", refused: ["0", "256"], taken: []),
        Option(
            line: "bench --batch", words: "--batch VALUE (allowed: 1 to 100000)", refused: ["0", "100001"], taken: []),
        Option(
            line: "bench --consumer-batch", words: "--consumer-batch VALUE (allowed: 1 to 10000)",
            refused: ["0", "10001"], taken: []),
        Option(
            line: "bench --parallelization-factor", words: "--parallelization-factor VALUE (allowed: 1 to 10)",
            refused: ["0", "11"], taken: []),
        Option(line: "bench --call-time", words: "(allowed: 0 to 60s)", refused: ["61s"], taken: []),
        Option(
            line: "bench --rate", words: "(allowed: 1 to 100000000 a second)", refused: ["0.5", "nan", "100000001"],
            taken: []),
        Option(
            line: "bench --durability", words: "VALUE (allowed: above 0, up to 60s)",
            refused: ["interval:0", "interval:61s"], taken: []),
    ]

    @Test(arguments: options) func `a refused value is told with what is allowed, which is taken`(option: Option)
        async throws
    {
        let folder = TestDirectory()
        let line = option.line.split(separator: " ").map(String.init)
        try await sideBySide(2) { lane in
            let (refused, taken) = (option.refused, option.taken)
            for (index, value) in (refused + taken).enumerated() where index % 2 == lane {
                let end = try await BadInputTests.shardline(line + [value], folder, input: "x\n")
                if index < refused.count {
                    #expect(end.status == 64, "\(value): \(end.errors)")
                    #expect(
                        end.errors.contains(option.words.replacing("VALUE", with: value))
                            && end.errors.filter { $0 == "\n" }.count == 1, "\(value): \(end.errors)")
                } else {
                    #expect(
                        end.status == 74 && end.errors.contains("there is no store in"), "\(value): \(end.errors)")
                }
            }
        }
        #expect(!FileManager.default.fileExists(atPath: folder.path("store")))
    }

    @Test func `bounds of a new stream are taken`() async throws {
        let folder = TestDirectory()
        for (index, more) in [
            ["--shards", "1"], ["--shards", "10000"], ["--retention", "1s"], ["--retention", "365d"],
            ["--max-record-size", "1"], ["--max-record-size", "10MiB"], ["--max-record-size", "10485760"],
            ["--max-record-size", "1kB"], ["--max-record-size", "1K"], ["--max-record-size", "1MB"],
        ].enumerated() {
            let end = try await BadInputTests.shardline(["stream", "create", "s\(index)"] + more, folder)
            #expect(end.status == 0, "\(more): \(end.errors)")
        }
    }
}

import TestSupport
import Testing

@testable import ShardlineCLI

/// A name, an option or an argument that there isn't is told with those that there are.
@Suite struct CommandNameTests {
    @Test(
        arguments: [
            (
                "mapping frobnicate a b",
                "there is no command 'shardline mapping frobnicate'; there are list, describe, seek, delete"
            ),
            (
                "mapping descrbe a b",
                "'shardline mapping descrbe' (did you mean 'shardline mapping describe'?); there are list, "
            ),
            ("mapping del a b", "(did you mean 'shardline mapping delete'?)"),
            ("mapping LIST", "(did you mean 'shardline mapping list'?)"),
            ("stream lsit", "(did you mean 'shardline stream list'?); there are create, "),
            ("streams list", "(did you mean 'shardline stream'?); there are stream, put"),
            ("list", "(did you mean 'shardline stream list' or 'shardline mapping list'?)"),
            ("seek s m", "(did you mean 'shardline mapping seek'?)"),
            ("stream put s", "(did you mean 'shardline put'?)"),
            ("frobnicate", "there is no command 'shardline frobnicate'; there are stream, put, tail"),
            ("frobnicate --help", "there is no command 'shardline frobnicate'"),
            ("mapping frobnicate --help", "there is no command 'shardline mapping frobnicate'"),
            ("--data x frobnicate", "there is no command 'shardline frobnicate'"),
            ("help mapping descrbe", "(did you mean 'shardline mapping describe'?)"),
            ("mapping help descrbe", "(did you mean 'shardline mapping describe'?)"),
            ("help put bogus", "no commands below it"),
            ("mapping", "no command is named behind 'shardline mapping'; there are list"),
            ("stream --data x", "no command is named behind 'shardline stream'; there are create"),
            ("--data x", "no command is named behind 'shardline'; there are stream"),
            ("--verbose stream list", "other options come after the command"),
            ("mapping --frob list", "other options come after the command"),
            ("stream create s --shrads 3", "Did you mean '--shards'?; see `shardline help stream create`"),
            (
                "consume s --mapping m --exec cat --batchsize 3",
                "Did you mean '--batch-size'?; see `shardline help consume`"
            ),
            ("consume s --maping m --exec cat", "unknown option '--maping' (did you mean '--mapping'?); see"),
            ("mapping describe", "'<stream>'; see `shardline help mapping describe`"),
            ("put s --key", "Missing value for '--key <key>'; see `shardline help put`"),
            ("tail s more", "'more'; see `shardline help tail`"),
        ])
    func `a wrong command line is answered in one line, with exit code 64`(line: String, part: String) async throws {
        let end = try await BuiltProgram.shardline.run(
            line.split(separator: " ").map(String.init), environment: ["SHARDLINE_DATA": "/does/not/exist"])
        #expect(end.status == 64 && end.output.isEmpty, "\(end.output)")
        #expect(end.errors.contains(part) && end.errors.filter { $0 == "\n" }.count == 1, "\(end.errors)")
    }

    @Test func `every group and every command is known by all of its names, and the nearest is found`() throws {
        for (given, parsed) in [
            ("--data d stream list --json", "stream list --data d --json"),
            ("stream --data=d list", "stream list --data=d"), ("mapping help list", "help mapping list"),
            ("help mapping", "help mapping"), ("mapping --help", "mapping --help"), ("--version", "--version"),
            ("put s -- --data x", "put s -- --data x"), ("", ""),
        ] {
            let words = given.split(separator: " ").map(String.init)
            #expect(try CommandPath(words).arguments.joined(separator: " ") == parsed)
        }
        let names = ["list", "describe", "seek", "delete"]
        #expect(CommandPath.nearest(to: "dlete", of: names) == "delete")
        #expect(CommandPath.nearest(to: "seke", of: names) == "seek")
        #expect(CommandPath.nearest(to: "lost", of: names) == "list")
        #expect(CommandPath.nearest(to: "x", of: names) == nil)
        #expect(CommandPath.nearest(to: "", of: names) == nil)
        #expect(CommandPath.nearest(to: "frobnicate", of: names) == nil)
    }
}

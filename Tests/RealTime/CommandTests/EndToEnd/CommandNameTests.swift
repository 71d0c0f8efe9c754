import TestSupport
import Testing

@testable import ShardlineCLI

/// A name, an option or an argument that there isn't is told with those that there are.
@Suite struct CommandNameTests {
    @Test(
        arguments: [
            (
                "mapping frobnicate a b",
                "there is no command 'shardline mapping frobnicate'; there are list, describe, update, disable, enable, seek, delete"
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
            (
                "stream mak",
                "'shardline stream mak' (did you mean 'shardline stream create'?); there are create, list, "
            ),
            ("stream rm s", "(did you mean 'shardline stream delete'?)"),
            ("stream show", "(did you mean 'shardline stream list' or 'shardline stream describe'?)"),
            ("mapping reset s m", "(did you mean 'shardline mapping update' or 'shardline mapping seek'?)"),
            ("keys s m", "(did you mean 'shardline mapping keys'?)"),
            ("mapping redrive s m", "(did you mean 'shardline redrive'?)"),
            ("release s m", "(did you mean 'shardline redrive'?)"),
            ("benchmark", "(did you mean 'shardline bench'?)"), ("read s", "(did you mean 'shardline tail'?)"),
            (
                "mapping frob",
                "there is no command 'shardline mapping frob'; there are list, describe, update, disable, enable, seek, delete"
            ),
            ("mapping frobnicate --help", "there is no command 'shardline mapping frobnicate'"),
            ("--data x frobnicate", "there is no command 'shardline frobnicate'"),
            ("help mapping descrbe", "(did you mean 'shardline mapping describe'?)"),
            ("mapping help descrbe", "(did you mean 'shardline mapping describe'?)"),
            ("help put bogus", "no commands below it"),
            ("mapping", "no command is named after 'shardline mapping'; there are list"),
            ("stream --data x", "no command is named after 'shardline stream'; there are create"),
            ("--data x", "no command is named after 'shardline'; there are stream"),
            ("--verbose stream list", "other options come after the command"),
            ("mapping --frob list", "other options come after the command"),
            (
                "stream create s --shrads 3",
                "unknown option '--shrads' (did you mean '--shards'?); there are --shards, --retention, --max-record-size, --if-not-exists, --data, --verbose, --version, --help; see `shardline help stream create`"
            ),
            (
                "consume s --mapping m --exec cat --batchsize 3",
                "unknown option '--batchsize' (did you mean '--batch-size'?); there are --exec, --url, --mapping, --from, "
            ),
            ("check --foo", "unknown option '--foo'; there are --json, --data, --verbose, --version, --help; see"),
            ("put s --json-lines=x", "unknown option '--json-lines'; there are --key, --key-field, "),
            ("tail s -q", "unknown option '-q'; there are --from, --shard, --follow, "),
            ("stream list --jsn", "unknown option '--jsn' (did you mean '--json'?); there are --json, --data, "),
            ("stream describe s --jsn", "unknown option '--jsn' (did you mean '--json'?); there are "),
            (
                "stream update s --retention 1d --dryrun",
                "unknown option '--dryrun' (did you mean '--dry-run'?); there are "
            ),
            (
                "stream delete s --forec",
                "unknown option '--forec' (did you mean '--force'?); there are --force, --yes, "
            ),
            ("stream scale s 4 --dryrun", "unknown option '--dryrun' (did you mean '--dry-run'?); there are "),
            ("stream split s 0 --att 4", "unknown option '--att' (did you mean '--at'?); there are --at, "),
            ("stream merge s 0 1 --jsn", "unknown option '--jsn' (did you mean '--json'?); there are "),
            ("mapping list --jsn", "unknown option '--jsn' (did you mean '--json'?); there are "),
            ("mapping describe s m --jsn", "unknown option '--jsn' (did you mean '--json'?); there are "),
            (
                "mapping seek s m --to latest --shrad 1",
                "unknown option '--shrad' (did you mean '--shard'?); there are --to, "
            ),
            ("mapping delete s m --yess", "unknown option '--yess' (did you mean '--yes'?); there are --yes, "),
            ("repair --aply", "unknown option '--aply' (did you mean '--apply'?); there are --apply, "),
            ("backup x --dat y", "unknown option '--dat' (did you mean '--data'?); there are --data, "),
            ("restore x --dat y", "unknown option '--dat' (did you mean '--data'?); there are --data, "),
            (
                "bench --rcords 1",
                "unknown option '--rcords' (did you mean '--records'?); there are --records, --size, "
            ),
            ("demo --nokill", "unknown option '--nokill' (did you mean '--no-kill'?); there are --input, "),
            (
                "consume s --maping m --exec cat",
                "unknown option '--maping' (did you mean '--mapping'?); there are --exec, "
            ),
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

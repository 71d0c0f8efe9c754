#if Server
import Foundation
import TestSupport
import Testing

/// What the README shows of a store in place of Kinesis, run as it is written.
@Suite struct ReadmeClientTests {
    @Test func `the README's lines bring a record to a client of AWS and back`() async throws {
        let readme = try String(contentsOfFile: "\(PackageFolder.path)/README.md", encoding: .utf8)
        let parts = readme.components(separatedBy: "```bash\n")
        try #require(parts.count == 2, "the README has one block of bash")
        let block = try #require(parts[1].components(separatedBy: "\n```\n").first)
        var lines = block.split(separator: "\n", omittingEmptySubsequences: false)
        // What is tested is built already.
        try #require(lines.removeFirst().hasPrefix("make install PREFIX=~/.local && "))
        let programs = URL(filePath: BuiltProgram.shardline.path).deletingLastPathComponent().path
        let script = """
            set -e
            (exec 3<>/dev/tcp/127.0.0.1/4567) 2>/dev/null && { echo 'the port 4567 is taken' >&2; exit 75; }
            folder=$(mktemp -d)
            trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$folder"' EXIT
            cd "$folder"
            export PATH=\(programs):$PATH
            \(lines.joined(separator: "\n"))
            """
        let end = try await BuiltProgram(path: "/bin/bash").run(["-c", script])
        let offline = ["NewConnectionError", "name resolution", "Network is unreachable", "No matching distribution"]
        guard end.status != 75, !offline.contains(where: { end.errors.contains($0) }) else {
            try Test.cancel("\(end.errors.suffix(300))")
        }
        #expect(end.status == 0, "\(end.errors.suffix(2000))")
        #expect(end.output.contains(#"'Data': b'{"total": 12}', 'PartitionKey': 'ada'"#), "\(end.output.suffix(2000))")
    }
}
#endif

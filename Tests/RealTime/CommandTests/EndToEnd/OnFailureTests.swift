import Foundation
import TestSupport
import Testing

/// `--on-failure` with what `consume` brings: a command, an endpoint (ESM-D11).
@Suite(.timeLimit(.minutes(2))) struct OnFailureTests {
    private static func prepared() async throws -> TestDirectory {
        let folder = TestDirectory()
        _ = try await BadInputTests.shardline(["stream", "create", "s", "--shards", "1"], folder)
        _ = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "a\nb\n")
        return folder
    }

    private static func consume(_ destination: String, _ folder: TestDirectory) async throws -> BuiltProgram.End {
        try await BadInputTests.shardline(
            [
                "consume", "s", "--mapping", "m", "--until-caught-up", "--fail-on-given-up", "--max-retries", "0",
                "--no-bisect", "--exec", #"while read -r l; do echo '{"errorMessage":"down"}'; done"#, "--on-failure",
                destination,
            ], folder)
    }

    private static func document(_ text: some StringProtocol) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test func `a command gets each document as a line, until it takes it (ESM-D9, ESM-D11)`() async throws {
        let folder = try await Self.prepared()
        // It refuses the first time, and says nothing the second.
        let command = """
            while read -r l; do echo "$l" >> '\(folder.path)/documents'
            case $(wc -l < '\(folder.path)/documents') in 1) echo '{"errorMessage":"full"}';; 2) exit 1;; *) echo '{}';; esac
            done
            """
        let end = try await Self.consume("exec:\(command)", folder)
        #expect(
            end.status == 3 && end.output.contains("given up       2 records, in the command 'while read -r l;"),
            "\(end)")
        #expect(end.errors.contains("full"), "\(end.errors)")
        let lines = try String(contentsOf: folder.url("documents"), encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 3)
        let documents = try lines.map { try Self.document($0) }
        #expect(Set(documents.map { $0["id"] as? String }).count == 1)
        let payload = try #require(documents[2]["payload"] as? [String: Any])
        #expect((payload["Records"] as? [Any])?.count == 2)
        let streams = try await BadInputTests.shardline(["stream", "list"], folder)
        #expect(!streams.output.contains("failed"), "\(streams.output)")
        let described = try await BadInputTests.shardline(["mapping", "describe", "s", "m"], folder)
        #expect(described.output.contains(#/--on-failure +exec:while read -r l; do .*\\n/#), "\(described.output)")
    }

    @Test(arguments: [
        ("exec:", "--on-failure exec: is empty"),
        ("exec:nothing-of-that-name", "'nothing-of-that-name' of --on-failure exec:"),
        ("url:localhost", "(allowed: http:// or https://"),
        ("own:x", "a destination is dead-letter-stream, stream:NAME"),
        ("elsewhere", "url:URL, exec:COMMAND or none"),
    ]) func `a destination that can't be is named before anything is done`(destination: String, part: String)
        async throws
    {
        let folder = try await Self.prepared()
        let end = try await Self.consume(destination, folder)
        #expect(end.status == 64 && end.errors.contains(part), "\(end)")
        let mappings = try await BadInputTests.shardline(["mapping", "list"], folder)
        #expect(!mappings.output.contains("m"), "\(mappings.output)")
    }

    @Test(arguments: ["exec:cat", "url:http://127.0.0.1:1/"])
    func `an update can't bring a destination to a process that runs`(destination: String) async throws {
        let folder = try await Self.prepared()
        _ = try await Self.consume("none", folder)
        let end = try await BadInputTests.shardline(
            ["mapping", "update", "s", "m", "--on-failure", destination], folder)
        #expect(end.status == 64 && end.errors.contains("give it to `shardline consume`"), "\(end)")
    }

    #if Server
    @Test func `an endpoint gets each document in a POST, until it takes it (ESM-D9, ESM-D11)`() async throws {
        let folder = try await Self.prepared()
        let server = try await EndpointServer([
            .init(status: 500, body: "full"), .init(status: 302, fields: ["Location": "/"]),
            .init(status: 202, body: "OK"),
        ])
        let end = try await Self.consume("url:\(server.url)", folder)
        #expect(
            end.status == 3 && end.output.contains("given up       2 records, in the endpoint \(server.url)"), "\(end)")
        #expect(end.errors.contains("the endpoint answered 500 Internal Server Error: full"), "\(end.errors)")
        let requests = try server.requests()
        #expect(requests.count == 3)
        let document = try #require(requests[0].document)
        #expect((document["requestContext"] as? [String: Any])?["condition"] as? String == "RetryAttemptsExhausted")
        for request in requests {
            #expect(request.fields["content-type"] == "application/json")
            #expect(request.fields["idempotency-key"] == document["id"] as? String)
        }
        #expect((document["payload"] as? [String: Any])?.keys.map { $0 } == ["Records"])
    }

    /// The lane is blocked, the function is not called again, and nothing is lost.
    @Test func `an endpoint that takes nothing holds the records until it does (ESM-D9, ESM-D11)`() async throws {
        let folder = try await Self.prepared()
        let server = try await EndpointServer([.init(status: 404)])
        let command = try RunningCommand(
            [
                "consume", "s", "--mapping", "m", "--max-retries", "0", "--no-bisect", "--exec",
                "while read -r l; do echo \"$l\" >> '\(folder.path)/calls'; echo '{\"errorMessage\":\"down\"}'; done",
                "--on-failure", "url:\(server.url)",
            ], store: folder.path("store"))
        #expect(try await command.wait { _ in (try? server.requests().count) == 2 }, "\(command.errors)")
        command.signal(SIGINT)
        #expect(try await command.end() == 0, "\(command.errors)")
        #expect(try String(contentsOf: folder.url("calls"), encoding: .utf8).split(separator: "\n").count == 1)
        #expect(command.errors.contains("the endpoint answered 404 Not Found"), "\(command.errors)")
        let again = try await EndpointServer([.init()])
        let end = try await Self.consume("url:\(again.url)", folder)
        #expect(end.status == 3 && end.output.contains("given up       2 records, in the endpoint http"), "\(end)")
        #expect(try again.requests().count == 1)
    }
    #endif
}

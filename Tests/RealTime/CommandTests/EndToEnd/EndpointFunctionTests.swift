import Foundation
import TestSupport
import Testing

/// `consume --url`, as an operator meets it (ESM-R21).
@Suite(.timeLimit(.minutes(2))) struct EndpointFunctionTests {
    @Test(arguments: [
        ([], "give --exec COMMAND or --url URL"), (["--exec", "cat", "--url", "http://a"], "give only one of --exec"),
        (["--url", "http://a", "--warm", "1"], "--warm and --tell-invocation are for a command"),
        (["--url", "http://a", "--tell-invocation"], "--warm and --tell-invocation are for a command"),
        (["--url", "localhost:80"], "--url 'localhost:80' (allowed: http:// or https:// with a host"),
        (["--url", "http://me:pw@a"], "without a user and a password"),
    ]) func `a mapping has one function, and a URL that can be one`(arguments: [String], part: String) async throws {
        let folder = try await BadInputTests.store()
        let end = try await BadInputTests.shardline(["consume", "a", "--mapping", "m"] + arguments, folder)
        #expect(end.status == 64, "\(end)")
        #expect(end.errors.contains(part), "\(end.errors)")
        let mappings = try await BadInputTests.shardline(["mapping", "list"], folder)
        #expect(!mappings.output.contains("m"), "\(mappings.output)")
    }

    #if !Server
    @Test func `a build without HTTP says which one has it`() async throws {
        let folder = try await BadInputTests.store()
        let end = try await BadInputTests.shardline(["consume", "a", "--mapping", "m", "--url", "http://a"], folder)
        #expect(end.status == 64 && end.errors.contains("`make install`"), "\(end)")
    }
    #else
    /// A store with the records `a`, `b` and `c` of one key.
    private static func prepared() async throws -> TestDirectory {
        let folder = TestDirectory()
        _ = try await BadInputTests.shardline(["stream", "create", "s", "--shards", "1"], folder)
        _ = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "a\nb\nc\n")
        return folder
    }

    private static func arguments(_ url: String, _ more: [String]) -> [String] {
        [
            "consume", "s", "--mapping", "m", "--until-caught-up", "--fail-on-given-up", "--max-retries", "0", "--url",
            url,
        ]
            + more
    }

    private static func consume(_ server: EndpointServer, _ more: [String] = [], _ folder: TestDirectory) async throws
        -> BuiltProgram.End
    {
        try await BadInputTests.shardline(arguments(server.url, more), folder)
    }

    @Test func `an endpoint gets each event in a POST, with what Lambda's runtime tells of it (ESM-R21)`() async throws
    {
        let folder = try await Self.prepared()
        let server = try await EndpointServer([.init(), .init(body: "")])
        let before = Date().timeIntervalSince1970 * 1000
        let end = try await Self.consume(server, ["--batch-size", "2", "--timeout", "100s"], folder)
        #expect(end.status == 0 && end.output.contains("delivered      3 records"), "\(end)")
        let requests = try server.requests()
        #expect(requests.map(\.records.count) == [2, 1])
        for request in requests {
            #expect(request.path == "/events?x=1")
            #expect(request.fields["content-type"] == "application/json")
            #expect(UUID(uuidString: request.fields["lambda-runtime-aws-request-id"] ?? "") != nil)
            let deadline = try #require(Double(request.fields["lambda-runtime-deadline-ms"] ?? ""))
            #expect(deadline >= (before + 100_000).rounded(.down))
            #expect(deadline <= Date().timeIntervalSince1970 * 1000 + 100_000)
            #expect(request.fields["shardline-stream"] == "s" && request.fields["shardline-mapping"] == "m")
            #expect(request.fields["shardline-stream-id"]?.isEmpty == false)
            #expect(request.fields["traceparent"] == nil)
            #expect(Set(request.document?.keys.map { $0 } ?? []) == ["Records"])
        }
        #expect(Set(requests.map(\.port)).count == 1, "one connection for both")
    }

    @Test func `what an endpoint reports as failed is delivered again from there (ESM-R10, ESM-R21)`() async throws {
        let folder = try await Self.prepared()
        let report = #"{"batchItemFailures": [{"itemIdentifier": "@1"}]}"#
        let server = try await EndpointServer([.init(body: report), .init()])
        let end = try await Self.consume(server, [], folder)
        #expect(end.status == 0 && end.output.contains("delivered      3 records"), "\(end)")
        #expect(try server.requests().map(\.records.count) == [3, 2])
    }

    @Test(arguments: [
        (
            EndpointServer.Answer(status: 500, body: "boom at line 7"),
            "the endpoint answered 500 Internal Server Error: boom at line 7"
        ),
        (
            .init(status: 302, fields: ["Location": "http://127.0.0.1:1/"]),
            "a redirect to http://127.0.0.1:1/, which is not followed"
        ),
        (.init(body: "OK"), "the answer is no JSON: 'OK'"),
        (.init(body: #"{"status":"ok"}"#), "the endpoint answered an object with 'status' only"),
        (
            .init(fields: ["X-Amz-Function-Error": "Unhandled"], body: #"{"errorMessage":"bad","errorType":"Odd"}"#),
            #""type":"Odd","text":"bad""#
        ),
        (
            .init(body: String(repeating: "x", count: 1 << 20), times: 7),
            "the endpoint's answer is longer than 6291456 bytes"
        ),
        (.init(hangsUp: true), "the endpoint has not answered: "),
    ]) func `an answer that is none fails the batch and says why (ESM-R21)`(
        answer: EndpointServer.Answer, words: String
    ) async throws {
        let folder = try await Self.prepared()
        let server = try await EndpointServer([answer])
        let end = try await Self.consume(server, ["--no-bisect"], folder)
        #expect(end.status == 3 && end.output.contains("given up       3 records"), "\(end)")
        #expect(try server.requests().count == 1)
        let failed = try await BadInputTests.shardline(["tail", "s.m.failed", "--raw", "--limit", "1"], folder)
        #expect(failed.output.contains(words), "\(failed)")
    }

    @Test func `an endpoint without room costs no attempt (ESM-A4, ESM-A6)`() async throws {
        let folder = try await Self.prepared()
        let server = try await EndpointServer([.init(status: 429, body: "slow down"), .init(status: 503), .init()])
        let end = try await Self.consume(server, [], folder)
        #expect(end.status == 0 && end.output.contains("delivered      3 records"), "\(end)")
        #expect(try server.requests().map(\.records.count) == [3, 3, 3])
        #expect(end.errors.contains("the endpoint answered 429 Too Many Requests: slow down"), "\(end.errors)")
    }

    @Test func `an endpoint that is not there yet is tried until it is, at the cost of no attempt (ESM-A6)`()
        async throws
    {
        let folder = try await Self.prepared()
        let first = try await EndpointServer([.init()])
        first.end()
        let command = try RunningCommand(Self.arguments(first.url, []), store: folder.path("store"))
        #expect(
            try await command.wait { $0.errors.contains("the endpoint can't be connected to") }, "\(command.errors)")
        let second = try await EndpointServer([.init()], port: first.port)
        #expect(try await command.end() == 0, "\(command.errors)")
        #expect(command.output.contains("delivered      3 records"), "\(command.output)")
        #expect(try second.requests().count == 1)
    }

    @Test func `a server whose certificate nobody vouches for is not reached (ESM-A6)`() async throws {
        let folder = try await Self.prepared()
        let made = try await BuiltProgram(path: "/usr/bin/env").run([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
            "2",
            "-subj", "/CN=localhost", "-keyout", folder.path("pem"), "-out", folder.path("certificate"),
        ])
        #expect(made.status == 0, "\(made.errors)")
        let both = try ["pem", "certificate"].map { try String(contentsOf: folder.url($0), encoding: .utf8) }.joined()
        try both.write(to: folder.url("both"), atomically: true, encoding: .utf8)
        let server = try await EndpointServer([.init()], certificate: folder.path("both"))
        let command = try RunningCommand(
            Self.arguments("https://127.0.0.1:\(server.port)/", []), store: folder.path("store"))
        #expect(
            try await command.wait { $0.errors.contains("the endpoint can't be connected to: ") }, "\(command.errors)")
        command.signal(SIGINT)
        #expect(try await command.end() == 0, "\(command.errors)")
        #expect(command.output.contains("given up       0 records"), "\(command.output)")
        #expect(try server.requests().isEmpty)
    }

    @Test func `the connection ends with the time limit, and the batch has failed (ESM-R18, ESM-R21)`() async throws {
        let folder = try await Self.prepared()
        let server = try await EndpointServer([.init(pause: 60), .init()])
        let end = try await Self.consume(server, ["--timeout", "300ms", "--max-retries", "1", "--no-bisect"], folder)
        #expect(end.status == 0 && end.output.contains("delivered      3 records"), "\(end)")
        #expect(end.errors.contains("the function took longer than 300ms"), "\(end.errors)")
        #expect(try server.requests().count == 2)
        await eventually { server.wasHungUpOn }
    }

    @Test func `the connection ends with the grace time of an interruption (ESM-L3, ESM-R21)`() async throws {
        let folder = try await Self.prepared()
        let server = try await EndpointServer([.init(pause: 60), .init()])
        let command = try RunningCommand(
            Self.arguments(server.url, ["--grace", "0s"]), store: folder.path("store"))
        #expect(try await command.wait { _ in (try? server.requests().count) == 1 }, "\(command.errors)")
        command.signal(SIGINT)
        #expect(try await command.end() == 0, "\(command.errors)")
        await eventually { server.wasHungUpOn }
        // Nothing was done with the batch, so it is delivered again.
        let again = try await Self.consume(server, [], folder)
        #expect(again.output.contains("delivered      3 records"), "\(again)")
    }
    #endif
}

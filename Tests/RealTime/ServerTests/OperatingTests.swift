#if Server
import Foundation
import TestSupport
import Testing

/// How a server is started, ended and killed.
@Suite(.serialized, .timeLimit(.minutes(4))) struct OperatingTests {
    private func refused(
        _ arguments: [String], environment: [String: String] = [:]
    ) async throws -> BuiltProgram.End {
        let folder = TestDirectory()
        return try await BuiltProgram.shardline.run(
            ["serve", "--data", folder.path("store")] + arguments, environment: environment)
    }

    @Test func `it prints what clients need, and makes a store (API-P-10)`() async throws {
        let server = try await RunningServer(["--region", "eu-west-1"])
        #expect(
            server.output == """
                listening on \(server.url)
                export AWS_ENDPOINT_URL_KINESIS=\(server.url)
                export AWS_REGION=eu-west-1 AWS_DEFAULT_REGION=eu-west-1
                export AWS_ACCESS_KEY_ID=shardline AWS_SECRET_ACCESS_KEY=shardline

                """)
        let created = try await server.call("CreateStream", #"{"StreamName":"s","ShardCount":1}"#)
        #expect(created.status == 200)
        #expect(FileManager.default.fileExists(atPath: server.folder.path("store")))
    }

    @Test(arguments: [SIGTERM, SIGINT]) func `a signal lets it end in order`(signal: Int32) async throws {
        let server = try await RunningServer()
        let silent = try RawConnection(port: server.port)
        let idle = try RawConnection(port: server.port)
        idle.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        _ = await idle.receive(until: "ok\n")
        server.signal(signal)
        #expect(await server.end() == 0, "\(server.errors)")
        #expect(await silent.receive() == "")
        #expect(await idle.receive() == "")
        // Nobody is the store's owner any more, and it was closed.
        let store = server.folder.path("store")
        let check = try await BuiltProgram.shardline.run(["check", store])
        #expect(check.status == 0, "\(check)")
    }

    /// A subscription sends until it is over: at the latest after five minutes.
    @Test(arguments: ["--http1.1", "--http2-prior-knowledge"])
    func `a subscription is ended in order, and its client may leave`(version: String) async throws {
        let server = try await RunningServer(["--shutdown-grace", "1h", "--no-subscribe-guard"])
        let made = try await server.call("CreateStream", #"{"StreamName":"s","ShardCount":1}"#)
        #expect(made.status == 200, "\(made.end)")
        let consumer = try await server.call(
            "RegisterStreamConsumer",
            #"{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s","ConsumerName":"c"}"#)
        let arn = try #require(consumer.body.firstMatch(of: /"ConsumerARN":"([^"]+)"/)?.1, "\(consumer.end)")
        let body = #"{"ConsumerARN":"\#(arn)","ShardId":"0","StartingPosition":{"Type":"TRIM_HORIZON"}}"#
        let options = [version, "--no-buffer", "--header", "X-Amz-Target: Kinesis_20131202.SubscribeToShard"]
        func subscribe(_ output: String) throws -> SpawnedProcess {
            try SpawnedProcess(
                "/usr/bin/env",
                ["curl", "--silent", "--header", "Content-Type: application/x-amz-json-1.1", "--data", body]
                    + options + RunningServer.signature + [server.url],
                input: "/dev/null", output: server.folder.path(output), errors: server.folder.path("curl-errors"),
                environment: ProcessInfo.processInfo.environment)
        }
        func size(_ output: String) -> Int { (try? Data(contentsOf: server.folder.url(output)).count) ?? 0 }
        let leaving = try subscribe("first")
        await eventually { size("first") > 0 }
        kill(leaving.pid, SIGKILL)
        await eventually { leaving.end(waits: false) != nil }
        let staying = try subscribe("second")
        await eventually { size("second") > 0 }
        server.signal(SIGTERM)
        #expect(await server.end() == 0, "\(server.errors)")
        await eventually { staying.end(waits: false) != nil }
        // A whole answer, which ended as HTTP has it.
        #expect(staying.end(waits: true) == 0)
    }

    @Test func `a second signal ends it at once`() async throws {
        let server = try await RunningServer(["--shutdown-grace", "1h"])
        let connection = try RawConnection(port: server.port)
        connection.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
        // The request has to arrive before the end begins.
        connection.send("a")
        await eventually { (try? await server.curl([], path: "/metrics"))?.body.contains("Connections 2") == true }
        server.signal(SIGTERM)
        await eventually { server.errors.contains("ending when running requests are done") }
        server.signal(SIGTERM)
        #expect(await server.end() == 128 + SIGTERM)
    }

    @Test func `what still runs after the grace is cut off`() async throws {
        let server = try await RunningServer(["--shutdown-grace", "100ms", "--request-time", "1h"])
        let connection = try RawConnection(port: server.port)
        connection.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\na")
        await eventually { (try? await server.curl([], path: "/metrics"))?.body.contains("Connections 2") == true }
        server.signal(SIGTERM)
        #expect(await server.end() == 0, "\(server.errors)")
    }

    @Test func `a server that was killed has what it acknowledged`() async throws {
        let folder = TestDirectory()
        let store = folder.path("store")
        var numbers: [String] = []
        for round in 0..<3 {
            let server = try await RunningServer(store: store)
            if round == 0 {
                let created = try await server.call("CreateStream", #"{"StreamName":"s","ShardCount":1}"#)
                #expect(created.status == 200, "\(created.end)")
            }
            for record in 0..<5 {
                let put = try await server.call(
                    "PutRecord", #"{"StreamName":"s","PartitionKey":"k","Data":"\#(round)\#(record)AA"}"#)
                numbers.append(try #require(try put.member("SequenceNumber"), "\(put.end)"))
            }
            server.signal(SIGKILL)
            #expect(await server.end() == -SIGKILL)
        }
        let server = try await RunningServer(store: store)
        let iterator = try #require(
            try await server.call(
                "GetShardIterator",
                #"{"StreamName":"s","ShardId":"shardId-000000000000","ShardIteratorType":"TRIM_HORIZON"}"#
            ).member("ShardIterator"))
        let got = try await server.call("GetRecords", #"{"ShardIterator":"\#(iterator)"}"#)
        let found = got.body.matches(of: #/"SequenceNumber":"(\d+)"/#).map { String($0.1) }
        #expect(found == numbers, "\(got.end)")
    }

    @Test func `other commands work on its store`() async throws {
        let server = try await RunningServer()
        let store = server.folder.path("store")
        let created = try await BuiltProgram.shardline.run(["stream", "create", "s", "--data", store])
        #expect(created.status == 0, "\(created)")
        #expect(try await server.call("ListStreams").body.contains(#""s""#))
        let second = try await BuiltProgram.shardline.run(["serve", "--port", "0", "--data", store])
        #expect(second.status == 69, "\(second)")
    }

    @Test(
        arguments: [
            (["--port", "65536"], "--port is '65536' (allowed: 0 to 65535; 0: any free one)"),
            (["--port", "none"], "no port to listen on"), (["--host", "0.0.0.0"], "allowed: a loopback address"),
            (["--account", "1"], "allowed: 12 digits"), (["--idle-time", "soon"], "--idle-time is 'soon'"),
            (["--max-body", "5"], "allowed: 1024 to"), (["--tls-port", "0"], "TLS needs all three"),
            (["--min-retention", "25"], "allowed: 1 to 24"), (["--transition-delay", "2h"], "allowed: 0s to 1h"),
            (["--config", "/nonexistent"], "'/nonexistent' can't be read"),
            (["--credentials", "/nonexistent"], "'/nonexistent' can't be read"),
            (
                ["--tls-port", "0", "--tls-certificate", "/dev/null", "--tls-key", "/dev/null"],
                "allowed: a file in PEM"
            ),
        ] as [([String], String)])
    func `a wrong setting is refused with what is allowed`(arguments: [String], message: String) async throws {
        let end = try await refused(arguments)
        #expect(end.status == 64 || end.status == 74, "\(end)")
        #expect(end.errors.contains(message) && end.errors.split(separator: "\n").count == 1, "\(end)")
    }

    @Test func `an option wins over the environment, and that over the file`() async throws {
        let folder = TestDirectory()
        let file = folder.path("settings.json")
        try #"{"account":"1","region":"ap-south-1","port":0,"accept-unsigned":true}"#.write(
            toFile: file, atomically: true, encoding: .utf8)
        let environment = ["SHARDLINE_SERVE_ACCOUNT": "2"]
        #expect(try await refused(["--config", file]).errors.contains("the account is '1'"))
        #expect(try await refused(["--config", file], environment: environment).errors.contains("the account is '2'"))
        #expect(
            try await refused(["--config", file, "--account", "3"], environment: environment).errors.contains(
                "the account is '3'"))
        let server = try await RunningServer(
            ["--config", file, "--port", "0"], environment: ["SHARDLINE_SERVE_ACCOUNT": "111122223333"])
        #expect(server.output.contains("AWS_REGION=ap-south-1"))
        #expect(try await server.curl([], path: "/health").status == 200)
        try #"{"prot":1}"#.write(toFile: file, atomically: true, encoding: .utf8)
        #expect(try await refused(["--config", file]).errors.contains("\"prot\" (allowed: port, host"))
        let wrong = try await refused([], environment: ["SHARDLINE_SERVE_PORT": "tcp://10.0.0.1:80"])
        #expect(wrong.errors.contains("SHARDLINE_SERVE_PORT is 'tcp://10.0.0.1:80' (allowed: 0 to 65535"))
    }

    @Test func `a port that is in use is refused`() async throws {
        let server = try await RunningServer()
        let end = try await refused(["--port", "\(server.port)"])
        #expect(end.status == 74 && end.errors.contains("is in use"), "\(end)")
    }

    @Test func `each request is a line of the log, with its id`() async throws {
        let server = try await RunningServer(["--verbose"])
        let answer = try await server.call("ListStreams")
        let id = try #require(answer["x-amzn-requestid"])
        await eventually { server.errors.contains(id) }
        let line = try #require(server.errors.split(separator: "\n").first { $0.contains(id) })
        #expect(line.contains("operation=ListStreams") && line.contains("status=200") && line.contains("ms="))
    }
}
#endif

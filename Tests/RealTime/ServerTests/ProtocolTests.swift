#if Server
import Foundation
import TestSupport
import Testing

/// The protocol below the operations, as curl sees it.
@Suite(.serialized, .timeLimit(.minutes(4))) struct ProtocolTests {
    @Test func `both versions of HTTP are spoken on one port (API-P-4)`() async throws {
        let server = try await RunningServer()
        for (option, version) in [("--http1.1", "HTTP/1.1"), ("--http2-prior-knowledge", "HTTP/2")] {
            let answer = try await server.call("ListStreams", with: [option])
            #expect(answer.version == version && answer.status == 200, "\(answer.end)")
            #expect(try answer.member("HasMoreStreams") == "0")
        }
    }

    @Test func `TLS agrees on the version, and is spoken beside clear text (API-P-4, API-P-10)`() async throws {
        let certificate = try await Certificate()
        let server = try await RunningServer(
            ["--tls-port", "0", "--tls-certificate", certificate.certificate, "--tls-key", certificate.key])
        let lines = server.output.split(separator: "\n")
        #expect(lines.first?.hasPrefix("listening on http://127.0.0.1:") == true)
        let secure = try #require(lines.dropFirst().first?.firstMatch(of: /^listening on (https:\S+)/)?.1)
        for (options, version) in [
            (["--http1.1"], "HTTP/1.1"), (["--http2"], "HTTP/2"), (["--no-alpn"], "HTTP/1.1"),
        ] {
            let end = try await BuiltProgram(path: "/usr/bin/env").run(
                ["curl", "--silent", "--include", "--insecure", "--max-time", "60"] + options + ["\(secure)/health"])
            #expect(end.output.hasPrefix(version), "\(options): \(end)")
        }
        #expect(try await server.curl([], path: "/health").status == 200)
    }

    @Test func `every answer has ids, a date and a length (API-P-6, API-P-7)`() async throws {
        let server = try await RunningServer()
        let created = try await server.call("CreateStream", #"{"StreamName":"s","ShardCount":1}"#)
        #expect(created.status == 200 && created.body == "" && created["content-length"] == "0", "\(created.end)")
        #expect(created["content-type"] == "application/x-amz-json-1.1")
        let wrong = try await server.call("DescribeStream", #"{"StreamName":"none"}"#)
        #expect(wrong.status == 400)
        #expect(try wrong.member("__type") == "ResourceNotFoundException")
        for answer in [created, wrong] {
            #expect(answer["x-amzn-requestid"]?.utf8.count == 36)
            #expect(answer["x-amz-id-2"]?.utf8.count == 96)
            #expect(answer["date"]?.hasSuffix("GMT") == true)
        }
        #expect(created["x-amzn-requestid"] != wrong["x-amzn-requestid"])
    }

    @Test func `another method than POST has no operation (API-E-3)`() async throws {
        let server = try await RunningServer()
        for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
            let answer = try await server.curl(["--request", method])
            #expect(answer.status == 403 && answer["content-type"] == nil)
            #expect(answer.body.hasPrefix("<AccessDeniedException>\n  <Message>Unable to determine service"))
        }
        let head = try await server.curl(["--head"], path: "/health")
        #expect(head.status == 200 && head["content-length"] == "3" && head.body == "")
    }

    @Test func `operators ask for health, readiness and metrics without a signature (API-P-9)`() async throws {
        let server = try await RunningServer()
        #expect(try await server.curl([], path: "/health").body == "ok\n")
        #expect(try await server.curl([], path: "/healthcheck").status == 200)
        #expect(try await server.curl([], path: "/ready").body == "ready\n")
        _ = try await server.call("CreateStream", #"{"StreamName":"s","ShardCount":1}"#)
        let metrics = try await server.curl([], path: "/metrics")
        #expect(metrics["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
        let counted = "shardline_server_Requests_total{operation=\"CreateStream\",error=\"none\",status=\"200\"} 1\n"
        #expect(metrics.body.contains(counted), "\(metrics.body)")
        #expect(metrics.body.contains("# TYPE shardline_JournalCommits_total counter\n"))
    }

    @Test func `scripts of other hosts may read answers (API-P-8, API-E-1)`() async throws {
        let server = try await RunningServer()
        let asked = try await server.curl([
            "--request", "OPTIONS", "--header", "Origin: http://a", "--header", "Access-Control-Request-Headers: a, b",
            "--header", "Access-Control-Request-Method: POST",
        ])
        #expect(asked.status == 200 && asked.body == "" && asked["content-type"] == nil)
        #expect(asked["x-amz-id-2"] == nil && asked["x-amzn-requestid"] != nil)
        #expect(asked["access-control-allow-headers"] == "a, b" && asked["access-control-allow-methods"] == "POST")
        #expect(asked["access-control-max-age"] == "172800")
        let answer = try await server.call("ListStreams", with: ["--header", "Origin: http://a"])
        for answer in [asked, answer] {
            #expect(answer["access-control-allow-origin"] == "*")
            #expect(answer["access-control-expose-headers"]?.hasPrefix("x-amzn-RequestId,") == true)
        }
    }

    @Test func `a body may be asked for, and come in chunks (API-P-4, API-P-5)`() async throws {
        let server = try await RunningServer()
        let body = #"{"Limit":5,"Unknown":"\#(String(repeating: "x", count: 60_000))"}"#
        let file = server.folder.path("body")
        try body.write(toFile: file, atomically: true, encoding: .utf8)
        for options in [
            ["--header", "Expect: 100-continue"], ["--header", "Expect:"], ["--header", "Transfer-Encoding: chunked"],
        ] {
            for version in ["--http1.1", "--http2-prior-knowledge"] {
                let answer = try await server.call("ListStreams", "@\(file)", with: options + [version])
                #expect(answer.status == 200, "\(options) \(version): \(answer.end)")
                if options[1].hasPrefix("Expect: ") { #expect(answer.earlier == [100], "\(version)") }
            }
        }
    }

    @Test func `several requests go over one connection, one after the other or at once`() async throws {
        let server = try await RunningServer()
        let request = """
            POST / HTTP/1.1\r
            Host: a\r
            Content-Type: application/x-amz-json-1.1\r
            X-Amz-Target: Kinesis_20131202.ListStreams\r
            \(RunningServer.signature[1])\r
            X-Amz-Date: 20200101T000000Z\r
            Content-Length: 2\r

            """
        let connection = try RawConnection(port: server.port)
        connection.send(String(repeating: request + "\r\n{}", count: 3))
        connection.send(request + "Connection: close\r\n\r\n{}")
        let answers = await connection.receive()
        #expect(answers.components(separatedBy: "HTTP/1.1 200 OK").count == 5, "\(answers)")
        // The first bytes of HTTP/2's preface, and of others that begin alike.
        let slow = try RawConnection(port: server.port)
        for byte in "POST /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".utf8 { slow.send([byte]) }
        #expect(await slow.receive().hasPrefix("HTTP/1.1 400"))
        let preface = try RawConnection(port: server.port)
        preface.send("PRI * HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(await preface.receive().hasPrefix("HTTP/1.1 400"))
    }

    @Test func `a client that has sent its request may stop sending`() async throws {
        let server = try await RunningServer()
        let connection = try RawConnection(port: server.port)
        connection.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        connection.endSending()
        #expect(await connection.receive().hasSuffix("ok\n"))
    }

    @Test func `curl's own signature is checked against the keys (API-A-6)`() async throws {
        let folder = TestDirectory()
        let file = folder.path("keys.json")
        try #"{"keys":[{"id":"AKID","secret":"s3cret","streams":["mine*"],"operations":["List*","CreateStream"]}]}"#
            .write(
                toFile: file, atomically: true, encoding: .utf8)
        let server = try await RunningServer(["--credentials", file])
        #expect(!server.output.contains("SECRET"))
        func call(_ user: String, _ operation: String, _ body: String = "{}") async throws -> RunningServer.Answer {
            try await server.curl([
                "--aws-sigv4", "aws:amz:us-east-1:kinesis", "--user", user, "--data", body, "--header",
                "Content-Type: application/x-amz-json-1.1", "--header", "X-Amz-Target: Kinesis_20131202.\(operation)",
            ])
        }
        let good = try await call("AKID:s3cret", "ListStreams")
        #expect(good.status == 200, "\(good.end)")
        #expect(try await call("AKID:other", "ListStreams").member("__type") == "InvalidSignatureException")
        #expect(try await call("OTHER:s3cret", "ListStreams").member("__type") == "UnrecognizedClientException")
        #expect(try await call("AKID:s3cret", "DescribeLimits").member("__type") == "AccessDeniedException")
        let mine = try await call("AKID:s3cret", "CreateStream", #"{"StreamName":"mine-1","ShardCount":1}"#)
        #expect(mine.status == 200, "\(mine.end)")
        for stream in [
            #""StreamName":"other""#, #""StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/other""#,
            #""StreamARN":"arn:aws:kinesis:us-east-1:999999999999:stream/mine-1""#,
        ] {
            let refused = try await call("AKID:s3cret", "ListShards", "{\(stream)}")
            #expect(try refused.member("__type") == "AccessDeniedException", "\(refused.end)")
        }
        #expect(try await server.curl([], path: "/health").status == 200)
    }
}

/// A certificate for this machine, made by openssl.
struct Certificate {
    let folder = TestDirectory()
    var certificate: String { folder.path("certificate.pem") }
    var key: String { folder.path("key.pem") }

    init() async throws {
        let end = try await BuiltProgram(path: "/usr/bin/env").run([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
            "2", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate,
        ])
        #expect(end.status == 0, "\(end)")
    }
}
#endif

#if Server
import Foundation
import TestSupport
import Testing

/// Clients that send what no client should: a clear answer each, and a server that lives on.
@Suite(.serialized, .timeLimit(.minutes(4))) struct HostileTests {
    /// Short limits, so that nothing has to be waited for.
    private static let short = ["--request-time", "200ms", "--idle-time", "300ms", "--shutdown-grace", "300ms"]

    private func lives(_ server: RunningServer) async throws {
        #expect(server.isRunning, "\(server.errors)")
        #expect(try await server.curl([], path: "/health").status == 200, "\(server.errors)")
    }

    @Test func `a body that is too large is refused (API-E-2)`() async throws {
        let server = try await RunningServer(["--max-body", "100KiB", "--max-bodies", "100KiB"])
        let file = server.folder.path("body")
        for (size, status) in [(100 << 10, 403), (100 << 10 + 1, 413), (5 << 20, 413)] {
            try Data(count: size).write(to: URL(filePath: file))
            for version in ["--http1.1", "--http2-prior-knowledge"] {
                for expect in ["Expect: 100-continue", "Expect:", "Transfer-Encoding: chunked"] {
                    let answer = try await server.curl(
                        [version, "--header", expect, "--header", "Content-Type:", "--data-binary", "@\(file)"])
                    #expect(answer.status == status, "\(size) \(version) \(expect): \(answer.end.errors)")
                    if status == 413 { #expect(answer.body == "" && answer["x-amzn-requestid"] == nil) }
                    // 28: it has waited for the end of its stream without it.
                    #expect(answer.end.status != 28, "\(size) \(version) \(expect): \(answer.end.errors)")
                }
            }
        }
        try await lives(server)
    }

    @Test func `a head that is too large is refused`() async throws {
        let server = try await RunningServer()
        let large = String(repeating: "x", count: 100 << 10)
        let answer = try await server.curl(["--http1.1", "--header", "X-Large: \(large)"], path: "/health")
        #expect(answer.status == 400)
        let fits = String(repeating: "x", count: 20 << 10)
        for version in ["--http1.1", "--http2-prior-knowledge"] {
            let answer = try await server.curl([version, "--header", "X-Large: \(fits)"], path: "/health")
            #expect(version == "--http1.1" ? answer.status == 200 : answer.end.status == 0 || answer.end.status > 0)
        }
        let second = try await server.curl(
            ["--http2-prior-knowledge", "--header", "X-Large: \(large)"], path: "/health")
        #expect(second.status != 200)
        try await lives(server)
    }

    @Test func `bytes that are no request are answered, or the connection is closed`() async throws {
        let server = try await RunningServer(Self.short)
        let samples = [
            "\0\0\0\0", "GET\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", "POST / HTTP/9.9\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "POST / HTTP/1.1\r\nHost a\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\0\0\0\0\0\0", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u{16}\u{3}\u{1}",
            "\u{16}\u{3}\u{1}\u{2}\0\u{1}", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ]
        for sample in samples {
            let connection = try RawConnection(port: server.port)
            connection.send(sample)
            // Ends: the server answers with an error, or closes.
            let received = await connection.receive()
            #expect(!received.hasPrefix("HTTP/1.1 200") && !received.hasPrefix("nothing came"), "\(sample)")
        }
        try await lives(server)
    }

    @Test func `a client that sends nothing, or too slowly, is left (API-P-5)`() async throws {
        let server = try await RunningServer(Self.short)
        for sent in [
            "", "P", "PRI * HT", "POST / HTTP/1.1\r\nHost:",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab",
        ] {
            let connection = try RawConnection(port: server.port)
            connection.send(sent)
            #expect(await connection.receive() == "", "\(sent)")
        }
        // A body of which a byte comes again and again: the time is for all of it.
        let slow = try RawConnection(port: server.port)
        slow.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        async let received = slow.receive()
        let isClosed = Flag()
        async let feeding: Void = eventually {
            slow.send("x")
            return isClosed.isSet
        }
        #expect(await received == "")
        isClosed.set()
        await feeding
        try await lives(server)
    }

    @Test func `clients that leave in the middle leave nothing behind`() async throws {
        let server = try await RunningServer()
        for number in 0..<100 {
            let connection = try RawConnection(port: server.port)
            let samples = ["", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc", "PRI * HTTP/2.0\r\n"]
            connection.send(samples[number % 3])
        }
        await eventually {
            (try? await server.curl([], path: "/metrics"))?.body.contains("shardline_server_Connections 1\n") == true
        }
        try await lives(server)
    }

    /// `make soak` has 10,000 of them.
    @Test func `idle connections cost memory only`() async throws {
        let count = ProcessInfo.processInfo.environment["SHARDLINE_SERVER_CONNECTIONS"].flatMap { Int($0) } ?? 500
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let server = try await RunningServer()
        var connections: [RawConnection] = []
        for _ in 0..<count {
            let connection = try RawConnection(port: server.port)
            connection.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
            connections.append(connection)
        }
        for connection in connections { #expect(await connection.receive(until: "ok\n").hasPrefix("HTTP/1.1 200")) }
        let metrics = try await server.curl([], path: "/metrics").body
        #expect(metrics.contains("shardline_server_Connections \(count + 1)\n"))
        let status = try String(contentsOfFile: "/proc/\(server.processID)/status", encoding: .utf8)
        let resident = try #require(status.firstMatch(of: /VmRSS:\s+(\d+) kB/).flatMap { Int($0.1) })
        #expect(resident < 200_000 + 40 * count, "\(resident) KiB")
        connections = []
        try await lives(server)
    }

    @Test func `a connection ends after the answer to its last request`() async throws {
        let server = try await RunningServer()
        let more = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
        for (request, version) in [
            ("GET /health HTTP/1.0\r\n\r\n", "1.0"), ("GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "1.0"),
            ("GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "1.1"),
            ("GET /health HTTP/1.1\r\nHost: a\r\nConnection: te, Close\r\n\r\n", "1.1"),
            ("POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\na", "1.0"),
        ] {
            for (before, after) in [("", ""), (more, more)] {
                let connection = try RawConnection(port: server.port)
                connection.send(before + request + after)
                let answer = await connection.receive()
                let heads = answer.matches(of: /HTTP\/1\.\d \d\d\d/).map(\.output)
                #expect(heads.count == (before.isEmpty ? 1 : 2), "\(request): \(answer)")
                #expect(heads.last?.hasPrefix("HTTP/\(version)") == true, "\(request): \(answer)")
                #expect(answer.lowercased().contains("connection: close"), "\(request): \(answer)")
            }
        }
        try await lives(server)
    }

    @Test func `connections beyond the limit wait`() async throws {
        let server = try await RunningServer(["--max-connections", "2"])
        var connections = try (0..<12).map { _ in try RawConnection(port: server.port) }
        for connection in connections { connection.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n") }
        var answered = 0
        while !connections.isEmpty {
            #expect(await connections.removeFirst().receive(until: "ok\n").hasPrefix("HTTP/1.1 200"))
            answered += 1
        }
        #expect(answered == 12)
    }
}

/// Something that has happened.
private final class Flag: @unchecked Sendable {
    private let lock = NSLock()
    private var value = false

    var isSet: Bool { lock.withLock { value } }
    func set() { lock.withLock { value = true } }
}
#endif

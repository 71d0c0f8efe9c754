#if Server
import Foundation
import TestSupport
import Testing

/// `bench --endpoint` as a user types it.
@Suite(.timeLimit(.minutes(2))) struct BenchEndpointTests {
    private func bench(_ arguments: [String]) async throws -> BuiltProgram.End {
        try await BuiltProgram.shardline.run(["bench", "--size", "50", "--records", "500"] + arguments)
    }

    @Test func `a server is measured, and has its streams as before`() async throws {
        let server = try await RunningServer()
        let end = try await bench([
            "--endpoint", server.url, "--server-pid", "\(server.processID)", "--shards", "1,3", "--json",
        ])
        #expect(end.status == 0, "\(end.errors)")
        let lines = end.output.split(separator: "\n")
        #expect(lines.count == 2)
        for line in lines {
            let report = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            #expect(report?["records"] as? Int == 500 && report?["lost"] as? Int == 0, "\(line)")
            #expect(report?["endpoint"] as? String == server.url && report?["server_cpu_s"] as? Double != nil)
        }
        let table = try await bench(["--endpoint", server.url, "--subscribe", "--cbor", "--rate", "5000"])
        #expect(table.status == 0, "\(table.errors)")
        #expect(
            table.output.contains("at \(server.url)") && table.output.contains("put to push p50"), "\(table.output)")
        #expect(table.output.contains("complete, in order") && !table.output.contains("invocations"))
        #expect(try await server.call("ListStreams").body.contains(#""StreamNames":[]"#))
    }

    @Test(arguments: [
        (["--endpoint", "127.0.0.1:4567"], 64, "allowed: http:// or https://"),
        (
            ["--endpoint", "http://127.0.0.1:9", "--batch", "501"], 64,
            "--batch 501 (allowed with --endpoint: 1 to 500)"
        ),
        // No server listens there: the port is no user's.
        (["--endpoint", "http://127.0.0.1:1"], 74, "CreateStream got no answer from http://127.0.0.1:1"),
    ])
    func `what can't be measured is named`(arguments: [String], status: Int32, text: String) async throws {
        let end = try await bench(arguments)
        #expect(end.status == status && end.output.isEmpty, "\(end)")
        #expect(end.errors.contains(text), "\(end.errors)")
        #expect(end.errors.filter { $0 == "\n" }.count == 1, "\(end.errors)")
    }

    @Test func `a process that is not there is named, and the stream deleted`() async throws {
        let server = try await RunningServer()
        let end = try await bench(["--endpoint", server.url, "--server-pid", "2147483647"])
        #expect(end.status != 0 && end.errors.contains("--server-pid 2147483647: there is no such process"), "\(end)")
        #expect(try await server.call("ListStreams").body.contains(#""StreamNames":[]"#))
    }
}
#endif

#if Server
import Foundation
import TestSupport

/// An HTTP server, in Python, that answers as it is told and keeps what it was asked.
final class EndpointServer {
    /// An answer. Before its body goes out it waits; then `@1` in the body becomes the number of the event's second record.
    struct Answer: Encodable {
        var status = 200
        var fields: [String: String] = [:]
        var body = "{}"
        /// How often the body is sent in a row.
        var times = 1
        /// In seconds.
        var pause = 0.0
        /// Whether the connection ends in place of an answer.
        var hangsUp = false
    }

    /// A request as the server got it.
    struct Request: Decodable {
        var path: String
        var fields: [String: String]
        var body: String
        /// The connection that it came on, by the client's port.
        var port: Int

        /// The parts of its body's JSON.
        var document: [String: Any]? { try? JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any] }
        var records: [[String: Any]] { document?["Records"] as? [[String: Any]] ?? [] }
    }

    let folder = TestDirectory()
    let port: Int
    private let process: SpawnedProcess

    /// Answers one request after the other with `answers`, and all later ones with the last of them.
    ///
    /// - Parameters:
    ///   - port: where it listens; 0: anywhere.
    ///   - certificate: the file with the certificate and the key of a server that speaks TLS.
    init(_ answers: [Answer], port: Int = 0, certificate: String = "") async throws {
        try Self.program.write(to: folder.url("server.py"), atomically: true, encoding: .utf8)
        try JSONEncoder().encode(answers).write(to: folder.url("answers"))
        let process = try SpawnedProcess(
            "/usr/bin/env", ["python3", folder.path("server.py"), folder.path, "\(port)", certificate], input: nil,
            output: folder.path("output"), errors: folder.path("errors"),
            environment: ProcessInfo.processInfo.environment)
        self.process = process
        let output = folder.url("output")
        await eventually {
            process.end(waits: false) != nil
                || (try? String(contentsOf: output, encoding: .utf8))?.hasSuffix("\n") == true
        }
        let text = try String(contentsOf: output, encoding: .utf8)
        guard let number = Int(text.dropLast()) else { throw CocoaError(.fileReadUnknown) }
        self.port = number
    }

    deinit { end() }

    var url: String { "http://127.0.0.1:\(port)/events?x=1" }

    /// What it was asked so far, in order.
    func requests() throws -> [Request] {
        guard let text = try? String(contentsOf: folder.url("requests"), encoding: .utf8) else { return [] }
        return try text.split(separator: "\n").map { try JSONDecoder().decode(Request.self, from: Data($0.utf8)) }
    }

    /// Whether clients have closed connections on which an answer was still to come.
    var wasHungUpOn: Bool { FileManager.default.fileExists(atPath: folder.path("hung-up")) }

    /// Ends it.
    func end() {
        kill(process.pid, SIGKILL)
        _ = process.end(waits: true)
    }

    private static let program = """
        import http.server, json, select, socket, ssl, sys, threading
        folder, port, certificate = sys.argv[1], int(sys.argv[2]), sys.argv[3]
        answers = json.load(open(folder + "/answers"))
        lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def log_message(self, *rest): pass
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                request = {"path": self.path, "fields": {k.lower(): v for k, v in self.headers.items()}, "body": body,
                           "port": self.client_address[1]}
                with lock:
                    answer = answers.pop(0) if len(answers) > 1 else answers[0]
                    with open(folder + "/requests", "a") as file: file.write(json.dumps(request) + "\\n")
                if answer["hangsUp"]:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if answer["pause"] and select.select([self.connection], [], [], answer["pause"])[0]:
                    open(folder + "/hung-up", "w").close()
                    self.close_connection = True
                    return
                text = answer["body"]
                if "@1" in text:
                    text = text.replace("@1", json.loads(body)["Records"][1]["kinesis"]["sequenceNumber"])
                text = text.encode() * answer["times"]
                try:
                    self.send_response(answer["status"])
                    for name, value in answer["fields"].items(): self.send_header(name, value)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)
                except OSError:
                    self.close_connection = True

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *rest): pass

        server = Server(("127.0.0.1", port), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        print(server.server_port, flush=True)
        server.serve_forever()
        """
}
#endif

#if Server
import Foundation
import TestSupport
import Testing

/// A `shardline serve` that runs while a test goes on.
final class RunningServer {
    let folder: TestDirectory
    let url: String
    private let process: SpawnedProcess
    private let store: String

    struct DidNotStart: Error, CustomStringConvertible { let description: String }

    /// Starts it on any free port, and returns when it has said where it listens.
    ///
    /// - Parameter store: the store's directory; nil: a new one.
    init(_ arguments: [String] = [], store: String? = nil, environment: [String: String] = [:]) async throws {
        folder = TestDirectory()
        self.store = store ?? folder.path("store")
        let all = ["serve", "--data", self.store] + (arguments.contains("--port") ? [] : ["--port", "0"]) + arguments
        let process = try SpawnedProcess(
            BuiltProgram.shardline.path, all, input: nil, output: folder.path("output"),
            errors: folder.path("errors"), environment: ProcessInfo.processInfo.environment.merging(environment) { $1 })
        self.process = process
        let output = folder.url("output")
        await eventually {
            process.end(waits: false) != nil
                || (try? String(contentsOf: output, encoding: .utf8))?.contains("export AWS_REGION") == true
        }
        let text = try String(contentsOf: output, encoding: .utf8)
        guard let address = text.firstMatch(of: /^listening on (\S+)/)?.1 else {
            throw DidNotStart(description: try String(contentsOf: folder.url("errors"), encoding: .utf8))
        }
        url = String(address)
    }

    var port: Int { Int(url.split(separator: ":").last!)! }
    var output: String { (try? String(contentsOf: folder.url("output"), encoding: .utf8)) ?? "" }
    var errors: String { (try? String(contentsOf: folder.url("errors"), encoding: .utf8)) ?? "" }
    var processID: pid_t { process.pid }
    var isRunning: Bool { process.end(waits: false) == nil }

    func signal(_ number: Int32) { kill(process.pid, number) }

    /// Its exit code, or its signal's number, negated, when it has ended.
    func end() async -> Int32 {
        let process = process
        await eventually { process.end(waits: false) != nil }
        return process.end(waits: true)!
    }

    /// What curl prints with these arguments.
    func curl(_ arguments: [String], path: String = "/") async throws -> Answer {
        try await Answer(
            BuiltProgram(path: "/usr/bin/env").run(
                ["curl", "--silent", "--show-error", "--include", "--max-time", "60"] + arguments + [url + path]))
    }

    /// An operation with a body in JSON, called by a client whose signature nobody checks.
    func call(_ operation: String, _ body: String = "{}", with arguments: [String] = []) async throws -> Answer {
        try await curl(
            [
                "--header", "Content-Type: application/x-amz-json-1.1", "--header",
                "X-Amz-Target: Kinesis_20131202.\(operation)", "--data-binary", body,
            ] + Self.signature + arguments)
    }

    static let signature = [
        "--header",
        "Authorization: AWS4-HMAC-SHA256 Credential=key/20200101/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=0",
        "--header", "X-Amz-Date: 20200101T000000Z",
    ]

    /// What the server sent: the last head, and what came after it.
    struct Answer {
        var version = ""
        var status = 0
        var fields: [(name: String, value: String)] = []
        var body = ""
        /// All heads that came before it, such as that of 100.
        var earlier: [Int] = []
        let end: BuiltProgram.End

        init(_ end: BuiltProgram.End) {
            self.end = end
            var rest = Substring(end.output.replacing("\r\n", with: "\n"))
            while rest.hasPrefix("HTTP/"), let headEnd = rest.firstRange(of: "\n\n") {
                let lines = rest[..<headEnd.lowerBound].split(separator: "\n")
                let words = lines[0].split(separator: " ")
                if status != 0 { earlier.append(status) }
                version = String(words[0])
                status = words.count > 1 ? Int(words[1]) ?? 0 : 0
                fields = lines.dropFirst().compactMap { line in
                    line.firstIndex(of: ":").map {
                        (line[..<$0].lowercased(), line[$0...].dropFirst().trimmingCharacters(in: .whitespaces))
                    }
                }
                rest = rest[headEnd.upperBound...]
                guard status == 100 else { break }
            }
            body = String(rest)
        }

        subscript(name: String) -> String? { fields.first { $0.name == name }?.value }

        /// A member of the body's JSON, as text.
        func member(_ name: String) throws -> String? {
            let object = try JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any]
            return object?[name].map { "\($0)" }
        }
    }
}
#endif

import EventSource
import Foundation
import TestSupport
import Testing

@testable import ShardlineCLI

/// Which line is the answer to an event (ESM-R19, ESM-R19b).
@Suite(.timeLimit(.minutes(1))) struct AnswerLineTests {
    /// The second line comes while the next event is there already: it answers neither, and costs the next one nothing.
    @Test(arguments: ["0.05", "0.3"]) func `a second line is never an answer to the next event`(
        pause: String
    ) async throws {
        let heard = ProcessPoolTests.Heard()
        let command =
            "while read -r line; do echo \"$line\"; case $line in two) sleep \(pause); echo stray;; esac; done"
        try await ProcessPoolTests.withPool(command, heard: heard) { pool async throws in
            #expect(try await ProcessPoolTests.ask(pool, "two") == "two")
            #expect(try await ProcessPoolTests.ask(pool, "next") == "next")
            #expect(try await ProcessPoolTests.ask(pool, "last") == "last")
        }
        #expect(heard.all.count == 1 && heard.all[0].contains("'stray'"), "\(heard.all)")
    }

    /// It is written and the next event read at once, so that only the order in which that happens tells them apart.
    @Test func `a second line right before the next event is read answers nothing`() async throws {
        let program = """
            import os
            buffer = b""
            count = 0
            while True:
                while b"\\n" not in buffer:
                    more = os.read(0, 65536)
                    if not more: raise SystemExit
                    buffer += more
                line, _, buffer = buffer.partition(b"\\n")
                os.write(1, line + b"\\n")
                count += 1
                if count == 2:
                    for _ in range(20000): pass
                    os.write(1, b"stray\\n")
            """
        let folder = TestDirectory()
        let file = folder.url("function.py")
        try Data(program.utf8).write(to: file)
        try await ProcessPoolTests.withPool("exec python3 '\(file.path)'") { pool async throws in
            for number in 1...24 {
                do {
                    #expect(try await ProcessPoolTests.ask(pool, "event \(number)") == "event \(number)")
                } catch ProcessFailure.outOfStep {
                    // The stray line was there before the answer was given to anybody.
                }
            }
        }
    }

    @Test func `once a second line has come, those that come as late fail their event`() async throws {
        let heard = ProcessPoolTests.Heard()
        let command = "while read -r line; do echo \"$line\"; sleep 0.2; echo stray; done"
        try await ProcessPoolTests.withPool(command, heard: heard) { pool async throws in
            #expect(try await ProcessPoolTests.ask(pool, "a") == "a")
            while heard.all.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
            for event in ["b", "c"] {
                await #expect(throws: ProcessFailure.outOfStep) { try await ProcessPoolTests.ask(pool, event) }
            }
        }
    }

    /// As Go's decoder, `json_stream` and others do: the value ends with its last byte, and nothing more is read for it.
    private static let decoder = """
        import json, os, sys
        size = int(sys.argv[1])
        if len(sys.argv) > 2: os.write(1, sys.argv[2].encode() + b"\\n")
        buffer, decoder = "", json.JSONDecoder()
        while True:
            more = os.read(0, size)
            if not more: break
            buffer += more.decode()
            # Only what ends so can be whole: else a large event would be tried again for each of its pieces.
            if not more.rstrip().endswith(b"}"): continue
            try:
                value, end = decoder.raw_decode(buffer.lstrip())
            except ValueError:
                continue
            buffer = buffer.lstrip()[end:]
            text = str(len(value.get("x", "")))
            os.write(1, ("%s %d\\n" % (text, os.getpid())).encode())
        """

    private static func withDecoder(
        reading size: Int, greeting: String? = nil, _ body: (ProcessPool) async throws -> Void
    ) async throws {
        let folder = TestDirectory()
        let file = folder.url("function.py")
        try Data(decoder.utf8).write(to: file)
        let command = "exec python3 '\(file.path)' \(size) \(greeting ?? "")"
        try await ProcessPoolTests.withPool(command) { pool async throws in try await body(pool) }
    }

    /// It reads a byte at a time, as many as end with the event's last byte, or whatever is there.
    @Test(arguments: [1, 2, 10, 65_536, 16 << 20])
    func `a reader of JSON values that does not wait for the end of the line is answered to`(size: Int) async throws {
        try await Self.withDecoder(reading: size) { pool async throws in
            var children = Set<Substring>()
            for count in [0, 1, 2, 3, 100, size < 100 ? 1_000 : 5 << 20, 70_000, 5] {
                let event = "{\"x\":\"\(String(repeating: "y", count: count))\"}"
                let answer = try await ProcessPoolTests.ask(pool, event).split(separator: " ")
                #expect(answer.first == "\(count)")
                children.insert(answer.last ?? "")
            }
            for event in ["{}", "{ }", #"{"x":"}{"}"#] {
                let answer = try await ProcessPoolTests.ask(pool, event).split(separator: " ")
                #expect(answer.first == (event.count > 3 ? "2" : "0"))
                children.insert(answer.last ?? "")
            }
            #expect(children.count == 1, "a child was replaced")
        }
    }

    /// Its greeting would be one ahead of every answer.
    @Test(arguments: [1, 65_536]) func `what a reader of JSON values writes when it starts answers nothing`(
        size: Int
    ) async throws {
        try await Self.withDecoder(reading: size, greeting: "'{}'") { pool async throws in
            for event in ["{}", "{\"x\":\"\(String(repeating: "y", count: 200_000))\"}"] {
                await #expect(throws: ProcessFailure.outOfStep) { try await ProcessPoolTests.ask(pool, event) }
            }
        }
    }

    /// Nobody can have read it whole.
    @Test func `a line that is written when all but the end of the event was read answers nothing`() async throws {
        let program = """
            import os
            n = 0
            while n < 6: n += len(os.read(0, 6 - n))
            os.write(1, b"{}\\n")
            while os.read(0, 100): pass
            """
        let folder = TestDirectory()
        let file = folder.url("function.py")
        try Data(program.utf8).write(to: file)
        try await ProcessPoolTests.withPool("exec python3 '\(file.path)'") { pool async throws in
            await #expect(throws: ProcessFailure.outOfStep) { try await ProcessPoolTests.ask(pool, "{\"x\":1}") }
        }
    }

    /// There is no next event that would meet it, and the records count as done.
    @Test func `a second line after the last answer of all is told`() async throws {
        let folder = TestDirectory()
        let file = folder.path("stopping")
        let heard = ProcessPoolTests.Heard()
        // It waits for the end of its input.
        let command =
            "while read -r line; do echo \"$line\"; done; echo '{\"errorMessage\":\"late\"}'; touch '\(file)'"
        try await ProcessPoolTests.withPool(command, heard: heard) { pool async throws in
            #expect(try await ProcessPoolTests.ask(pool, "a") == "a")
            #expect(heard.all == [])
            await pool.stop(grace: .seconds(30))
        }
        #expect(FileManager.default.fileExists(atPath: file))
        #expect(heard.all.count == 1, "\(heard.all)")
        #expect(heard.all.first?.contains("a line after the answer to its last event") == true, "\(heard.all)")
        #expect(heard.all.first?.contains(#"'{"errorMessage":"late"}'"#) == true, "\(heard.all)")
    }

    @Test func `a process that says nothing at its end is not warned of`() async throws {
        let heard = ProcessPoolTests.Heard()
        try await ProcessPoolTests.withPool("while read -r line; do echo \"$line\"; done", heard: heard) {
            pool async throws in
            #expect(try await ProcessPoolTests.ask(pool, "a") == "a")
            await pool.stop(grace: .seconds(30))
        }
        #expect(heard.all == [])
    }

    @Test func `second lines are told of at the first and at each doubling`() {
        let lines = SecondLines()
        #expect(lines.window == 20)
        #expect((1...9).map { _ in lines.note(after: 3) } == [1, 2, nil, 4, nil, nil, nil, 8, nil])
        #expect(lines.window == 26)
        _ = lines.note(after: 10_000)
        #expect(lines.window == 500)
    }

    @Test(arguments: ["{}", "{}\\r", " {}", "null"]) func `an answer at the end of output needs no end of line`(
        answer: String
    ) async throws {
        try await ProcessPoolTests.withPool("read -r line; printf '\(answer)'") { pool async throws in
            for _ in 0..<2 {
                #expect(
                    try await ProcessPoolTests.ask(pool, "a") == answer.replacing("\\r", with: "\r"))
            }
        }
        // It closes its output first, and has work left to do.
        try await ProcessPoolTests.withPool("read -r line; printf '\(answer)'; exec >&-; sleep 0.2") {
            pool async throws in
            #expect(try await ProcessPoolTests.ask(pool, "a") == answer.replacing("\\r", with: "\r"))
        }
    }

    @Test(
        arguments: [
            ("printf '{}'; exit 3", .ended(.exited(3), lastWords: "")),
            ("printf '{}'; kill -9 $$", .ended(.signalled(9), lastWords: "")),
            ("printf '{}'; kill -TERM $$", .ended(.signalled(15), lastWords: "")),
            // The beginning of an answer, for all that is known.
            ("printf '  '", .ended(.exited(0), lastWords: "")),
            ("exit 0", .ended(.exited(0), lastWords: "")),
        ] as [(String, ProcessFailure)]) func `part of a line is no answer where the process did not end in order`(
            command: String, failure: ProcessFailure
        ) async throws
    {
        try await ProcessPoolTests.withPool("read -r line; \(command)") { pool async throws in
            await #expect(throws: failure) { try await ProcessPoolTests.ask(pool, "a") }
        }
    }

    @Test func `a process that ends after its answer costs the next event nothing`() async throws {
        try await ProcessPoolTests.withPool("read -r line; echo \"$line\"; sleep 0.02") { pool async throws in
            for number in 0..<10 {
                #expect(try await ProcessPoolTests.ask(pool, "\(number)") == "\(number)")
            }
        }
    }

    private static func invoke(_ answer: String, acceptsAnyJSON: Bool) async -> OutsideAnswer {
        let pool = ProcessPool { _ in
            ProcessWorker.Settings(
                command: "while read -r line; do printf '%s\\n' \"$ANSWER\"; done", environment: [("ANSWER", answer)],
                passOn: { _ in }, warn: { _ in })
        }
        let function = ProcessFunction(pool: pool, acceptsAnyJSON: acceptsAnyJSON)
        let answer = await function.answer(to: Array("{}".utf8))
        await pool.stop(grace: .seconds(1))
        return answer
    }

    @Test(arguments: [
        #"{"level":"info","message":"started"}"#, "17", "true", #""done""#, #"["a"]"#, #"{"batchItemFailure": []}"#,
        #"[{"errorMessage": "x"}]"#, #"{"level":"info","errorMessage":null}"#, #"{"level":"error","errorType":null}"#,
        #"{"level":"info","permanent":false}"#, #"{"stackTrace": ["at a"]}"#, #"{"stackTrace": "at a"}"#,
        #"{"permanent": false, "stackTrace": [""]}"#,
    ]) func `JSON that says nothing is no answer, unless any JSON is accepted (ESM-R19b, ESM-R3)`(
        line: String
    ) async {
        guard case .failed(let reason, let type) = await Self.invoke(line, acceptsAnyJSON: false) else {
            Issue.record("\(line) is taken for an answer")
            return
        }
        #expect(type == "InvalidResponse")
        #expect(reason.contains("standard error") && reason.contains("--accept-any-json"), "\(reason)")
        guard case .answered(let bytes) = await Self.invoke(line, acceptsAnyJSON: true) else {
            Issue.record("\(line) is not accepted")
            return
        }
        #expect(bytes == Array(line.utf8))
    }

    @Test(arguments: [
        "{}", "null", #""""#, "[]", "", "  ", "\u{FEFF}{}", #"{"batchItemFailures": [], "seen": 2}"#,
        #"{"errorMessage":null,"errorType":null,"stackTrace":[],"permanent":false}"#,
    ])
    func `what says that all is done stays an answer (ESM-R1 to ESM-R3)`(line: String) async {
        guard case .answered = await Self.invoke(line, acceptsAnyJSON: false) else {
            Issue.record("\(line) is no answer")
            return
        }
    }
}

import Foundation
import TestSupport
import Testing

@testable import ShardlineCLI

/// What a function writes on standard error.
@Suite(.timeLimit(.minutes(1))) struct ErrorLinesTests {
    private static func lines(_ text: [UInt8], limit: Int, piece: Int) -> (lines: [[UInt8]], lastWords: String) {
        var lines = ErrorLines(limit: limit)
        var told: [[UInt8]] = []
        var rest = text[...]
        while !rest.isEmpty {
            lines.take(rest.prefix(piece)) { told.append($0) }
            rest = rest.dropFirst(piece)
        }
        lines.finish { told.append($0) }
        return (told, lines.lastWords)
    }

    @Test(arguments: [1, 3, 64, 1000]) func `a line up to the limit is passed on whole, byte by byte`(piece: Int) {
        let text: [[UInt8]] = [
            Array(repeating: UInt8(ascii: "x"), count: 100), [0xFF, 0xC3, 0x28, 0x00, 0x0D, 0x1B], [0x0D], [0xC3],
        ]
        let (lines, words) = Self.lines(Array(text.joined(separator: [0x0A])), limit: 100, piece: piece)
        #expect(lines == text)
        #expect(words == "\u{FFFD}")
    }

    @Test(arguments: [1, 7, 64, 1000]) func `a longer one is cut between characters, and says so`(piece: Int) {
        // The limit falls into a character at each of its bytes.
        for before in 0..<4 {
            let line = String(repeating: "x", count: before) + String(repeating: "😀", count: 60)
            let (lines, _) = Self.lines(Array(line.utf8) + [0x0A] + Array("next".utf8), limit: 100, piece: piece)
            let texts = lines.map { String(decoding: $0, as: UTF8.self) }
            #expect(texts.count == 4 && texts[3] == "next", "\(texts)")
            let (start, end) = ("[continued] ", " [cut after 100 bytes, continued]")
            #expect(texts[0].hasSuffix(end) && texts[1].hasSuffix(end) && !texts[2].hasSuffix(end))
            #expect(!texts[0].hasPrefix(start) && texts[1].hasPrefix(start) && texts[2].hasPrefix(start))
            #expect(
                texts.dropLast().map { $0.replacing(start, with: "").replacing(end, with: "") }.joined() == line)
        }
        // Where there are no characters, at the limit.
        let (lines, _) = Self.lines(Array(repeating: 0x80, count: 250), limit: 100, piece: piece)
        #expect(lines.map(\.count) == [100 + 33, 12 + 100 + 33, 12 + 50])
    }

    @Test func `the last words are those of the last line that has any`() {
        #expect(Self.lines(Array("a\nb\n \t\r\n\n".utf8), limit: 100, piece: 3).lastWords == "b")
        #expect(Self.lines(Array("é".utf8) + [0xFF], limit: 100, piece: 3).lastWords == "é\u{FFFD}")
        let long = Self.lines(Array(String(repeating: "😀", count: 5000).utf8), limit: 1 << 20, piece: 999)
        #expect(long.lastWords == String(repeating: "😀", count: 500))
    }

    @Test func `a terminal gets the bytes that are no UTF-8 as escapes`() {
        #expect(Output.escapedBytes(Array("a😀\u{1B}[2J".utf8)) == "a😀\\x1B[2J")
        #expect(Output.escapedBytes([0x61, 0xFF, 0xC3, 0x28, 0x00, 0x0D]) == "a\\xFF\\xC3(\\x00\\r")
        #expect(Output.escapedBytes([0xF0, 0x9F, 0x98]) == "\\xF0\\x9F\\x98")
        #expect(Output.escapedBytes([0xC3, 0xA9, 0x80, 0xE2, 0x82, 0xAC]) == "é\\x80€")
        #expect(Output.escapedBytes([]) == "")
    }

    /// 20 kB of JSON with characters of four bytes; a line that is no UTF-8; one without an end.
    @Test func `a file gets each line whole and as it is, after the function's name`() async throws {
        let folder = TestDirectory()
        _ = try await BadInputTests.shardline(["stream", "create", "s", "--shards", "1"], folder)
        _ = try await BadInputTests.shardline(["put", "s", "--key", "k"], folder, input: "a\n")
        let function = """
            import sys
            sys.stdin.readline()
            out = sys.stderr.buffer
            out.write(('{"text":"' + "\\U0001F600" * 300000 + '"}\\n').encode()[-19999:])
            out.write(b"a\\xff\\xc3(\\r\\n")
            out.write(b"nul\\x00 and no end")
            out.flush()
            print("{}", flush=True)
            """
        try Data(function.utf8).write(to: folder.url("function.py"))
        let consumer = try RunningCommand(
            ["consume", "s", "--mapping", "m", "--until-caught-up", "--exec", "python3 \(folder.path("function.py"))"],
            store: folder.path("store"))
        #expect(try await consumer.end() == 0)
        let lines = consumer.errorBytes.split(separator: 0x0A).filter { $0.starts(with: Array("m[1]: ".utf8)) }
        let long = Array((String(repeating: "\u{1F600}", count: 300_000) + "\"}").utf8)
        #expect(lines.count == 3)
        #expect(
            lines.map { Array($0.dropFirst(6)) } == [
                // With its end of line these were 19,999 bytes.
                Array(long.suffix(19_998)), [0x61, 0xFF, 0xC3, 0x28, 0x0D], Array("nul\0 and no end".utf8),
            ])
    }
}

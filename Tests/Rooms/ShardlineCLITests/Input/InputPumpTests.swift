import CZlib
import Foundation
import StreamModel
import TestSupport
import Testing

@testable import ShardlineCLI

/// Files and pipes on their way to records.
@Suite struct InputPumpTests {
    static func items(of paths: [String], limits: InputPump.BatchLimits = .init()) async throws -> [String] {
        let pump = try InputPump(paths: paths)
        pump.start(keySource: .fixed("k"), maximumRecordSize: 1 << 20, limits: limits)
        var texts: [String] = []
        while let batch = await pump.next() {
            #expect(batch.items.count <= limits.records)
            if let failure = batch.failure {
                texts.append("\(batch.input):\(failure.lastLine) ends: \(failure.reason.message ?? "")")
                #expect(failure.reason.status == .badData)
            }
            for case .record(let line, let record) in batch.items {
                texts.append("\(batch.input):\(line) \(String(decoding: record.data, as: UTF8.self))")
            }
        }
        return texts
    }

    static func packed(_ text: String) -> [UInt8] {
        var stream = z_stream()
        deflateInit2_(
            &stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        defer { deflateEnd(&stream) }
        var input = Array(text.utf8)
        var output = [UInt8](repeating: 0, count: input.count + 1000)
        let count = input.withUnsafeMutableBufferPointer { source in
            output.withUnsafeMutableBufferPointer { target in
                stream.next_in = source.baseAddress
                stream.avail_in = UInt32(source.count)
                stream.next_out = target.baseAddress
                stream.avail_out = UInt32(target.count)
                deflate(&stream, Z_FINISH)
                return target.count - Int(stream.avail_out)
            }
        }
        return Array(output[..<count])
    }

    @Test func `files are read one after the other, packed or not`() async throws {
        let folder = TestDirectory()
        try Data("a\nb".utf8).write(to: folder.url("1.txt"))
        // Two members one after the other, as `cat a.gz b.gz` makes them, and the padding of a tape.
        try Data(Self.packed("c\nd") + Self.packed("e\nf\n") + [0, 0, 0]).write(to: folder.url("2"))
        try Data().write(to: folder.url("3.txt"))
        try Data([0x1F]).write(to: folder.url("4.txt"))
        let items = try await Self.items(
            of: (1...4).map { folder.path($0 == 2 ? "2" : "\($0).txt") })
        #expect(items == ["0:1 a", "0:2 b", "1:1 c", "1:2 de", "1:3 f", "3:1 \u{1F}"])
    }

    @Test func `a byte-order mark is passed over at the beginning of each input, packed or not`() async throws {
        let folder = TestDirectory()
        try Data(Self.packed("\u{FEFF}a\nb") + Self.packed("\u{FEFF}c\n")).write(to: folder.url("1"))
        try Data("\u{FEFF}d\n".utf8).write(to: folder.url("2"))
        let items = try await Self.items(of: ["1", "2"].map { folder.path($0) })
        #expect(items == ["0:1 a", "0:2 b\u{FEFF}c", "1:1 d"])
    }

    @Test func `the first line tells what a carriage return means, also across the borders of pieces, packed or not`()
        async throws
    {
        let folder = TestDirectory()
        // Files are read by 64 KiB and unpacked by 256 KiB.
        for border in [64 << 10, 256 << 10] {
            for end in ["\n", "\r\n"] {
                let long = String(repeating: "x", count: border - 2 - end.utf8.count)
                // The carriage return is the last byte of a piece, or the first of the next.
                for line in [long + "x", long + "xx"] {
                    let text = "a\(end)\(line)\r\nb\r\n"
                    try Data(text.utf8).write(to: folder.url("plain"))
                    try Data(Self.packed(text)).write(to: folder.url("packed"))
                    let items = try await Self.items(
                        of: ["plain", "packed"].map { folder.path($0) })
                    let rest = end == "\n" ? "\r" : ""
                    let expected = (0...1).flatMap { ["\($0):1 a", "\($0):2 \(line)\(rest)", "\($0):3 b\(rest)"] }
                    #expect(items == expected)
                }
            }
        }
    }

    @Test func `what unpacks to much more than it is comes whole`() async throws {
        let folder = TestDirectory()
        let file = folder.url("a.gz")
        let line = String(repeating: "x", count: 999_999)
        try Data(Self.packed(String(repeating: line + "\n", count: 20))).write(to: file)
        let items = try await Self.items(of: [file.path])
        #expect(items.count == 20)
        #expect(items.allSatisfy { $0.hasSuffix(line) })
    }

    @Test func `the whole lines before the damage of gzip data come, and then the next file`() async throws {
        let folder = TestDirectory()
        let (file, next) = (folder.url("a.gz"), folder.url("b"))
        try Data("next\n".utf8).write(to: next)
        let lines = (0..<5000).map { "line \($0 &* 2_654_435_761 % 10_007)" }
        let packed = Self.packed(lines.map { $0 + "\n" }.joined())
        let scrambled: [UInt8] = packed[..<1000] + [0xFF, 0xFF, 0xFF, 0xFF] + packed[1004...]
        let wrongSum: [UInt8] = packed.dropLast(8) + packed.suffix(8).map { ~$0 }
        let damages: [(bytes: [UInt8], whole: Range<Int>, reason: String)] = [
            (Array(packed.dropLast(20)), 4000..<5000, "it ends too early"),
            (scrambled, 100..<4000, "damaged"),
            (packed + Array("nonsense".utf8), 5000..<5001, "incorrect header check"),
            (wrongSum, 5000..<5001, "incorrect data check, so any of its lines may be wrong"),
        ]
        for (bytes, whole, reason) in damages {
            try Data(bytes).write(to: file)
            let items = try await Self.items(of: [file.path, next.path])
            #expect(items.last == "1:1 next")
            let end = try #require(items.firstIndex { $0.contains(" ends: ") })
            #expect(items[end].contains(reason), "\(items[end])")
            let texts = items.filter { $0.hasPrefix("0:") && !$0.contains(" ends: ") }
            #expect(whole.contains(texts.count), "\(texts.count)")
            #expect(items[end].hasPrefix("0:\(texts.count) ends: \(file.path) is damaged gzip data: "))
            // Where the damage is found some of what was before it can be wrong, but not much.
            let isRight = zip(texts, lines).enumerated().map { $1.0 == "0:\($0 + 1) \($1.1)" }
            #expect(isRight.count(where: { !$0 }) < 200)
        }
    }

    @Test func `batches are bounded and nothing is lost while the taker is slow`() async throws {
        let folder = TestDirectory()
        let file = folder.url("a")
        try Data((1...1000).map { "\($0)\n" }.joined().utf8).write(to: file)
        let items = try await Self.items(of: [file.path], limits: .init(records: 7, bytes: 1 << 20))
        #expect(items == (1...1000).map { "0:\($0) \($0)" })
    }

    @Test func `a line in a pipe is not kept waiting for the next`() async throws {
        let folder = TestDirectory()
        let path = folder.path("pipe")
        #expect(mkfifo(path, 0o600) == 0)
        // Open for both, so that opening waits for nobody.
        let writer = open(path, O_RDWR)
        defer { close(writer) }
        let pump = try InputPump(paths: [path])
        pump.start(keySource: .fixed("k"), maximumRecordSize: 100)
        for text in ["a\n", "b\nc\n"] {
            _ = text.withCString { write(writer, $0, strlen($0)) }
            var seen = 0
            while seen < text.count / 2 { seen += await pump.next()?.items.count ?? 100 }
            #expect(seen == text.count / 2)
        }
        pump.stop()
        #expect(await pump.next() == nil)
    }

    @Test(arguments: ["missing", ".", "no-permission"])
    func `an input that can't be read is named before anything is put`(name: String) async throws {
        let folder = TestDirectory()
        let good = folder.url("good")
        try Data("a\n".utf8).write(to: good)
        let secret = folder.url("no-permission")
        try Data().write(to: secret)
        chmod(secret.path, 0)
        let path = name == "." ? folder.path : folder.path(name)
        guard name != "no-permission" || geteuid() != 0 else { return }
        let error = #expect(throws: CommandFailure.self) { try InputPump(paths: [good.path, path]) }
        #expect(error?.status == .inputOutput)
        #expect(error?.message?.hasPrefix(path) == true)
    }
}

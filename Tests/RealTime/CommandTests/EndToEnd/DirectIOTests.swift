import Foundation
import TestSupport
import Testing

/// A file system that can't read or write past its cache, or says so only when it is asked to, holds a store all the same.
@Suite(.timeLimit(.minutes(2))) struct DirectIOTests {
    /// The library that plays such a file system, compiled.
    private static func library(in folder: TestDirectory) async throws -> String {
        let source = PackageFolder.path("Tests/Support/DirectIO/refuse_direct.c")
        let library = folder.path("refuse_direct.so")
        let compile =
            "$(command -v clang || command -v cc) -O1 -Wall -Werror -shared -fPIC -o '\(library)' '\(source)' -ldl"
        let end = try await BuiltProgram(path: "/bin/sh").run(["-c", compile])
        #expect(end.status == 0, "\(end.errors)")
        return library
    }

    @Test(arguments: [("open", 22), ("read", 22), ("write", 22), ("all", 95), ("align", 22)])
    func `direct I/O that is refused is done through the cache`(what: String, code: Int) async throws {
        let folder = TestDirectory()
        let library = try await Self.library(in: folder)
        func shardline(_ arguments: [String], input: String = "") async throws -> BuiltProgram.End {
            try await BuiltProgram.shardline.run(
                arguments, input: input,
                environment: [
                    "SHARDLINE_DATA": folder.path("store"), "LD_PRELOAD": library, "REFUSE_DIRECT": what,
                    "REFUSE_DIRECT_ERROR": "\(code)",
                ])
        }
        #expect(try await shardline(["stream", "create", "s"]).status == 0)
        // More than stays in the journal at the end, so that segments are written: three lines by turns, none of which
        // can be shortened by the others.
        var random = SeededRandom(1)
        let three = (0..<3).map { _ in String(decoding: random.bytes(70_000).map { 33 + $0 % 90 }, as: UTF8.self) }
        let lines = (0..<120).map { three[$0 % 3] }
        var end = try await shardline(["put", "s", "--key", "k"], input: lines.joined(separator: "\n") + "\n")
        #expect(end.status == 0, "\(end.errors)")
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.path("store/segments")).count > 0)
        end = try await shardline(["tail", "s"])
        // Not in the expectation itself, which would show 8 MB.
        let isAll = end.lines.count == 120 && zip(end.lines, lines).allSatisfy { $0.hasSuffix($1) }
        #expect(end.status == 0 && isAll, "\(end.errors)")
        // Once for the journal, whatever its number of files.
        let isRead = what != "write"
        #expect(
            end.errors.components(separatedBy: "can't read past its cache").count == (isRead ? 2 : 1), "\(end.errors)")
        end = try await shardline(["check", folder.path("store")])
        #expect(end.status == 0, "\(end.output) \(end.errors)")
    }
}

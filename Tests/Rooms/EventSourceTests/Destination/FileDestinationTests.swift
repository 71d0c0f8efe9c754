import DiskAccess
import Foundation
import StreamModel
import TestSupport
import Testing

@testable import EventSource

@Suite("A file as failure destination")
struct FileDestinationTests {
    private let folder = TestDirectory()
    private var path: String { folder.path("failed.jsonl") }

    private func document(_ text: String) -> FailureDocument {
        FailureDocument(
            Records.giveUp(Records.batch([text])), key: ("s", "m"), shard: ShardID(6),
            shardCreationSecond: Records.creation, requestID: "r", names: Records.names, awsCompatibleCounts: false,
            timestamp: Records.arrival)
    }

    private func lines() throws -> [String] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
            .map(String.init)
    }

    @Test func `each document is a line, after those that were there (ESM-D10)`() async throws {
        let first = FileDestination(path: path)
        try await first.open()
        try await first.deliver(document("a"))
        try await first.deliver(document("b"))
        let second = FileDestination(path: path)
        try await second.deliver(document("c"))
        let lines = try lines()
        #expect(lines.count == 4 && lines[3].isEmpty)
        let data = lines.prefix(3).compactMap { line -> String? in
            guard case .array(let records)? = JSONValue(Array(line.utf8))?["payload"]?["Records"] else { return nil }
            return records[0]["kinesis"]?["data"]?.text
        }
        #expect(data == ["YQ==", "Yg==", "Yw=="])
    }

    @Test func `a document that a crash has torn is cut off before the next one, wherever it was torn`() async throws {
        let torn = document("torn").json()
        #expect(torn.starts(with: FailureDocument.beginning))
        for count in [1, 5, 20, 31, 32, 200, torn.count - 1] {
            try (Data("{\"whole\":1}\n".utf8) + torn.prefix(count)).write(to: URL(filePath: path))
            let destination = FileDestination(path: path)
            try await destination.open()
            try await destination.deliver(document("a"))
            let lines = try lines()
            #expect(lines.count == 3, "\(count)")
            #expect(lines[0] == "{\"whole\":1}")
            #expect(JSONValue(Array(lines[1].utf8))?["id"] == .string("s/m/shardId-000000000006:1-1"))
        }
        // The disk had its length and not its bytes.
        try Data([10, 0, 0, 0]).write(to: URL(filePath: path))
        try await FileDestination(path: path).open()
        #expect(try lines() == ["", ""])
    }

    @Test func `a last line without its end that is no torn document is kept, and ended`() async throws {
        let whole = String(decoding: document("whole").json(), as: UTF8.self)
        for line in ["a note of mine", #"{"mine": 1}"#, #"{"torn":"#, "[", #"{"request"#.uppercased(), whole] {
            for before in ["", "first\n"] {
                try Data((before + line).utf8).write(to: URL(filePath: path))
                let destination = FileDestination(path: path)
                try await destination.open()
                try await destination.deliver(document("a"))
                let lines = try lines()
                #expect(lines.dropLast(2).map { $0 + "\n" }.joined() == before + line + "\n")
                #expect(JSONValue(Array(lines[lines.count - 2].utf8))?["id"] != nil)
            }
        }
    }

    @Test(arguments: ["/dev/null", "/tmp"]) func `what is no regular file is refused at the start`(path: String)
        async throws
    {
        do {
            try await FileDestination(path: path).open()
            Issue.record("\(path) was taken")
        } catch let error as ShardlineError {
            #expect(error.code == .notAccessible && error.message.contains("no regular file"), "\(error.message)")
        }
    }

    @Test func `documents survive the loss of power where the process before was killed while it made the file`()
        async throws
    {
        // Killed between making the file and making its name durable.
        var disk = MemoryFileSystem()
        _ = try disk.open("/failed.jsonl", .create)
        let destination = FileDestination(path: "/failed.jsonl", fileSystem: disk)
        try await destination.open()
        try await destination.deliver(document("a"))
        disk = disk.afterCrash { _ in false }
        #expect(disk.bytes(of: "/failed.jsonl")?.last == UInt8(ascii: "\n"))
    }

    @Test func `a path that can't be used is refused when the mapping is made`() async throws {
        let bench = try await Bench()
        var settings = EventSourceMapping.Configuration()
        settings.failureDestination = .file("/nowhere/at/all/failed.jsonl")
        let error = await #expect(throws: ShardlineError.self) { try await bench.mapping("m", settings) }
        #expect(error?.code == .notAccessible)
        #expect(error?.message.contains("/nowhere/at/all/failed.jsonl") == true)
    }

    @Test func `given-up records are in the file before the checkpoint passes them (ESM-P6)`() async throws {
        let bench = try await Bench()
        try await bench.put(1...3)
        var settings = EventSourceMapping.Configuration()
        settings.failureDestination = .file(path)
        let mapping = try await bench.mapping("m", settings) { batch, _ in
            throw PermanentFailure(batch[0], because: .malformed)
        }
        try await mapping.run(until: .caughtUp)
        #expect(try lines().count == 4)
        #expect(mapping.statistics.deliveredToDestination == 3)
        #expect(try await bench.checkpoint() == 3)
    }
}

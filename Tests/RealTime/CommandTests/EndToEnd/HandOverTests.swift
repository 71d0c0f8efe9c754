import Foundation
import Logging
import Shardline
import TestSupport
import Testing

/// A program that uses the library gets the store from commands that have it open.
@Suite(.serialized, .timeLimit(.minutes(2))) struct HandOverTests {
    private let quiet = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    private func putFromHere(_ text: String, _ folder: TestDirectory) async throws {
        let store = try await SegmentStore.open(at: folder.path("store"), logger: quiet)
        try await store.stream("s").put(text, partitionKey: "k")
        try await store.close()
    }

    @Test func `a tail that follows gives the store up, and goes on`() async throws {
        let folder = try await TwoProcessTests.prepared()
        let tail = try RunningCommand(["tail", "s", "--follow"], store: folder.path("store"))
        #expect(try await tail.wait { _ in FileManager.default.fileExists(atPath: folder.path("store/owner.sock")) })
        for text in ["one", "two"] {
            try await putFromHere(text, folder)
            #expect(try await tail.wait { $0.output.contains(text + "\n") }, "\(tail.errors)")
        }
        tail.signal(SIGINT)
        #expect(try await tail.end() == 0)
        #expect(tail.output.split(separator: "\n").map { $0.suffix(3) } == ["one", "two"])
    }

    @Test func `a put that waits for input gives the store up, and goes on`() async throws {
        let folder = try await TwoProcessTests.prepared()
        let put = try RunningCommand(["put", "s", "--key", "k", "--json"], store: folder.path("store"))
        try put.type("one\n")
        #expect(try await put.wait { $0.output.contains("\"line\":1") })
        try await putFromHere("from here", folder)
        try put.type("two\n")
        #expect(try await put.wait { $0.output.contains("\"line\":2") }, "\(put.errors)")
        try put.endInput()
        #expect(try await put.end() == 0, "\(put.errors)")
        let end = try await BadInputTests.shardline(["tail", "s", "--json"], folder)
        #expect(end.lines.count == 3)
    }

    @Test func `stream create says where a stream was made otherwise, and leaves it`() async throws {
        let folder = try await TwoProcessTests.prepared(shards: 2)
        var end = try await BadInputTests.shardline(["stream", "create", "s", "--if-not-exists"], folder)
        #expect(end.status == 0 && !end.errors.contains("warning"), "\(end.errors)")
        end = try await BadInputTests.shardline(
            ["stream", "create", "s", "--shards", "4", "--if-not-exists"], folder)
        #expect(end.status == 0)
        #expect(
            end.errors.contains("warning: the stream 's' was created with 2 shards, not 4; it stays as it is"),
            "\(end.errors)")
    }
}

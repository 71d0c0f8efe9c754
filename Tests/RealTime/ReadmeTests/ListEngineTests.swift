import Foundation
import Shardline
import Synchronization
import TestSupport
import Testing

/// An engine with nothing but the public interface carries streams, readers, producers and mappings.
@Suite(.timeLimit(.minutes(2)))
struct ListEngineTests {
    @Test func `a mapping on it delivers in order over a split, halves failing batches, and resumes after a seek`()
        async throws
    {
        let store = ListEngine()
        try await store.createStream("s", shards: 1)
        let stream = store.stream("s")
        try await stream.put(contentsOf: (0..<20).map { NewRecord("\($0)", partitionKey: "k\($0 % 4)") })
        let seal = Seal(stream: "s", parents: [ShardID(0)], children: HashKeyRange.even(2))
        _ = try await store.commit([.seal(seal)])
        try await stream.put(contentsOf: (20..<40).map { NewRecord("\($0)", partitionKey: "k\($0 % 4)") })
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = 0
        let seen = Mutex<[String: [Int]]>([:])
        let mapping = try await EventSourceMapping("m", from: stream, configuration: settings) { batch, _ in
            guard !batch.contains(where: { $0.bytes.elementsEqual("7".utf8) }) else { throw MalformedRecord("seven") }
            for record in batch {
                let value = Int(String(decoding: record.bytes, as: UTF8.self)) ?? -1
                seen.withLock { $0[record.partitionKey, default: []].append(value) }
            }
        }
        try await mapping.run(until: .caughtUp)
        let values = seen.withLock { $0 }
        for key in 0..<4 {
            #expect(values["k\(key)"] == Array(stride(from: key, to: 40, by: 4)).filter { $0 != 7 })
        }
        #expect(mapping.statistics.givenUp == 1)
        var failed: [FailureRecord] = []
        for try await record in store.stream("s.m.failed").records(follow: false) {
            failed.append(try FailureRecord(record))
        }
        #expect(failed.map(\.records.count) == [1])
        #expect(try await mapping.describe().checkpoints.count == 3)
        try await mapping.seek(to: .latest)
        try await mapping.run(until: .caughtUp)
        #expect(mapping.statistics.delivered == 39)
        try await mapping.delete()
        #expect(try await stream.mappings().isEmpty)
    }

    /// As a package of its own would: the name of this package would open what is not public.
    @Test func `it compiles outside the package`() async throws {
        let build = URL(filePath: BuiltProgram.shardline.path).deletingLastPathComponent()
        var maps: [String] = []
        for folder in try FileManager.default.contentsOfDirectory(atPath: build.path) {
            let map = build.appending(path: folder).appending(path: "module.modulemap").path
            if folder.hasSuffix(".build"), FileManager.default.fileExists(atPath: map) { maps.append(map) }
        }
        let sources = Readme.root.appending(path: "Sources")
        for folder in try FileManager.default.contentsOfDirectory(atPath: sources.path) {
            let map = sources.appending(path: folder).appending(path: "module.modulemap").path
            if FileManager.default.fileExists(atPath: map) { maps.append(map) }
        }
        let checkouts = build.appending(path: "../../checkouts/GRDB.swift/Sources/GRDBSQLite/module.modulemap")
        if FileManager.default.fileExists(atPath: checkouts.path) { maps.append(checkouts.path) }
        let options =
            ["swiftc", "-typecheck", "-swift-version", "6", "-I", build.appending(path: "Modules").path]
            + maps.flatMap { ["-Xcc", "-fmodule-map-file=\($0)"] }
        let file = Readme.root.appending(path: "Tests/RealTime/ReadmeTests/ListEngine.swift").path
        let whole = try await BuiltProgram(path: "/usr/bin/env").run(options + [file])
        #expect(whole.status == 0, "\(whole.errors.prefix(2000))")
        // What is not public is not found there.
        let folder = TestDirectory()
        let hidden = folder.path + "/hidden.swift"
        try "import Shardline\nlet change: ParkedKeyChange? = nil\n".write(
            toFile: hidden, atomically: true, encoding: .utf8)
        let refused = try await BuiltProgram(path: "/usr/bin/env").run(options + [hidden])
        #expect(refused.status != 0 && refused.errors.contains("ParkedKeyChange"))
    }
}

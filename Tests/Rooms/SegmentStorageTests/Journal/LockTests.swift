import Foundation
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import SegmentStorage

/// One owner, a directory that can be used, and clear words where it is otherwise.
@Suite(.timeLimit(.minutes(1)))
struct LockTests {
    @Test func `a second owner is told the first one's process`() async throws {
        let directory = TestDirectory()
        let store = try await SegmentStore.open(at: directory.path, logger: silent)
        let error = await expectError(.storeBusy) { try await SegmentStore.open(at: directory.path, logger: silent) }
        #expect(error?.message.contains("process \(ProcessInfo.processInfo.processIdentifier)") == true)
        try await store.close()
        try await store.close()
        let again = try await SegmentStore.open(at: directory.path, logger: silent)
        try await again.close()
    }

    @Test func `a store that was forgotten is given up`() async throws {
        let directory = TestDirectory()
        var store: SegmentStore? = try await SegmentStore.open(at: directory.path, logger: silent)
        try await store?.createStream("s", shards: 1)
        let core = try #require(store?.core)
        store = nil
        await core.closed()
        let again = try await SegmentStore.open(at: directory.path, logger: silent)
        #expect(try await again.listStreams().map(\.name) == ["s"])
        try await again.close()
    }

    @Test func `files are their owner's alone`() async throws {
        let parent = TestDirectory()
        let path = parent.path + "/store"
        let store = try await SegmentStore.open(at: path, logger: silent)
        try await store.createStream("s", shards: 1)
        func mode(_ path: String) throws -> Int? {
            try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        }
        #expect(try mode(path) == 0o700)
        #expect(try mode(path + "/journal") == 0o700)
        for name in try FileManager.default.contentsOfDirectory(atPath: path + "/journal") {
            #expect(try mode(path + "/journal/" + name) == 0o600)
        }
        #expect(try mode(path + "/lock") == 0o600)
        try await store.close()
    }

    /// By hand, or by an earlier version: then also what it had made in it.
    @Test func `a store that others could read is closed to them when it is opened`() async throws {
        let directory = TestDirectory()
        var store = try await SegmentStore.open(at: directory.path, logger: silent)
        try await store.createStream("s", shards: 1)
        try await store.close()
        let outside = directory.path + ".outside"
        try Data("x".utf8).write(to: URL(fileURLWithPath: outside))
        defer { try? FileManager.default.removeItem(atPath: outside) }
        try FileManager.default.createSymbolicLink(
            atPath: directory.path + "/segments/link", withDestinationPath: outside)
        func everything() throws -> [String] {
            try FileManager.default.subpathsOfDirectory(atPath: directory.path).filter { !$0.hasSuffix("link") }
        }
        func change(_ path: String, to mode: Int) throws {
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        }
        func mode(_ path: String) throws -> Int {
            try #require(FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
        }
        for path in try everything() {
            let isFolder = ["journal", "segments", "quarantine"].contains(path)
            try change(directory.path + "/" + path, to: isFolder ? 0o755 : 0o644)
        }
        try change(directory.path, to: 0o755)
        try change(outside, to: 0o644)

        store = try await SegmentStore.open(at: directory.path, logger: silent)
        #expect(try mode(directory.path) == 0o700)
        let paths = try everything()
        #expect(paths.contains("metadata.sqlite") && paths.contains("lock"))
        for path in paths { #expect(try mode(directory.path + "/" + path) & 0o077 == 0, "\(path)") }
        // A link leads out of the store: what is there is not ours.
        #expect(try mode(outside) == 0o644)
        #expect(try await store.listStreams().map(\.name) == ["s"])
        try await store.close()
    }

    /// STORE-P25
    @Test func `a directory that holds something else is refused and left alone`() async throws {
        let directory = TestDirectory()
        try Data("hello".utf8).write(to: URL(fileURLWithPath: directory.path + "/letter.txt"))
        let error = await expectError(.notAccessible) {
            try await SegmentStore.open(at: directory.path, logger: silent)
        }
        #expect(error?.message.contains("letter.txt") == true)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["letter.txt"])
        await expectError(.notAccessible) {
            try await SegmentStore.open(at: directory.path + "/letter.txt", logger: silent)
        }
        let missing = await expectError(.notAccessible) {
            try await SegmentStore.open(at: directory.path + "/none/store", logger: silent)
        }
        #expect(missing?.message.contains("none/store") == true)
    }

    @Test func `settings outside their limits are all named at once`() async throws {
        var configuration = SegmentStore.Configuration()
        configuration.durability = .interval(.zero)
        configuration.journalLimit = 1
        configuration.memtableSize = 2
        configuration.queueSize = 3
        let directory = TestDirectory()
        let error = await expectError(.invalidArgument) {
            try await SegmentStore.open(at: directory.path, configuration: configuration, logger: silent)
        }
        for name in ["interval", "journalLimit", "memtableSize", "queueSize"] {
            #expect(error?.message.contains(name) == true)
        }
    }
}

import DiskAccess
import Foundation
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import OfflineStore
@testable import SegmentStorage

/// A store with a removed shard, jumps of numbers, permanently expired records and control actions, its backup, and the store that is made
/// of the backup: all say what `whole.py` reads of their files, which knows Documentation/Formats and no code of ours.
@Suite(.timeLimit(.minutes(1)))
struct WholeTablesTests {
    private static let fixture = PackageFolder.path("Tests/Rooms/SegmentStorageTests/Fixtures/v2.tar.gz")
    private static let now: Int64 = 1_700_000_300_000

    /// What `whole.py` prints.
    private struct Told: Decodable, Equatable {
        struct Stream: Decodable, Equatable {
            var id: Int
            var name: String
            var retention: Int64
            /// Shards, retention in ms, largest record, 1 for a failure stream.
            var created: [Int64]
            var expired: Int64?
        }
        struct Shard: Decodable, Equatable {
            var key: UInt32
            var stream: Int
            var number: UInt32
            var skipped: [[UInt64]]
            var kept: [UInt64]
        }
        struct Mapping: Decodable, Equatable {
            struct Action: Decodable, Equatable {
                var revision: UInt64
                var time: Int64
                var actor: String
                var reason: String
                var settings: Bool
                var enabled: Bool?
            }
            var stream: Int
            var name: String
            /// As hexadecimal digits.
            var settings: String
            var revision: UInt64
            var enabled: Bool
            /// The settings that the newest claim with other ones brought.
            var brought: String
            var actions: [Action]
            struct Parked: Decodable, Equatable {
                /// By which number the rows know it.
                var shard: UInt32
                var key: String
                /// As hexadecimal digits.
                var value: String
            }
            var parked: [Parked]
        }
        struct Attribute: Decodable, Equatable {
            /// 0 for an account's.
            var stream: Int
            var part: String
            var name: String
            /// As hexadecimal digits.
            var value: String
            var revision: UInt64
        }
        var streams: [Stream]
        var shards: [Shard]
        var mappings: [Mapping]
        var attributes: [Attribute]
        var retired: UInt64?
    }

    private final class Clock: TimeSource {
        var wallTime: Timestamp { Timestamp(milliseconds: WholeTablesTests.now) }
        var monotonicTime: MonotonicTime { MonotonicTime(sinceOrigin: .zero) }
        func sleep(until deadline: MonotonicTime) async throws { try Task.checkCancellation() }
    }

    private func told(_ directory: String) async throws -> Told {
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "whole.py").path
        let end = try await BuiltProgram(path: "/usr/bin/env").run(["python3", script, directory, "\(Self.now)"])
        try #require(end.status == 0, "\(end.errors)")
        return try JSONDecoder().decode(Told.self, from: Data(end.output.utf8))
    }

    /// Opens the store and holds all that it says against what `whole.py` has read.
    private func expectSame(_ directory: String, _ told: Told) async throws {
        let store = try await SegmentStore.open(at: directory, timeSource: Clock(), logger: quiet)
        let names = try await store.listStreams().map(\.name)
        #expect(names == told.streams.map(\.name).sorted())
        for said in told.streams {
            let stream = try await store.describeStream(said.name)
            #expect(stream.retention.wholeMilliseconds == said.retention)
            let settings = stream.initialSettings
            #expect(
                said.created == [
                    Int64(settings.shards), settings.retention.wholeMilliseconds, Int64(settings.maximumRecordSize),
                    settings.isFailureStream ? 1 : 0,
                ])
            let shards = told.shards.filter { $0.stream == said.id }.sorted { $0.number < $1.number }
            #expect(stream.shards.map(\.id.number) == shards.map(\.number))
            for (shard, said) in zip(stream.shards, shards) {
                var found: [UInt64] = []
                var position = SequenceNumber.zero
                while true {
                    let result = try await store.read(
                        ReadRequest(stream: stream.name, shard: shard.id, after: position))
                    found += result.batch.map(\.sequenceNumber.rawValue)
                    guard result.next > position else { break }
                    position = result.next
                }
                #expect(found == said.kept, "\(stream.name) \(shard.id)")
                #expect(shard.recordCount == said.kept.count)
                // Every number after the oldest record is a record's or was jumped over.
                let (first, last) = (shard.trimHorizon.rawValue + 1, shard.tip.rawValue)
                let jumped = said.skipped.filter { $0[0] <= last && $0[1] >= first }.reduce(UInt64(0)) {
                    $0 + min($1[1], last) - max($1[0], first) + 1
                }
                #expect(last + 1 - first == UInt64(said.kept.count) + jumped, "\(stream.name) \(shard.id)")
            }
        }
        for said in told.mappings {
            let stream = try #require(told.streams.first { $0.id == said.stream })
            let key = MappingID(stream: stream.name, name: said.name)
            let mapping = try await store.describeMapping(key)
            #expect(Self.digits(mapping.configuration) == said.settings)
            #expect(mapping.revision == said.revision && mapping.isEnabled == said.enabled)
            let actions = try await store.mappingHistory(key).map {
                Told.Mapping.Action(
                    revision: $0.revision, time: $0.time.milliseconds, actor: $0.actor, reason: $0.reason,
                    settings: $0.changedSettings, enabled: $0.isEnabled)
            }
            #expect(actions == said.actions)
            let numbers = Dictionary(uniqueKeysWithValues: told.shards.map { ($0.key, $0.number) })
            #expect(
                try await store.parkedKeys(ParkedKeyQuery(key)).keys
                    == said.parked.map {
                        StoredParkedKey(
                            shard: ShardID(try #require(numbers[$0.shard])), partitionKey: $0.key,
                            value: Self.bytes($0.value))
                    })
        }
        #expect(try await store.listMappings(of: nil).count == told.mappings.count)
        for said in told.attributes {
            let stream = told.streams.first { $0.id == said.stream }?.name
            let owner: AttributeOwner =
                if let stream { said.part.isEmpty ? .stream(stream) : .consumer(said.part, of: stream) } else {
                    .account(said.part)
                }
            let attribute = try await store.attributes(AttributeQuery(owner)).attributes.first { $0.name == said.name }
            #expect(attribute.map { Self.digits($0.value) } == said.value)
            #expect(attribute?.revision == said.revision)
        }
        try await store.close()
    }

    private static func bytes(_ digits: String) -> [UInt8] {
        stride(from: 0, to: digits.utf8.count, by: 2).compactMap { UInt8(digits.dropFirst($0).prefix(2), radix: 16) }
    }

    private static func digits(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Control actions on the fixture's mappings: more than are kept of one, and one action of a claim.
    private func control(_ directory: String) async throws {
        let store = try await SegmentStore.open(at: directory, timeSource: Clock(), logger: quiet)
        let mappings = try await store.listMappings(of: nil).map(\.key)
        try #require(mappings.count == 2)
        for index in 1...MappingControl.keptActions + 3 {
            try await store.controlMapping(
                MappingControl(
                    mappings[0], expectedRevision: UInt64(index - 1),
                    configuration: index % 3 == 0 ? [UInt8(index)] : nil,
                    isEnabled: index % 2 == 0, actor: "ops \(index)", reason: index % 5 == 0 ? "weil größer" : ""))
        }
        try await store.controlMapping(MappingControl(mappings[1], isEnabled: false, actor: "ops"))
        try await store.changeAttributes(
            [.account("a"), .account(""), .stream(mappings[0].stream), .consumer("c", of: mappings[0].stream)].map {
                AttributeChange($0, "größe", .set([0, 255]))
            })
        let claim = MappingClaim(configuration: [1, 2, 3], owner: "machine 7", lease: .seconds(30))
        let epoch = try await store.claimMapping(mappings[1], with: claim).epoch
        let shard = try #require(try await store.describeStream(mappings[1].stream).shards.last?.id)
        for (key, value) in [("größe", [0, 255]), ("frei", [1]), ("", [2]), ("frei", nil)] as [(String, [UInt8]?)] {
            let change = ParkedKeyChange(
                mapping: mappings[1], shard: shard, partitionKey: key, value: value, epoch: epoch)
            guard case .committed = try await store.commit([.park(change)]) else { return #expect(Bool(false)) }
        }
        try await store.close()
    }

    @Test func `a store, its backup and what is restored of it say what their files say`() async throws {
        let folder = TestDirectory()
        let (path, backup, restored) = (folder.path("store"), folder.path("backup"), folder.path("restored"))
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        let tar = try await BuiltProgram(path: "/usr/bin/env").run(["tar", "-xzf", Self.fixture, "-C", path])
        try #require(tar.status == 0, "\(tar.errors)")
        var told = try await self.told(path)
        #expect(told.retired != nil && told.streams.contains { $0.expired != nil })
        #expect(told.shards.contains { !$0.skipped.isEmpty })
        try await expectSame(path, told)
        #expect(try await self.told(path) == told)
        #expect(told.mappings.count == 2 && told.mappings.allSatisfy { $0.actions.isEmpty })
        try await control(path)
        let before = told
        told = try await self.told(path)
        #expect(told.mappings.map(\.revision) == [UInt64(MappingControl.keptActions) + 3, 2])
        #expect(told.mappings.map(\.actions.count) == [MappingControl.keptActions, 2])
        // Each mapping of the fixture has parked a key.
        let parked = told.mappings.map { $0.parked.map { "\($0.key)=\($0.value)" } }
        #expect(parked == [["k 3=0708"], ["=02", "größe=00ff", "k 3=0708"]])
        #expect(told.mappings.map(\.brought) == [before.mappings[0].brought, "010203"])
        #expect(before.attributes.isEmpty && told.attributes.map(\.value) == Array(repeating: "00ff", count: 4))
        #expect(told.streams == before.streams && told.shards == before.shards)
        try await expectSame(path, told)
        try await SegmentStore.backup(of: path, to: backup, timeSource: Clock())
        #expect(try await self.told(backup + "/store") == told)
        #expect(try await SegmentStore.check(at: backup, timeSource: Clock()).verdict == .whole)
        try await SegmentStore.restore(backup, to: restored, timeSource: Clock(), logger: quiet)
        let again = try await self.told(restored)
        // Its numbers have jumped, and nothing else is different.
        #expect(again.streams == told.streams && again.retired == told.retired)
        #expect(again.mappings == told.mappings && again.attributes == told.attributes)
        #expect(again.shards.map(\.kept) == told.shards.map(\.kept))
        #expect(zip(again.shards, told.shards).allSatisfy { $0.skipped != $1.skipped || $0.kept.isEmpty })
        try await expectSame(restored, again)
    }
}

import Foundation
import Testing

/// Who may import whom (ARCHITECTURE.md has the same table in words).
@Suite struct RoomTests {
    /// Of the package's own modules, those that a room may import: only what stands below it.
    static let rooms: [String: Set<String>] = [
        "DataFormats": [],
        "StreamModel": ["CHash", "CPrefetch"],
        "DiskAccess": ["StreamModel", "CPosix"],
        "StreamStorage": ["StreamModel", "DiskAccess"],
        "SegmentStorage": ["StreamStorage", "StreamModel", "DiskAccess", "CLZ4", "CHash"],
        "OfflineStore": ["SegmentStorage", "StreamStorage", "StreamModel", "DiskAccess"],
        "EventSource": ["StreamStorage", "StreamModel", "DiskAccess", "DataFormats"],
        "OwnerSocket": ["StreamStorage", "StreamModel", "DiskAccess", "CPosix"],
        "KinesisAPI": ["DataFormats", "StreamStorage", "StreamModel", "DiskAccess", "CZlib"],
        "StoreAccess": ["StreamModel", "StreamStorage", "SegmentStorage", "OwnerSocket", "DiskAccess"],
        "Shardline": [
            "StreamModel", "StreamStorage", "SegmentStorage", "OfflineStore", "EventSource", "OwnerSocket",
            "StoreAccess",
            "DiskAccess",
        ],
        "ShardlineTesting": ["Shardline", "StreamModel", "StreamStorage", "EventSource", "DiskAccess"],
        "ThroughputBench": [
            "Shardline", "StreamModel", "StreamStorage", "SegmentStorage", "EventSource", "DiskAccess", "CHash",
        ],
        "KinesisServer": ["KinesisAPI", "StreamStorage", "StreamModel", "DiskAccess"],
        "EndpointBench": [
            "ThroughputBench", "KinesisServer", "KinesisAPI", "DataFormats", "StreamModel", "DiskAccess",
        ],
        "HTTPEndpoint": ["EventSource", "StreamModel", "DiskAccess"],
        "LateRuns": ["Shardline", "CZlib"],
        "LateRunsMain": ["Shardline", "LateRuns"],
        "CarrierDelays": ["Shardline", "LateRuns"],
        "CarrierDelaysMain": ["Shardline", "LateRuns", "CarrierDelays"],
        "CustomerTotals": ["Shardline"],
        "CustomerTotalsMain": ["Shardline", "CustomerTotals"],
        "ShardlineCLI": [
            "Shardline", "LateRuns", "CZlib", "CProcess", "StreamModel", "StreamStorage", "SegmentStorage",
            "OfflineStore", "EventSource", "OwnerSocket", "StoreAccess", "DiskAccess", "ThroughputBench", "DataFormats",
            "KinesisServer", "EndpointBench", "HTTPEndpoint",
        ],
    ]
    /// Modules that only the named rooms may import.
    static let reserved: [String: Set<String>] = [
        "GRDB": ["SegmentStorage", "LateRuns", "LateRunsMain", "CustomerTotals"],
        "ArgumentParser": ["ShardlineCLI"],
        // Spans are of what a program calls, and of invocations.
        "Tracing": ["StreamStorage", "EventSource"],
        "Histogram": ["ThroughputBench"],
        "ServiceLifecycle": ["Shardline", "ShardlineCLI", "LateRunsMain", "KinesisServer"],
        // What listens, and what checks signatures.
        "HummingbirdCore": ["KinesisServer"],
        "HummingbirdTLS": ["KinesisServer"],
        "HTTPTypes": ["KinesisServer"],
        "NIOCore": ["KinesisServer", "EndpointBench", "HTTPEndpoint"],
        "NIOPosix": ["KinesisServer", "HTTPEndpoint"],
        "NIOHTTP2": ["KinesisServer"],
        "NIOSSL": ["KinesisServer", "HTTPEndpoint"],
        "Crypto": ["KinesisServer"],
        "AsyncHTTPClient": ["EndpointBench", "HTTPEndpoint"],
        "Configuration": ["ShardlineCLI"],
        "Dispatch": ["DiskAccess", "OwnerSocket"],
        // Values and decisions stay free of it: it is large, and slow where they are hot.
        "Foundation": [
            "DiskAccess", "SegmentStorage", "OfflineStore", "StreamStorage", "EventSource", "OwnerSocket", "Shardline",
            "ShardlineTesting",
            "LateRuns", "LateRunsMain", "CustomerTotalsMain", "ShardlineCLI",
        ],
    ]

    static func imports(of file: SourceTree.File) throws -> [(module: String, line: Int)] {
        let pattern =
            #/^\s*(?:@\w+(?:\(\w+\))?\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?import\s+(?:(?:struct|class|enum|protocol|func|typealias|var|let)\s+)?(\w+)/#
        return file.code.enumerated().compactMap { number, line in
            line.has("import") ? line.firstMatch(of: pattern).map { (String($0.1), number + 1) } : nil
        }
    }

    @Test func `every room is in the table`() throws {
        let found = Set(try SourceTree.files(below: "Sources", "examples").map(\.target))
        #expect(found.subtracting(Self.rooms.keys) == [])
    }

    @Test func `a room imports only what stands below it`() throws {
        var breaches: [Breach] = []
        var own = Set(Self.rooms.keys)
        for below in Self.rooms.values { own.formUnion(below) }
        for file in try SourceTree.files(below: "Sources", "examples") {
            let allowed = Self.rooms[file.target] ?? []
            for (module, line) in try Self.imports(of: file) {
                if own.contains(module), module != file.target, !allowed.contains(module) {
                    breaches.append(Breach(path: file.path, line: line, what: "imports \(module)"))
                }
                if let users = Self.reserved[module], !users.contains(file.target) {
                    breaches.append(Breach(path: file.path, line: line, what: "imports \(module)"))
                }
            }
        }
        #expect(breaches == [])
    }

    @Test func `the table has no circle`() {
        var settled: Set<String> = ["CHash", "CPrefetch", "CLZ4", "CPosix", "CZlib", "CProcess"]
        var waiting = Self.rooms
        while let next = waiting.first(where: { $0.value.isSubset(of: settled) }) {
            settled.insert(next.key)
            waiting[next.key] = nil
        }
        #expect(waiting.keys.sorted() == [])
    }

    @Test func `the decision core knows neither clocks nor disks nor concurrency`() throws {
        let core = try SourceTree.files(below: "Sources/EventSource").filter { $0.path.contains("/Core/") }
        #expect(!core.isEmpty)
        for file in core {
            let imported = Set(try Self.imports(of: file).map(\.module))
            #expect(imported.isSubset(of: ["StreamModel", "StreamStorage", "DequeModule"]), "\(file.path)")
            #expect(
                try file.breaches(
                    of: [#"\b(async|await|actor [A-Z]\w*|Mutex|Atomic)\b"#], because: "concurrency in the core")
                    == [])
        }
    }

    @Test func `the delivery model does not know the event source`() throws {
        let model = try SourceTree.files(below: "Tests/Support/DeliveryModel")
        #expect(model.reduce(0) { $0 + $1.lines } < 150)
        for file in model { #expect(try Self.imports(of: file).map(\.module).filter { Self.rooms[$0] != nil } == []) }
    }
}

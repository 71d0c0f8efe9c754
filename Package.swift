// swift-tools-version: 6.2
import PackageDescription

let swift: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
    .treatAllWarnings(as: .error),
]

let collections = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let coreMetrics = Target.Dependency.product(name: "CoreMetrics", package: "swift-metrics")
let metricsTestKit = Target.Dependency.product(name: "MetricsTestKit", package: "swift-metrics")
let tracing = Target.Dependency.product(name: "Tracing", package: "swift-distributed-tracing")
let inMemoryTracing = Target.Dependency.product(name: "InMemoryTracing", package: "swift-distributed-tracing")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let sqlite = Target.Dependency.product(name: "GRDBSQLite", package: "GRDB.swift")
let histogram = Target.Dependency.product(
    name: "Histogram", package: "hdrhistogram-swift", condition: .when(traits: ["Tools"]))
let argumentParser = Target.Dependency.product(
    name: "ArgumentParser", package: "swift-argument-parser", condition: .when(traits: ["Tools"]))

/// A product that only the server uses: what it comes from is fetched with the trait alone.
func ofServer(_ product: String, _ package: String) -> Target.Dependency {
    .product(name: product, package: package, condition: .when(traits: ["Server"]))
}
let crypto = ofServer("Crypto", "swift-crypto")
let configuration = ofServer("Configuration", "swift-configuration")
let httpTypes = ofServer("HTTPTypes", "swift-http-types")
let nio = ofServer("NIOCore", "swift-nio")
let httpClient = [
    ofServer("AsyncHTTPClient", "async-http-client"), nio, ofServer("NIOHTTP1", "swift-nio"),
]
/// What listens: HTTP/1.1, HTTP/2 and TLS.
let http = [
    ofServer("HummingbirdCore", "hummingbird"), ofServer("HummingbirdHTTP2", "hummingbird"),
    ofServer("HummingbirdTLS", "hummingbird"), httpTypes, nio, ofServer("NIOPosix", "swift-nio"),
    ofServer("NIOHTTP1", "swift-nio"), ofServer("NIOHTTP2", "swift-nio-http2"),
    ofServer("NIOHTTPTypes", "swift-nio-extras"), ofServer("NIOHTTPTypesHTTP2", "swift-nio-extras"),
    ofServer("NIOSSL", "swift-nio-ssl"),
]

let package = Package(
    name: "shardline",
    products: [
        .library(name: "Shardline", targets: ["Shardline"]),
        .library(name: "ShardlineTesting", targets: ["ShardlineTesting"]),
        .library(name: "KinesisServer", targets: ["KinesisServer"]),
        .executable(name: "shardline", targets: ["ShardlineCLI"]),
    ],
    traits: [
        .trait(name: "Tools", description: "The command line `shardline` and what only it needs."),
        .trait(name: "Server", description: "`KinesisServer`: a store served as Amazon Kinesis. `shardline serve`."),
        .default(enabledTraits: ["Tools"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        // The trait Server.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    ],
    targets: [
        // The targets, from the bottom up: each may import only targets above it in this list.
        .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "CHash"),
        .target(name: "CPrefetch"),
        .target(name: "CPosix"),
        .target(name: "CProcess"),
        // JSON, CBOR and base64, with nothing below.
        .target(name: "DataFormats", swiftSettings: swift),
        .target(name: "StreamModel", dependencies: ["CHash", "CPrefetch"], swiftSettings: swift),
        .target(name: "DiskAccess", dependencies: ["StreamModel", "CPosix", collections], swiftSettings: swift),
        .target(
            name: "StreamStorage", dependencies: ["StreamModel", "DiskAccess", collections, logging, metrics, tracing],
            swiftSettings: swift),
        .target(
            name: "SegmentStorage",
            dependencies: [
                "StreamStorage", "StreamModel", "DiskAccess", "CLZ4", "CHash", collections, logging, metrics, grdb,
                sqlite,
            ],
            swiftSettings: swift),
        // Checks, repairs and restores a store that no process has open, and backs up any.
        .target(
            name: "OfflineStore",
            dependencies: ["SegmentStorage", "StreamStorage", "StreamModel", "DiskAccess", collections, logging],
            swiftSettings: swift),
        .target(
            name: "EventSource",
            dependencies: [
                "DataFormats", "StreamStorage", "StreamModel", "DiskAccess", collections, heap, logging, metrics,
                tracing,
            ],
            swiftSettings: swift),
        .target(
            name: "OwnerSocket",
            dependencies: ["StreamStorage", "StreamModel", "DiskAccess", "CPosix", collections, logging],
            swiftSettings: swift),
        .target(
            name: "StoreAccess",
            dependencies: ["StreamModel", "StreamStorage", "SegmentStorage", "OwnerSocket", "DiskAccess", logging],
            swiftSettings: swift),
        // The operations of the Kinesis API; what speaks HTTP stands above it.
        .target(
            name: "KinesisAPI",
            dependencies: ["DataFormats", "StreamStorage", "StreamModel", "DiskAccess", "CZlib", logging],
            swiftSettings: swift),
        .target(
            name: "Shardline",
            dependencies: [
                "StreamModel", "StreamStorage", "SegmentStorage", "OfflineStore", "EventSource", "OwnerSocket",
                "StoreAccess", "DiskAccess",
                logging, lifecycle,
            ],
            swiftSettings: swift),
        .target(
            name: "ShardlineTesting",
            dependencies: [
                "Shardline", "StreamModel", "StreamStorage", "EventSource", "DiskAccess", collections, logging,
            ],
            swiftSettings: swift),
        // Without the trait Server there is only what needs no HTTP.
        .target(
            name: "KinesisServer",
            dependencies: [
                "KinesisAPI", "StreamStorage", "StreamModel", "DiskAccess", collections, logging, metrics, coreMetrics,
                lifecycle, crypto,
            ] + http,
            swiftSettings: swift),
        .target(
            name: "LateRuns", dependencies: ["Shardline", "CZlib", grdb, logging], path: "examples/LateRuns",
            swiftSettings: swift),
        .executableTarget(
            name: "late-runs", dependencies: ["LateRuns", "Shardline", logging], path: "examples/LateRunsMain",
            swiftSettings: swift),
        .target(
            name: "CarrierDelays", dependencies: ["LateRuns", "Shardline", logging], path: "examples/CarrierDelays",
            swiftSettings: swift),
        .executableTarget(
            name: "carrier-delays", dependencies: ["CarrierDelays", "LateRuns", "Shardline", logging],
            path: "examples/CarrierDelaysMain", swiftSettings: swift),
        .target(
            name: "CustomerTotals", dependencies: ["Shardline", grdb], path: "examples/CustomerTotals",
            swiftSettings: swift),
        .executableTarget(
            name: "customer-totals", dependencies: ["CustomerTotals", "Shardline", logging],
            path: "examples/CustomerTotalsMain", swiftSettings: swift),
        .target(
            name: "ThroughputBench",
            dependencies: [
                "Shardline", "StreamModel", "StreamStorage", "SegmentStorage", "EventSource", "DiskAccess", "CHash",
                logging, histogram,
            ],
            swiftSettings: swift),
        // Without the trait Server it is empty.
        .target(
            name: "EndpointBench",
            dependencies: [
                "ThroughputBench", "KinesisServer", "KinesisAPI", "DataFormats", "StreamModel", "DiskAccess",
            ] + httpClient,
            swiftSettings: swift),
        // Functions and failure destinations behind a URL. Without the trait Server there is only the URL.
        .target(
            name: "HTTPEndpoint",
            dependencies: ["EventSource", "StreamModel", "DiskAccess"] + httpClient + [
                ofServer("NIOPosix", "swift-nio"), ofServer("NIOSSL", "swift-nio-ssl"),
            ],
            swiftSettings: swift),
        .executableTarget(
            name: "ShardlineCLI",
            dependencies: [
                "HTTPEndpoint", "DataFormats", "Shardline", "StreamModel", "StreamStorage", "SegmentStorage",
                "OfflineStore",
                "EventSource", "OwnerSocket", "StoreAccess", "DiskAccess", "ThroughputBench", "EndpointBench",
                "LateRuns", "CZlib", "CProcess", heap, logging, lifecycle, argumentParser, "KinesisServer",
                configuration, metrics,
            ],
            swiftSettings: swift),

        // Shared by several test targets.
        .target(
            name: "TestSupport",
            dependencies: [
                "StreamModel", "StreamStorage", "DiskAccess", "EventSource", "ShardlineTesting", "CHash",
            ],
            path: "Tests/Support/TestSupport", swiftSettings: swift),
        .target(
            name: "TestTraits", dependencies: ["TestSupport"], path: "Tests/Support/TestTraits", swiftSettings: swift),
        // A store that is driven step by step by its caller, for the simulation and to measure single steps.
        .target(
            name: "StoreSteps",
            dependencies: ["SegmentStorage", "StreamStorage", "StreamModel", "DiskAccess", logging],
            path: "Tests/Support/StoreSteps", swiftSettings: swift),
        // A whole process in one thread: the store, producers and mappings on a simulated disk, in an order that is
        // derived from a seed, and the model that judges them.
        .target(
            name: "Simulation",
            dependencies: [
                "StreamModel", "StreamStorage", "SegmentStorage", "StoreSteps", "EventSource", "DiskAccess",
                "ShardlineTesting", "TestSupport", logging,
            ],
            path: "Tests/Support/Simulation", swiftSettings: swift),
        .executableTarget(
            name: "simulate", dependencies: ["Simulation"], path: "Tests/Support/Simulate", swiftSettings: swift),
        // A model of what must be delivered, independent of the event source: its tests compare with it.
        .target(name: "DeliveryModel", path: "Tests/Support/DeliveryModel", swiftSettings: swift),
        // A model of which records filters keep, likewise.
        .target(name: "FilterModel", path: "Tests/Support/FilterModel", swiftSettings: swift),

        .testTarget(
            name: "DataFormatsTests", dependencies: ["DataFormats", "TestSupport"],
            path: "Tests/Rooms/DataFormatsTests", swiftSettings: swift),
        .testTarget(
            name: "StreamModelTests", dependencies: ["StreamModel", "CHash", "TestSupport"],
            path: "Tests/Rooms/StreamModelTests", swiftSettings: swift),
        .testTarget(
            name: "DiskAccessTests", dependencies: ["DiskAccess", "TestSupport"], path: "Tests/Rooms/DiskAccessTests",
            swiftSettings: swift),
        .testTarget(
            name: "StreamStorageTests",
            dependencies: ["StreamStorage", "ShardlineTesting", "TestSupport", inMemoryTracing],
            path: "Tests/Rooms/StreamStorageTests", swiftSettings: swift),
        .testTarget(
            name: "SegmentStorageTests",
            dependencies: [
                "SegmentStorage", "OfflineStore", "StoreSteps", "ShardlineTesting", "TestSupport", "TestTraits", grdb,
                metricsTestKit, logging,
            ],
            path: "Tests/Rooms/SegmentStorageTests", exclude: ["Fixtures"], swiftSettings: swift),
        .testTarget(
            name: "EventSourceTests",
            dependencies: [
                "DataFormats", "EventSource", "SegmentStorage", "DeliveryModel", "FilterModel", "ShardlineTesting",
                "TestSupport", "TestTraits", "CZlib", metricsTestKit, inMemoryTracing,
            ],
            path: "Tests/Rooms/EventSourceTests", swiftSettings: swift),
        .testTarget(
            name: "OwnerSocketTests", dependencies: ["OwnerSocket", "ShardlineTesting", "TestSupport"],
            path: "Tests/Rooms/OwnerSocketTests", swiftSettings: swift),
        .testTarget(
            name: "KinesisAPITests",
            dependencies: [
                "KinesisAPI", "DataFormats", "ShardlineTesting", "StreamStorage", "StreamModel", "TestSupport", logging,
            ],
            path: "Tests/Rooms/KinesisAPITests", swiftSettings: swift),
        .testTarget(
            name: "KinesisServerTests",
            dependencies: [
                "KinesisServer", "KinesisAPI", "ShardlineTesting", "StreamModel", logging, metrics, httpTypes, nio,
                ofServer("NIOEmbedded", "swift-nio"), ofServer("NIOHTTPTypes", "swift-nio-extras"),
            ],
            path: "Tests/Rooms/KinesisServerTests", swiftSettings: swift),
        .testTarget(
            name: "HTTPEndpointTests",
            dependencies: ["HTTPEndpoint", "EventSource", "StreamModel"],
            path: "Tests/Rooms/HTTPEndpointTests", swiftSettings: swift),
        .testTarget(
            name: "StoreAccessTests",
            dependencies: [
                "StoreAccess", "SegmentStorage", "OwnerSocket", "EventSource", "ShardlineTesting", "TestSupport",
                logging,
            ],
            path: "Tests/Rooms/StoreAccessTests", swiftSettings: swift),
        .testTarget(
            name: "StoreContractTests",
            dependencies: ["SegmentStorage", "OfflineStore", "OwnerSocket", "ShardlineTesting", "TestSupport"],
            path: "Tests/WholeSystem/StoreContractTests", swiftSettings: swift),
        .testTarget(
            name: "ShardlineTestingTests",
            dependencies: ["ShardlineTesting", "Shardline", "TestSupport", lifecycle, logging],
            path: "Tests/Rooms/ShardlineTestingTests", swiftSettings: swift),
        .testTarget(
            name: "ShardlineCLITests",
            dependencies: [
                "DataFormats", "ShardlineCLI", "LateRuns", "Shardline", "ShardlineTesting", "EventSource", "DiskAccess",
                "StreamModel", "StreamStorage", "CZlib", "TestSupport", logging, grdb, argumentParser,
            ],
            path: "Tests/Rooms/ShardlineCLITests", swiftSettings: swift),
        .testTarget(
            name: "CommandTests",
            dependencies: [
                "ShardlineCLI", "CustomerTotals", "Shardline", "ShardlineTesting", "EventSource", "DiskAccess",
                "StreamModel",
                "StreamStorage", "CZlib", "TestSupport", logging, lifecycle,
            ],
            path: "Tests/RealTime/CommandTests", swiftSettings: swift),
        // Runs the tests of Tests/RealClients, which are in Python, with the server.
        .testTarget(
            name: "RealClientTests", dependencies: ["ShardlineCLI", "TestSupport"],
            path: "Tests/RealTime/RealClientTests", swiftSettings: swift),
        .testTarget(
            name: "ServerTests", dependencies: ["ShardlineCLI", "TestSupport"], path: "Tests/RealTime/ServerTests",
            swiftSettings: swift),
        .testTarget(
            name: "ThroughputBenchTests",
            dependencies: [
                "ThroughputBench", "SegmentStorage", "StreamStorage", "StreamModel", "EventSource", "DiskAccess",
                "ShardlineTesting", "TestSupport", logging,
            ],
            path: "Tests/RealTime/ThroughputBenchTests", swiftSettings: swift),
        .testTarget(
            name: "EndpointBenchTests",
            dependencies: [
                "EndpointBench", "ThroughputBench", "KinesisServer", "KinesisAPI", "DataFormats", "StreamStorage",
                "StreamModel", "DiskAccess", "ShardlineTesting", "TestSupport", logging,
            ],
            path: "Tests/RealTime/EndpointBenchTests", swiftSettings: swift),
        // The functions that `make fuzz` fuzzes, run on the fuzzing corpus without a fuzzer.
        .testTarget(
            name: "FuzzTests",
            dependencies: [
                "DataFormats", "SegmentStorage", "OfflineStore", "KinesisAPI", "KinesisServer", "OwnerSocket",
                "EventSource", "ShardlineCLI", "CZlib",
                "StreamStorage", "StreamModel", "DiskAccess", "FilterModel", "ShardlineTesting", "TestSupport", "CHash",
                logging,
            ],
            path: "Tests/WholeSystem/FuzzTests", exclude: ["Corpus"], swiftSettings: swift),
        .testTarget(
            name: "DamageTests",
            dependencies: [
                "SegmentStorage", "OfflineStore", "StreamStorage", "StreamModel", "DiskAccess", "TestSupport", logging,
            ],
            path: "Tests/WholeSystem/DamageTests", exclude: ["whole.py"], swiftSettings: swift),
        .testTarget(
            name: "SimulationTests", dependencies: ["Simulation", "StreamModel", "TestSupport", "DiskAccess"],
            path: "Tests/WholeSystem/SimulationTests", swiftSettings: swift),
        .testTarget(
            name: "HouseRulesTests", dependencies: ["TestSupport"], path: "Tests/TestsOfTests/HouseRulesTests",
            swiftSettings: swift),
        // The process that the crash tests kill.
        .executableTarget(
            name: "CrashChild",
            dependencies: [
                "Shardline", "StreamModel", "StreamStorage", "SegmentStorage", "EventSource", "DiskAccess",
                "ShardlineTesting", "TestSupport", "CHash", logging,
            ],
            path: "Tests/Support/CrashChild", swiftSettings: swift),
        .testTarget(
            name: "CrashTests", dependencies: ["CrashChild", "Shardline", "ShardlineCLI", "DiskAccess", "TestSupport"],
            path: "Tests/RealTime/CrashTests", swiftSettings: swift),
        .testTarget(
            name: "ReadmeTests",
            dependencies: [
                "Shardline", "ShardlineTesting", "ShardlineCLI", "TestSupport", logging, lifecycle, grdb,
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            path: "Tests/RealTime/ReadmeTests", swiftSettings: swift),
    ]
)

// Microbenchmarks need the internals of the targets, which only targets of this package see, and a library that users
// should not have to fetch. So they are targets of this package, but only where the variable is 1.
if Context.environment["SHARDLINE_BENCHMARKS"] == "1" {
    package.dependencies.append(.package(url: "https://github.com/ordo-one/benchmark", from: "1.38.0", traits: []))
    package.targets += [
        .executableTarget(
            name: "Pieces",
            dependencies: [
                "DataFormats", "KinesisAPI", "StreamModel", "DiskAccess", "StreamStorage", "SegmentStorage",
                "StoreSteps",
                "EventSource", logging,
                .product(name: "Benchmark", package: "benchmark"),
            ],
            path: "Benchmarks/Pieces", swiftSettings: swift,
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
        .executableTarget(
            name: "AllocationsPerRecord", dependencies: ["Shardline", logging],
            path: "Benchmarks/Allocations/Driver", swiftSettings: swift),
        .executableTarget(
            name: "ParkedKeysBench", dependencies: ["Shardline", "DiskAccess", logging],
            path: "Benchmarks/ParkedKeys", swiftSettings: swift),
    ]
}

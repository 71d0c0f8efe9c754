// swift-tools-version: 6.2
import PackageDescription

// Only what the mutants are of and its tests, so that a mutant is built in seconds. Tests/TestsOfTests/Mutants/run.sh puts this file in
// the place of the package's own in its copy.

let swift: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
]
let collections = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let tracing = Target.Dependency.product(name: "Tracing", package: "swift-distributed-tracing")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")

let package = Package(
    name: "shardline",
    dependencies: [
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.0"),
    ],
    targets: [
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "CHash"),
        .target(name: "CPrefetch"),
        .target(name: "CPosix"),
        .target(name: "DataFormats", swiftSettings: swift),
        .target(name: "StreamModel", dependencies: ["CHash", "CPrefetch"], swiftSettings: swift),
        .target(name: "DiskAccess", dependencies: ["StreamModel", "CPosix", collections], swiftSettings: swift),
        .target(
            name: "StreamStorage", dependencies: ["StreamModel", "DiskAccess", collections, logging, metrics, tracing],
            swiftSettings: swift),
        .target(
            name: "EventSource", dependencies: ["DataFormats", "StreamStorage", "StreamModel", collections],
            path: "Sources/EventSource", sources: ["JSON", "Filter", "Core"], swiftSettings: swift),
        .target(
            name: "TestSupport", dependencies: ["CHash"], path: "Tests/Support/TestSupport",
            sources: ["AggregateEncoder.swift", "Exhaustive.swift", "PackageFolder.swift", "SeededRandom.swift"],
            swiftSettings: swift),
        .target(name: "DeliveryModel", path: "Tests/Support/DeliveryModel", swiftSettings: swift),
        .target(name: "FilterModel", path: "Tests/Support/FilterModel", swiftSettings: swift),
        .testTarget(
            name: "StreamModelTests", dependencies: ["StreamModel", "TestSupport"],
            path: "Tests/Rooms/StreamModelTests", swiftSettings: swift),
        .testTarget(
            name: "EventSourceTests",
            dependencies: [
                "EventSource", "StreamModel", "StreamStorage", "DeliveryModel", "FilterModel", "TestSupport", "CZlib",
            ],
            path: "Tests/Rooms/EventSourceTests", swiftSettings: swift),
    ]
)

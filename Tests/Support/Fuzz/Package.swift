// swift-tools-version: 6.2
import PackageDescription

// What reads bytes that nobody vouches for, and nothing else, built for libFuzzer. Tests/Support/Fuzz/run.sh puts this file
// into a folder of its own, from where links lead to the sources.

let instrumented = "-sanitize=fuzzer,address"
let swift: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
    // The targets look at the insides of the rooms, as tests do.
    .unsafeFlags(["-enable-testing", "-parse-as-library", instrumented]),
]
let clang: [CSetting] = [.unsafeFlags(["-fsanitize=fuzzer-no-link,address"])]
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let tracing = Target.Dependency.product(name: "Tracing", package: "swift-distributed-tracing")
let collections = Target.Dependency.product(name: "DequeModule", package: "swift-collections")

let package = Package(
    name: "shardline",
    dependencies: [
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.0"),
    ],
    targets: [
        .systemLibrary(name: "CLZ4", pkgConfig: "liblz4"),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib"),
        .target(name: "CHash", cSettings: clang),
        .target(name: "CPrefetch", cSettings: clang),
        .target(name: "CPosix", cSettings: clang),
        .target(name: "DataFormats", swiftSettings: swift),
        .target(name: "StreamModel", dependencies: ["CHash", "CPrefetch"], swiftSettings: swift),
        .target(name: "DiskAccess", dependencies: ["StreamModel", "CPosix", collections], swiftSettings: swift),
        .target(
            name: "StreamStorage", dependencies: ["StreamModel", "DiskAccess", collections, logging, tracing],
            sources: ["Engine", "Reading", "Streams"],
            swiftSettings: swift),
        .target(
            name: "SegmentStorage", dependencies: ["StreamStorage", "StreamModel", "DiskAccess", "CLZ4", "CHash"],
            sources: ["Format", "Journal/JournalFileReader.swift"], swiftSettings: swift),
        .target(
            name: "OwnerSocket", dependencies: ["StreamStorage", "StreamModel"], sources: ["Wire"],
            swiftSettings: swift),
        .target(
            name: "EventSource", dependencies: ["DataFormats", "StreamStorage", "StreamModel", collections],
            sources: [
                "Core", "JSON", "Filter", "Function/FunctionResponse.swift", "Destination/FailureRecord.swift",
                "Destination/ParkedRecord.swift", "Destination/ParkedKey+Coding.swift",
            ],
            swiftSettings: swift),
        .target(
            name: "KinesisAPI",
            dependencies: ["DataFormats", "StreamStorage", "StreamModel", "DiskAccess", "CZlib", logging],
            swiftSettings: swift),
        .target(
            name: "ShardlineCLI", dependencies: ["DataFormats", "EventSource", "StreamModel", "DiskAccess", "CZlib"],
            sources: [
                "Input/CSVScanner.swift", "Input/GzipUnpacker.swift", "Input/InputFile.swift", "Input/JSONField.swift",
                "Input/LineSplitter.swift", "Input/PrintedRecord.swift", "Input/RecordReader.swift",
                "Output/DescriptorWriter.swift", "Output/Output.swift", "Failures/ExitStatus.swift",
                "Failures/SystemMessage.swift",
            ], swiftSettings: swift),
        .target(
            name: "KinesisServer", dependencies: ["StreamModel"],
            sources: [
                "Authentication/AmazonDate.swift", "Authentication/CanonicalRequest.swift",
                "Authentication/SignatureParameters.swift",
            ], swiftSettings: swift),
        .target(name: "FilterModel", path: "Tests/Support/FilterModel", swiftSettings: swift),
        .executableTarget(
            name: "Fuzz",
            dependencies: [
                "DataFormats", "SegmentStorage", "OwnerSocket", "EventSource", "KinesisAPI", "ShardlineCLI",
                "KinesisServer", "StreamStorage", "StreamModel", "DiskAccess", "FilterModel", "CHash", "CZlib",
            ],
            path: "Tests",
            sources: [
                "Support/Fuzz/Driver.swift", "Support/Fuzz/Seeds.swift", "WholeSystem/FuzzTests/Targets",
                "Rooms/OwnerSocketTests/Samples.swift", "Rooms/SegmentStorageTests/Journal/EntrySamples.swift",
            ],
            swiftSettings: swift, linkerSettings: [.unsafeFlags([instrumented, "-use-ld=lld"])]),
    ]
)

// swift-tools-version: 6.3
import PackageDescription

// A package of its own, so that users of Shardline never fetch what only benchmarks need.
let package = Package(
    name: "shardline-benchmarks",
    dependencies: [
        .package(name: "shardline", path: "..", traits: []),
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.0", traits: []),
    ],
    targets: [
        .executableTarget(
            name: "Pieces",
            dependencies: [
                .product(name: "Shardline", package: "shardline"),
                .product(name: "ShardlineTesting", package: "shardline"),
                .product(name: "Benchmark", package: "benchmark"),
            ],
            path: "Pieces",
            swiftSettings: [.swiftLanguageMode(.v6)],
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")])
    ]
)

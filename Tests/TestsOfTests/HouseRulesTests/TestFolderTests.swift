import Foundation
import Testing

/// A suite runs beside others or alone by the folder in which it stands (Tests/run.sh), so each folder may hold only what
/// fits.
@Suite struct TestFolderTests {
    /// Targets of these folders run beside one another.
    static let parallel = ["Rooms", "WholeSystem", "TestsOfTests"]
    static let folders = parallel + ["RealTime"]

    /// What belongs into RealTime: child processes, the system's clocks, pauses.
    static let realTime = [
        #"\b(BuiltProgram|SpawnedProcess|ChildProcess|RunningCommand)\b"#, #"\bProcess\(\)"#, #"\bposix_spawn\w*\("#,
        #"\b(fork|vfork|popen|system|execve?)\("#, #"\bSystemTimeSource\b"#,
        #"\b(ContinuousClock|SuspendingClock|DispatchTime|DispatchWallTime)\b"#, #"\b(usleep|nanosleep|sleep)\(\d"#,
        #"\bThread\.sleep\b"#, #"\bTask\.sleep\b"#, #"\basyncAfter\b"#,
    ]

    /// What may stand in the other folders all the same, each with its reason.
    static let exceptions = [
        "Tests/Rooms/SegmentStorageTests/OpenSupport.swift": "the clock of a store whose test is not about time",
        "Tests/Rooms/SegmentStorageTests/Journal/RecoveryTests.swift": "the same",
        "Tests/WholeSystem/FuzzTests/OpenSupport.swift": "the same",
        "Tests/WholeSystem/DamageTests/OpenSupport.swift": "the same",
        "Tests/Rooms/SegmentStorageTests/Store/FixtureTests.swift": "tar unpacks a store, and is waited for",
        "Tests/Rooms/SegmentStorageTests/Store/JumpFixtureTests.swift": "the same",
        "Tests/Rooms/SegmentStorageTests/Store/VersionTwoFixtureTests.swift": "the same",
        "Tests/Rooms/SegmentStorageTests/Store/ClaimFixtureTests.swift": "the same",
        "Tests/Rooms/SegmentStorageTests/Store/VersionThreeFixtureTests.swift": "the same",
        "Tests/WholeSystem/DamageTests/WholeMap.swift": "whole.py reads a store, and is waited for",
        "Tests/WholeSystem/DamageTests/WholeTablesTests.swift": "the same",
    ]

    /// The test targets that a package's manifest names, with the folder of each.
    static func testTargets(_ manifest: String) -> [(name: String, path: String)] {
        manifest.components(separatedBy: ".testTarget(").dropFirst().map { text in
            let name = text.firstMatch(of: #/name: "(\w+)"/#)?.1
            let path = text.firstMatch(of: #/path: "([\w\/]+)"/#)?.1
            return (String(name ?? "?"), String(path ?? "?"))
        }
    }

    /// What is wrong with where test targets stand.
    static func misplaced(_ targets: [(name: String, path: String)], rooms: Set<String>) -> [String] {
        targets.compactMap { target in
            let parts = target.path.split(separator: "/").map(String.init)
            guard parts.count == 3, parts[0] == "Tests", folders.contains(parts[1]), parts[2] == target.name else {
                return "\(target.name) stands in \(target.path)"
            }
            let isRoom = rooms.contains(String(target.name.dropLast("Tests".count)))
            return parts[1] == "Rooms" && !isRoom ? "\(target.name) is named after no room" : nil
        }
    }

    @Test func `every test target stands in a folder that make test runs, and each of a room bears its name`() throws {
        let targets = Self.testTargets(try SourceTree.text("Package.swift"))
        #expect(Self.misplaced(targets, rooms: Set(RoomTests.rooms.keys)) == [])
        let found = try Self.folders.flatMap { folder in
            try FileManager.default.contentsOfDirectory(atPath: SourceTree.root.appending(path: "Tests/\(folder)").path)
                .filter { $0.hasSuffix("Tests") }
        }
        #expect(Set(found) == Set(targets.map(\.name)))
        let script = try SourceTree.text("Tests/run.sh")
        #expect(script.contains("$(targets \(Self.parallel.joined(separator: " ")))"))
        #expect(script.contains("$(targets RealTime | "))
    }

    static func breaches(in files: [SourceTree.File]) throws -> [Breach] {
        try files.filter { file in parallel.contains { file.path.hasPrefix("Tests/\($0)/") } }
            .flatMap { try $0.breaches(of: realTime, because: "a process or real time: Tests/RealTime") }
    }

    @Test func `what runs beside other suites starts no process and needs no clock of the system`() throws {
        let found = try Self.breaches(in: try SourceTree.files(below: "Tests"))
        #expect(found.filter { Self.exceptions[$0.path] == nil } == [])
        #expect(Self.exceptions.keys.filter { path in !found.contains { $0.path == path } } == [], "no longer needed")
    }

    /// What there is once for all tests: a pattern, where it stands, and what to take.
    static let once: [(pattern: String, places: [String], instead: String)] = [
        (#"\bTask\.yield\b"#, [], "RestingExecutor, the sleepers of VirtualTime, or eventually"),
        (#"\b(temporaryDirectory|NSTemporaryDirectory|mkdtemp)\b"#, ["TestDirectory.swift"], "TestDirectory"),
        (
            #":\s*RandomNumberGenerator\b"#, ["SeededRandom.swift", "RowsFuzz.swift", "RecordReaderTests.swift"],
            "SeededRandom"
        ),
        (#"&\*\s*6_364_136_223_846_793_005"#, [], "SeededRandom"),
    ]

    static func doubled(in files: [SourceTree.File]) throws -> [Breach] {
        try once.flatMap { rule in
            try files.filter { file in !rule.places.contains { file.path.hasSuffix("/\($0)") } }
                .flatMap { try $0.breaches(of: [rule.pattern], because: "take \(rule.instead)") }
        }
    }

    @Test func `tests wait for events, and have one directory and one random generator`() throws {
        #expect(try Self.doubled(in: try SourceTree.files(below: "Tests")) == [])
    }

    // MARK: That these tests find what they look for

    private static func file(_ path: String, _ text: String) -> SourceTree.File {
        SourceTree.File(path: path, text: text)
    }

    @Test(arguments: [
        "let end = try await BuiltProgram.shardline.run([])", "let time = SystemTimeSource()", "usleep(1000)",
        "try await Task.sleep(for: .seconds(1))", "let begun = ContinuousClock.now", "let process = Process()",
    ]) func `real time in a room's tests is found`(line: String) throws {
        #expect(try Self.breaches(in: [Self.file("Tests/Rooms/ATests/B.swift", line)]).count == 1)
        #expect(try Self.breaches(in: [Self.file("Tests/RealTime/ATests/B.swift", line)]).isEmpty)
        #expect(try Self.breaches(in: [Self.file("Tests/Rooms/ATests/B.swift", "// \(line)")]).isEmpty)
    }

    @Test func `a target in the wrong place is found`() {
        let manifest = """
            .testTarget(name: "ATests", dependencies: ["A"], path: "Tests/Rooms/ATests"),
            .testTarget(
                name: "BTests", path: "Tests/Rooms/BTests", exclude: ["C"]),
            .testTarget(name: "CTests", dependencies: ["C"], path: "Tests/CTests"),
            .testTarget(name: "DTests"),
            """
        #expect(
            Self.misplaced(Self.testTargets(manifest), rooms: ["A"]) == [
                "BTests is named after no room", "CTests stands in Tests/CTests", "DTests stands in ?",
            ])
    }

    @Test(arguments: [
        "await Task.yield()", "let url = FileManager.default.temporaryDirectory",
        "struct Mine: RandomNumberGenerator {", "state = state &* 6_364_136_223_846_793_005 &+ 1",
    ]) func `a second way is found`(line: String) throws {
        #expect(try Self.doubled(in: [Self.file("Tests/A/B.swift", line)]).count == 1)
    }
}

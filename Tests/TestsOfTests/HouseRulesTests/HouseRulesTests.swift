import Foundation
import Testing

/// The rules of CONTRIBUTING.md that a program can check.
@Suite struct HouseRulesTests {
    /// What may be found where it is otherwise forbidden, each with its reason.
    static func isException(_ path: String, among folders: [String]) -> Bool {
        folders.contains { path.hasPrefix("Sources/\($0)") }
    }

    @Test func `tasks are structured outside the rooms that own threads`() throws {
        let patterns = [
            #"\bTask\s*(<[^>]*>)?\s*(\{|\()"#, #"\bTask\s*\.\s*(detached|sleep|immediate|init)\b"#, #"\bDispatch\w+\b"#,
            #"\bdispatchMain\b"#,
        ]
        let breaches = try SourceTree.files(below: "Sources", "examples")
            .filter { !Self.isException($0.path, among: ["DiskAccess/", "OwnerSocket/"]) }
            .flatMap { try $0.breaches(of: patterns, because: "an unstructured task, a sleep or a queue") }
        #expect(breaches == [])
    }

    /// Where tasks are suspended by hand: a continuation that is resumed twice stops the process, and one that is never
    /// resumed suspends its task forever.
    static func continuations(in files: [SourceTree.File]) throws -> [Breach] {
        let pattern = #"\b(with(Checked|Unsafe)(Throwing)?Continuation|(Checked|Unsafe)Continuation)\b"#
        return try files.filter { $0.path != "Sources/DiskAccess/Waiter.swift" }
            .flatMap { try $0.breaches(of: [pattern], because: "a continuation; Waiter and WaitList suspend tasks") }
    }

    @Test func `tasks are suspended by the waiter alone`() throws {
        #expect(try Self.continuations(in: SourceTree.files(below: "Sources", "examples")) == [])
        for offence in [
            "await withCheckedContinuation { $0.resume() }", "try await withUnsafeThrowingContinuation { keep($0) }",
            "var waiting: [CheckedContinuation<Void, Never>] = []",
        ] {
            let file = SourceTree.File(path: "Sources/EventSource/A.swift", text: offence)
            #expect(try Self.continuations(in: [file]).map(\.line) == [1])
        }
    }

    @Test func `file system calls are made in DiskAccess only`() throws {
        // Names that call a function by itself, not a method of something; and not a declaration.
        let calls = [
            "open", "openat", "creat", "pread", "preadv", "pwrite", "pwritev", "fsync", "fdatasync", "rename",
            "renameat",
            "unlink", "unlinkat", "mkdir", "mkdirat", "mkdtemp", "mkstemp", "rmdir", "ftruncate", "truncate",
            "fallocate",
            "posix_fallocate", "fopen", "opendir", "readdir", "stat", "lstat", "fstat", "statfs", "statvfs", "flock",
            "sync_file_range", "mmap", "realpath", "access",
        ]
        let patterns = [
            #"^(?!.*\bfunc\b).*(?:^|[^\w.])(?:"# + calls.joined(separator: "|") + #")\("#,
            #"\bGlibc\.(?:"# + calls.joined(separator: "|") + #")\("#,
            #"\b(FileManager|FileHandle)\b"#, #"\bcontentsOf(File|URL)?:\s*(URL|url|file|path)"#,
        ]
        let breaches = try SourceTree.files(below: "Sources")
            .filter {
                // The socket's file is bound and removed there; child processes get their pipes there; `put` reads the
                // user's own files and pipes there, which are no part of a store.
                !Self.isException(
                    $0.path,
                    among: [
                        "DiskAccess/", "OwnerSocket/", "ShardlineCLI/ProcessFunction/",
                        "ShardlineCLI/Input/InputFile.swift",
                    ])
            }
            // Without these no such function is in reach, and a name from the list is the room's own.
            .filter { try !Set(RoomTests.imports(of: $0).map(\.module)).isDisjoint(with: ["Glibc", "Foundation"]) }
            .flatMap { try $0.breaches(of: patterns, because: "a file system call") }
        #expect(breaches == [])
    }

    @Test func `nobody takes the difference of two sequence numbers for a count of records`() throws {
        // Within one run or one range numbers are dense; between two places numbers jump, and the store counts.
        let places = [
            "Sources/StreamModel/SequenceNumber.swift", "Sources/StreamModel/RecordRun.swift",
            "Sources/StreamModel/RecordBatch.swift", "Sources/EventSource/Core/Lane/RecordQueue.swift",
            "Sources/EventSource/Core/Shard/ShardProgress+Coding.swift",
            "Sources/SegmentStorage/Read/FlushedSegments.swift", "Sources/SegmentStorage/Format/",
            "Sources/OwnerSocket/Wire/Wire+Streams.swift",
        ]
        let breaches = try SourceTree.files(below: "Sources", "examples")
            .filter { file in !places.contains { file.path.hasPrefix($0) } }
            .flatMap {
                try $0.breaches(
                    of: [
                        #"\.rawValue\s*&?-[^>]"#, #"[^&]-\s*(Int\()?\w[\w.!?]*\.rawValue\b"#,
                        #"\b(Int|UInt64)\([^()]*\b(tip|position|sequenceNumber|checkpoint)\.rawValue\)"#,
                    ],
                    because: "a difference or a count of sequence numbers; StoreEngine.countRecords counts records")
            }
        #expect(breaches == [])
    }

    /// Types whose members say `@inlinable` without effect: the compiler inlines a member in another target only where its
    /// type is public or `@usableFromInline`, and doesn't say so.
    static func inlinableWithoutEffect(in files: [SourceTree.File]) -> [Breach] {
        let type = #/^(\s*)(?:@\w+\s+)*package\s+(?:final\s+)?(?:struct|class|enum|actor)\b/#
        return files.filter { $0.codeText.has("@inlinable") }.flatMap { file in
            file.code.indices.compactMap { number in
                let line = file.code[number]
                guard line.has("package"), let found = line.firstMatch(of: type) else { return nil }
                let above = number > 0 ? file.code[number - 1] : ""
                guard !line.has("@usableFromInline"), !above.has("@usableFromInline") else { return nil }
                let isInlinable = file.code[(number + 1)...].prefix { !$0.hasPrefix(found.1 + "}") }
                    .contains { $0.has("@inlinable") }
                return isInlinable
                    ? Breach(path: file.path, line: number + 1, what: "@inlinable in a type without @usableFromInline")
                    : nil
            }
        }
    }

    @Test func `what is inlinable is in a type that other targets may inline`() throws {
        #expect(try Self.inlinableWithoutEffect(in: SourceTree.files(below: "Sources")) == [])
        let member = "\n    @inlinable package var a: Int { 1 }\n}"
        for (declaration, lines) in [
            ("package struct A {", [1]), ("package final class A {", [1]), ("@usableFromInline package struct A {", []),
            ("@usableFromInline\npackage enum A {", []), ("package struct B {\n}\npublic struct A {", []),
        ] {
            let file = SourceTree.File(path: "Sources/StreamModel/A.swift", text: declaration + member)
            #expect(Self.inlinableWithoutEffect(in: [file]).map(\.line) == lines, "\(declaration)")
        }
    }

    @Test func `every error code is thrown somewhere`() throws {
        let declared = try SourceTree.text("Sources/StreamModel/ShardlineError.swift")
            .matches(of: #/static let (\w+) = Code/#).map { String($0.1) }
        #expect(declared.count > 15)
        let code = try SourceTree.files(below: "Sources").filter { !$0.path.hasSuffix("/ShardlineError.swift") }
            .flatMap { $0.code.flatMap { $0.utf8.filter { $0 != UInt8(ascii: " ") } } }
        #expect(Self.unthrown(declared + ["neverThrown"], in: Data(code)) == ["neverThrown"])
        let only = "throwShardlineError(.made,case.caught:[.listed,error.code==.compared"
        #expect(Self.unthrown(["made", "caught", "listed", "compared"], in: Data(only.utf8)).count == 3)
    }

    /// The codes that no error is made with, in code without spaces: as an argument, or as a value of a decision.
    private static func unthrown(_ codes: [String], in code: Data) -> [String] {
        codes.filter { name in
            var rest = code[...]
            while let place = rest.firstRange(of: Data(".\(name)".utf8)) {
                let before = code[..<place.lowerBound].last.map { Character(Unicode.Scalar($0)) } ?? " "
                let after = code[place.upperBound...].first.map { Character(Unicode.Scalar($0)) } ?? " "
                if "(:?n".contains(before), !after.isLetter, after != ":" { return false }
                rest = code[place.upperBound...]
            }
            return true
        }
    }

    @Test func `child processes are started in one place only`() throws {
        let breaches = try SourceTree.files(below: "Sources", "examples")
            .filter { $0.path != "Sources/ShardlineCLI/ProcessFunction/ChildProcess.swift" }
            .flatMap {
                try $0.breaches(
                    of: [
                        #"\bshardline_(spawn|start_server)\b"#, #"\bposix_spawn\w*\("#, #"\bProcess\(\)"#,
                        #"\b(fork|vfork|popen|system|execve?)\("#,
                    ],
                    because: "a child process")
            }
        #expect(breaches == [])
    }

    /// Dictionaries and sets whose keys may be `String`: its equality is canonical equivalence, that of keys is equality of
    /// bytes (`UTF8Key`). Each with the reason why no text of others is looked up in it.
    static let stringKeys = [
        "Sources/DiskAccess/SelectedFiles.swift": "paths that a backup's manifest names: a look-alike is not in it",
        "Sources/OfflineStore/Check/BackupInspection.swift": "the same",
        "Sources/EventSource/Configuration/Configuration+Validation.swift": "settings by name: our own words",
        "Sources/ShardlineCLI/Demo/DemoSummary.swift": "reasons for closing a batch: our own words",
        "Sources/ShardlineCLI/Output/SettingsTable.swift": "settings by name: our own words",
        "Sources/ShardlineCLI/Commands/StreamDeleteCommand.swift":
            "streams and mappings as the store names them, in ASCII",
        "examples/CarrierDelays/DelaySums.swift": "carriers by their codes in the file, in ASCII",
        "examples/LateRuns/JobReport.swift": "reasons for closing a batch: our own words",
    ]

    @Test func `keys and names of others are looked up by their bytes`() throws {
        // A type that is written out, a set or dictionary that is made of texts, and a comparison of two keys.
        let patterns = [
            #"\[\s*String\s*\??\s*:"#, #"\b(?:Ordered)?Dictionary\s*<\s*String\b"#,
            #"\b(?:Ordered)?Set\s*<\s*String\b"#,
            #"\bSet\(.*(?:\\\.|\$0\.)(?:name|string|partitionKey|key)\b"#,
            #"\bDictionary\((?:grouping|uniqueKeysWithValues|_):.*(?:\\\.|\$0\.)(?:name|partitionKey)\b"#,
            #"artitionKey\)?\s*(?:==|!=|<|>)\s"#, #"(?:==|!=)\s*[\w.$]*artitionKey\b"#,
        ]
        let found = try SourceTree.files(below: "Sources", "examples").flatMap {
            try $0.breaches(of: patterns, because: "String as a key")
        }
        #expect(found.filter { Self.stringKeys[$0.path] == nil } == [])
        #expect(Self.stringKeys.keys.filter { path in !found.contains { $0.path == path } } == [], "no longer needed")
    }

    @Test func `no file is longer than 600 lines`() throws {
        let long = try SourceTree.files(below: "Sources", "Tests", "examples", "Benchmarks").filter { $0.lines > 600 }
        #expect(long.map { "\($0.path): \($0.lines) lines" } == [])
    }

    @Test func `nothing is left to be done later`() throws {
        // Written in parts, or this file would be its own first finding.
        let markers = ["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]
        let patterns = try LinePatterns(markers.map { #"\b"# + $0 + #"\b"# })
        for file in try SourceTree.files(below: "Sources", "Tests", "examples", "Benchmarks") {
            if file.text.hasAny(markers) {
                #expect(try patterns.matches(in: file.text).map(\.line) == [], "\(file.path)")
            }
            #expect(!file.path.hasSuffix("Placeholder.swift"), "\(file.path)")
        }
    }

    @Test func `no warning is silenced and no test is switched off`() throws {
        let breaches = try SourceTree.files(below: "Sources", "Tests", "examples").flatMap {
            try $0.breaches(
                of: [#"\.disabled\("#, #"@unchecked\s+Sendable\s*\{\s*\}"#, #"nonisolated\(unsafe\)\s+static"#],
                because: "something is switched off")
        }
        #expect(breaches == [])
    }

    @Test func `everything public says what it is`() throws {
        // The linter checks this too, but not the members of public protocols' extensions and not every folder.
        let declaration =
            #/^\s*(?:@\w+(?:\([^)]*\))?\s+)*public\s+(?:(?:static|final|mutating|indirect|nonisolated|consuming)\s+)*(?:var|let|func|struct|class|enum|protocol|actor|typealias|init|subscript|macro)\b/#
        var missing: [Breach] = []
        for file in try SourceTree.files(below: "Sources") where file.target != "ShardlineCLI" {
            let lines = file.text.split(separator: "\n", omittingEmptySubsequences: false)
            for (number, line) in lines.enumerated()
            where line.has("public") && line.firstMatch(of: declaration) != nil {
                var above = number - 1
                while above >= 0, lines[above].firstMatch(of: #/^\s*@\w/#) != nil { above -= 1 }
                if above >= 0, lines[above].firstMatch(of: #/^\s*(///|\*/)/#) != nil { continue }
                if Self.repeatsARequirement(line) { continue }
                missing.append(Breach(path: file.path, line: number + 1, what: String(line)))
            }
        }
        #expect(missing == [])
    }

    /// Members that the standard library's protocols demand, which say nothing that the protocol does not say.
    private static func repeatsARequirement(_ line: Substring) -> Bool {
        let names = [
            "var description:", "var debugDescription:", "static func <", "static func ==", "static func +",
            "static func -",
            "func hash(into", "init(from decoder", "func encode(to", "init?(rawValue", "init(rawValue", "let rawValue",
            "var rawValue", "var startIndex", "var endIndex", "subscript(position", "func makeIterator", "func next()",
            "func index(after", "func index(before", "private(set) var count", "var count:", "var errorDescription",
            // Witnesses of TimeSource, StreamStore and Service, which document them.
            "var wallTime", "var monotonicTime", "func sleep(until", "var capabilities", "var timeSource",
            "let timeSource", "func run() async throws", "init(arrayLiteral", "init(stringLiteral",
            "init(integerLiteral",
        ]
        if names.contains(where: { line.contains($0) }) { return true }
        let storeCalls = [
            "createStream(", "listStreams(", "describeStream(", "deleteStream(", "commit(", "read(_", "position(of",
            "countRecords(", "lastRecords(",
            "createMapping(", "listMappings(", "describeMapping(", "claimMapping(", "releaseMapping(", "seekMapping(",
            "deleteMapping(", "mappingStates(", "close()",
        ]
        return storeCalls.contains { line.contains("func \($0)") }
    }
}

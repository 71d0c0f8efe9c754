import Foundation
import Testing

/// Inside a target folders stand on one another in one direction, as targets do (ARCHITECTURE.md says what each is for).
@Suite struct FloorTests {
    /// From the bottom up: what is in a folder may name types of the folders before it, and of its own. "" is the
    /// target's own folder.
    static let floors: [String: [String]] = [
        "SegmentStorage": [
            "Format", "Catalogue", "Metadata", "Segments", "Read", "Memory", "Journal", "Recovery", "Write", "Flush",
            "Maintenance", "Store",
        ],
        "OfflineStore": ["Check", "Repair", "Backup"],
        "EventSource": ["JSON", "Filter", "Core", "Configuration", "Function", "Destination", "Driver"],
        "ShardlineCLI": [
            "Failures", "Arguments", "Output", "Input", "ProcessFunction", "StoreAccess", "Bench", "Demo", "Commands",
            "",
        ],
        "KinesisServer": [
            "Configuration", "Authentication", "Connections", "Operating", "Requests", "Serving",
        ],
        "ThroughputBench": ["Settings", "Workload", "Proof", "Report", "Run"],
        "StreamStorage": ["Engine", "Streams", "Reading", "Producer"],
        "KinesisAPI": [
            "Errors", "Names", "Shapes", "EventStream", "Calls", "State", "Operations", "Subscriptions", "Service",
        ],
        "DataFormats": ["Base64", "JSON", "CBOR", "Document"],
        "StreamModel": [""],
    ]

    /// A Swift file as this test sees it.
    struct Source {
        let path: String
        let folder: String
        let code: [Substring]

        init(path: String, folder: String, code: [Substring]) {
            self.path = path
            self.folder = folder
            self.code = code
        }

        init(_ file: SourceTree.File) {
            let parts = file.path.split(separator: "/")
            self.init(path: file.path, folder: parts.count > 3 ? String(parts[2]) : "", code: file.code)
        }
    }

    /// What a line that declares a type has.
    private static let keywords = ["struct", "class", "enum", "protocol", "actor", "typealias", "extension"]

    /// Where types are declared: by their name, or `Outer.Name` for those in an extension.
    static func declarations(_ files: [Source]) -> [String: Set<String>] {
        let top =
            #/^(?:(?:public|package|private|fileprivate|final|indirect)\s+)*(?:struct|class|enum|protocol|actor|typealias)\s+(\w+)/#
        let nested =
            #/^ {4}(?:(?:public|package|private|fileprivate|final|indirect)\s+)*(?:struct|class|enum|actor|typealias)\s+(\w+)/#
        let extended = #/^(?:(?:public|package)\s+)?extension\s+(\w+)/#
        var found: [String: Set<String>] = [:]
        for file in files {
            var outer: Substring?
            for line in file.code where line.hasAny(keywords) {
                if let match = line.firstMatch(of: top) {
                    found[String(match.1), default: []].insert(file.folder)
                    outer = nil
                } else if let match = line.firstMatch(of: extended) {
                    outer = match.1
                } else if let outer, let match = line.firstMatch(of: nested) {
                    found["\(outer).\(match.1)", default: []].insert(file.folder)
                }
            }
        }
        return found
    }

    /// By folder, the types that are declared in other types: in their folder a name means them first.
    static func nestedNames(_ files: [Source]) -> [String: Set<String>] {
        let nested = #/^ +(?:\w+\s+)*(?:struct|class|enum|actor|typealias)\s+([A-Z]\w*)/#
        var found: [String: Set<String>] = [:]
        for file in files {
            for line in file.code where line.hasAny(keywords) {
                if let match = line.firstMatch(of: nested) { found[file.folder, default: []].insert(String(match.1)) }
            }
        }
        return found
    }

    /// The words of a line that begin with a capital letter and are no member of anything, each with the next one if that
    /// is a member of it: `Outer`, or `Outer.Inner`.
    static func typeNames(_ line: Substring) -> [(name: String, inner: String?)] {
        func isCapital(_ byte: UInt8) -> Bool { (0x41...0x5A).contains(byte) }
        func isWord(_ byte: UInt8) -> Bool {
            isCapital(byte & 0xDF) || (0x30...0x39).contains(byte) || byte == UInt8(ascii: "_") || byte >= 0x80
        }
        let bytes = Array(line.utf8)
        var names: [(String, String?)] = []
        var index = 0
        func word() -> String? {
            guard index < bytes.count, isCapital(bytes[index]) else { return nil }
            let start = index
            while index < bytes.count, isWord(bytes[index]) { index += 1 }
            return String(decoding: bytes[start..<index], as: UTF8.self)
        }
        while index < bytes.count {
            if index == 0 || bytes[index - 1] != UInt8(ascii: "."), let name = word() {
                var inner: String?
                if index < bytes.count, bytes[index] == UInt8(ascii: ".") {
                    index += 1
                    inner = word()
                }
                names.append((name, inner))
            } else if isWord(bytes[index]) {
                while index < bytes.count, isWord(bytes[index]) { index += 1 }
            } else {
                index += 1
            }
        }
        return names
    }

    /// The places that name a type of a folder that is not below theirs.
    static func breaches(_ files: [Source], floors: [String]) -> [Breach] {
        let declared = declarations(files)
        let nested = nestedNames(files)
        let height = Dictionary(uniqueKeysWithValues: floors.enumerated().map { ($1, $0) })
        var breaches: [Breach] = []
        for file in files {
            guard let own = height[file.folder] else {
                breaches.append(
                    Breach(path: file.path, line: 1, what: "the folder '\(file.folder)' is not in the list"))
                continue
            }
            for (number, line) in file.code.enumerated() where !line.contains("extension ") {
                for (name, inner) in typeNames(line) {
                    if inner == nil, nested[file.folder]?.contains(name) == true { continue }
                    let homes = inner.flatMap { declared["\(name).\($0)"] } ?? declared[name]
                    // A name of several folders, of which one may be meant, is private in each or stands below.
                    guard let homes, homes.allSatisfy({ (height[$0] ?? .max) > own }) else { continue }
                    breaches.append(Breach(path: file.path, line: number + 1, what: "\(file.folder) names \(name)"))
                }
            }
        }
        return breaches
    }

    @Test(arguments: FloorTests.floors.keys.sorted())
    func `a folder names only what stands below it`(target: String) throws {
        let files = try SourceTree.files(below: "Sources").filter { $0.target == target }.map(Source.init)
        #expect(!files.isEmpty)
        #expect(Self.breaches(files, floors: Self.floors[target] ?? []) == [])
    }

    @Test func `every target with more than 15 files has its floors in the list`() throws {
        let files = Dictionary(grouping: try SourceTree.files(below: "Sources"), by: \.target)
        let large = files.filter { $0.value.count > 15 }.keys
        #expect(Set(large).subtracting(Self.floors.keys) == [])
    }

    @Test func `a type of a higher floor, or a folder that is not listed, is found`() {
        func file(_ folder: String, _ code: String) -> Source {
            Source(path: "\(folder)/File.swift", folder: folder, code: code.split(separator: "\n"))
        }
        let low = file("Low", "struct Value {}\nextension Tower {\n    struct Setting {}\n}")
        let high = file("High", "final class Tower {\n    var value: Value\n}")
        #expect(Self.breaches([low, high], floors: ["Low", "High"]) == [])
        let nested = file("Low", "let setting: Tower.Setting?")
        #expect(Self.breaches([low, high, nested], floors: ["Low", "High"]) == [])
        let offence = file("Low", "func raise(_ tower: Tower) {}")
        #expect(Self.breaches([low, high, offence], floors: ["Low", "High"]).map(\.what) == ["Low names Tower"])
        let names = Self.typeNames("let a: [Outer.Inner] = B(.Case, c.D, E_1.f, gH, IJ.K.L)")
        #expect(names.map { $0.name } == ["Outer", "B", "E_1", "IJ"])
        #expect(names.map { $0.inner } == ["Inner", nil, nil, "K"])
        let stranger = file("Elsewhere", "struct Other {}")
        #expect(
            Self.breaches([stranger], floors: ["Low"]).map(\.what) == ["the folder 'Elsewhere' is not in the list"])
    }
}

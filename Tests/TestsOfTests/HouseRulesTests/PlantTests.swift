import Foundation
import Testing

/// What `make planted-bugs` and `make mutants` change in the sources is there to be changed. A change of the sources that
/// moves such a place changes the list with it.
@Suite struct PlantTests {
    /// A text that a list replaces, and the file that must hold it exactly once.
    struct Place: Equatable {
        let name: String
        let path: String
        let text: String
    }

    /// The places of Tests/TestsOfTests/PlantedBugs/bugs.txt: a name, then a file and its texts, and so on.
    static func plantedBugs(_ list: String) -> [Place] {
        blocks(list).flatMap { lines in
            var path = ""
            return lines.dropFirst().compactMap { line in
                if line.hasPrefix("- ") { return Place(name: String(lines[0]), path: path, text: text(line)) }
                if !line.hasPrefix("+") { path = "Sources/\(line)" }
                return nil
            }
        }
    }

    /// The places of Tests/TestsOfTests/Mutants/mutants.txt: a rule and a file, then one text.
    static func mutants(_ list: String) -> [Place] {
        blocks(list).flatMap { lines in
            let head = lines[0].split(separator: " ")
            return lines.filter { $0.hasPrefix("- ") }.map {
                let file = String(head.last ?? "")
                let isWhole = ["StreamModel/", "DataFormats/"].contains { file.hasPrefix($0) }
                let folder = isWhole ? "Sources" : "Sources/EventSource"
                return Place(name: String(lines[0]), path: "\(folder)/\(file)", text: text($0))
            }
        }
    }

    /// The lines of a list of planted bugs that are neither a name, nor a file, nor a text with its replacement: two bugs
    /// that run into each other are one to a program that reads them.
    static func malformed(_ list: String) -> [String] {
        blocks(list).flatMap { lines in
            lines.indices.dropFirst().compactMap { index in
                let line = lines[index]
                let isText = line.hasPrefix("- ") && index + 1 < lines.count && lines[index + 1].hasPrefix("+")
                let isReplacement = line.hasPrefix("+") && lines[index - 1].hasPrefix("- ")
                return isText || isReplacement || line.hasSuffix(".swift") ? nil : "\(lines[0]): '\(line)'"
            }
        }
    }

    private static func blocks(_ list: String) -> [[Substring]] {
        list.split(separator: "\n", omittingEmptySubsequences: false).split(separator: "")
            .map { $0.filter { !$0.hasPrefix("#") } }.filter { !$0.isEmpty }
    }

    private static func text(_ line: Substring) -> String {
        String(line.dropFirst(2)).replacing("\\n", with: "\n")
    }

    /// What is wrong with a place, given its file's text; nil: nothing.
    static func fault(of place: Place, in source: String?) -> String? {
        guard let source else { return "\(place.name): there is no file \(place.path)" }
        let count = source.ranges(of: place.text).count
        return count == 1 ? nil : "\(place.name): found \(count) times in \(place.path): \(place.text)"
    }

    @Test(arguments: ["Tests/TestsOfTests/PlantedBugs/bugs.txt", "Tests/TestsOfTests/Mutants/mutants.txt"])
    func `every text that is replaced is in its file once`(list: String) throws {
        let text = try SourceTree.text(list)
        let places = list.contains("bugs") ? Self.plantedBugs(text) : Self.mutants(text)
        #expect(places.count >= 40)
        if list.contains("bugs") { #expect(Self.malformed(text) == []) }
        #expect(places.compactMap { Self.fault(of: $0, in: try? SourceTree.text($0.path)) } == [])
    }

    @Test func `a text that is gone, or a file that was moved, is found`() {
        let place = Self.plantedBugs("# of this list\n\na bug\nA/B.swift\n- first\\nsecond\n+ third\n")
        #expect(place == [Place(name: "a bug", path: "Sources/A/B.swift", text: "first\nsecond")])
        #expect(Self.fault(of: place[0], in: "first\nsecond") == nil)
        #expect(Self.fault(of: place[0], in: "first\nsecond\nfirst\nsecond") != nil)
        #expect(Self.fault(of: place[0], in: "first") != nil)
        #expect(Self.fault(of: place[0], in: nil) != nil)
        #expect(Self.malformed("a bug\nA.swift\n- first\n+ second\n\nanother\nA.swift\n- first\n+ second\n") == [])
        #expect(Self.malformed("a bug\nA.swift\n- first\n+ second\nanother\nA.swift\n- first\n+\n").count == 1)
        #expect(Self.malformed("a bug\nA.swift\n- first\n").count == 1)
        let mutant = Self.mutants("ESM-B1 Core/C.swift\n- old\n+ new\n")
        let other = Self.mutants("API-K-4 StreamModel/C.swift\n- old\n+ new\n")
        #expect(other.map(\.path) == ["Sources/StreamModel/C.swift"])
        #expect(
            Self.mutants("ESM-F20 DataFormats/JSON/C.swift\n- old\n+ new\n").map(\.path)
                == ["Sources/DataFormats/JSON/C.swift"])
        #expect(mutant == [Place(name: "ESM-B1 Core/C.swift", path: "Sources/EventSource/Core/C.swift", text: "old")])
    }
}
